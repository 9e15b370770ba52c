"""What came of a submission: outcomes of tests, and the mark that they make."""

from __future__ import annotations

from dataclasses import dataclass, field

DONE, PARTLY, REFUSED = "graded", "stopped", "refused"


@dataclass
class Outcome:
    """What came of one test.

    Attributes:
        name: the test's.
        points: that it is worth.
        earned: that it gave.
        hidden: whether the student could run it.
        message: what was wrong, in words; empty if nothing was.
    """

    name: str
    points: float
    earned: float
    hidden: bool
    message: str = ""


@dataclass
class Mark:
    """What came of one submission.

    Attributes:
        status: graded; stopped (a limit was broken, the rest was graded); refused (unreadable).
        reason: why it wasn't simply graded, or which cells failed.
        questions: the outcomes of each question's tests.
        errors: of the student's cells, with their numbers and first lines.
        seconds: that it took.
        left_out: lines of the student's that were not run: commands, and magics.
        late: whether a limit of time was broken, in which a neighbour may have had a part.
    """

    status: str = DONE
    reason: str = ""
    questions: dict[str, list[Outcome]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    left_out: list[str] = field(default_factory=list)
    late: bool = False

    @property
    def points(self) -> dict[str, float]:
        """Points by question."""
        return {name: sum(t.earned for t in tests) for name, tests in self.questions.items()}

    @property
    def total(self) -> float:
        """Points in all."""
        return sum(self.points.values())
