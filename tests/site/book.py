"""The built book as the tests see it: its pages, its files, and a server under its real path."""

import functools
import html.parser
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "_build" / "html"
SOURCES = (
    "_config.yml",
    "_toc.yml",
    "*.md",
    "references.bib",
    "CITATION.cff",
    "redirects.yml",
    "_ext/*",
    "_ext/live/*",
    "chapters/*/live/*.js",
    "_static/*",
    "chapters/claims.yml",
    "chapters/replications/*/*/*.json",
    "chapters/*/*.md",
    "chapters/*/*.ipynb",
    "utils/**/*.py",
)
NOT_PAGES = {"README.md", "CONTRIBUTING.md"}


def settings() -> dict:
    """What `_config.yml` says."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def pages() -> list[str]:
    """The names of all pages in the table of contents, in reading order, and those Sphinx adds."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def walk(node: object) -> list[str]:
        if isinstance(node, list):
            return [name for item in node for name in walk(item)]
        if isinstance(node, dict):
            own = [node["file"]] if "file" in node else []
            return own + walk(
                [node[key] for key in ("parts", "chapters", "sections") if key in node]
            )
        return []

    return [toc["root"], *walk(toc), "genindex", "py-modindex", "search"]


def notebooks() -> list[str]:
    """The pages that are notebooks."""
    return [page for page in pages() if (ROOT / f"{page}.ipynb").exists()]


def number(page: str) -> str:
    """The number of a chapter or a section of the course, such as 3.2.

    >>> number("chapters/foundations/calculus")
    '1.1'
    """
    course = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"][0]
    for i, chapter in enumerate(course["chapters"], start=1):
        sections = [section["file"] for section in chapter.get("sections", [])]
        if chapter["file"] == page:
            return str(i)
        if page in sections:
            return f"{i}.{sections.index(page) + 1}"
    raise ValueError(f"{page} is no page of the course.")


@functools.cache
def what_is_wrong_with_the_build() -> str | None:
    """One line that says why the built book cannot be tested, or None."""
    stamp = BUILT / "objects.inv"
    if not stamp.exists():
        return "The book is not built: make book"
    built = stamp.stat().st_mtime
    for pattern in SOURCES:
        for source in ROOT.glob(pattern):
            if source.is_file() and source.name not in NOT_PAGES and source.stat().st_mtime > built:
                return f"{source.relative_to(ROOT)} is newer than the built book: make book"
    return None


def published_path() -> str:
    """The path under which the book is published, such as `/name/`: from the front page itself."""
    text = (BUILT / f"{pages()[0]}.html").read_text(encoding="utf-8")
    address = re.search(r'<link rel="canonical" href="([^"]+)"', text)
    if address is None:
        raise AssertionError("The front page names no canonical address.")
    return urlsplit(address[1]).path.rsplit("/", 1)[0] + "/"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the built book under the path at which it is published, and nothing above it."""

    prefix = "/"

    def translate_path(self, path: str) -> str:
        """Take the published path off the front of a request's path."""
        if not path.startswith(self.prefix):
            return str(BUILT / "no-such-file")
        return super().translate_path("/" + path[len(self.prefix) :])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(kind: type[Handler] = Handler) -> Iterator[str]:
    """The address, ending in a slash, at which the built book is served while the block runs."""
    handler = type("BookHandler", (kind,), {"prefix": published_path()})
    serve = functools.partial(handler, directory=str(BUILT))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}{published_path()}"
    server.shutdown()
    server.server_close()


@dataclass
class Document(html.parser.HTMLParser):
    """What a page's HTML holds, read without a browser: anchors, links, images, words."""

    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    images: list[dict[str, str | None]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element refers to or can be referred to by."""
        attributes = dict(attrs)
        if name := attributes.get("id"):
            self.ids.append(name)
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"] or "")
        says_where = attributes.get("rel") in {"canonical", "alternate"}  # and fetches nothing
        if tag == "link" and attributes.get("href") and not says_where:
            self.resources.append(attributes["href"] or "")
        if tag in {"script", "img", "iframe", "source", "video"} and attributes.get("src"):
            self.resources.append(attributes["src"] or "")
        if tag == "img":
            self.images.append(attributes)
        if tag in {"article", "script", "style"}:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        """Collect the words of the article."""
        if self.inside == ["article"]:
            self.words.append(data)


@functools.cache
def document(page: str) -> Document:
    """The HTML of a page, parsed."""
    parsed = Document()
    parsed.feed((BUILT / f"{page}.html").read_text(encoding="utf-8"))
    return parsed
