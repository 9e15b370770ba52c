"""Live models: in the browser they compute what PyTorch computes, and everybody can use them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, expect

from tests.site import book
from tests.site.conftest import PHONE, Visit, visit
from tests.site.live import FILES, FORWARD, PAGES, TOLERANCE, content, run_here
from tests.site.test_accessibility import EVERYWHERE, RUN, wear

# Elements that reach beyond the frame, or hide a part of what they hold.
STICKING_OUT = """() => [...document.querySelectorAll(".live")].flatMap((place) => {
  const edge = place.getBoundingClientRect().right + 1;
  return [...place.querySelectorAll(":not(input, textarea)")].filter((element) =>
      element.getBoundingClientRect().right > edge
      || (element.clientWidth && element.scrollWidth > element.clientWidth + 1))
    .map((element) => element.outerHTML.slice(0, 120));
})"""


@pytest.fixture(scope="module", params=sorted(FILES))
def live(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Visit]:
    """Each model running on its page."""
    context = browser.new_context(viewport=PHONE, reduced_motion="reduce")
    tab = visit(context, address)
    tab.name = request.param
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.open(PAGES[tab.name])
    assert not [url for url in asked if "/live/" in url], "what the model needs comes unasked"
    run_here(tab.page, tab.name)
    assert [url for url in asked if f"/live/weights/{tab.name}.js" in url]
    yield tab
    context.close()


def test_all_are_on_a_page() -> None:
    assert sorted(PAGES) == sorted(FILES)
    assert FILES


def test_browser_and_pytorch_agree(live: Visit) -> None:
    checks = content(live.name)["check"]
    assert checks
    for given, wanted in checks:
        found = live.page.evaluate(FORWARD, [live.name, given])
        for key, values in wanted.items():
            np.testing.assert_allclose(found[key], values, atol=TOLERANCE, rtol=0, err_msg=key)


def test_nothing_is_wrong(live: Visit) -> None:
    assert not live.complaints
    assert not live.strangers


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(live: Visit, theme: str) -> None:
    wear(live, theme)
    if not live.page.evaluate("() => 'axe' in window"):
        live.page.evaluate(AXE_SCRIPT)
    found = live.page.evaluate(RUN, [EVERYWHERE | {"include": [[".live"]]}, {}])
    assert not [(v["id"], [node["html"] for node in v["nodes"][:3]]) for v in found["violations"]]


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_sticks_out(live: Visit, width: int) -> None:
    live.page.set_viewport_size({"width": width, "height": 800})
    live.page.wait_for_timeout(100)  # a widget may arrange itself anew
    assert not live.page.evaluate(STICKING_OUT)


@pytest.mark.parametrize("name", sorted(FILES))
def test_without_scripts_a_picture_stands_there(name: str, browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}{PAGES[name]}.html")
    place = page.locator(f'.live[data-live="{name}"]')
    assert place.get_by_role("img").get_attribute("alt")
    expect(place.get_by_role("button")).to_have_count(0)
    context.close()


@pytest.mark.parametrize("name", sorted(FILES))
def test_works_from_disk(name: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(Path(book.BUILT, f"{PAGES[name]}.html").as_uri())
    run_here(page, name)
    page.close()


def test_weights_that_do_not_come_are_told(tab: Visit) -> None:
    name = sorted(FILES)[0]
    tab.page.route("**/live/weights/*", lambda route: route.abort())
    tab.open(PAGES[name])
    button = tab.page.locator(".live").get_by_role("button", name="Run it here")
    button.click()
    expect(tab.page.locator(".live").get_by_role("status")).to_contain_text("could not be loaded")
    expect(button).to_be_enabled()
