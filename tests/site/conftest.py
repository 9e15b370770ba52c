"""One server for all tests of the site."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.site import book, live

sys.path.append(str(book.ROOT / "_ext"))  # some tests call a function of the extensions
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The address at which the built book is served, ending in a slash."""
    if wrong := book.what_is_wrong_with_the_build():
        pytest.fail(wrong, pytrace=False)
    with book.served() as address:
        yield address


@dataclass
class Visit:
    """A page of the book in the browser, and what went wrong while it loaded."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    name: str = ""

    def open(self, name: str) -> Page:
        """Open a page of the book and wait until it is there."""
        path = name if ".html" in name else f"{name}.html"
        self.page.goto(self.address + path, wait_until="load")
        return self.page


def visit(context: BrowserContext, address: str) -> Visit:
    """A new tab that lets nothing through to another host, and writes down what asked."""
    tab = Visit(context.new_page(), address)
    host = address.split("/")[2]

    def guard(route: Route) -> None:
        if route.request.url.split("/")[2] == host:
            route.continue_()
        else:
            tab.strangers.append(route.request.url)
            route.abort()

    tab.page.route(lambda url: url.startswith("http"), guard)
    tab.page.on("console", lambda m: m.type == "error" and tab.complaints.append(m.text))
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.page.on(
        "response", lambda r: r.status >= 400 and tab.complaints.append(f"{r.status} for {r.url}")
    )
    return tab


@contextmanager
def visited(name: str, browser: Browser, address: str) -> Iterator[Visit]:
    """A page of the book, open at desktop width."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    tab = visit(context, address)
    tab.name = name
    tab.open(name)
    yield tab
    context.close()


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Visit]:
    """A fresh tab at desktop width."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    yield visit(context, address)
    context.close()


@pytest.fixture(scope="module", params=book.pages())
def opened(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Visit]:
    """Each page of the book in turn, opened once for all tests of a module."""
    with visited(request.param, browser, address) as tab:
        yield tab


@pytest.fixture(scope="module", params=book.notebooks())
def chapter(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Visit]:
    """Each chapter in turn, opened once for all tests of a module, its folds closed."""
    with visited(request.param, browser, address) as tab:
        yield tab


@pytest.fixture(scope="module")
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """The page of the live model that a module names in `NAME`, with the model running.

    A module whose model moves by itself asks for less with `MOTION = "reduce"`.
    """
    motion = getattr(request.module, "MOTION", "no-preference")
    context = browser.new_context(viewport=WIDE, reduced_motion=motion)
    tab = visit(context, address)
    tab.open(live.PAGES[request.module.NAME])
    live.run_here(tab.page, request.module.NAME)
    yield tab.page
    context.close()
