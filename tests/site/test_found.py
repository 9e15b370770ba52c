"""The book is found, and a link to it shown well: titles, previews, structured data, the map."""

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from urllib.parse import urlsplit

import pytest
import yaml
from PIL import Image

from tests.site import book

WRITTEN = [page for page in book.pages() if page not in {"genindex", "py-modindex", "search"}]
ROOT = book.pages()[0]
CLAIMS = yaml.safe_load((book.ROOT / "chapters" / "claims.yml").read_text(encoding="utf-8"))


def head(page: str) -> str:
    return (book.BUILT / f"{page}.html").read_text(encoding="utf-8").split("</head>")[0]


def properties(page: str) -> dict[str, str]:
    """What the page says to those who show a preview of a link to it."""
    return dict(re.findall(r'<meta property="og:([\w:]+)" content="([^"]*)"', head(page)))


def address_of(page: str) -> str:
    (address,) = re.findall(r'<link rel="canonical" href="([^"]+)"', head(page))
    return address


def file_at(address: str) -> str:
    """The built file that will be at a published address."""
    path = urlsplit(address).path
    assert path.startswith(book.published_path())
    return path.removeprefix(book.published_path())


@pytest.mark.parametrize("name", WRITTEN)
def test_a_preview_has_a_picture_that_is_there(name: str) -> None:
    said = properties(name)
    assert said["url"] == address_of(name)
    picture = Image.open(book.BUILT / file_at(said["image"]))
    assert picture.size == (int(said["image:width"]), int(said["image:height"])) == (1200, 630)
    assert said["title"] in said["image:alt"]


def test_the_picture_of_a_chapter_counts_its_verdicts() -> None:
    (page,) = (page for page in book.notebooks() if page.endswith("/lenet"))
    verdicts = Counter(claim["verdict"] for claim in CLAIMS if f"chapters/{claim['page']}" == page)
    shown = properties(page)["image:alt"].partition("On trial: ")[2]
    counted = {word[:6]: int(number) for number, word in re.findall(r"(\d+) (\w+)", shown)}
    assert counted == {key[:6]: number for key, number in verdicts.items()}


@pytest.mark.parametrize("name", WRITTEN)
def test_structured_data_says_what_the_page_is(name: str) -> None:
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', head(name))
    data = json.loads(text)
    assert data["url"] == address_of(name)
    front = data if name == ROOT else data["isPartOf"]
    assert front["@type"] == "Book" and front["name"] == book.settings()["title"]
    assert front["@id"] == address_of(ROOT)
    assert len(data["description"]) > 40


def test_titles_are_different_and_say_the_name_once() -> None:
    titles = [re.findall(r"<title>(.*?)</title>", head(page))[0] for page in WRITTEN]
    assert len(set(titles)) == len(titles)
    assert all(title.count(book.settings()["title"]) == 1 for title in titles)


def test_the_bare_address_leads_to_the_front_page() -> None:
    text = (book.BUILT / "index.html").read_text(encoding="utf-8")
    assert f'<link rel="canonical" href="{address_of(ROOT)}">' in text
    assert f"<title>{book.settings()['title']}</title>" in text
    assert f'<a href="{ROOT}.html">' in text


def test_the_map_lists_all_pages() -> None:
    tree = ET.parse(book.BUILT / "sitemap.xml")
    listed = {node.text for node in tree.iter() if node.tag.endswith("}loc")}
    assert listed == {address_of(page) for page in WRITTEN}
    robots = (book.BUILT / "robots.txt").read_text(encoding="utf-8")
    (address,) = re.findall(r"^Sitemap: (\S+)$", robots, re.M)
    assert file_at(address) == "sitemap.xml"
