"""Two things that nbval passes over, made failures: notebooks never run, and kernels that died.

A notebook in `chapters` that is no page of the book, such as a copy, is left alone with a warning.

nbval compares nothing in a cell that has no execution count, so a notebook that was never run
passes. And it waits for a dead kernel until the cell's time is over.
"""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

import nbval.kernel
import nbval.plugin
import pytest

from tools import book

POLL = 1.0  # seconds between two looks at the kernel's process
# Cards and figures are held to their plain text; HTML holds measured numbers, SVG holds the look.
NOT_COMPARED = ("text/html", "image/svg+xml", "application/javascript")


class NeverRun(pytest.Collector.CollectError):
    """A notebook has code cells without an execution count."""


def install() -> None:
    """Change nbval's classes; safe to call again."""
    if getattr(nbval.plugin.IPyNbFile, "guarded", False):
        return
    get_message = nbval.kernel.RunningKernel.get_message
    collect, setup = nbval.plugin.IPyNbFile.collect, nbval.plugin.IPyNbFile.setup

    def get_message_of_living(self: Any, stream: str, timeout: float | None = None) -> Any:
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            left = until - time.monotonic()
            # Asked before the queue is read: what a kernel said before its death still counts.
            alive = self.is_alive()
            try:
                return get_message(self, stream, timeout=max(0.0, min(POLL, left)))
            except Empty:
                if not alive:
                    raise RuntimeError("the kernel died while it ran this cell") from None
                if left <= POLL:
                    raise

    def collect_what_was_run(self: Any) -> Any:
        if self.path in book.strays():
            self.warn(pytest.PytestWarning(book.left_alone(self.path)))
            return []
        cells = list(collect(self))
        unrun = [cell.cell_num for cell in cells if cell.cell.execution_count is None]
        if unrun or not cells:
            raise NeverRun(
                f"{self.path.name} was not run (cells {unrun}): tools/execute {self.path}"
            )
        return cells

    def setup_with_less_to_compare(self: Any) -> None:
        self.skip_compare = (*self.skip_compare, *NOT_COMPARED)
        setup(self)

    nbval.kernel.RunningKernel.get_message = get_message_of_living
    nbval.plugin.IPyNbFile.collect = collect_what_was_run
    nbval.plugin.IPyNbFile.setup = setup_with_less_to_compare
    nbval.plugin.IPyNbFile.guarded = True
