"""The whole book as one PDF: `make pdf`.

    python -m tools.paper.pdf [--into dist] [PAGE ...]

All pages become one document, which Chromium prints: so that links between pages lead into the PDF,
headings become bookmarks, and the PDF keeps its structure for screen readers. It is printed twice,
since the table of contents names pages that are known only after the first time.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pikepdf
from lxml import etree
from playwright.sync_api import Browser

from tools import book
from tools.chromium import NoChromiumError
from tools.paper.pages import (
    BUILT,
    XHTML,
    NotBuiltError,
    Page,
    about,
    chromium,
    gather,
    text_of,
    written,
)

NAME = "deep-learning-tested.pdf"
STYLE = Path(__file__).with_name("pdf.css")
# Fonts are asked for when lines are set, which on a busy machine may be after the page has loaded.
SETTLED = """async () => {
  document.body.getBoundingClientRect();
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode()));
}"""
SHORT = 24  # lines of code, a third of a sheet
HEADINGS = re.compile(r"h([1-5])")
# What points to an anchor of the same page, beside links.
POINTERS = ("for", "aria-labelledby", "aria-describedby", "headers")


def anchor(page: Page, name: str = "") -> str:
    """The anchor of a page, or of something on it, in the one document."""
    return f"{page.key}--{name}" if name else page.key


def prepare(pages: list[Page]) -> None:
    """Make the pages fit for one document.

    Anchors become unique, headings stand below their part's, and short code stays on one sheet.
    """
    for page in pages:
        page.relink(pages, lambda target, name: f"#{anchor(target, name)}")
    for page in pages:
        for element in page.article.iter(etree.Element):
            if name := element.get("id"):
                element.set("id", anchor(page, name))
            for pointer in POINTERS:
                if names := element.get(pointer):
                    element.set(pointer, " ".join(anchor(page, name) for name in names.split()))
            tag = str(element.tag).removeprefix(XHTML)
            if match := HEADINGS.fullmatch(tag):
                kind = {"h1": "page-title", "h2": "section-title"}.get(tag, "")
                element.set("class", f"{element.get('class', '')} {kind}".strip())
                element.tag = f"{XHTML}h{int(match[1]) + page.depth}"
            if tag == "pre" and "".join(element.itertext()).count("\n") <= SHORT:
                element.set("class", f"{element.get('class', '')} short".strip())


def sheets_of_paper(pages: list[Page]) -> list[list[Page]]:
    """Groups of pages that begin on a new sheet: a part's overview and its first chapter are one.

    A part of which nothing is written yet stands above the next one, too.
    """
    groups: list[list[Page]] = []
    for page in pages:
        in_a_part = page.depth > 0 or page.name.endswith("/index")
        if not (groups and in_a_part and groups[-1][-1].name.endswith("/index")):
            groups.append([])
        groups[-1].append(page)
    return groups


def contents(pages: list[Page], numbers: dict[str, int]) -> str:
    """The table of contents, with the numbers of pages as far as they are known."""
    lines: list[str] = []
    for number, page in enumerate(pages):
        deeper = number + 1 < len(pages) and pages[number + 1].depth > page.depth
        last = number + 1 == len(pages) or pages[number + 1].depth < page.depth
        link = f'<a href="#{page.key}"><span>{escape(page.title)}</span> '
        link += f"<span>{numbers.get(page.key, '')}</span></a>"
        lines.append(f"<li>{link}" + ("<ol>" if deeper else "</li>"))
        if last and page.depth:
            lines.append("</ol></li>")
    return f'<nav class="table-of-contents"><h1>Contents</h1><ol>{"".join(lines)}</ol></nav>'


def cover(site: str) -> str:
    """The title page."""
    settings = book.config()
    return (
        f'<section class="cover"><div class="name">{escape(settings["title"])}</div>'
        f'<div class="about">{escape(about())}</div><div class="imprint">'
        f"Version {book.version()}. By {escape(settings['author'])}, {settings['copyright']}. "
        f'<a href="{site}">{site}</a><br/>Text and figures: CC BY 4.0. Code: MIT License. '
        "Set-up, plotting and the code of trials are on the site and in the notebooks."
        "</div></section>"
    )


def document(pages: list[Page], numbers: dict[str, int]) -> str:
    """The book as one XHTML document."""
    articles, running = [], []
    for group in sheets_of_paper(pages):
        key, title = group[-1].key, group[-1].title
        words = title.replace("\\", "\\\\").replace('"', '\\"')
        running.append(f'@page {key} {{ @top-right {{ content: "{words}"; }} }}')
        for number, page in enumerate(group):
            page.article.set("id", page.key)
            page.article.set("style", f"page: {key}")
            page.article.set("class", "bd-article" + (" follows" if number else ""))
            articles.append(etree.tostring(page.article, encoding="unicode"))
    sheets = list(dict.fromkeys(sheet for page in pages for sheet in page.sheets))
    links = [f'<link rel="stylesheet" href="{escape(sheet)}"/>' for sheet in sheets]
    style = "\n".join([STYLE.read_text(encoding="utf-8"), *running])
    title = escape(book.config()["title"])
    return (
        '<html xmlns="http://www.w3.org/1999/xhtml" lang="en" data-theme="light" data-mode="light">'
        f"<head><title>{title}</title>{''.join(links)}<style>{escape(style, quote=False)}</style>"
        f"</head><body>{cover(pages[0].published)}{contents(pages, numbers)}"
        '<main class="bd-main"><div class="bd-content"><div class="bd-article-container">'
        f"{''.join(articles)}</div></div></main></body></html>"
    )


def print_pages(browser: Browser, pages: list[Page], folder: Path) -> bytes:
    """The PDF of some pages of the book, as `pages.gather` takes them from the site.

    Args:
        browser: Chromium.
        pages: what to print; they are changed.
        folder: where the document may lie while it is printed.
    """
    prepare(pages)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "book.xhtml"
    tab = browser.new_page()
    tab.emulate_media(media="print")
    tab.set_default_timeout(0)
    numbers: dict[str, int] = {}
    for _ in range(2):
        text = document(pages, numbers)
        source.write_text(text, encoding="utf-8")
        tab.goto(source.resolve().as_uri(), wait_until="load")
        tab.evaluate(SETTLED)
        printed = tab.pdf(
            prefer_css_page_size=True, print_background=True, outline=True, tagged=True
        )
        numbers = page_numbers(printed, pages)
    tab.close()
    source.unlink()
    return finished(printed, headings(text))


def page_numbers(printed: bytes, pages: list[Page]) -> dict[str, int]:
    """The page of the PDF on which each page of the book begins, from 1."""
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        sheets = {sheet.obj.objgen: number for number, sheet in enumerate(pdf.pages, start=1)}
        return {page.key: sheets[pdf.Root.Dests[f"/{page.key}"][0].objgen] for page in pages}


def headings(text: str) -> list[str]:
    """The words of all headings of a document, in their order."""
    levels = [f"{XHTML}h{level}" for level in range(1, 7)]
    return [text_of(heading) for heading in etree.fromstring(text).iter(*levels)]


def bookmarks(marks: list[pikepdf.OutlineItem]) -> Iterator[pikepdf.OutlineItem]:
    """Bookmarks and those below them, in the order of the document."""
    for mark in marks:
        yield mark
        yield from bookmarks(mark.children)


def number_cells(pdf: pikepdf.Pdf) -> None:
    """Name the heads of tables, to which their cells refer, by their order.

    Chromium names them by a number that depends on what its process has shown before.
    """
    parts = [part for part in pdf.objects if isinstance(part, pikepdf.Dictionary)]
    cells = {
        str(part.ID): part for part in parts if part.get("/Type") == "/StructElem" and "/ID" in part
    }
    names = {old: f"cell{number:06}" for number, old in enumerate(sorted(cells))}
    for part in parts:
        for cell in part.get("/A", []) if part.get("/Type") == "/StructElem" else []:
            if "/Headers" in cell:
                cell.Headers = pikepdf.Array([names[str(old)] for old in cell.Headers])
    for old, name in names.items():
        cells[old].ID = pikepdf.String(name)
    tree = [entry for old in sorted(cells) for entry in (pikepdf.String(names[old]), cells[old])]
    pdf.Root.StructTreeRoot.IDTree = pikepdf.Dictionary(Names=pikepdf.Array(tree))


def finished(printed: bytes, titles: list[str]) -> bytes:
    """The PDF as it is handed out: half as large, named, the same whenever it was printed.

    Args:
        printed: what Chromium has printed.
        titles: what the bookmarks are called: Chromium doubles the words of a heading that would
            not fit on its sheet and stands on the next.
    """
    date = f"D:{written():%Y%m%d%H%M%S}Z"
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        number_cells(pdf)
        with pdf.open_outline() as outline:
            for mark, title in zip(bookmarks(outline.root), titles, strict=True):
                mark.title = title
            # Parts and pages are seen at once, sections unfold.
            for part in outline.root:
                part.is_closed = not any(page.children for page in part.children)
                for page in part.children:
                    page.is_closed = True
        pdf.Root.PageMode = pikepdf.Name.UseOutlines
        settings = book.config()
        pdf.docinfo = pdf.make_indirect(
            pikepdf.Dictionary(
                Title=settings["title"], Author=settings["author"], CreationDate=date, ModDate=date
            )
        )
        compressed = pikepdf.ObjectStreamMode.generate
        pdf.save(out, object_stream_mode=compressed, deterministic_id=True, linearize=True)
    return out.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make pdf", description=__doc__.split("\n")[0])
    parser.add_argument("pages", nargs="*", help="names of pages (default: the whole book)")
    parser.add_argument("--into", type=Path, default=book.ROOT / "dist", help="the folder")
    options = parser.parse_args(arguments)
    try:
        with chromium() as browser:
            pdf = print_pages(
                browser, gather(browser, options.pages or None), BUILT.parent / "paper"
            )
    except (NoChromiumError, NotBuiltError) as error:
        print(error, file=sys.stderr)
        return 1
    options.into.mkdir(parents=True, exist_ok=True)
    target = options.into / NAME
    target.write_bytes(pdf)
    print(f"{target}: {len(pdf) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
