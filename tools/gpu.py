"""Run notebooks through nbval on a GPU, and fail where there is none.

    make gpu                                       all notebooks of the book
    make gpu NOTEBOOKS=chapters/cnn/lenet.ipynb    one of them

Every cell has to run, and every trial to come to its recorded verdict. Of the outputs that are
compared, decimals are wiped as well as measured lines (tests/notebooks/sanitize-device.cfg says
why): a card is held to its statement, its rule and its verdict.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import book, environment, execute

FOLDER = book.ROOT / "tests" / "notebooks"
WIPED = ("sanitize.cfg", "sanitize-device.cfg")


def command(paths: list[Path], workers: int, sanitize: Path) -> list[str]:
    """The command line of pytest.

    Args:
        paths: of notebooks.
        workers: how many run at a time.
        sanitize: gets what is wiped before outputs are compared; nbval reads a single file.
    """
    text = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in WIPED)
    sanitize.write_text(text, encoding="utf-8")
    line = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env"]
    line += ["-p", "tests.conftest"]  # by itself, pytest looks for it beside the notebooks only
    line += [f"--nbval-cell-timeout={execute.CELL_TIMEOUT}", f"--nbval-sanitize-with={sanitize}"]
    return [*line, "-n", str(workers), "--dist", "loadfile", *map(str, paths)]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make gpu", description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks (default: all of the book)")
    parser.add_argument("--device", choices=["cpu", "cuda", "mps"], default="cuda")
    parser.add_argument("--workers", type=int, default=2, help="notebooks at a time")
    options = parser.parse_args(arguments)
    execute.require_device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        line = command(book.chosen(options.paths), options.workers, Path(folder, "sanitize.cfg"))
        settings = environment.clean(os.environ, BOOK_DEVICE=options.device)
        return subprocess.run(line, cwd=book.ROOT, env=settings, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
