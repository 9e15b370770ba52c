"""Every link of the built book leads somewhere: read from the files, without a browser."""

import posixpath
from collections import Counter
from urllib.parse import unquote, urlsplit

import pytest

from tests.site import book

OWN = book.pages()


@pytest.fixture(autouse=True)
def _built() -> None:
    if wrong := book.what_is_wrong_with_the_build():
        pytest.fail(wrong, pytrace=False)


def dead(page: str, link: str) -> str | None:
    """Why a link on a page leads nowhere, or None."""
    parts = urlsplit(link)
    if parts.scheme in {"http", "https", "mailto", "data"}:
        return None
    path = unquote(parts.path)
    here = posixpath.dirname(page)
    target = posixpath.normpath(posixpath.join(here, path)) if path else f"{page}.html"
    if target.startswith(".."):
        return "leaves the book"
    if not (book.BUILT / target).is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if anchor and target.endswith(".html"):
        known = book.document(target.removesuffix(".html")).ids
        if anchor not in known and anchor not in {"", "top"}:
            return "no such anchor"
    return None


@pytest.mark.parametrize("page", OWN)
def test_internal_links_and_anchors_resolve(page: str) -> None:
    links = set(book.document(page).links)
    assert links
    broken = {link: why for link in links if (why := dead(page, link))}
    assert broken == {}


@pytest.mark.parametrize("page", OWN)
def test_resources_are_served_from_the_book(page: str) -> None:
    resources = book.document(page).resources
    assert resources
    elsewhere = [r for r in resources if urlsplit(r).netloc]
    assert elsewhere == []
    assert {r: why for r in resources if (why := dead(page, r))} == {}


@pytest.mark.parametrize("page", OWN)
def test_anchors_are_unique(page: str) -> None:
    # The theme draws its side bar's controls twice; only what the book writes is held to this.
    text = (book.BUILT / f"{page}.html").read_text(encoding="utf-8")
    article = book.Document()
    article.feed(text[text.find("<article") : text.find("</article>")])
    assert {name: n for name, n in Counter(article.ids).items() if n > 1} == {}


def test_addresses_follow_from_the_one_setting() -> None:
    repository = book.settings()["repository"]
    address, branch = repository["url"], repository["branch"]
    owner_and_name = urlsplit(address).path.strip("/")
    assert book.notebooks()
    for page in book.notebooks():
        links = book.document(page).links
        colab = "https://colab.research.google.com/github/"
        assert f"{colab}{owner_and_name}/blob/{branch}/{page}.ipynb" in links
        assert f"{address}/edit/{branch}/{page}.ipynb" in links
        assert any(link.endswith(f"_sources/{page}.ipynb") for link in links)


def test_the_page_for_missing_pages_leads_home() -> None:
    home = book.published_path()
    links = book.document("404").links
    assert links
    for link in links:
        assert link.startswith(home)
        assert (book.BUILT / (link.removeprefix(home) or "index.html")).is_file()
