"""Broken and hostile submissions: each gets the mark it deserves and a reason that can be read."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from grading import text
from tests.assignments.attacks import SEND
from tools import book

PYTHON = book.ROOT / ".venv-grading" / "bin" / "python"
# runs a command with a secret in its session keyring, as a teacher's may have (x86_64's numbers)
WITH_A_KEY = [sys.executable, "-c", """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.syscall(250, 1, b"session")
libc.syscall(248, b"user", b"teacher", b"TEACHERS-KEY", 12, -3)
os.execv(sys.argv[1], sys.argv[1:])
"""]  # fmt: skip
TESTS = {
    "q1": """
from otter.test_files import test_case
import torch
from utils import assert_close

OK_FORMAT = False
name = "q1"
points = None

@test_case(points=1, hidden=False)
def test_double(double):
    assert_close(double(torch.ones(3)), torch.full((3,), 2.0))

@test_case(points=1, hidden=True)
def test_gradient(double):
    X = torch.tensor([1.0, -2.0])
    out, grad = double.gradients(X)
    assert_close(grad, 2 * torch.linspace(-1, 1, 2))
""",
    "q2": """
from otter.test_files import test_case
import torch
from utils import assert_close

OK_FORMAT = False
name = "q2"
points = None

@test_case(points=2, hidden=True)
def test_rows(row_means):
    SECRET = torch.arange(6.0).reshape(2, 3)
    assert_close(row_means(SECRET), torch.tensor([1.0, 4.0]))
""",
}
Q1 = "def double(X):\n    return 2 * X"
Q2 = "def row_means(X):\n    return X.mean(1)"
GOOD = ["import torch", Q1, Q2]
LIAR = """
class Liar:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __le__(self, other): return True
    def __getattr__(self, name): return lambda *a, **k: Liar()
def double(X): return Liar()
def row_means(X): return Liar()
"""
PATCH = """
import torch, utils
torch.allclose = lambda *a, **k: True
torch.Tensor.__eq__ = lambda a, b: torch.ones((), dtype=torch.bool)
torch.Tensor.all = lambda *a, **k: torch.tensor(True)
utils.check.assert_close = lambda *a, **k: None
utils.assert_close = lambda *a, **k: None
def double(X): return 3 * X
def row_means(X): return 0 * X
"""
SNOOP = """
import glob, os
found = [p for p in glob.glob("/**/*", recursive=True) if "SECRET" in p or "autograder" in p]
found += [p for p in glob.glob("/proc/*/environ")if open(p, errors="ignore").read().count("SECRET")]
assert not found
for folder in ("/work", "/home", "/root", "/tmp"):
    for path in glob.glob(folder + "/**/q1.py", recursive=True):
        raise RuntimeError(path)
import inspect
def double(X):
    for frame in inspect.stack():
        if "SECRET" in frame.frame.f_locals:
            return frame.frame.f_locals["SECRET"]
    raise RuntimeError("nothing to copy")
"""
OVERWRITE = """
import os, pathlib
for root in ("/", "/work", "/tmp", "/usr"):
    for name in ("gradebook.sqlite", "grades.csv", "q1.py"):
        try:
            (pathlib.Path(root) / name).write_text("student,total\\nme,100")
        except OSError:
            continue
def double(X): return X
"""
TAMPER = """
import os, signal
for pid in range(2, 4000):
    try:
        os.kill(pid, signal.SIGKILL) if pid not in (os.getpid(), os.getppid()) else None
    except OSError:
        continue
open("/tmp/poison.py", "w").write("raise SystemExit")
"""
CHANNEL = """
import os
for fd in range(3, 20):
    try:
        os.write(fd, b"{}" * 1000)
    except OSError:
        continue
"""
READS = """
import ctypes, glob
seen = ""
for path in glob.glob("/proc/[0-9]*/environ") + ["/proc/keys"]:
    try:
        seen += open(path).read()
    except OSError:
        continue
libc = ctypes.CDLL(None)
text = ctypes.create_string_buffer(1000)
for ring in (-3, -4, -5):  # the keyrings of the session and of the user
    key = libc.syscall(250, 10, ring, b"user", b"teacher", 0)
    seen += text.raw.decode() if libc.syscall(250, 11, key, text, 1000) > 0 else ""
