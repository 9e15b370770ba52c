"""A class's hand-ins of mixed shapes, one in twenty of them hostile or broken, graded unattended.

    python benchmarks/grading_a_class.py                 # twelve: a minute or two
    python benchmarks/grading_a_class.py --count 300     # three hundred: about ten minutes

The answers are the solution, the untouched form, and those that the tests know. Prints seconds each
and the grader's peak memory, and ends with status 1 if a row is missing, or if one answer got other
points in one file than in another.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-grading" / "bin" / "python"
ASSIGNMENT = "foundations"
HOSTILE = 20  # one in so many
SECONDS, MEMORY = 60, 1500  # for one hand-in

LOOP = "while True:\n    pass"
HOG = "hog = []\nwhile True:\n    hog.append(bytearray(10**8))"
FORKS = "import os\nwhile True:\n    os.fork()"
DISK = "i = 0\nwhile True:\n    open(f'/tmp/{i}', 'wb').write(bytes(10**7))\n    i += 1"
EXIT = "import os\nos._exit(0)"
PRINTS = "print('x' * 10**8)"
ODD = "raise ValueError('\\ud83d' + chr(27) + '[2J')"
BLANK = "\n" * 110_000
BYTES = {
    "deep": b"[" * 200_000,
    "empty": b"",
    "cut-off": b'{"cells": [',
    "damaged": b"PK\x03\x04 damaged",
    "many": b"[" + b"{}," * 3_000_000 + b"{}]",
    "picture": b"\x89PNG\r\n\x1a\n",
}

Cells = list[str]


def notebook(cells: Cells) -> bytes:
    """A notebook with these code cells."""
    made = [
        {"cell_type": "code", "source": c, "metadata": {}, "outputs": [], "execution_count": None}
        for c in cells
    ]
    whole = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(whole).encode()


def with_outputs(cells: Cells) -> bytes:
    """The same, with five megabytes of outputs."""
    whole = json.loads(notebook(cells))
    text = {"output_type": "stream", "name": "stdout", "text": ["x" * 99 + "\n"] * 50_000}
    whole["cells"][0]["outputs"] = [text]
    return json.dumps(whole).encode()


def zipped(data: bytes) -> bytes:
    """A zip file as macOS makes it, with the notebook in a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("homework/x.ipynb", data)
        archive.writestr("__MACOSX/homework/._x.ipynb", b"\0")
        archive.writestr("homework/.ipynb_checkpoints/x-checkpoint.ipynb", data)
    return buffer.getvalue()


def old(cells: Cells) -> bytes:
    """A notebook of version 3 of the format, in UTF-16."""
    made = [{"cell_type": "code", "input": c, "language": "python", "outputs": []} for c in cells]
    whole = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": made}]}
    return json.dumps(whole).encode("utf-16")


# how a hand-in looks: the name in the folder, from a number, and the bytes, from the cells
SHAPES: list[tuple[str, Callable[[Cells], bytes]]] = [
    ("student-{0:03}.ipynb", notebook),
    ("Ånna Þór {0:03}.zip", lambda cells: zipped(notebook(cells))),
    ("Student {0:03}_{0}_assignsubmission_file_/my work.ipynb", notebook),
    ("smithanna_{0}_9{0:03}_x.ipynb", with_outputs),
    ("smithbob_late_{0}_9{0:03}_x-1.ipynb", notebook),
    ("_{0:03}/x.IPYNB", old),
]


def answers(built: Path) -> dict[str, Cells]:
    """What students hand in, by the name of the answer."""

    def code(path: Path) -> Cells:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]

    # the experiment that a person marks takes long, and says nothing here
    solution = [c for c in code(built / "autograder" / f"{ASSIGNMENT}.ipynb") if "fit(" not in c]
    found = {"solution": solution, "untouched": code(built / "student" / f"{ASSIGNMENT}.ipynb")}
    path = ROOT / "tests" / "assignments" / "answers" / f"{ASSIGNMENT}.yml"
    for kind in yaml.safe_load(path.read_text(encoding="utf-8")).values():
        for name, answer in kind.items():
            found[name] = [*solution, answer["code"]]
    return found


def hand_in(folder: Path, count: int, known: dict[str, Cells]) -> dict[str, str]:
    """Put hand-ins into a folder.

    Returns:
        What each holds, by the path in the folder.
    """
    hostile = [LOOP, HOG, FORKS, DISK, EXIT, PRINTS, ODD, BLANK]
    names, placed = list(known), {}
    for number in range(count):
        shape, made = SHAPES[number % len(SHAPES)]
        what = names[number % len(names)]
        cells, data = known[what], b""
        if number % HOSTILE == HOSTILE // 2:
            place = number // HOSTILE
            if place % 2:
                what, data = list(BYTES.items())[place // 2 % len(BYTES)]
            else:
                what, cells = "solution", [*known["solution"], hostile[place // 2 % len(hostile)]]
        name = shape.format(number)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data or made([*cells, f"number = {number}"]))
        placed[name] = what
    return placed


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=12, help="hand-ins")
    parser.add_argument("--workers", type=int, default=2, help="at a time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        command: list[str | Path] = [PYTHON, "-m", "tools.assignments", ASSIGNMENT, "--into", work]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        folder = work / "handed in"
        placed = hand_in(folder, options.count, answers(work / ASSIGNMENT))
        command = [PYTHON, "-m", "grading", ASSIGNMENT, folder, "--built", work]
        command += ["--out", work / "out", "--workers", str(options.workers)]
        command += ["--seconds", str(SECONDS), "--memory", str(MEMORY)]
        run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        print(run.stdout)
        if run.returncode:
            return run.returncode
        with (work / "out" / "grades.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["student"] != "(possible)"]
    return report(placed, rows)


def report(placed: dict[str, str], rows: list[dict[str, str]]) -> int:
    """Say whether every hand-in has its row, and every answer the same points everywhere."""
    entries = {name.split("/")[0]: what for name, what in placed.items()}
    missing = sorted(set(entries) - {row["file"] for row in rows})
    got: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for row in rows:
        points = tuple(row[key] for key in row if re.fullmatch(r"q\d+", key))
        got.setdefault(entries.get(row["file"], "?"), {}).setdefault(points, []).append(row["file"])
    for what, found in got.items():
        if len(found) > 1:
            print(f"{what} got different points: {found}")
    for name in missing:
        print(f"{name} has no row")
    wrong = bool(missing) or len(rows) != len(placed) or any(len(x) > 1 for x in got.values())
    print(f"{len(rows)} rows of {len(placed)} hand-ins; {len(got)} kinds of answers.")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
