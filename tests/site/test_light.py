"""Pages are light and quick: weight, first paint, settling, layout shift, colours from the start.

Weight is what goes over the line: everything that a browser fetches for the first view, compressed
as hosts of static pages do, with the headers of the answers. Pictures below the first view do not
count: they wait, and browsers fetch them some way before they are seen.
"""

import functools
import gzip
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.site import book
from tests.site.conftest import PHONE

LAPTOP = {"width": 1280, "height": 800}
FEW = [
    "intro",
    "claims",
    "chapters/cnn/convolution",
    "chapters/attention/transformer",
    "chapters/optimization/gradient-descent",
]
FIRST_VISIT, NEXT_PAGE = 400_000, 60_000
LARGEST_PAINT, SETTLED, SHIFT = 1500, 3000, 0.02  # milliseconds, milliseconds, no unit
LINE = {  # 1.6 Mbit/s and 150 ms
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
}

WATCH = """
  window.seen = { shift: 0, paint: 0, last: 0 };
  const note = (type, take) => {
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(take));
    observer.observe({ type, buffered: true });
  };
  note("layout-shift", (entry) => {
    if (entry.hadRecentInput) return;
    seen.shift += entry.value;
    seen.last = Math.max(seen.last, entry.startTime);
  });
  note("largest-contentful-paint", (entry) => { seen.paint = entry.startTime; });
  const until = (time) => { seen.last = Math.max(seen.last, time); };
  note("longtask", (entry) => until(entry.startTime + entry.duration));
  note("resource", (entry) => until(entry.responseEnd));
"""
SETTLE = """async () => {
  await document.fonts.ready;
  for (let quiet = 0, last = -1; quiet < 4; quiet = last === seen.last ? quiet + 1 : 0) {
    last = seen.last;
    await new Promise((done) => setTimeout(done, 50));
  }
  const [page] = performance.getEntriesByType("navigation");
  const below = [...document.images].filter((i) => i.getBoundingClientRect().top > innerHeight);
  return {
    ...seen,
    settled: Math.max(seen.last, page.loadEventEnd),
    below: below.map((image) => image.currentSrc),
  };
}"""
LOOK = """() => {
  const look = (selector, ...names) => {
    const node = document.querySelector(selector);
    if (!node) return null;
    const style = getComputedStyle(node);
    return names.map((name) => style[name]);
  };
  return {
    page: look("body", "backgroundColor", "color", "fontSize"),
    title: look("h1", "color", "fontSize", "fontFamily"),
    text: look("article p", "color", "fontSize", "lineHeight", "width"),
    link: look("article p a.reference", "color"),
    cell: look("article div.cell_input", "backgroundColor", "borderLeftColor"),
    keyword: look("article .highlight .k, article .highlight .kn", "color"),
    logos: [...document.querySelectorAll(".navbar-brand img")]
      .filter((logo) => getComputedStyle(logo).display !== "none")
      .map((logo) => logo.src.split("/").pop()),
  };
}"""


class Host(book.Handler):
    """Serves the book compressed, and lets browsers keep what they got, as GitHub Pages does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a file."""
        path = self.translate_path(self.path)
        try:
            body = squeezed(path)
        except OSError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(body)


@functools.cache
def squeezed(path: str) -> bytes:
    """A file's content, compressed."""
    with open(path, "rb") as file:
        return gzip.compress(file.read())


@pytest.fixture(scope="module")
def host(address: str) -> Iterator[str]:
    """The address of the book on a host that compresses."""
    assert address  # the book is built
    with book.served(Host) as compressed:
        yield compressed


@dataclass
class Line:
    """A tab and what has come over its line."""

    page: Page
    sizes: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        urls: dict[str, str] = {}
        self.cdp = self.page.context.new_cdp_session(self.page)
        self.cdp.send("Network.enable")

        def asked(event: dict) -> None:
            urls[event["requestId"]] = event["request"]["url"]

        def came(event: dict) -> None:
            url = urls.get(event["requestId"], "")
            if not url.startswith("data:"):  # it came in the sheet
                self.sizes[url] = event["encodedDataLength"]

        self.cdp.on("Network.requestWillBeSent", asked)
        self.cdp.on("Network.loadingFinished", came)
        self.page.add_init_script(WATCH)

    def open(self, address: str) -> dict[str, float]:
        """Open a page, wait until it has settled, and say how it went."""
        self.sizes.clear()
        self.page.goto(address, wait_until="load")
        seen = self.page.evaluate(SETTLE)
        for picture in seen.pop("below"):
            self.sizes.pop(picture, None)
        return seen

    @property
    def weight(self) -> float:
        """The bytes of the last page that was opened."""
        return sum(self.sizes.values())

    @property
    def largest(self) -> list[tuple[str, float]]:
        """What is heaviest of it."""
        return sorted(self.sizes.items(), key=lambda item: -item[1])[:6]


@pytest.fixture(scope="module")
def reader(browser: Browser, host: str) -> Iterator[Line]:
    """Somebody who has opened the front page and goes on from page to page."""
    context = browser.new_context(viewport=LAPTOP)
    line = Line(context.new_page())
    line.open(f"{host}intro.html")
    yield line
    context.close()