raise RuntimeError(seen)
"""
SHARED = """
import mmap
kept = []
while True:
    kept.append(mmap.mmap(-1, 10**7))
    kept[-1].write(bytes(10**7))
"""
DAEMONS = """
import os
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "87654"])
        os._exit(0)
"""
ENDLESS = """
class Endless:
    def __getitem__(self, place): return 1.0
def double(X): return Endless()
"""
YIELDS = """
import itertools
class Yields:
    def __iter__(self): return itertools.count()
    def __len__(self): return 3
def double(X): return Yields()
"""
EMPTY_ROWS = "import torch\ndef double(X):\n    return torch.empty(40_000_000, 0)"
HALF = "print('\\ud83d')\nraise ValueError('\\ud83d')"
FILES_IN_MEMORY = "for i in range(400_000):\n    open(f'/tmp/{i}', 'w').close()"
HUGE = "def double(X):\n    return torch.zeros(10**8)"
WEB = "import urllib.request\nurllib.request.urlopen('http://pypi.org')"

# name → (cells, points of q1, points of q2, a word of the reason or of what was wrong)
CASES: dict[str, tuple[list[str], float, float, str]] = {
    "good": (GOOD, 2, 2, ""),
    "untouched": (["import torch", "def double(X):\n    ...", "def row_means(X): ..."], 0, 0, ""),
    "infinite-loop": ([*GOOD, "while True:\n    pass"], 2, 2, "took longer"),
    "loop-in-answer": (["def double(X):\n    while True: pass", "import torch", Q2], 0, 2, "took"),
    "fork-bomb": ([*GOOD, "import os\nwhile True:\n    os.fork()"], 2, 2, ""),
    "thread-bomb": ([*GOOD, "import threading, time\nwhile True:\n    "
                     "threading.Thread(target=time.sleep, args=(99,)).start()"], 2, 2, ""),
    "memory-hog": ([*GOOD, "x = []\nwhile True:\n    x.append(bytearray(10**8))"], 2, 2, "memory"),
    "disk-filler": ([*GOOD, "i = 0\nwhile True:\n    open(f'/tmp/{i}', 'wb').write(bytes(10**7))"
                     "\n    i += 1"], 2, 2, ""),
    "network": ([WEB, *GOOD], 2, 2, ""),
    "reads-tests": ([SNOOP], 0, 0, ""),
    "overwrites": ([OVERWRITE, Q2], 0, 2, ""),
    "patches": ([PATCH], 0, 0, "expected"),
    "always-equal": ([LIAR], 0, 0, ""),
    "sys-exit": ([*GOOD, "import sys\nsys.exit(0)"], 2, 2, ""),
    "hard-exit": ([*GOOD, "import os\nos._exit(0)"], 2, 2, "ended"),
    "crash": ([*GOOD, "import ctypes\nctypes.string_at(0)"], 2, 2, "ended"),
    "crash-in-answer": (["import os", "def double(X):\n    os.abort()", Q2], 0, 2, "ended"),
    "missing-question": (["import torch", Q1], 2, 0, "row_means"),
    "duplicated-cells": ([*GOOD, *GOOD], 2, 2, ""),
    "wrong-names": ([Q1.replace("double", "Double"), Q2], 0, 2, "double"),
    "enormous-output": ([*GOOD, "print('x' * 10**8)"], 2, 2, ""),
    "tampers": ([TAMPER, *GOOD], 2, 2, ""),
    "writes-to-channel": ([*GOOD, CHANNEL], 2, 2, ""),
    "enormous-answer": (["import torch", HUGE, Q2], 0, 2, ""),
    "syntax-error": (["def double(X) return", Q2], 0, 2, ""),
    "raises-system-exit": (["def double(X):\n    raise SystemExit", Q2], 0, 2, "SystemExit"),
    "many-shells": (["!echo hi\n" * 600, *GOOD], 2, 2, ""),
    "many-magics": (["%time x = 1\n" * 300, *GOOD], 2, 2, ""),
    "blank-lines": (["\n" * 110_000, *GOOD], 2, 2, ""),
    "half-a-character": ([HALF, *GOOD], 2, 2, "ValueError"),
    "lists-on-the-pipe": (
        [*GOOD, SEND, "send(b'[' + b'[],' * 20_000_000 + b'[]]')"],
        2,
        2,
        "no answer",
    ),
    "reads-the-teacher": ([READS, *GOOD], 2, 2, "RuntimeError"),
    "shared-memory": ([*GOOD, SHARED], 2, 2, "memory"),
    "files-in-memory": ([*GOOD, FILES_IN_MEMORY], 2, 2, "files"),
    "daemons": ([*GOOD, DAEMONS], 2, 2, ""),
    "endless-items": ([ENDLESS, Q2], 0, 2, ""),
    "endless-iterator": ([YIELDS, Q2], 0, 2, ""),
    "empty-rows": ([EMPTY_ROWS, Q2], 0, 2, ""),
    "detached": (["def double(X):\n    return (2 * X).detach()", Q2], 1, 2, ""),
}  # fmt: skip


def notebook(cells: list[str]) -> str:
    """A notebook with these code cells, as text."""
    return nbformat.writes(new_notebook(cells=[new_code_cell(cell) for cell in cells]))


def zipped(members: dict[str, str]) -> bytes:
    """A zip file of these texts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def with_outputs(cells: list[str], size: int) -> str:
    """A notebook whose first cell has printed so many characters."""
    made = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    made.cells[0].outputs = [new_output("stream", name="stdout", text="x" * size)]
    return nbformat.writes(made)


