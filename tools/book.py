"""What the tools know about the book: where its notebooks are and what the first cell says."""

from __future__ import annotations

import re
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
NEEDS_LINE = re.compile(
    r"^\*Needs: .+; runs in about (?P<seconds>\d+|N) s on two CPU cores\.\*$", re.M
)


def notebooks(root: Path = ROOT) -> list[Path]:
    """All notebooks of the book, sorted by path."""
    return sorted(
        path
        for path in (root / "chapters").glob("*/*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    )


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook as nbformat 4.5 in memory."""
    return nbformat.read(path, as_version=4)


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
    """The one requirement in `requirements-peer.txt`, such as `d2l==1.0.3`."""
    lines = (root / "requirements-peer.txt").read_text(encoding="utf-8").splitlines()
    (requirement,) = [line.strip() for line in lines if line.strip() and line[0] != "#"]
    return requirement


def colab_cell(root: Path = ROOT) -> str:
    """The source of every notebook's first cell, which installs the helpers in Colab only."""
    # torch and numpy are named at the versions that are there, so that pip cannot exchange them.
    return textwrap.dedent(
        f"""\
        # In Google Colab: install the book's helpers, pinned to its release. Elsewhere: nothing.
        import sys

        if "google.colab" in sys.modules:
            import subprocess
            from importlib.metadata import version

            release = "{version(root)}"
            folder = "{repository_url(root)}/releases/download"
            wheel = f"{{folder}}/v{{release}}/deep_learning_tested-{{release}}-py3-none-any.whl"
            keep = [f"{{name}}=={{version(name)}}" for name in ("torch", "numpy")]
            pip = [sys.executable, "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, wheel, *keep], check=True)
            subprocess.run([*pip, "--no-deps", "{peer_requirement(root)}"], check=True)"""
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
