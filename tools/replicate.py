"""Run the trials of pages in every setting, with more seeds, and store what they measured.

    tools/replicate chapters/mlp/dropout.ipynb       the run that decides
    tools/replicate --seed 5000                      all pages, on other random numbers
    tools/replicate --device cuda                    on a GPU

The same cells run as on the page, up to the last trial. When all trials of a page are done, its
results are written to `chapters/replications/<part>/<slug>/`. Two pages run at a time, each with
one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from tools import book, execute
from utils.claims.replication import DECIDES, read_run
from utils.pages import statements_of, trials_in
from utils.paths import replications_folder

VERSIONS = ("torch", "numpy", "scikit-learn")


def up_to_the_last_trial(notebook: NotebookNode) -> list[str]:
    """Drop what follows the last trial; the claims that are tried, in order."""
    tried: list[str] = []
    last = 0
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and (
            found := [c for s in statements_of([cell.source]) for c in trials_in(s)]
        ):
            tried += found
            last = place
    notebook.cells = notebook.cells[: last + 1]
    return tried


def run_name(seed: int, device: str) -> str:
    """The name of a run's file."""
    return f"seed-{seed}" + ("" if device == "cpu" else f"-{device}")


def replicate(path: Path, seed: int, device: str) -> tuple[Path, dict[str, Any]]:
    """Run a page's trials in every setting.

    Returns:
        Where the result belongs, and the result.

    Raises:
        NotebookFailed: a cell failed, or no trial stands on the page.
    """
    notebook = book.read(path)
    tried = up_to_the_last_trial(notebook)
    if not tried:
        raise execute.NotebookFailed("no trial stands on this page")
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "trials.jsonl")
        variables = {
            "BOOK_REPLICATE": str(lines),
            "BOOK_SEED": str(seed),
            "BOOK_DEVICE": device,
            "OMP_NUM_THREADS": "1",
        }
        execute.run(notebook, path.resolve().parent, timeout=None, **variables)
        text = lines.read_text(encoding="utf-8")
    trials = {trial.pop("claim"): trial for trial in map(json.loads, text.splitlines())}
    page = f"{path.parent.name}/{path.stem}"
    result = {
        "page": page,
        "seed": seed,
        "device": device,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, 1 thread",
        "versions": {"python": platform.python_version(), **{p: version(p) for p in VERSIONS}},
        "trials": trials,
    }
    return replications_folder() / page / f"{run_name(seed, device)}.json", result


def store(path: Path, result: dict[str, Any]) -> None:
    """Write a run's file whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    # one line a list of numbers: short enough to read, and a change shows where it is
    text = _joined(text) + "\n"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)


def _joined(text: str) -> str:
    """JSON with the innermost lists on one line each."""
    return re.sub(
        r"\[\s*([^\[\]{}]*?)\s*\]", lambda m: "[" + re.sub(r"\s*\n\s*", " ", m[1]) + "]", text
    )


def report(path: Path) -> list[str]:
    """Print a stored run's verdicts; the claims that came out otherwise than recorded."""
    run = read_run(path)
    recorded = {claim["id"]: claim["verdict"] for claim in book.claims()}
    odd = []
    for claim, data in run.trials.items():
        said = data["verdict"]
        same = said == recorded.get(claim)
        print(f"  {'✓' if same else '✗'} {claim}: {said} ({data['seconds']:.0f} s)")
        if not same:
            odd.append(f"{claim}: {said}, recorded {recorded.get(claim)}")
    return odd


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tools/replicate", description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks (default: all of the book)")
    parser.add_argument("--seed", type=int, default=0, help="is added to every seed")
    parser.add_argument("--device", choices=["cpu", "cuda", "mps"], default="cpu")
    parser.add_argument("--workers", type=int, default=2, help="pages at a time")
    options = parser.parse_args(arguments)
    execute.require_device(options.device)
    paths = book.chosen(options.paths)
    failed: list[str] = []
    decided = run_name(options.seed, options.device) == DECIDES
    with ProcessPoolExecutor(options.workers) as pool:
        jobs = {pool.submit(replicate, p, options.seed, options.device): p for p in paths}
        for job in as_completed(jobs):
            path = jobs[job]
            try:
                target, result = job.result()
            except (execute.NotebookFailed, book.NotANotebook) as error:
                print(f"{path}: failed\n{error}\n", flush=True)
                failed.append(str(path))
                continue
            store(target, result)
            print(f"{path}: {target.relative_to(book.ROOT)}", flush=True)
            failed += report(target)
    if decided and not failed:
        print("Now run tools/execute on these pages, so that their cards show it.")
    for line in failed:
        print(f"to be mended: {line}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