FILES: dict[str, tuple[bytes, float, float, str]] = {
    "export.zip": (zipped({"hw.ipynb": notebook(GOOD), "hw.pdf": "%PDF"}), 2, 2, ""),
    "not-a-notebook.ipynb": (b"\x89PNG\r\n\x1a\n", 0, 0, "not a notebook"),
    "other-json.ipynb": (b"[1, 2, 3]", 0, 0, "not a notebook"),
    "deep-json.ipynb": (b"[" * 100_000, 0, 0, "not a notebook"),
    "empty.ipynb": (b"", 0, 0, "not a notebook"),
    "truncated.zip": (zipped({"hw.ipynb": notebook(GOOD)})[:-40], 0, 0, "not a zip"),
    "climbs.zip": (zipped({"../../hw.ipynb": notebook(GOOD)}), 0, 0, "outside itself"),
    "no-notebook.zip": (zipped({"hw.txt": "see attachment"}), 0, 0, "0 notebooks"),
    "bomb.zip": (zipped({"hw.ipynb": "[" + "{}," * 10_000_000 + "{}]"}), 0, 0, ""),
    "long-outputs.ipynb": (with_outputs(GOOD, 55_000_000).encode(), 2, 2, ""),
    "=cmd|'calc'!A0.ipynb": (notebook(GOOD).encode(), 2, 2, ""),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, str]]]:
    """The folder of results, and the rows by student."""
    folder = tmp_path_factory.mktemp("hostile")
    tests = folder / "built" / "tiny" / "autograder" / "tests"
    tests.mkdir(parents=True)
    for name, source in TESTS.items():
        (tests / f"{name}.py").write_text(source)
    (folder / "built" / "tiny" / "by_hand.json").write_text(json.dumps({}))
    handed_in = folder / "submissions"
    handed_in.mkdir()
    for name, (cells, *_) in CASES.items():
        (handed_in / f"{name}.ipynb").write_text(notebook(cells))
    for name, (content, *_) in FILES.items():
        (handed_in / name).write_bytes(content)
    command = [PYTHON, "-m", "grading", "tiny", handed_in, "--built", folder / "built"]
    command += ["--out", folder / "out", "--seconds", "25", "--memory", "1000"]
    command += ["--feedback", "all"]
    with (folder / "said").open("w+") as said:
        run = subprocess.Popen(
            [*WITH_A_KEY, *command],
            cwd=book.ROOT,
            stdout=said,
            stderr=said,
            env={**os.environ, "TOKEN": "TEACHERS-TOKEN"},
        )
        peak = watch(run, 1200)
        said.seek(0)
        assert run.returncode == 0, said.read()[-3000:]
    (folder / "peak").write_text(str(peak))
    with (folder / "out" / "grades.csv").open(newline="", encoding="utf-8") as file:
        return folder, {row["student"]: row for row in csv.DictReader(file)}


