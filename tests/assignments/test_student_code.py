"""Student code runs in the sandbox as it does in a notebook, and what failed is said in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from grading import marking, marks, remote, session, words
from grading.limits import Limits
from grading.marks import Mark
from grading.sandbox import MachineError, StudentError
from grading.session import END, Session
from grading.words import NOTHING
from utils import assert_close

LIMITS = Limits(seconds=240, memory=3 << 30)
NET = "from torch import nn\nclass Net(nn.Linear):\n    pass\nnet = Net(3, 8)"
POOL = """
import math, multiprocessing
with multiprocessing.get_context("spawn").Pool(2) as pool:
    NAME = int(sum(pool.map(math.sqrt, [9, 25])))"""
FORKED = """
import multiprocessing
def double(x):
    return 2 * x
with multiprocessing.get_context("fork").Pool(2) as pool:
    NAME = sum(pool.map(double, [1, 3]))"""
LOADER = """
import torch
from torch.utils.data import DataLoader
NAME = sum(len(batch) for batch in DataLoader(torch.arange(8), num_workers=4))"""
SHARED = """
import torch
x = torch.ones(8).share_memory_()
queue = torch.multiprocessing.get_context("fork").Queue()
process = torch.multiprocessing.get_context("fork").Process(target=lambda: x.mul_(0).add_(1))
process.start()
process.join()
NAME = int(x.sum())"""
SAVED = """
import pickle, torch
torch.save(net, "net.pt")
NAME = len(torch.load("net.pt", weights_only=False).bias)
assert len(pickle.loads(pickle.dumps(net)).bias) == 8"""
DATACLASS = """
from dataclasses import dataclass, fields
@dataclass
class Options:
    width: int = 8
assert fields(Options)[0].type is int
NAME = Options().width"""
FUTURE = ["from __future__ import annotations", "def f(x: nowhere) -> None: ...\nNAME = 8"]
AWAIT = """
import asyncio
async def eight():
    await asyncio.sleep(0)
    return 8
asyncio.run(eight())
asyncio.get_event_loop()
NAME = await eight()"""
COMPILED = """
import torch
@torch.compile
def eight(x):
    return x + 5
NAME = int(eight(torch.tensor(3)))"""
INPUT = """
try:
    input("your name?")
except RuntimeError as error:
    NAME = 8 if "nobody" in str(error) else 0"""
COLAB = """
from google.colab import drive, files
drive.mount("/content/drive")
uploaded = files.upload()
for name in uploaded:
    print(name)
NAME = 8"""
COLAB_TRIED = """
try:
    import google.colab
    NAME = 0
except ImportError:
    NAME = 8"""
COLAB_IN_FUNCTION = """
def mount():
    import google.colab
    from google.colab import drive
    google.colab.output.clear()
    drive.mount("/content/drive", force_remount=True)
mount()
NAME = 8"""
OTTER = """
import otter
grader = otter.Notebook("renamed.ipynb", tests_dir="tests")
NAME = 8
grader.check("q1")
print(grader.check_all())
results = grader.check("q1"); grader.export(pdf=False, run_tests=True)"""
IPYTHON = """
from IPython import get_ipython
from IPython.display import clear_output, display
get_ipython().run_line_magic("matplotlib", "inline")
get_ipython().run_line_magic("time", "NAME = 7")
get_ipython().run_cell_magic("time", "", "NAME += 1")
get_ipython().system("ls")
get_ipython().events.register("post_run_cell", print)
clear_output()
display(NAME)"""
SHELL = """
import pickle
import matplotlib_inline.backend_inline
matplotlib_inline.backend_inline.set_matplotlib_formats("svg")
class Eight:
    value = 8
NAME = pickle.loads(pickle.dumps(Eight)).value"""
FORM = """
import sys
if "google.colab" in sys.modules:
    raise SystemExit
