"""Who handed in what, before anyone is marked: files, the roster, and what isn't clear."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

from grading import text
from grading.roster import Person, Roster, squeezed
from grading.submissions import HandedIn, Submission


class Unclear(ValueError):
    """What somebody has to decide before anyone is marked; the message lists it."""


@dataclass
class Plan:
    """Who handed in what.

    Attributes:
        handed_in: what lies in the folder.
        roster: the class, if it is known.
        people: the place in the roster of each student who has one.
        unknown: students who are not in the roster.
        absent: people in the roster who handed in nothing.
        unclear: what somebody has to decide, a sentence each.
    """

    handed_in: HandedIn
    roster: Roster | None = None
    people: dict[str, Person] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    absent: list[Person] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Refuse to mark anyone while something isn't clear.

        Raises:
            Unclear: naming all of it.
        """
        if self.unclear:
            lines = "\n".join(f"  {line}" for line in self.unclear)
            raise Unclear(f"Nobody was marked, because this isn't clear:\n{lines}")

    def who(self, name: str) -> str:
        """The student in the gradebook whom a name means: its own, or one of the roster's.

        Raises:
            ValueError: nobody who handed in, or several.
        """
        students = [submission.student for submission in self.handed_in.submissions]
        if found := [s for s in students if s == text.name(name)]:
            return found[0]
        found = [s for s in students if text.same(s) == text.same(name)]
        if not found and squeezed(name):
            people = self.people.items()
            found = [student for student, person in people if squeezed(name) in person.keys]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                f"{text.name(name)!r} may be {' or '.join(found)}: give the first name."
            )
        near = difflib.get_close_matches(name, students, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"there is no hand-in of {text.name(name)!r}.{hint}")

    def lines(self, todo: list[Submission]) -> Iterator[str]:
        """The plan in words.

        Args:
            todo: those that are to be marked now.
        """
        now = {submission.student for submission in todo}
        yield f"{len(self.handed_in.submissions)} hand-ins, {len(now)} to be marked:"
        for submission in self.handed_in.submissions:
            person = self.people.get(submission.student)
            name = f" ({person.name})" if person and person.name != submission.student else ""
            late = ", late" if submission.owner.late else ""
            state = submission.problem or (
                "to be marked" if submission.student in now else "marked"
            )
            yield f"  {submission.student}{name}: {text.name(submission.entry)}{late}: {state}"
        yield from self.notes()
        for line in self.unclear:
            yield f"NOT CLEAR: {line}"

    def notes(self) -> Iterator[str]:
        """What is no student's, who is not in the roster, and who handed in nothing."""
        for name, why in self.handed_in.skipped:
            yield f"skipped: {name}: {why}"
        if self.roster:
            for student in self.unknown:
                yield f"not in {self.roster.path.name}: {student}"
            for person in self.absent:
                yield f"nothing handed in: {person.name or person.id or person.email}"


def make(handed_in: HandedIn, roster: Roster | None) -> Plan:
    """Bring what was handed in together with the roster."""
    plan = Plan(handed_in, roster, unclear=list(handed_in.unclear))
    if roster is None:
        return plan
    whose: dict[int, list[str]] = {}
    for submission in handed_in.submissions:
        found = roster.match(submission.owner)
        if len(found) == 1:
            plan.people[submission.student] = found[0]
            whose.setdefault(found[0].line, []).append(submission.student)
        elif found:
            lines = ", ".join(str(person.line + 2) for person in found)
            plan.unclear.append(
                f"{submission.student} may be one of several in {roster.path.name} (lines {lines})."
                " Rename the file to the student's number or e-mail address."
            )
        else:
            plan.unknown.append(submission.student)
    for line, students in whose.items():
        if len(students) > 1:
            person = next(p for p in roster.people if p.line == line)
            plan.unclear.append(
                f"{' and '.join(students)} are both {person.name or person.id or person.email} "
                f"({roster.path.name}, line {line + 2}). Keep one of them."
            )
    plan.absent = [person for person in roster.people if person.line not in whose]
    return plan
