"""The whole book as an EPUB 3: `make epub`.

    python -m tools.paper.epub [--into dist] [PAGE ...]

Each page of the site is a page of the EPUB. Formulas are MathML, which readers set themselves; the
style is a small one of its own, so that the reader's fonts and colours hold.
"""

from __future__ import annotations

import argparse
import mimetypes
import re
import sys
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from lxml import etree
from pygments.formatters import HtmlFormatter

from tools import archive, book
from tools.chromium import NoChromiumError
from tools.paper.pages import XHTML, NotBuiltError, Page, about, chromium, gather, written

NAME = "deep-learning-tested.epub"
STYLE = Path(__file__).with_name("epub.css")
MATHML = "{http://www.w3.org/1998/Math/MathML}"
SVG = "{http://www.w3.org/2000/svg}"
# Attributes that scripts and screens need, and that an EPUB may not have.
ON_SCREEN = re.compile(r"data-.*|tabindex|focusable|align|border|valign|columnspacing|rowspacing")

CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles>
<rootfile full-path="book/content.opf" media-type="application/oebps-package+xml"/>
</rootfiles>
</container>
"""
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"
  lang="{language}" xml:lang="{language}">
<head><title>{title}</title><link rel="stylesheet" type="text/css" href="style.css"/></head>
<body>{body}</body>
</html>
"""
PACKAGE = """<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="address"
  xml:lang="{language}">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="address">{site}</dc:identifier>
<dc:title>{title}</dc:title>
<dc:language>{language}</dc:language>
<dc:creator>{author}</dc:creator>
<dc:description>{about}</dc:description>
<dc:rights>Text and figures: CC BY 4.0. Code: MIT License.</dc:rights>
<meta property="dcterms:modified">{date}</meta>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessMode">visual</meta>
<meta property="schema:accessModeSufficient">textual</meta>
<meta property="schema:accessibilityFeature">alternativeText</meta>
<meta property="schema:accessibilityFeature">MathML</meta>
<meta property="schema:accessibilityFeature">structuralNavigation</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
</metadata>
<manifest>
{manifest}
</manifest>
<spine>
{spine}
</spine>
</package>
"""


def with_mathml(article: Any) -> None:
    """Keep of each formula, which KaTeX sets for the eye and says in MathML, the MathML."""
    for element in list(article.iter(f"{XHTML}span")):
        if "katex" in element.get("class", "").split():
            formula = element.find(f".//{MATHML}math")
            formula.tail = element.tail
            element.getparent().replace(element, formula)


def with_images(page: Page, files: dict[str, bytes]) -> None:
    """Take the images of a page into the EPUB."""
    for image in page.article.iter(f"{XHTML}img"):
        address = urlsplit(image.get("src"))
        if address.scheme == "file":
            path = Path(url2pathname(unquote(address.path)))
            files[f"images/{path.name}"] = path.read_bytes()
            image.set("src", f"images/{path.name}")


def without_screen(article: Any) -> None:
    """Leave out what only a screen of the site needs."""
    for element in article.iter(etree.Element):
        for name in [name for name in element.attrib if ON_SCREEN.fullmatch(name)]:
            del element.attrib[name]


def page_of(page: Page, language: str) -> str:
    """A page as a file of the EPUB."""
    body = etree.tostring(page.article, encoding="unicode", with_tail=False)
    return PAGE.format(title=escape(page.title), body=body, language=language)


def contents(pages: list[Page], language: str) -> str:
    """The table of contents: parts, pages and their sections."""

    def entry(address: str, title: str, below: str) -> str:
        inner = f"<ol>{below}</ol>" if below else ""
        return f'<li><a href="{address}">{escape(title)}</a>{inner}</li>'

    def sections(page: Page) -> str:
        return "".join(entry(f"{page.key}.xhtml#{a}", title, "") for a, title in page.sections)

    lines: list[str] = []
    for number, page in enumerate(pages):
        if page.depth == 0:
            after = pages[number + 1 :]
            end = next((n for n, other in enumerate(after) if other.depth == 0), len(after))
            inside = (entry(f"{p.key}.xhtml", p.title, sections(p)) for p in after[:end])
            lines.append(entry(f"{page.key}.xhtml", page.title, "".join(inside) or sections(page)))
    body = f'<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{"".join(lines)}</ol></nav>'
    return PAGE.format(title="Contents", body=body, language=language)


def properties(text: str) -> str:
    """What the manifest must say of a page."""
    found = [name for name, tag in (("mathml", "math"), ("svg", "svg")) if f"<{tag} " in text]
    return f' properties="{" ".join(found)}"' if found else ""


def publish(pages: list[Page], target: Path) -> None:
    """Write some pages of the book, as `pages.gather` takes them from the site, as an EPUB.

    Args:
        pages: what to write; they are changed.
        target: the file.
    """
    settings = book.config()
    options = settings["sphinx"]["config"]
    language = options["language"]
    files: dict[str, bytes] = {}
    for page in pages:
        page.relink(pages, lambda to, anchor: f"{to.key}.xhtml" + (f"#{anchor}" if anchor else ""))
    for page in pages:
        with_mathml(page.article)
        with_images(page, files)
        without_screen(page.article)
    texts = {f"{page.key}.xhtml": page_of(page, language) for page in pages}
    colours = HtmlFormatter(style=options["html_theme_options"]["pygments_light_style"])
    style = STYLE.read_text(encoding="utf-8") + colours.get_style_defs(".highlight")

    manifest = [
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>',
        '<item id="style" href="style.css" media-type="text/css"/>',
    ]
    for number, name in enumerate(sorted(files)):
        kind = mimetypes.guess_type(name)[0]
        manifest.append(f'<item id="image-{number}" href="{name}" media-type="{kind}"/>')
    for page in pages:
        name = f"{page.key}.xhtml"
        kind = f'media-type="application/xhtml+xml"{properties(texts[name])}'
        manifest.append(f'<item id="page-{page.key}" href="{name}" {kind}/>')
    package = PACKAGE.format(
        language=language,
        site=pages[0].published,
        title=escape(settings["title"]),
        author=escape(settings["author"]),
        about=escape(about()),
        date=written().strftime("%Y-%m-%dT%H:%M:%SZ"),
        manifest="\n".join(manifest),
        spine="\n".join(f'<itemref idref="page-{page.key}"/>' for page in pages),
    )
    inside = {
        "content.opf": package,
        "nav.xhtml": contents(pages, language),
        "style.css": style,
        **texts,
    }
    whole = {"mimetype": b"application/epub+zip", "META-INF/container.xml": CONTAINER.encode()}
    whole |= {f"book/{name}": text.encode() for name, text in inside.items()}
    whole |= {f"book/{name}": files[name] for name in sorted(files)}
    archive.pack(target, whole, stored=frozenset({"mimetype"}))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make epub", description=__doc__.split("\n")[0])
    parser.add_argument("pages", nargs="*", help="names of pages (default: the whole book)")
    parser.add_argument("--into", type=Path, default=book.ROOT / "dist", help="the folder")
    options = parser.parse_args(arguments)
    target = options.into / NAME
    try:
        with chromium() as browser:
            publish(gather(browser, options.pages or None), target)
    except (NoChromiumError, NotBuiltError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
