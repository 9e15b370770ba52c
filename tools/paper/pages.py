"""The pages of the built site, taken out of it for paper.

Each page is opened in the browser, in its style for print, so that what a script or a style sheet
does there is done here, too. Links between pages stay links between pages: `Page.relink` writes
them as a document needs them.
"""

from __future__ import annotations

import copy
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import yaml
from lxml import etree
from playwright.sync_api import Browser, sync_playwright

from tools import book
from tools.chromium import ARGUMENTS, find_chromium

BUILT = book.ROOT / "_build" / "html"
GATHER = Path(__file__).with_name("gather.js").read_text(encoding="utf-8")
XHTML = "{http://www.w3.org/1999/xhtml}"
# Pages that are of use on the site only.
NOT_ON_PAPER = {"downloads", "status"}


class NotBuiltError(RuntimeError):
    """There is no built site, or a page is missing in it; the message says what to do."""


@dataclass
class Page:
    """A page of the book.

    Attributes:
        name: as in `_toc.yml`, such as `chapters/cnn/lenet`.
        depth: 0 for a part or a page of its own, 1 for a chapter in a part.
        title: the text of its heading, with its number.
        article: what is on it, as XHTML. Links and images have absolute addresses.
        site: the address of the folder that the page was read from, ending in a slash.
        published: the address at which the book is published, ending in a slash.
        sheets: the addresses of the style sheets of the site.
    """

    name: str
    depth: int
    title: str
    article: Any
    site: str
    published: str
    sheets: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """A short name without a slash, which no other page has."""
        return self.name.removeprefix("chapters/").replace("/", "-")

    @property
    def ids(self) -> set[str]:
        """What on it can be linked to."""
        return set(self.article.xpath(".//@id"))

    @property
    def sections(self) -> list[tuple[str, str]]:
        """The anchors and titles of its sections."""
        headings = self.article.iter(f"{XHTML}h2")
        found = ((heading.getparent().get("id"), text_of(heading)) for heading in headings)
        return [(anchor, title) for anchor, title in found if anchor]

    def copy(self) -> Page:
        """The same page, to be changed alone."""
        return replace(self, article=copy.deepcopy(self.article))

    def relink(self, pages: list[Page], address: Callable[[Page, str], str]) -> None:
        """Let the links of this page lead into a document, or to the published book.

        Args:
            pages: those of the document.
            address: what a link to a page and an anchor on it (or "") is to be.
        """
        there = {page.name: (page, page.ids) for page in pages}
        for link in self.article.iter(f"{XHTML}a"):
            whole, anchor = urldefrag(link.get("href", ""))
            if not whole.startswith(self.site):
                continue
            path = unquote(whole.removeprefix(self.site))
            name = path.removesuffix(".html")
            if name in there:
                page, ids = there[name]
                link.set("href", address(page, anchor if anchor in ids else ""))
            else:
                link.set("href", self.published + link.get("href").removeprefix(self.site))


def text_of(element: Any) -> str:
    """The words of an element, in one line."""
    return re.sub(r"\s+", " ", "".join(element.itertext())).strip()


def about() -> str:
    """The book in a sentence, from its front page."""
    text = (book.ROOT / "intro.md").read_text(encoding="utf-8")
    found = re.search(r"^description: (.+)$", text, re.M)
    if found is None:
        raise ValueError("intro.md has no line `description: ...` at its head")
    return found[1]


def written() -> datetime:
    """When the book was last changed: `$SOURCE_DATE_EPOCH`, or its last commit."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds is None:
        command = ["git", "log", "-1", "--format=%ct"]
        done = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True, check=False)
        seconds = done.stdout.strip() or "946684800"  # no repository: 2000
    return datetime.fromtimestamp(int(seconds), UTC)


def names(root: Path = book.ROOT) -> list[tuple[str, int]]:
    """The names of the pages for paper and their depth, in reading order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))

    def walk(entries: list[dict[str, Any]], depth: int) -> Iterator[tuple[str, int]]:
        for entry in entries:
            yield entry["file"], depth
            yield from walk(entry.get("sections", []), depth + 1)

    found = [(toc["root"], 0)]
    for part in toc["parts"]:
        found += walk(part["chapters"], 0)
    return [(name, depth) for name, depth in found if name not in NOT_ON_PAPER]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser.

    Raises:
        NoChromiumError: there is none; the message says how to install it.
    """
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield running
        running.close()


def gather(browser: Browser, only: list[str] | None = None, built: Path = BUILT) -> list[Page]:
    """Take the pages out of the built site.

    Args:
        browser: Chromium.
        only: the names of some pages, for a part of the book.
        built: the folder of the site.

    Raises:
        NotBuiltError: a page is not there.
    """
    site = built.resolve().as_uri() + "/"
    context = browser.new_context(color_scheme="light", viewport={"width": 700, "height": 1000})
    tab = context.new_page()
    tab.route(lambda address: address.startswith("http"), lambda route: route.abort())
    tab.emulate_media(media="print")
    pages = []
    for name, depth in names():
        if only is not None and name not in only:
            continue
        if not (built / f"{name}.html").is_file():
            raise NotBuiltError(f"{built / name}.html is not there: make book")
        tab.goto(urljoin(site, f"{name}.html"), wait_until="load")
        found = tab.evaluate(GATHER)
        article = etree.fromstring(found["article"])
        published = found["address"].removesuffix(f"{name}.html")
        title = text_of(article.find(f".//{XHTML}h1"))
        pages.append(Page(name, depth, title, article, site, published, found["sheets"]))
    context.close()
    return pages
