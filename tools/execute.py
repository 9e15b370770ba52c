"""Run notebooks in fresh kernels and store their outputs.

    tools/execute chapters/cnn/lenet.ipynb ...
    tools/execute --dry-run                          run all, store nothing

A notebook runs in its own folder, in the Python that runs this, in a clean environment
(`tools.environment`). The first error stops it, is printed, and leaves the file as it was; so does
a figure that is there no longer. The measured time goes into the *Needs* line when it is off by
more than a quarter. Then the notebook is normalised.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tools import book, environment, normalise

CELL_TIMEOUT = 300  # seconds; the same as nbval's in the Makefile
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Outputs in the book come from the CPU, also where the author has a GPU, and from the seeds and
# data that a reader has; nobody looks at a bar.
AS_STORED = {"BOOK_DEVICE": "cpu", "BOOK_PROGRESS": "0"}
AS_STORED |= dict.fromkeys(("BOOK_SEED", "BOOK_FULL", "BOOK_REPLICATE", "BOOK_LIVE"), "")


class NotebookFailed(Exception):
    """A notebook did not run to its end; the message says where and why."""


class OneKernel(KernelSpecManager):
    """Knows the kernel of one Python, and none that somebody has registered under its name."""

    def __init__(self, python: Path) -> None:
        super().__init__()
        self._argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The kernel, whatever name is asked for."""
        return KernelSpec(argv=self._argv, display_name="Python 3", language="python")


def run(
    notebook: NotebookNode,
    folder: Path,
    timeout: int | None = CELL_TIMEOUT,
    python: Path | str = sys.executable,
    **variables: str,
) -> float:
    """Execute a notebook in place.

    Args:
        notebook: The notebook; its outputs are replaced.
        folder: The working directory of the kernel.
        timeout: The longest a cell may take, in seconds; None for as long as it takes.
        python: The Python of the kernel.
        variables: Of its environment, in place of `AS_STORED`.

    Returns:
        The time from the first cell's start to the last cell's end, in seconds.

    Raises:
        NotebookFailed: A cell raised, took too long, or ended the kernel.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    running: dict[str, int] = {}
    client = NotebookClient(
        notebook,
        AsyncKernelManager(kernel_name="python3", kernel_spec_manager=OneKernel(Path(python))),
        timeout=timeout,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=lambda cell, cell_index: running.update(cell=cell_index),
    )
    started = time.perf_counter()
    log = tempfile.TemporaryFile(mode="w+")  # what the kernel's process says, for when it dies
    try:
        # A client that is given its manager leaves the kernel running unless it is told to.
        clean = environment.clean(os.environ, **AS_STORED | variables)
        client.execute(env=clean, stderr=log, cleanup_kc=True)
    except CellExecutionError as error:
        raise NotebookFailed(readable(running["cell"], error)) from None
    except CellTimeoutError:
        index = running["cell"]
        raise NotebookFailed(f"cell {index + 1} took longer than {timeout} s") from None
    except DeadKernelError:
        index = running.get("cell", 0)
        log.seek(0)
        source, last_words = notebook.cells[index].source, log.read()[-2000:]
        raise NotebookFailed(
            f"the kernel died in cell {index + 1}:\n{source}\n{last_words}"
        ) from None
    finally:
        log.close()
    return time.perf_counter() - started


def readable(index: int, error: CellExecutionError) -> str:
    """The error of a cell and the last lines of its traceback, without colours."""
    trace = ANSI.sub("", error.traceback).strip().splitlines()[-30:]
    return f"cell {index + 1} raised {error.ename}: {error.evalue}\n" + "\n".join(trace)


def stated_seconds(measured: float, stated: int | None) -> int:
    """The run time to state: a multiple of 5 s, unchanged while it is right within a quarter."""
    if stated and abs(measured - stated) <= 0.25 * stated:
        return stated
    return max(5, 5 * round(measured / 5))


def record_time(notebook: NotebookNode, measured: float) -> bool:
    """Write the measured time into the *Needs* line; False if there is none."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (match := book.NEEDS_LINE.search(cell.source)):
            start, end = match.span("seconds")
            seconds = stated_seconds(measured, book.run_time(notebook))
            cell.source = f"{cell.source[:start]}{seconds}{cell.source[end:]}"
            return True
    return False


def pictures(notebook: NotebookNode) -> Counter[str]:
    """How many outputs of each cell are pictures, by the cell's name."""
    return Counter(
        cell.id
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if normalise.shows_picture(output)
    )


def lost(before: Counter[str], notebook: NotebookNode) -> list[str]:
    """What a run has done to a page that must not be stored, one sentence each."""
    gone = before - pictures(notebook)
    return [
        *normalise.failures(notebook),
        *(
            f"cell {number} ({cell.id}): of the pictures that are stored {gone[cell.id]} came "
            "without alternative text, or not at all; clear the cell's output if that is meant"
            for number, cell in enumerate(notebook.cells, start=1)
            if gone[cell.id]
        ),
    ]


def require_device(name: str) -> None:
    """Stop with one line if PyTorch does not see the device."""
    import torch

    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there[name]:
        sys.exit(f"This machine has no {name} device that PyTorch {torch.__version__} sees.")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tools/execute", description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks (default: all of the book)")
    parser.add_argument("--dry-run", action="store_true", help="run, store nothing")
    parser.add_argument(
        "--keep-time", action="store_true", help="leave the stated run time alone (busy machine)"
    )
    options = parser.parse_args(arguments)
    paths = book.chosen(options.paths)
    if not paths:
        print("tools/execute: there are no notebooks", file=sys.stderr)
        return 1
    failed: set[Path] = set()
    for path in paths:
        print(f"{path} ... ", end="", flush=True)
        try:
            notebook = book.read(path)
            normalise.normalise(notebook, path.stem, book.colab_cell())
            before = pictures(notebook)
            live = tempfile.TemporaryDirectory()  # what utils.live publishes: stored with the page
            seconds = run(notebook, path.resolve().parent, BOOK_LIVE=live.name)
        except (NotebookFailed, book.NotANotebook) as error:
            print(f"failed\n{path}: {error}\n")
            failed.add(path)
            continue
        print(f"{seconds:.1f} s")
        if gone := lost(before, notebook):
            print(*(f"{path}: not stored: {sentence}" for sentence in gone), sep="\n")
            failed.add(path)
            continue
        if not options.dry_run:
            stated = options.keep_time and book.run_time(notebook)
            if not stated and not record_time(notebook, seconds):
                print(f"{path}: no line '*Needs: …; runs in about N s on two CPU cores.*'")
                failed.add(path)
            normalise.normalise(notebook, path.stem, book.colab_cell())
            normalise.write(notebook, path)
            for weights in Path(live.name).iterdir():
                (path.parent / "live").mkdir(exist_ok=True)
                shutil.copyfile(weights, path.parent / "live" / weights.name)
        for problem in normalise.problems(notebook):
            print(f"{path}: {problem}")
            failed.add(path)
    if failed:
        print(f"tools/execute: {len(failed)} of {len(paths)} notebooks need work")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
