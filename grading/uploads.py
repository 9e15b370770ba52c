"""The names that learning platforms give to what students upload, and whose they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from grading import text

# Anna Smith_123456_assignsubmission_file_/x.ipynb, or the same without a folder
MOODLE = re.compile(r"(?P<who>.+?)_(?P<id>\d+)_assign[a-z]+_(?P<kind>[a-z]+)(?:_(?P<rest>.*))?")
# smithanna_late_123_4567_x.ipynb: the student's and the file's numbers
CANVAS = re.compile(r"(?P<who>.+?)_(?:(?P<late>late)_)?(?P<id>\d+)_\d{3,}_(?P<rest>.+)", re.I)
GRADESCOPE = re.compile(r"submission_\d+")
METADATA = ("submission_metadata.yml", "submission_metadata.yaml")


@dataclass(frozen=True)
class Owner:
    """Whose a file or a folder is, as its name says.

    Attributes:
        student: the name in the gradebook; it stays the same when something is handed in anew.
        keys: what a roster may know the student by.
        platform: canvas, moodle, gradescope, or empty.
        late: whether the platform says so.
    """

    student: str
    keys: tuple[str, ...] = ()
    platform: str = ""
    late: bool = False


def owner(entry: str, stem: str, metadata: dict[str, Owner]) -> Owner:
    """Whose a file or a folder in the folder of submissions is.

    Args:
        entry: its name.
        stem: the name without what says of which kind the file is.
        metadata: what Gradescope has written beside the folders, by folder.

    Returns:
        The owner: if no platform has given the name, the stem is the student's.
    """
    if found := metadata.get(entry):
        return found
    if match := MOODLE.fullmatch(entry):
        student = text.name(f"{match['who']}_{match['id']}")
        return Owner(student, (match["id"], text.name(match["who"])), "moodle")
    if match := CANVAS.fullmatch(entry):
        student = text.name(f"{match['who']}_{match['id']}")
        return Owner(student, (match["id"],), "canvas", bool(match["late"]))
    return Owner(text.name(stem), (text.name(stem),))


def gradescope(source: str) -> dict[str, Owner]:
    """The owners in the file that Gradescope puts beside the folders, by folder.

    Raises:
        ValueError: it can't be read.
    """
    try:
        entries = yaml.load(source, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return {str(folder): _submitters(entry) for folder, entry in entries.items()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"it is not Gradescope's ({type(error).__name__})") from None


def _submitters(entry: dict[str, Any]) -> Owner:
    """The student, or the group, of one submission."""
    people = entry[":submitters"]
    names = " & ".join(str(person[":name"]) for person in people)
    keys = [str(p[key]) for p in people for key in (":sid", ":email", ":name") if p.get(key)]
    sure = [str(p.get(":sid") or p.get(":email") or "") for p in people]
    student = "_".join([names, *(s for s in sure[:1] if s)])
    return Owner(text.name(student), tuple(text.name(key) for key in keys), "gradescope")
