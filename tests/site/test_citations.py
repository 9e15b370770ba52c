"""Citations show their reference and lead to the page's own list, which leads to the full one."""

import re

import pytest
import yaml
from playwright.sync_api import expect

from tests.notebooks.conventions import text_of
from tests.site import book
from tests.site.conftest import Visit
from tests.site.test_terms import article_of
from tools.book import read

CLAIMS = yaml.safe_load((book.ROOT / "chapters" / "claims.yml").read_text(encoding="utf-8"))
KNOWN = set(
    re.findall(r"^@\w+\{([^,\s]+),", (book.ROOT / "references.bib").read_text("utf-8"), re.M)
)


def sources_of(name: str) -> set[str]:
    """What a notebook cites, and the sources of its claims that have an entry."""
    notebook = read(book.ROOT / f"{name}.ipynb")
    captions = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in notebook.cells]
    text = text_of(notebook) + " ".join(figure.get("caption", "") for figure in captions)
    cited = {key for keys in re.findall(r"\{cite:\w\}`([^`]+)`", text) for key in keys.split(",")}
    said = {claim["source"] for claim in CLAIMS if f"chapters/{claim['page']}" == name}
    return cited | (said & KNOWN)


@pytest.mark.parametrize("name", book.notebooks())
def test_a_page_lists_what_it_cites(address: str, name: str) -> None:
    assert address
    page = article_of(name)
    section = page.select("article section > section")[-1]
    assert section.h2.text.startswith("References of this page")
    items = section.select("ul.references > li")
    assert section.summary.text == f"{len(items)} works"
    assert {item["id"] for item in items} == {f"cited-{key}" for key in sources_of(name)}
    full = article_of("references")
    for item in items:
        # The label leads to the entry of the full list, which says the same.
        label = item.a
        assert re.search(r", \d{4}[a-z]?$", label.text)
        there, _, anchor = str(label["href"]).partition("#")
        assert there == "../../references.html"
        entry = full.find(id=anchor).p.text
        assert item.text == f"{label.text}: {entry}"
    cited = page.select("article a.note-link.cited")
    assert cited
    for link in cited:
        target = str(link["href"]).removeprefix("#")
        assert link["aria-describedby"] == target
        (item,) = [item for item in items if item["id"] == target]
        # "Vaswani et al., 2017", or in a sentence "Vaswani et al. [2017]"
        assert link.text in item.a.text or item.a.text.endswith(link.text)
    left = page.select("article p a[href*='references.html#']")
    assert left == [], "a citation that leaves the page"


def test_a_citation_shows_its_reference(tab: Visit) -> None:
    page = tab.open("chapters/attention/transformer")
    link = page.locator(".note-link.cited[href='#cited-vaswani2017']").first
    link.hover()
    box = page.locator(".note-box")
    expect(box).to_contain_text("Attention is all you need")
    expect(box.get_by_role("link").last).to_have_attribute("href", re.compile("^https://"))
    link.click()
    expect(page.locator("#cited-vaswani2017")).to_be_in_viewport()
    expect(box).to_have_count(0)
    page.locator("#cited-vaswani2017").get_by_role("link", name="Vaswani").click()
    page.wait_for_url("**/references.html#*")
    expect(page.locator(".citation:target")).to_contain_text("Attention is all you need")