def watch(run: subprocess.Popen, seconds: float) -> int:
    """Wait for a process, and return the most memory that it had, in MB, without its children's."""
    peak, deadline = 0, time.monotonic() + seconds
    while run.poll() is None and time.monotonic() < deadline:
        status = Path(f"/proc/{run.pid}/status").read_text()
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            peak = int(found[1]) >> 10
        time.sleep(0.1)
    if run.poll() is None:
        run.kill()
        raise AssertionError(f"the grader took longer than {seconds:.0f} s")
    return peak


def feedback_of(folder: Path, student: str) -> str:
    return (folder / "out" / "feedback" / text.file_name(student)).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*CASES, *FILES])
def test_it_gets_what_it_deserves(graded: tuple, name: str) -> None:
    folder, rows = graded
    _, q1, q2, word = {**CASES, **FILES}[name]
    student = name if name in CASES else Path(name).stem
    row = rows.get(student) or rows[f"'{student}"]
    said = row["reason"] + feedback_of(folder, student)
    assert (float(row["q1"]), float(row["q2"])) == (q1, q2), said
    assert word in said


def command_of(process: psutil.Process | None) -> str:
    """A process's command line; empty if it has ended."""
    try:
        return " ".join(process.cmdline()) if process else ""
    except psutil.Error:
        return ""


def test_every_student_has_a_row_and_nothing_is_left_running(graded: tuple) -> None:
    folder, rows = graded
    assert len(rows) == 1 + len(CASES) + len(FILES)
    # other tests may grade at this moment: what is left running has lost its grader, and goes on;
    # a sandbox that is just being closed loses its parent a moment before it ends
    workers = [p for p in psutil.process_iter() if "grading.worker" in command_of(p)]
    lost = [p for p in workers if "grading" not in command_of(p.parent())]
    _, running = psutil.wait_procs(lost, timeout=5)
    assert not running


def test_the_solution_of_nobody_is_shown_to_another(graded: tuple) -> None:
    folder, _ = graded
    assert "SECRET" not in "".join(p.read_text() for p in (folder / "out" / "feedback").iterdir())


def test_nothing_of_the_teachers_is_shown(graded: tuple) -> None:
    folder, _ = graded
    pages = "".join(p.read_text(encoding="utf-8") for p in (folder / "out").rglob("*.html"))
    assert "RuntimeError" in feedback_of(folder, "reads-the-teacher")
    assert "TEACHERS" not in pages


def test_the_grader_stays_small(graded: tuple) -> None:
    folder, _ = graded
    assert int((folder / "peak").read_text()) < 1024


def test_an_interrupted_run_goes_on_and_marks_nothing_twice(tmp_path: Path, graded: tuple) -> None:
    folder, _ = graded
    handed_in = tmp_path / "in"
    handed_in.mkdir()
    for number in range(8):
        (handed_in / f"s{number}.ipynb").write_text(notebook([f"x = {number}", *GOOD]))
    command = [PYTHON, "-m", "grading", "tiny", handed_in, "--built", folder / "built"]
    command += ["--out", tmp_path / "out", "--workers", "1"]
    run = subprocess.Popen(command, cwd=book.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    database = tmp_path / "out" / "gradebook.sqlite"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (database.exists() and kept(database)):
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=120)
    assert run.returncode == 130
    before = kept(database)
    assert 1 <= before < 8
    again = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True, check=True)
    assert f"{8 - before} of 8 submissions marked" in again.stdout
    assert kept(database) == 8
    nothing = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True, check=True)
    assert "0 of 8 submissions marked" in nothing.stdout


def kept(database: Path) -> int:
    """How many marks a gradebook holds."""
    with sqlite3.connect(database) as connection:
        try:
            return connection.execute("SELECT count(*) FROM marks").fetchone()[0]
        except sqlite3.OperationalError:  # it has just been made
            return 0
