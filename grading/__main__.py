"""Grade a folder of submissions: python -m grading ASSIGNMENT SUBMISSIONS.

Results go to OUT (dist/grades/ASSIGNMENT): gradebook.sqlite, grades.csv, history.csv, overview.html
and feedback/ with a page for each student. An interrupted run goes on where it stopped; what has
been marked is not marked again unless the file or the tests have changed, or a limit stopped it and
is another now.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grading import (
    exports,
    feedback,
    hand,
    options,
    overview,
    plan,
    results,
    roster,
    rubric,
    runner,
    text,
)
from grading.bubblewrap import Unavailable, available
from grading.gradebook import Gradebook, WrongGradebook
from grading.limits import Limits, enforced
from grading.marking import load_tests
from grading.marks import Mark
from grading.plan import Plan
from grading.results import Assignment, Result
from grading.sandbox import MachineError
from grading.submissions import Submission, find

SOME_NOT_MARKED = 3  # the exit status: the machine could not mark them


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    told = options.parse(arguments)
    # also where the shell that started this ignores interrupts, or a scheduler ends the job
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # names may hold what the terminal can't show
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return grade(told)
    except (ValueError, WrongGradebook, Unavailable, OSError, sqlite3.Error) as error:
        print(text.plain(str(error), keep="\n"), file=sys.stderr)
        return 2
    except MachineError as error:
        print(text.plain(str(error), keep="\n"), file=sys.stderr)
        return SOME_NOT_MARKED
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to go on.", file=sys.stderr)
        return 130


@dataclass
class Run:
    """What a run has done, for its summary."""

    new: int = 0
    seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def grade(told: argparse.Namespace) -> int:
    """Mark all that is to be marked, and write the results."""
    options.check(told)
    folder = told.built / told.assignment
    tests_folder = folder / "autograder" / "tests"
    tests, digest = load_tests(tests_folder), fingerprint(tests_folder)
    worth = {file.name: float(sum(c.points or 0 for c in file.test_cases)) for file in tests}
    manual = rubric.manual(folder)
    assignment = Assignment(told.assignment, worth, manual)
    ours = [path for path in (told.hand, told.roster) if path]
    class_list = roster.read(told.roster) if told.roster else None
    platform, place = _platform(told, class_list)
    planned = plan.make(find(told.submissions, ours), class_list)
    limits = Limits(seconds=told.seconds, memory=told.memory << 20)
    signed = f"{told.seconds:g} s, {told.memory} MB"
    going = [exports.destination(class_list, place)] if class_list else []
    if told.dry:
        return show(told, planned, digest, signed, going)
    planned.check()
    available()
    told.out.mkdir(parents=True, exist_ok=True)
    there = planned.handed_in.submissions
    with Gradebook(told.out / "gradebook.sqlite", told.assignment) as book:
        todo = to_mark(told, planned, book, digest, signed)
        book.hand_in(s for s in there if s.digest)
        run = Run(new=len(todo))
        if told.hand:
            hold, old = hand.read(told.hand, book, assignment.tested, manual, planned.who)
            run.lines.append(f"{len(hold)} marks given by people, {book.give(hold)} of them new")
            run.lines += [
                f"not applied: {m.question} of {m.student}: it was given for an earlier hand-in. "
                "Mark the new one, or name it in a column hand_in."
                for m in old
            ]
        for sentence in enforced():
            print(f"Note: {sentence}", flush=True)
        started = time.monotonic()
        if any(not submission.problem for submission in todo):
            runner.try_machine(limits, min(told.workers, len(todo)))

        def keep(submission: Submission, mark: Mark) -> None:
            book.keep(submission, digest, mark, signed)

        run.failed = runner.run(todo, tests, limits, told.workers, keep)
        run.seconds = time.monotonic() - started
        rows = results.collect(
            book, assignment, digest, told.keep, there, planned.people, run.failed
        )
        rows += results.absent(planned.absent, rows)
        run.lines += write(book, told.out, assignment, rows, told.feedback)
        if platform and class_list:
            files = exports.write(told.out, platform, class_list, place, rows, assignment)
            run.lines += exports.warnings(class_list, rows, assignment)
            run.lines.append(f"For {platform.capitalize()}: {', '.join(map(str, files))}")
        run.lines += going
        summary(book, told.out, planned, assignment, rows, run)
    return SOME_NOT_MARKED if run.failed else 0


def _platform(told: argparse.Namespace, class_list: roster.Roster | None) -> tuple[str, int]:
    """The platform that results go back to, and the column of its table for the points."""
    theirs = class_list.platform if class_list else ""
    if told.export and told.export != theirs:
        what = {"canvas": "the gradebook", "moodle": "the grading worksheet"}[told.export]
        raise ValueError(
            f"EXPORT={told.export} needs ROSTER=file.csv: {what} as {told.export.capitalize()} "
            "exports it."
        )
    if not class_list or not theirs:
        return "", 0
    return theirs, exports.column(class_list, told.assignment, told.column)


def to_mark(
    told: argparse.Namespace, planned: Plan, book: Gradebook, digest: str, limits: str
) -> list[Submission]:
    """Those that are to be marked now."""
    there = planned.handed_in.submissions
    if told.student:
        student = planned.who(told.student)
        return [submission for submission in there if submission.student == student]
    return [s for s in there if told.again or not book.has(s, digest, limits)]


def show(
    told: argparse.Namespace, planned: Plan, digest: str, limits: str, going: list[str]
) -> int:
    """Say what would be done and where points would go, and do nothing."""
    path = told.out / "gradebook.sqlite"
    todo = planned.handed_in.submissions
    if path.is_file():
        with Gradebook(path, told.assignment) as book:
            todo = to_mark(told, planned, book, digest, limits)
    elif told.student:
        todo = [s for s in todo if s.student == planned.who(told.student)]
    for line in [*planned.lines(todo), *map(text.plain, going)]:
        print(line)
    print("Nothing was marked: DRY=1.")
    return 2 if planned.unclear else 0


def fingerprint(folder: Path) -> str:
    """One hash over all tests of an assignment."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def write(
    book: Gradebook, out: Path, assignment: Assignment, rows: Sequence[Result], shown: str
) -> list[str]:
    """The tables and the pages; what could not be written is said."""
    results.write_csv(out / "grades.csv", rows, assignment)
    results.write_history(out / "history.csv", book)
    (out / "overview.html").write_text(overview.page(rows, assignment), encoding="utf-8")
    failed = feedback.write(out / "feedback", assignment, rows, shown)
    return [f"{student}: {why}" for student, why in failed]