NAME = 8"""
BELOW = """
1 / 0
left_out = len("x")
import math
answers = {"a": 8.0}
def name():
    return math.floor(answers["a"])
class Net:
    pass"""

# what a cell may look like; each leaves 8 in NAME
CASES: dict[str, list[str]] = {
    "time-on-a-cell": ["%%time\nNAME = 8"],
    "timeit-on-a-cell": ["%%timeit -n 10 -r 3\nNAME = 8"],
    "capture": ["%%capture\nimport json\nNAME = 8", "json.dumps(NAME)"],
    "capture-with-a-name": ["%%capture out\nNAME = 8", "out.show()\nprint(out.stdout)"],
    "two-magics": ["%%capture\n%%time\nNAME = 8"],
    "below-a-comment": ["# Question 1\n\n%%time\nNAME = 8"],
    "unknown-magic": ["%%notify -m done\nNAME = 8"],
    "time-on-a-line": ["%time NAME = 8"],
    "timeit-on-a-line": ["%timeit -n 100 -r3 NAME = 8"],
    "value-of-time": ["NAME = %time 3 + 5"],
    "magics-above": ["%matplotlib inline\n%load_ext autoreload\n%autoreload 2\nNAME = 8"],
    "commands": ["!pip install -q torch\nfiles = !ls\n%cd ..\nlen?\nNAME = 8 + len(files)"],
    "in-a-block": ["for i in range(2):\n    %time NAME = 7 + i\n    !ls"],
    "a-remainder": ["%matplotlib inline\nNAME = (28\n% 20)"],
    "a-text-with-a-magic": ["%time x = 1\ntext = '''\n%time\n!ls\n'''\nNAME = len(text) - 3"],
    "writes-a-module": ["%%writefile mine.py\nEIGHT = 8", "from mine import EIGHT as NAME"],
    "runs-a-script": ["%%writefile eight.py\nEIGHT = 8", "%run eight.py", "NAME = EIGHT"],
    "bash": ["%%bash\necho 'it isn''t Python'", "NAME = 8"],
    "indented": ["    NAME = 8\n    len('x')"],
    "check-in-the-cell": [OTTER],
    "no-first-cell": ['grader.check("q1")\nNAME = 8'],
    "colab": [COLAB],
    "colab-module": ["from google import colab\ncolab.drive.mount('/x')\nNAME = 8"],
    "colab-tried": [COLAB_TRIED],
    "colab-in-a-function": [COLAB_IN_FUNCTION],
    "not-in-colab": [FORM],
    "ipython": [IPYTHON],
    "old-magic": ["get_ipython().magic('time NAME = 8')"],
    "dataclass": [DATACLASS],
    "await": [AWAIT],
    "last-value": ["3 + 5", "NAME = _"],
    "own-underscore": ["_ = 'mine'\nlen('ab')", "len('abc')", "NAME = 2 * len(_)"],
    "input": [INPUT],
    "shared-memory": [SHARED],
    "data-loader": [LOADER],
    "spawned-pool": [POOL],
    "forked-pool": [FORKED],
    "saved-module": [NET, SAVED],
    "compiled": [COMPILED],
    "source-of-a-function": ["import inspect\ndef f(): ...\nNAME = len(inspect.getsource(f)) - 5"],
    "many-terms": ["%time x = 1\nNAME = " + "+".join(["1"] * 900) + " - 892"],
    "shell-of-a-library": [SHELL],
    "display-with-an-id": ["handle = display(1, display_id='x')\nhandle.update(2)\nNAME = 8"],
    "main": ['import __main__\nif __name__ == "__main__":\n    __main__.NAME = 8'],
    "future": FUTURE,  # and all that comes after it
    "half-a-character": ['NAME = 8 if "\ud83d" else 0\nprint("\\ud83d")'],
}


def notebook(cells: list[str]) -> bytes:
    """The bytes of a notebook with these code cells."""
    code = [{"cell_type": "code", "source": c, "metadata": {}, "outputs": []} for c in cells]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4}).encode()


def run(cells: list[str], *names: str) -> Session:
    """A session of a notebook with these cells."""
    session = Session(notebook(cells), "mine.ipynb", {"q1": list(names)}, LIMITS)
    session.start()
    return session


@pytest.fixture(scope="module")
def ran() -> Iterator[Session]:
    """All cases, one after another in one notebook."""
    names = {case: f"answer_{place}" for place, case in enumerate(CASES)}
    cells = [c.replace("NAME", names[case]) for case, cs in CASES.items() for c in cs]
    with run(cells, *names.values()) as session:
        yield session


@pytest.mark.parametrize("case", CASES)
def test_it_runs_as_in_a_notebook(ran: Session, case: str) -> None:
    assert ran.fetch(f"answer_{list(CASES).index(case)}", END) == 8, ran.failed


def test_no_cell_failed_and_what_was_left_out_is_said(ran: Session) -> None:
    assert not ran.failed
    assert not ran.stops
    said = "\n".join(ran.left_out)
    assert "`!pip install -q torch`" in said
    assert "`%%bash`" in said
    assert "drive" not in said


@pytest.fixture(scope="module")
def failing() -> Iterator[Session]:
    cells = [
        "%matplotlib inline\nx = 1",
        BELOW,
        "# half\n\ndef broken(X:\n    return X",
        "raise ValueError('\\ud83d\\x1b[31mred\\nzoe: graded: 100')",
        "def softmax(logits):\n    return logits.nothing\nsoftmax(1)",
        "class Odd(Exception):\n    def __str__(self):\n        raise SystemExit\nraise Odd",
        "def endless():\n    i = 0\n    while True:\n        yield (i := i + 1)",
        "def seven(): yield from range(7)\nthings = {1, 2, 3}\nhole = {'a': ..., 'b': 2}",
        "import torch\ndef draw(n, generator=None): return torch.rand(n, generator=generator)",
    ]
    names = ["name", "left_out", "Net", "endless", "seven", "things", "hole", "draw", "nowhere"]
    with run(cells, *names) as session:
        yield session


def test_what_stands_below_an_error_is_defined_and_the_rest_reported(failing: Session) -> None:
    assert failing.fetch("name", END)() == 8
    assert failing.fetch("Net", END)
    with pytest.raises(StudentError, match="left_out"):
        failing.fetch("left_out", END)
    assert failing.failed[2] == (
        "code cell 2 (`1 / 0`): ZeroDivisionError: division by zero (line 2); "
        "1 statement below it did not run"
    )


def test_errors_are_told_in_the_student_s_terms(failing: Session) -> None:
    assert 1 not in failing.failed
    assert failing.failed[3].startswith("code cell 3 (`def broken(X:`): SyntaxError: ")
    assert failing.failed[3].endswith("(line 3)")
    assert "code cell 5 (`def softmax(logits):`): AttributeError" in failing.failed[5]
    assert failing.failed[5].endswith("(line 2)")
    assert "Odd: an error whose text can't be made (line 4)" in failing.failed[6]


def test_text_is_plain(failing: Session) -> None:
    said = failing.failed[4]
    said.encode()
    assert "\x1b" not in said
    assert "\n" not in said


def test_iteration_ends(failing: Session) -> None:
    assert list(failing.fetch("seven", END)()) == list(range(7))
    assert len(failing.fetch("things", END)) == 3
    assert 2 in failing.fetch("things", END)
    with pytest.raises(StudentError, match="100,000"):
        list(failing.fetch("endless", END)())


def test_dots_are_dots(failing: Session) -> None:
    assert failing.fetch("hole", END) == {"a": ..., "b": 2}


def test_a_generator_goes_on_where_the_student_s_code_left_it(failing: Session) -> None:
    draw = failing.fetch("draw", END)
    ours, theirs = (torch.Generator().manual_seed(1) for _ in range(2))
    for _ in range(2):
        assert_close(draw(3, generator=ours), torch.rand(3, generator=theirs))
    assert torch.equal(ours.get_state(), theirs.get_state())
    seen = draw.observed(3, generator=ours)
    assert seen["changed"] == ["generator"]
    assert "torch.rand" in seen["calls"]
    assert all(map(remote._is_there, seen["calls"]))
    assert not remote._is_there("torch.rand_7301_7302")


def case(function: Callable[..., None], hidden: bool = False) -> SimpleNamespace:
    """A test as otter has it."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    body = SimpleNamespace(test_func=function, _get_func_params=lambda: list(names))
    return SimpleNamespace(name="q1 - 1", points=1, hidden=hidden, body=body)


