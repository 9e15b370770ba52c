"""Grade a folder of submissions: python -m grading ASSIGNMENT SUBMISSIONS.

Results go to OUT (dist/grades/ASSIGNMENT): gradebook.sqlite, grades.csv, and feedback/ with a page
for each student. An interrupted run goes on where it stopped; what has been marked is not marked
again unless the file or the tests have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

from tqdm import tqdm

from grading import feedback, submissions
from grading.bubblewrap import ROOT, Unavailable, available
from grading.gradebook import Gradebook, WrongGradebook
from grading.limits import Limits
from grading.marking import Mark, load_tests, mark
from grading.submissions import Submission

if TYPE_CHECKING:  # only in the grader's environment
    from otter.test_files.exception_test import ExceptionTestFile

BUILT = ROOT / "dist" / "assignments"


def assignments() -> list[str]:
    """The names of all assignments."""
    return sorted(path.parent.name for path in (ROOT / "assignments").glob("*/*.ipynb"))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make grade", description=__doc__.split("\n")[0])
    parser.add_argument("assignment", help="foundations, cnn, ...")
    parser.add_argument(
        "submissions", type=Path, help="a folder: a notebook or zip of each student"
    )
    parser.add_argument("--built", type=Path, default=BUILT, help="where make assignments wrote")
    parser.add_argument("--out", type=Path, help="where results go (dist/grades/ASSIGNMENT)")
    parser.add_argument("--hand", type=Path, help="a CSV file of marks given by people")
    parser.add_argument("--workers", type=int, default=2, help="submissions at a time")
    parser.add_argument("--seconds", type=float, default=Limits.seconds, help="for a submission")
    parser.add_argument(
        "--memory", type=int, default=Limits.memory >> 20, help="MB for a submission"
    )
    parser.add_argument("--again", action="store_true", help="mark what has been marked, too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = parse(arguments)
    # also where the shell that started this ignores interrupts, or a scheduler ends the job
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        return grade(options)
    except (ValueError, WrongGradebook, Unavailable, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to go on.", file=sys.stderr)
        return 130


def grade(options: argparse.Namespace) -> int:
    """Mark all that is to be marked, and write the results."""
    name = options.assignment
    tests_folder = options.built / name / "autograder" / "tests"
    if not tests_folder.is_dir():
        known = ", ".join(assignments()) or "none"
        raise ValueError(
            f"There is no assignment {name!r} in {options.built} (the book has: {known}). "
            "Run `make assignments` first, or correct the name."
        )
    if options.workers < 1:
        raise ValueError(f"{options.workers} workers: at least one is needed.")
    handed_in = submissions.find(options.submissions)
    tests, digest = load_tests(tests_folder), fingerprint(tests_folder)
    worth = {file.name: float(sum(c.points or 0 for c in file.test_cases)) for file in tests}
    hand = json.loads((options.built / name / "by_hand.json").read_text(encoding="utf-8"))
    available()
    out = options.out or ROOT / "dist" / "grades" / name
    out.mkdir(parents=True, exist_ok=True)
    limits = Limits(seconds=options.seconds, memory=options.memory << 20)
    with Gradebook(out / "gradebook.sqlite", name) as book:
        todo = [s for s in handed_in if options.again or not book.has(s, digest)]
        started = time.monotonic()
        run_all(todo, tests, digest, limits, options.workers, book)
        if options.hand:
            print(f"{book.read_hand_marks(options.hand, hand)} marks given by people")
        write(book, out, name, worth, hand)
        summary(book, out, len(todo), len(handed_in), time.monotonic() - started)
    return 0


def run_all(
    todo: list[Submission],
    tests: list[ExceptionTestFile],
    digest: str,
    limits: Limits,
    workers: int,
    book: Gradebook,
) -> None:
    """Mark submissions, several at a time; each is kept as soon as it is done."""
    slots: Queue[int] = Queue()
    for slot in range(workers):
        slots.put(slot)

    def one(submission: Submission) -> Mark:
        slot = slots.get()
        try:
            return mark(submission.path, tests, limits, slot)
        finally:
            slots.put(slot)

    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(one, submission): submission for submission in todo}
        try:
            for future in tqdm(as_completed(running), total=len(running), unit="submission"):
                book.keep(running[future], digest, future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def fingerprint(folder: Path) -> str:
    """One hash over all tests of an assignment."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def write(
    book: Gradebook, out: Path, name: str, worth: dict[str, float], hand: dict[str, float]
) -> None:
    """The CSV file and the feedback pages."""
    book.write_csv(out / "grades.csv", worth, hand)
    folder, given = out / "feedback", book.by_hand()
    folder.mkdir(exist_ok=True)
    for student, result in book.marks():
        text = feedback.page(f"Assignment: {name}", student, result, hand, given.get(student, {}))
        file = re.sub(r"[^\w.@+ -]", "_", student)
        (folder / f"{file}.html").write_text(text, encoding="utf-8")


def summary(book: Gradebook, out: Path, new: int, handed_in: int, seconds: float) -> None:
    """Say what was done."""
    each = f", {seconds / new:.1f} s each" if new else ""
    print(f"{new} of {handed_in} submissions marked in {seconds:.0f} s{each}.")
    for student, result in book.marks():
        if result.reason:
            print(f"  {student}: {result.status}: {result.reason}")
    print(f"Results: {out / 'grades.csv'}, {out / 'feedback'}, {book.path}")


if __name__ == "__main__":
    sys.exit(main())
