"""All that a reader may take along, for a release: `make downloads`.

    python -m tools.downloads [--into dist]

The book as a PDF and an EPUB, the built site for reading offline, all notebooks, student copies,
the pages' code, and the checksums of these. The same book gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools import archive, book, page_code, student
from tools.chromium import NoChromiumError
from tools.paper import epub, pdf
from tools.paper.pages import BUILT, NotBuiltError, chromium, gather

NAME = "deep-learning-tested"
FILES = (
    pdf.NAME,
    epub.NAME,
    f"{NAME}-site.zip",
    f"{NAME}-notebooks.zip",
    f"{NAME}-student.zip",
    f"{NAME}-code.zip",
)
SUMS = "SHA256SUMS"
README = """These are {what} of {title}, version {version}.

They need the book's helpers, which come with the data: with Python 3.11 to 3.14

    pip install {wheel}
    pip install {peer}

The book: {repository}
"""


def readme(what: str) -> bytes:
    """What to do with an archive of notebooks or code."""
    repository, version = book.repository_url(), book.version()
    wheel = f"deep_learning_tested-{version}-py3-none-any.whl"
    text = README.format(
        what=what,
        title=book.config()["title"],
        version=version,
        repository=repository,
        wheel=f"{repository}/releases/download/v{version}/{wheel}",
        peer=f"--no-deps {book.peer_requirement()}",
    )
    return text.encode()


def pack(target: Path, what: str, files: Mapping[str, bytes]) -> None:
    """Write an archive of notebooks or code: one folder, with a readme and the licence."""
    licence = (book.ROOT / "LICENSE").read_bytes()
    inside = {"README.txt": readme(what), "LICENSE": licence, **files}
    archive.pack(target, {f"{target.stem}/{name}": data for name, data in inside.items()})


def pack_notebooks(target: Path, paths: list[Path]) -> None:
    """The notebooks as they are."""
    files = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}
    pack(target, "the notebooks", files)


def pack_student(target: Path, paths: list[Path]) -> None:
    """The notebooks without their solutions."""
    with tempfile.TemporaryDirectory() as folder:
        if student.copies(paths, Path(folder)):
            raise NotBuiltError("The student copies could not be made.")
        pack(target, "the notebooks without solutions", archive.contents(Path(folder)))


def pack_code(target: Path, paths: list[Path]) -> None:
    """The definitions of each page as a module."""
    files = {
        f"{path.parent.name}/{page_code.file_name(path)}": page_code.module(path).encode()
        for path in paths
    }
    pack(target, "the definitions of the pages", files)


def pack_site(target: Path, built: Path) -> None:
    """The built site, to be read from the disk: its page to start with is `index.html`."""
    if not (built / "index.html").is_file():
        raise NotBuiltError(f"{built / 'index.html'} is not there: make book")
    files = archive.contents(built)
    archive.pack(target, {f"{target.stem}/{name}": data for name, data in files.items()})


def checksums(folder: Path, names: tuple[str, ...]) -> str:
    """Lines that `sha256sum --check` reads."""
    return "".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make downloads", description=__doc__.split("\n")[0])
    parser.add_argument("--into", type=Path, default=book.ROOT / "dist", help="the folder")
    into = parser.parse_args(arguments).into
    into.mkdir(parents=True, exist_ok=True)
    paths = book.notebooks()
    for_pdf, for_epub, site, notebooks, handouts, code = (into / name for name in FILES)
    try:
        with chromium() as browser:
            pages = gather(browser)
            epub.publish([page.copy() for page in pages], for_epub)
            for_pdf.write_bytes(pdf.print_pages(browser, pages, BUILT.parent / "paper"))
        pack_site(site, BUILT)
    except (NoChromiumError, NotBuiltError) as error:
        print(error, file=sys.stderr)
        return 1
    pack_notebooks(notebooks, paths)
    pack_student(handouts, paths)
    pack_code(code, paths)
    (into / SUMS).write_text(checksums(into, FILES), encoding="utf-8")
    for name in (*FILES, SUMS):
        print(f"{(into / name).stat().st_size / 1e6:7.1f} MB  {into / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