def graded(folder: Path, cells: list[str], *cases: SimpleNamespace, **limits: Any) -> Mark:
    path = folder / "jane.ipynb"
    path.write_bytes(notebook(cells))
    file = SimpleNamespace(name="q1", test_cases=list(cases))
    return marking.mark(path, [file], Limits(**{"seconds": 200, **limits}))  # type: ignore[list-item]


def messages(mark: Mark) -> list[str]:
    return [outcome.message for outcome in mark.questions["q1"]]


def test_an_answer_of_another_kind_is_told_in_words(tmp_path: Path) -> None:
    def subscript(dots: Any) -> None:
        dots["a"]

    def none(nothing: Any) -> None:
        assert nothing(1).shape

    def shape(numbers: Any) -> None:
        assert numbers(1).shape

    def unpack(pair: Any) -> None:
        a, b = pair(1)

    def key(table: Any) -> None:
        table["right"]

    def subtract(numbers: Any) -> None:
        numbers(1) - 1.0

    def odd(thing: Any) -> None:
        assert thing.shape

    def missing(nowhere: Any) -> None: ...

    def arguments(pair: Any) -> None:
        pair(1, 2)

    cells = [
        "dots = ...\ndef nothing(x): ...\ndef numbers(x): return [x]\ndef pair(x): return (x,)\n"
        "table = {'wrong': 1}\nthing = {1}"
    ]
    tests = (subscript, none, shape, unpack, key, subtract, odd, missing, arguments)
    said = dict(
        zip([t.__name__ for t in tests], messages(graded(tmp_path, cells, *map(case, tests))))
    )
    assert said["subscript"] == said["none"] == NOTHING
    assert said["shape"].startswith("the answer, or a part of it, is a list, which does not fit")
    assert "another number of parts" in said["unpack"]
    assert said["key"] == "the answer has no entry 'right'"
    assert "is a list" in said["subtract"]
    assert "is a set" in said["odd"]
    assert said["missing"] == "there is no `nowhere` in the notebook: no cell defines it"
    assert "takes 1 positional argument" in said["arguments"]


