"""The questions that people mark: their text, and what they give points for, as built."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADING = re.compile(r"^#{1,4} Question (\d+)\b.*", re.M)
TABLE = re.compile(r"^\|.*\|\s*$\n?", re.M)
COMMENT = re.compile(r"<!--.*?-->\s*", re.S)
GIVEN = re.compile(r"^([\d.]+) of ([\d.]+): (.*)$")


@dataclass(frozen=True)
class Criterion:
    """What points are given for."""

    points: float
    words: str


@dataclass(frozen=True)
class Question:
    """A question that people mark.

    Attributes:
        name: q8.
        points: that it is worth.
        text: what is asked, in Markdown.
        criteria: of the rubric.
    """

    name: str
    points: float
    text: str
    criteria: tuple[Criterion, ...]


def manual(built: Path) -> dict[str, float]:
    """The questions that people mark, with the points each is worth, of an assignment's folder."""
    return {name: float(entry["points"]) for name, entry in _entries(built).items()}


def _entries(built: Path) -> dict[str, dict[str, Any]]:
    """What `make assignments` wrote about them.

    Raises:
        ValueError: it was another version of it.
    """
    path = built / "by_hand.json"
    entries: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    if not all(isinstance(entry, dict) for entry in entries.values()):
        raise ValueError(f"{path} is of an older version of the book: run `make assignments`.")
    return entries


def form_cells(form: Path) -> list[str]:
    """The cells of the form that was handed out; none if there is no form."""
    if not form.is_file():
        return []
    notebook = json.loads(form.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"]]


def questions(built: Path, form: list[str]) -> list[Question]:
    """The questions that people mark.

    Args:
        built: the assignment's folder.
        form: the cells of the form.
    """
    texts = {}
    for source in form:
        if match := HEADING.search(source):
            texts[f"q{match[1]}"] = TABLE.sub("", COMMENT.sub("", source)).strip()
    found = []
    for name, entry in _entries(built).items():
        lines = entry.get("rubric", [])
        criteria = tuple(Criterion(float(line["points"]), line["text"]) for line in lines)
        text = texts.get(name) or entry.get("title", name)
        found.append(Question(name, float(entry["points"]), text, criteria))
    return found


def comment(criteria: tuple[Criterion, ...], given: list[float], words: str) -> str:
    """What a student reads: each criterion with its points, and what the reader wrote."""
    lines = [f"{points:g} of {c.points:g}: {c.words}" for c, points in zip(criteria, given)]
    return "\n".join([*lines, *([words] if words else [])])


def taken_apart(criteria: tuple[Criterion, ...], said: str) -> tuple[list[float | None], str]:
    """The points by criterion and the words of the reader, of such a comment."""
    lines = said.splitlines()
    given: list[float | None] = []
    for criterion, line in zip(criteria, lines):
        match = GIVEN.match(line)
        if not match or match[3] != criterion.words:
            return [None] * len(criteria), said
        given.append(float(match[1]))
    if len(given) < len(criteria):
        return [None] * len(criteria), said
    return given, "\n".join(lines[len(criteria) :])
