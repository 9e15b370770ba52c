"""Marking many, several at a time: whatever one of them does, the others get their marks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from queue import Queue
from typing import TYPE_CHECKING

from tqdm import tqdm

from grading import text
from grading.limits import Limits
from grading.marking import mark, refused
from grading.marks import Mark
from grading.sandbox import self_test
from grading.submissions import Submission

if TYPE_CHECKING:  # only in the grader's environment
    from otter.test_files.exception_test import ExceptionTestFile


def try_machine(limits: Limits, workers: int) -> None:
    """Run an exercise in the sandbox of each slot, before anyone is marked.

    Raises:
        MachineError: this machine can't grade; the message says what to do.
    """
    for slot in range(workers):
        self_test(limits, slot)


def run(
    todo: Sequence[Submission],
    tests: list[ExceptionTestFile],
    limits: Limits,
    workers: int,
    keep: Callable[[Submission, Mark], None],
) -> dict[str, str]:
    """Mark submissions.

    Whoever was stopped for time while others ran is marked once more, alone, and only that mark is
    kept: nobody loses points to a neighbour who uses up the processor.

    Args:
        todo: which.
        tests: of the assignment.
        limits: for each.
        workers: how many at a time.
        keep: stores a mark as soon as it is there.

    Returns:
        Those that could not be marked, which is never their fault, with the reason.
    """
    slots: Queue[int] = Queue()
    for slot in range(workers):
        slots.put(slot)

    def one(submission: Submission) -> Mark:
        if submission.problem and not submission.digest:
            raise OSError(submission.problem)
        if submission.problem:
            return refused(submission.problem, tests)
        slot = slots.get()
        try:
            return mark(submission.path, tests, limits, slot)
        finally:
            slots.put(slot)

    failed: dict[str, str] = {}
    late: list[Submission] = []

    def finish(submission: Submission, made: Callable[[], Mark], alone: bool) -> None:
        try:
            found = made()
            if found.late and not alone:
                late.append(submission)
                return
            keep(submission, found)
        except Exception as error:  # named, not stored, and the others go on
            failed[submission.student] = text.plain(f"{type(error).__name__}: {error}")
        bar.update()

    with tqdm(total=len(todo), unit="hand-in", file=sys.stderr) as bar:
        alone = min(workers, len(todo)) == 1
        with ThreadPoolExecutor(workers) as pool:
            running = {pool.submit(one, submission): submission for submission in todo}
            try:
                for future in as_completed(running):
                    finish(running.pop(future), future.result, alone)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for submission in late:
            finish(submission, partial(one, submission), True)
    return failed
