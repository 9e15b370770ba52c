"""What goes back to Canvas and Moodle: the table that they import, and feedback in a zip file."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from grading import feedback, uploads
from grading.results import Assignment, Result, write_rows
from grading.roster import Roster

PLATFORMS = ("canvas", "moodle")
# «cnn (98)» in Canvas, «Assignment: cnn (Real)» in Moodle's gradebook
TITLE = re.compile(r"(?:assignment: )?(.*?)(?: \((?:\d+|real)\))?")
KEPT = {  # what Canvas needs to know a student by; it ignores columns that it computes itself
    "canvas": (
        *("student", "lastname", "firstname", "id"),
        *("sis user id", "sis login id", "root account", "section"),
    )
}


def column(roster: Roster, assignment: str, asked: str) -> int:
    """The column of the platform's table that gets the points; its width if it's to be a new one.

    Args:
        roster: the platform's table.
        assignment: its name here.
        asked: its name on the platform; empty for a column that has ours as its title.

    Raises:
        ValueError: there is none of the name that was asked for, or several fit.
    """
    header = [name.strip().lower() for name in roster.header]
    if not asked and roster.platform == "moodle" and "identifier" in header:
        return header.index("grade")
    word, computed = (asked or assignment).strip().lower(), _computed(roster)
    free = [i for i in range(len(header)) if i not in computed]
    exact = [i for i in free if header[i] == word]
    found = exact or [i for i in free if (m := TITLE.fullmatch(header[i])) and m[1] == word]
    if len(found) > 1 or (asked and not found):
        names = ", ".join(repr(roster.header[i]) for i in found or free)
        which = "several columns fit" if found else "no column fits"
        raise ValueError(
            f"{roster.path}: {which} {asked or assignment!r} ({names}). Say which gets the points: "
            'COLUMN="..."'
        )
    return found[0] if found else len(header)


def _computed(roster: Roster) -> set[int]:
    """The columns that the platform computes itself, as Canvas says below their names."""
    return {
        place
        for row in roster.rows
        if "points possible" in "".join(row[:1]).lower()
        for place, cell in enumerate(row)
        if cell.strip().lower() == "(read only)"
    }


def destination(roster: Roster, place: int) -> str:
    """Where the points go, for people to see before they upload anything."""
    if not roster.platform:
        return (
            f"{roster.path.name} is no list of Canvas's or Moodle's (as they export it, set to "
            "English): nothing is written for them."
        )
    new = 'a new column (another one is COLUMN="...")'
    where = f"its column {roster.header[place]!r}" if place < len(roster.header) else new
    return f"{roster.path.name} is {roster.platform.capitalize()}'s: points go into {where}."


def table(
    roster: Roster, place: int, results: Iterable[Result], assignment: Assignment
) -> list[list[object]]:
    """The platform's table with the points of all who have a mark filled in.

    Args:
        roster: as the platform exported it.
        place: of the column that gets the points, see `column`.
        results: of the students.
        assignment: whose.
    """
    filled = {r.person.line: r for r in results if r.person and r.mark is not None}
    width = max(len(roster.header), place + 1)
    header: list[object] = [*roster.header, *[assignment.name] * (width - len(roster.header))]
    rows: list[list[object]] = []
    for line, row in enumerate(roster.rows):
        cells: list[object] = [*row, *[""] * (width - len(row))]
        if line in filled:
            cells[place] = f"{filled[line].total(assignment):g}"
        elif place >= len(roster.header) and "points possible" in str(cells[0]).lower():
            cells[place] = f"{assignment.possible:g}"
        rows.append(cells)
    if keep := KEPT.get(roster.platform):
        places = [i for i, name in enumerate(roster.header) if name.strip().lower() in keep]
        places.append(place)
        return [[row[i] for i in places] for row in [header, *rows]]
    return [header, *rows]


def warnings(roster: Roster, results: Sequence[Result], assignment: Assignment) -> list[str]:
    """What the teacher should know before the table is uploaded."""
    found = []
    header = [name.strip().lower() for name in roster.header]
    if "maximum grade" in header:
        place = header.index("maximum grade")
        most = {row[place].replace(",", ".") for row in roster.rows if place < len(row)}
        if wrong := sorted(m for m in most if m and _number(m) != assignment.possible):
            found.append(
                f"Moodle's maximum grade is {', '.join(wrong)}, this assignment has "
                f"{assignment.possible:g} points: change it in Moodle before you upload."
            )
    if count := sum(bool(result.missing(assignment)) for result in results):
        found.append(f"{count} of the totals in it are provisional.")
    return found


def _number(words: str) -> float:
    try:
        return float(words)
    except ValueError:
        return -1.0


def zip_name(result: Result, platform: str) -> str:
    """What a page is called in the zip: the platform knows the student by it; or empty."""
    submission = result.submission
    if submission is None or submission.owner.platform != platform:
        return ""
    if platform == "moodle":
        match = uploads.MOODLE.fullmatch(submission.entry)
        assert match
        folder = f"{match['who']}_{match['id']}_assignsubmission_file_"
        return posixpath.join(folder, "feedback.html")
    return Path(submission.entry).stem + ".html"


def write(
    out: Path,
    platform: str,
    roster: Roster,
    place: int,
    results: Sequence[Result],
    assignment: Assignment,
) -> list[Path]:
    """Write what goes back to a platform.

    Returns:
        The files.
    """
    points, pages = out / f"{platform}.csv", out / f"{platform}-feedback.zip"
    # what the platform has written goes back as it was
    write_rows(points, table(roster, place, results, assignment), clean=lambda cell: cell)
    partial = pages.with_name(pages.name + ".part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for result in results:
            page, name = feedback.path(out / "feedback", result), zip_name(result, platform)
            if name and result.mark is not None and page.is_file():
                archive.writestr(name.encode("utf-8", "replace").decode(), page.read_bytes())
    partial.replace(pages)
    return [points, pages]