LEAKS = """
import os, torch
kept = []
def raises(X):
    kept.append(X)
    raise ValueError(repr(X.tolist()))
def makes_a_class(X):
    raise type("x" + "_".join(str(int(x)) for x in X), (Exception,), {})("x")
def fakes(X):
    exec(compile("\\n" * int(X[0]) + "1/0", "<cell 1>", "exec"))
def says(X): return repr(X.tolist())
def tells(X): return "told before" if not kept else repr(kept)
def looks_up(X): return {repr(X.tolist()): 1}
def prints(X):
    print(repr(X.tolist()), flush=True)
    os._exit(3)
def sends(X):
    class Text(str): pass
    return object.__new__(type(repr(X.tolist()), (), {}))
"""


def test_what_hidden_tests_hand_in_is_not_shown(tmp_path: Path) -> None:
    secret = torch.tensor([7301.0, 7302.0])

    def call(name: str) -> Callable[..., None]:
        code = f"def check({name}):\n    answer = {name}(X)\n    assert answer == 1, str(answer)"
        names: dict[str, Any] = {"X": secret}
        exec(code, names)
        return names["check"]

    def told(tells: Any) -> None:
        raise AssertionError(tells(torch.zeros(1)))

    def looked(looks_up: Any) -> None:
        looks_up(secret)["right"]

    def unpacked(says: Any) -> None:
        float(says(secret))

    hidden = [call(n) for n in ("raises", "makes_a_class", "fakes", "says", "prints", "sends")]
    cases = [*(case(f, hidden=True) for f in (*hidden, looked, unpacked)), case(told)]
    result = graded(tmp_path, [LEAKS], *cases)
    said = messages(result)
    assert not [text for text in (*said, result.reason, *result.errors) if "730" in text]
    own = "`raise ValueError(repr(X.tolist()))`"
    assert said[0] == f"it raises ValueError in line 6 of code cell 1 ({own})"
    assert said[1].startswith("it raises an error in line 8 of code cell 1")
    assert said[2] == "it raises ZeroDivisionError"
    assert said[-1] == "told before"
    assert result.status == marks.PARTLY
    assert "its process ended with status 3" in said
    assert result.reason == words.UNSAID


