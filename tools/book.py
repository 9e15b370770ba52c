"""What the tools know about the book: where its notebooks are and what the first cell says."""

from __future__ import annotations

import re
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent
PART_TITLES = {
    "foundations": "Foundations",
    "mlp": "Multilayer perceptrons",
    "cnn": "Convolutional networks",
    "computing": "Computing",
    "vision": "Vision",
    "sequences": "Sequences",
    "attention": "Attention",
    "optimization": "Optimization",
    "classical": "Classical methods",
}
MARK = "book.mplstyle"  # a file that no other package `utils` has
NEEDS_LINE = re.compile(
    r"^\*Needs: .+; runs in about (?P<seconds>\d+|N) s on two CPU cores\.\*$", re.M
)


class NotANotebook(Exception):
    """A file can't be read as a notebook; the message names it."""


def notebooks(root: Path = ROOT) -> list[Path]:
    """All notebooks of the book, which are those that `_toc.yml` lists, sorted by path."""
    listed = [root / "chapters" / f"{page}.ipynb" for page in toc_pages(root)]
    return sorted(path for path in listed if path.is_file())


def strays(root: Path = ROOT) -> list[Path]:
    """Notebooks that lie in `chapters` and are no pages, such as copies and notes."""
    found = set((root / "chapters").glob("*/*.ipynb")) - set(notebooks(root))
    return sorted(path for path in found if path.parent.name != ".ipynb_checkpoints")


def left_alone(path: Path, root: Path = ROOT) -> str:
    """The line that says so of a stray."""
    return f"{path.relative_to(root)} is not in _toc.yml and is left alone"


def chosen(paths: list[Path]) -> list[Path]:
    """The notebooks that a tool was given, or all of the book; strays are named."""
    if not paths:
        for path in strays():
            print(left_alone(path), file=sys.stderr)
    return paths or notebooks()


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook as nbformat 4.5 in memory.

    Raises:
        NotANotebook: there is no such file, or it holds something else.
    """
    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise NotANotebook(f"{path}: {error.strerror}") from error
    except Exception as error:  # nbformat raises whatever a broken file makes it stumble over
        reason = str(error).strip().splitlines()[:1]
        raise NotANotebook(f"{path} is no notebook: {''.join(reason)[:200]}") from error


def title(notebook: nbformat.NotebookNode) -> str:
    """The text of the notebook's first top-level heading."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if match := re.search(r"^# (.+)$", cell.source, re.M):
                return match[1].strip()
    raise ValueError("the notebook has no line '# Title'")


def run_time(notebook: nbformat.NotebookNode) -> int | None:
    """The seconds stated in the *Needs* line, or None where there is no number yet."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (match := NEEDS_LINE.search(cell.source)):
            return None if match["seconds"] == "N" else int(match["seconds"])
    return None


def config(root: Path = ROOT) -> dict[str, Any]:
    """The book's `_config.yml`."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def repository_url(root: Path = ROOT) -> str:
    """The address of the repository, which is written once, in `_config.yml`."""
    return str(config(root)["repository"]["url"]).rstrip("/").removesuffix(".git")


def version(root: Path = ROOT) -> str:
    """The version of the release, from `pyproject.toml`."""
    with (root / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]


def peer_requirement(root: Path = ROOT) -> str:
    """The first requirement in `requirements-peer.txt`: the peer, such as `d2l==1.0.3`."""
    lines = (root / "requirements-peer.txt").read_text(encoding="utf-8").splitlines()
    return next(line.strip() for line in lines if line.strip() and line[0] != "#")


def colab_cell(root: Path = ROOT) -> str:
    """The source of every notebook's first cell: the helpers are there, or what to do.

    In Colab it installs them. Elsewhere it looks whether `utils` is the book's, without importing
    it: another module of that name may lie beside the notebook, or in an environment.
    """
    # torch and numpy are named at the versions that are there, so that pip cannot exchange them.
    return textwrap.dedent(
        f"""\
        # The book's helpers: Google Colab gets them here, pinned to the release.
        import sys
        from importlib import metadata, util
        from pathlib import Path

        release = "{version(root)}"
        file = f"deep_learning_tested-{{release}}-py3-none-any.whl"
        site = "{repository_url(root)}"
        wheel = f"{{site}}/releases/download/v{{release}}/{{file}}"
        peer = "--no-deps", "{peer_requirement(root)}"
        if "google.colab" in sys.modules:
            import subprocess

            keep = [f"{{name}}=={{metadata.version(name)}}" for name in ("torch", "numpy")]
            pip = [sys.executable, "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, wheel, *keep], check=True)
            subprocess.run([*pip, *peer], check=True)
        found = util.find_spec("utils")
        there = list(found and found.submodule_search_locations or [])
        if not any(Path(place, "{MARK}").is_file() for place in there):
            other = found and f"{{found.origin or there[0]}}: rename or uninstall it"
            raise ImportError(
                f"This page needs the book's helpers; `utils` is {{other or 'not here'}}.\\n"
                f"Not installed yet? Run %pip install {{wheel}} "
                f"and %pip install {{' '.join(peer)}}. Then restart the kernel."
            )"""
    )


def claims(root: Path = ROOT) -> list[dict[str, Any]]:
    """The entries of `chapters/claims.yml`."""
    text = (root / "chapters" / "claims.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text) or []


def toc_pages(root: Path = ROOT) -> list[str]:
    """The notebooks named in `_toc.yml` as `part/slug`, in reading order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    found: list[str] = []

    def visit(entry: Any) -> None:
        if isinstance(entry, list):
            for item in entry:
                visit(item)
        elif isinstance(entry, dict):
            file = entry.get("file", "").removesuffix(".ipynb")
            if match := re.fullmatch(r"chapters/([\w-]+/[\w-]+)", file):
                if not match[1].endswith("/index"):
                    found.append(match[1])
            for key in ("parts", "chapters", "sections"):
                visit(entry.get(key))

    visit(toc)
    return found