def summary(
    book: Gradebook,
    out: Path,
    planned: Plan,
    assignment: Assignment,
    rows: Sequence[Result],
    run: Run,
) -> None:
    """Say what was done."""
    marked, there = run.new - len(run.failed), len(planned.handed_in.submissions)
    each = f", {run.seconds / run.new:.1f} s each" if run.new else ""
    # ru_maxrss is in kB on Linux, where the grader runs
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{marked} of {there} submissions marked in {run.seconds:.0f} s{each}; ", end="")
    print(f"the grader used {peak} MB of memory at most.")
    for row in rows:
        said = "; ".join([*([row.reason] if row.reason else []), *row.notes])
        if said:
            print(text.plain(f"  {row.student}: {row.status}: {said}"))
    for line in [*planned.notes(), *run.lines]:
        print(text.plain(f"  {line}"))
    for line in overview.flagged(overview.shares(rows, assignment)):
        print(text.plain(f"  {line}"))
    if missing := sum(bool(row.missing(assignment)) for row in rows):
        print(f"{missing} totals are provisional: {', '.join(assignment.manual)} to be read.")
    names = ("grades.csv", "overview.html", "feedback", "history.csv")
    print(f"Results: {', '.join(str(out / name) for name in names)}, {book.path}")


if __name__ == "__main__":
    sys.exit(main())