def test_a_graded_row_says_that_cells_failed(tmp_path: Path) -> None:
    def double(double: Any) -> None:
        assert double(4) == 8

    cells = [*(f"no_{i}" for i in range(600)), "%pip install x\ndef double(x):\n    return 2 * x"]
    result = graded(tmp_path, cells, case(double))
    assert (result.status, result.total) == (marks.DONE, 1.0)
    assert result.reason.startswith("600 cells failed: code cell 1 (`no_0`): NameError")
    assert len(result.reason) <= words.LONGEST
    assert len(result.errors) == 21
    assert result.errors[-1] == "and 580 more"
    assert result.left_out == ["code cell 601: `%pip install x`"]


def test_a_stopped_row_names_what_stopped_it(tmp_path: Path) -> None:
    def double(double: Any) -> None:
        assert double(4) == 8

    cells = [
        "1 / 0",
        "def double(x):\n    return 2 * x\nfactor = 2\nwhile True:\n    pass\nfactor = 3",
    ]
    result = graded(tmp_path, cells, case(double), seconds=15, call_seconds=3)
    assert (result.status, result.total) == (marks.PARTLY, 1.0)
    assert result.reason.startswith("code cell 2 (`def double(x):`): ")
    assert "3 s" in result.reason
    assert "its imports and definitions" in result.reason
    assert len(result.errors) == 2


def test_a_fault_of_the_machine_is_tried_again_and_is_no_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        starts = 0

        def __init__(self, *_: object) -> None: ...

        def __enter__(self) -> None:
            Broken.starts += 1
            raise MachineError("no memory")

        def __exit__(self, *_: object) -> None: ...

    def never(x: Any) -> None: ...

    monkeypatch.setattr(session, "Sandbox", Broken)
    with pytest.raises(MachineError, match="no memory"):
        graded(tmp_path, ["x = 1"], case(never))
    assert Broken.starts == marking.TRIES


def test_a_fault_of_a_test_is_no_mark(tmp_path: Path) -> None:
    def imports(x: Any) -> None:
        from utils import nothing_of_this_name  # noqa: F401

    with pytest.raises(marking.BrokenTest, match="nothing_of_this_name"):
        graded(tmp_path, ["x = 1"], case(imports))


def test_an_unreadable_file_is_refused_with_a_reason(tmp_path: Path) -> None:
    def never(x: Any) -> None: ...

    path = tmp_path / "homework.py"
    path.write_text("x = 1")
    file = SimpleNamespace(name="q1", test_cases=[case(never)])
    result = marking.mark(path, [file])  # type: ignore[list-item]
    assert (result.status, result.total) == (marks.REFUSED, 0.0)
    assert "Python script" in result.reason
    assert ".ipynb" in result.reason