@pytest.mark.parametrize("name", book.pages())
def test_a_page_is_light(browser: Browser, host: str, reader: Line, name: str) -> None:
    context = browser.new_context(viewport=LAPTOP)
    line = Line(context.new_page())
    seen = line.open(f"{host}{name}.html")
    context.close()
    assert 0 < line.weight <= FIRST_VISIT, line.largest
    assert seen["shift"] <= SHIFT
    reader.open(f"{host}{name}.html")
    if name != "search":  # whose index is what a reader goes there for
        assert reader.weight <= NEXT_PAGE, reader.largest


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("window", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_page_is_quick(browser: Browser, host: str, name: str, window: dict) -> None:
    limits = {"paint": LARGEST_PAINT, "settled": SETTLED, "shift": SHIFT}
    least: dict[str, float] = {}
    for _ in range(8):  # a busy machine can only make it slower
        context = browser.new_context(viewport=window)
        line = Line(context.new_page())
        line.cdp.send("Network.emulateNetworkConditions", LINE)
        seen = line.open(f"{host}{name}.html")
        context.close()
        seen["paint"] = seen["paint"] or math.inf  # nothing was painted yet
        least = {key: min(seen[key], least.get(key, seen[key])) for key in limits}
        wrong = {key: value for key, value in least.items() if value > limits[key]}
        if not wrong:
            return
    pytest.fail(f"{name}: {wrong}", pytrace=False)


def looks(context: BrowserContext, address: str) -> dict:
    """How a page looks once it is there."""
    page = context.new_page()
    page.goto(address, wait_until="load")
    found = page.evaluate(LOOK)
    context.close()
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", FEW[:3])
def test_colours_and_sizes_are_right_from_the_start(
    browser: Browser, host: str, name: str, scheme: str
) -> None:
    options = {"viewport": LAPTOP, "color_scheme": scheme}
    address = f"{host}{name}.html"
    complete = looks(browser.new_context(**options), address)
    # What is painted before the scripts have come, and what readers have who do without.
    early = browser.new_context(**options)
    early.route("**/*.js*", lambda route: route.abort())
    assert looks(early, address) == complete
    assert looks(browser.new_context(**options, java_script_enabled=False), address) == complete
    assert complete["page"][2] == "16px"
    assert complete["logos"] == ["logo.svg" if scheme == "light" else "logo-dark.svg"]


def test_light_and_dark_differ(browser: Browser, host: str) -> None:
    light, dark = (
        looks(
            browser.new_context(color_scheme=scheme, java_script_enabled=False),
            f"{host}chapters/cnn/convolution.html",
        )
        for scheme in ("light", "dark")
    )
    for part in ("page", "text", "link", "cell", "keyword"):
        assert light[part] != dark[part]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_of_code_without_marks_have_the_colour_of_code(scheme: str) -> None:
    style = (book.BUILT / "_static" / "pygments.css").read_text(encoding="utf-8")
    rule = rf'html\[data-theme="{scheme}"\] \.highlight (?:\.%s )?{{[^}}]*?\bcolor: (#\w+) }}'
    (plain,) = re.findall((rule % "-").replace("(?:\\.- )?", ""), style)
    for kind in ("n", "nn", "p", "w"):  # as `PLAIN` in _ext/book_light.py
        (colour,) = re.findall((rule % kind).replace("?{", "{"), style)
        assert colour == plain


def test_formulas_are_as_they_were_written(browser: Browser, host: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{host}chapters/optimization/adam.html")
    formula = page.locator(".math[id^=equation-]").first
    assert re.fullmatch(r"\(8\.2\.\d+\)#?", formula.locator(".eqno").inner_text())
    name = formula.get_attribute("id")
    assert page.locator(f'article a[href="#{name}"]:not(.headerlink)').count()
    context.close()


ANIMATION = "chapters/optimization/gradient-descent"


def test_an_animation_plays_once_it_is_near(browser: Browser, host: str) -> None:
    context = browser.new_context(viewport=PHONE)
    line = Line(context.new_page())
    line.open(f"{host}{ANIMATION}.html")
    assert not [url for url in line.sizes if "/animations/" in url]
    box = line.page.locator(".animation").first
    box.scroll_into_view_if_needed()
    slider = box.locator("input")
    expect(slider).to_be_visible()
    before = box.locator("img").get_attribute("src")
    slider.press("ArrowRight")
    expect(box.locator("img")).not_to_have_attribute("src", before or "")
    context.close()


def test_an_animation_is_a_picture_without_scripts_and_plays_from_a_disk(browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((book.BUILT / f"{ANIMATION}.html").as_uri())
    picture = page.locator(".animation img").first
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    assert page.locator(".anim-controls:visible").count() == 0
    context.close()
    context = browser.new_context()
    page = context.new_page()
    page.goto((book.BUILT / f"{ANIMATION}.html").as_uri())
    page.locator(".animation").first.scroll_into_view_if_needed()
    expect(page.locator(".anim-controls").first).to_be_visible()
    context.close()


@pytest.mark.parametrize("name", book.notebooks())
def test_images_keep_their_place(name: str) -> None:
    images = [i for i in book.document(name).images if "_images/" in (i["src"] or "")]
    assert images
    for image in images:
        assert int(image["width"] or 0) > 0
        assert int(image["height"] or 0) > 0
    waiting = [image.get("loading") == "lazy" for image in images]
    assert waiting[1:] == [True] * len(waiting[1:])
