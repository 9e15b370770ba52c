"""Check style with ruff and spelling with codespell, in prose and code; run by `make lint`.

Stray notebooks in `chapters` are named and left alone: an empty one would be a syntax error. Of a
notebook only the sources are spelled: what a model writes in its output is no mistake of ours.
"""

from __future__ import annotations

import glob
import subprocess
import sys
from pathlib import Path

import nbformat

from tools import book

FOLDERS = "_ext _static assignments benchmarks chapters grading tests tools utils .github".split()
WRITTEN = {".md", ".py", ".ipynb", ".yml", ".toml", ".html", ".js", ".css", ".cfg"}


def written(root: Path = book.ROOT) -> list[Path]:
    """The files of the book that people write, at the top and in its folders."""
    found = [*root.iterdir(), *(path for name in FOLDERS for path in (root / name).rglob("*"))]
    weights = {*root.glob("chapters/*/live/*.js")}  # numbers, written by utils.live
    return sorted(p for p in found if p.suffix in WRITTEN and p.is_file() and p not in weights)


def misspelled(paths: list[Path]) -> list[str]:
    """A line for each word that is misspelled, with its file and what may be meant.

    pyproject.toml lists the words that codespell takes for mistakes and that are none. Of a
    notebook only the sources are read: what a model writes is no mistake of ours.
    """
    spell = [sys.executable, "-m", "codespell_lib"]
    plain = [str(path) for path in paths if path.suffix != ".ipynb"]
    found = said(*spell, *plain) if plain else []
    for path in (path for path in paths if path.suffix == ".ipynb"):
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        found += [f"{path}: {line.strip()}" for line in said(*spell, "-", text=text)[1::2]]
    return found


def said(*command: str, text: str | None = None) -> list[str]:
    """What codespell prints; 65 is its status when it has found something."""
    done = subprocess.run(command, cwd=book.ROOT, input=text, capture_output=True, text=True)
    if done.returncode not in (0, 65):
        raise RuntimeError(f"codespell: {done.stderr.strip() or done.returncode}")
    return done.stdout.splitlines()


def main() -> int:
    """Run the command line."""
    strays = book.strays()
    for path in strays:
        print(book.left_alone(path), file=sys.stderr)
    without = [
        f"--extend-exclude={glob.escape(path.relative_to(book.ROOT).as_posix())}" for path in strays
    ]
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        line = [sys.executable, "-m", "ruff", *command, *without, "."]
        if subprocess.run(line, cwd=book.ROOT, check=False).returncode:
            if command[0] == "format":  # says what is quiet about which files
                subprocess.run(
                    [word for word in line if word != "--quiet"], cwd=book.ROOT, check=False
                )
            return 1
    wrong = misspelled([path for path in written() if path not in strays])
    if wrong:
        print("Misspelled, or to be listed under [tool.codespell] in pyproject.toml:")
        print("\n".join(wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
