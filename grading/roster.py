"""The list of a class: a CSV file of names, numbers and e-mail addresses, or a platform's own."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from grading import text
from grading.uploads import Owner

COLUMNS = {  # what a column may be called, in lower case
    "name": ("name", "student", "full name"),
    "id": ("id", "student id", "sis user id", "id number", "sid"),
    "email": ("email", "e-mail", "mail", "email address"),
}
# of the gradebook that Canvas exports, with names in one column or in two
CANVAS = (("student", "id", "section"), ("lastname", "firstname", "id", "section"))
WORKSHEET = ("identifier", "grade", "last modified (grade)")  # of Moodle's grading worksheet
MOODLE = ("first name", "email address")  # of the gradebook that Moodle exports
SEPARATOR = re.compile(r"\"?sep=([,;\t])\"?\s*", re.I)
NOBODY = re.compile(r"\s*(points possible|manual posting|student, test)\b", re.I)  # Canvas's rows


@dataclass(frozen=True)
class Person:
    """Somebody of the class.

    Attributes:
        line: the row in the file, from 0.
        name, id, email: empty where the file doesn't say.
        keys: all that file names may call this person.
        number: that the platform whose list it is puts into the names of files.
    """

    line: int
    name: str = ""
    id: str = ""
    email: str = ""
    keys: frozenset[str] = frozenset()
    number: str = ""


@dataclass
class Roster:
    """A class.

    Attributes:
        path: of the file.
        platform: canvas or moodle if it is theirs, or empty.
        header: the names of its columns.
        rows: as they stand in the file.
        people: those of the rows that are somebody.
    """

    path: Path
    platform: str
    header: list[str]
    rows: list[list[str]]
    people: list[Person] = field(default_factory=list)

    def match(self, owner: Owner) -> list[Person]:
        """Whom a file may belong to: one person, nobody, or several if it isn't clear."""
        keys = owner.keys
        if owner.platform and owner.platform == self.platform:
            # its own number, which somebody else may have as the school's
            number, *names = keys
            if any(person.number for person in self.people):
                return [person for person in self.people if person.number == number]
            keys = tuple(names)
        several: list[Person] = []
        for key in keys:
            found = [person for person in self.people if squeezed(key) in person.keys]
            if len(found) == 1:
                return found
            several = several or found
        return several


def squeezed(key: str) -> str:
    """A name or a number as file names have it: letters and digits, without capital letters."""
    return re.sub(r"[\W_]+", "", text.same(key))


def read_table(path: Path) -> list[list[str]]:
    """The rows of a CSV file in UTF-8 or UTF-16, with commas, semicolons or tabs.

    Raises:
        ValueError: it can't be read; the message says what to do.
    """
    data = path.read_bytes()
    try:
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        source = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}, line {line}: the file is not in UTF-8. Save it as «CSV UTF-8» in the "
            "spreadsheet, and run again."
        ) from None
    first = source.split("\n", 1)[0]
    if match := SEPARATOR.fullmatch(first):  # a line that only Excel reads
        source, comma = source[len(first) + 1 :], match[1]
    else:
        comma = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(source, newline=""), delimiter=comma, strict=True))
    except csv.Error as error:
        raise ValueError(f"{path} is not a CSV file ({error}): save it as «CSV UTF-8».") from None
    if not rows:
        raise ValueError(f"{path} is empty: its first line names the columns.")
    return rows


def read(path: Path) -> Roster:
    """Read a roster.

    Args:
        path: of a CSV file with a column name, id or e-mail; or of Canvas's gradebook, Moodle's
            grading worksheet or Moodle's gradebook as they are exported.

    Raises:
        ValueError: it isn't one, or two rows are the same person.
    """
    header, *rows = read_table(path)
    columns = {name.strip().lower(): place for place, name in reversed(list(enumerate(header)))}
    roster = Roster(path, _platform(columns), header, rows)
    if not roster.platform and not any(n in columns for names in COLUMNS.values() for n in names):
        raise ValueError(
            f"{path} has the columns {', '.join(map(repr, header[:8]))}: a roster has name, id or "
            "email; or export the gradebook from Canvas, or the grading worksheet from Moodle."
        )
    for line, row in enumerate(rows):
        if any(value.strip() for value in row) and not NOBODY.match(row[0]):
            person = _person(line, row, columns, roster.platform)
            if person is None:
                continue
            if not person.keys:
                raise ValueError(f"{path}, line {line + 2}: neither a name nor an id nor an email.")
            roster.people.append(person)
    if not roster.people:
        raise ValueError(f"{path} lists nobody.")
    _no_twins(roster)
    return roster


def _platform(columns: Iterable[str]) -> str:
    """Whose file it is."""
    there = set(columns)
    if any(there >= set(names) for names in CANVAS):
        return "canvas"
    return "moodle" if there >= set(WORKSHEET) or there >= set(MOODLE) else ""


def _person(line: int, row: list[str], columns: dict[str, int], platform: str) -> Person | None:
    """The person in a row, whose last cells may be missing; None if it names nobody."""

    def value(*names: str) -> str:
        places = [columns[name] for name in names if name in columns]
        found = (row[place].strip() for place in places if place < len(row))
        return next((x for x in found if x), "")

    name = value(*COLUMNS["name"])
    if not name:
        first, last = value("first name", "firstname"), value("last name", "lastname", "surname")
        name = " ".join(x for x in (first, last) if x)
    number, email = value(*COLUMNS["id"]), value(*COLUMNS["email"])
    if platform == "canvas":  # ID is Canvas's own; what the school uses has other columns
        number = value("sis user id") or value("id")
    participant = value("identifier").lower().removeprefix("participant").strip()
    login = value("sis login id", "login", "username")
    email = email or (login if "@" in login else "")
    own = {"canvas": value("id"), "moodle": participant}.get(platform, "")
    keys = {number, email, email.partition("@")[0], login, participant, own, name, _turned(name)}
    if not any(key.strip() for key in keys):
        return None
    made = frozenset(squeezed(key) for key in keys if squeezed(key))
    number = number or participant
    return Person(line, text.name(name), text.name(number), text.name(email), made, own)


def _turned(name: str) -> str:
    """«Smith, Anna» and «Anna Smith» are one; file names have either."""
    last, comma, first = name.partition(",")
    if comma:
        return f"{first} {last}"
    first, _, last = name.rpartition(" ")
    return f"{last} {first}"


def _no_twins(roster: Roster) -> None:
    """Refuse a roster that has a person, by number or else by all there is, twice."""
    seen: dict[tuple[str, ...], int] = {}
    for person in roster.people:
        sign = (person.id,) if person.id else (person.name, person.email)
        if sign in seen:
            raise ValueError(
                f"{roster.path}, lines {seen[sign]} and {person.line + 2}: the same person twice "
                f"({person.id or person.name or person.email}). Keep one."
            )
        seen[sign] = person.line + 2
