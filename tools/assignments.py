"""Build the assignments: student forms, the grader's tests, and a zip for Gradescope.

    make assignments                    all of them, into dist/assignments/
    make assignments ASSIGNMENT=cnn     one of them

A master is `assignments/<name>/<name>.ipynb`, in otter-grader's format. Of each come

    student/<name>.ipynb        the form: stubs, public checks, no solution; it needs no other file
                                and nothing but the book's helpers, and works under any name
    <name>-student.zip          the form with requirements.txt, to hand out
    autograder/                 all tests, for `make grade`
    <name>-gradescope.zip       to upload as Gradescope's autograder
    by_hand.json                the questions that people mark: title, points, and rubric
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tools import book, normalise

MASTERS = book.ROOT / "assignments"
BUILT = book.ROOT / "dist" / "assignments"
OTTER = "otter-grader[grading]==7.0.0"
FIRST = """\
{install}

from utils.forms import Checks

# The public checks: `grader.check("q1")` holds what you wrote to those of question 1.
grader = Checks(globals(), {checks})"""
QUESTION = re.compile(r"^# BEGIN QUESTION\n(.*)", re.S)
OTTERS = re.compile(r"otter\.Notebook\(|%pip install")
HEADING = re.compile(r"^## Question \d+: (.+?) \(", re.M)
RUBRIC = re.compile(r"^\| (\d+(?:\.\d+)?) \| (.+) \|$", re.M)


class AssignmentError(Exception):
    """A master that can't be built; the message says what is wrong with it."""


def masters(names: list[str]) -> list[Path]:
    """The masters with these names; all, without names.

    Raises:
        AssignmentError: there is no such assignment.
    """
    there = {path.stem: path for path in sorted(MASTERS.glob("*/*.ipynb"))}
    if unknown := [name for name in names if name not in there]:
        raise AssignmentError(f"No assignment {', '.join(unknown)}; there are {', '.join(there)}.")
    return [there[name] for name in names] or list(there.values())


def settings(source: str, pattern: re.Pattern[str]) -> dict | None:
    """The YAML in the comments of a raw cell that begins as the pattern says."""
    match = pattern.match(source)
    if not match:
        return None
    return (
        yaml.safe_load("\n".join(line.removeprefix("# ") for line in match[1].splitlines())) or {}
    )


def by_hand(master: NotebookNode) -> dict[str, dict[str, Any]]:
    """The questions that people mark, with title, points and rubric, by name.

    Raises:
        AssignmentError: a rubric's points do not add up to the question's.
    """
    found = {}
    for cell, text in pairwise(master.cells):
        question = settings(cell.source, QUESTION) if cell.cell_type == "raw" else None
        if not question or not question.get("manual"):
            continue
        name, points = question["name"], float(question["points"])
        rubric = [{"points": float(p), "text": words} for p, words in RUBRIC.findall(text.source)]
        total, heading = sum(line["points"] for line in rubric), HEADING.search(text.source)
        if total != points or not heading:
            raise AssignmentError(
                f"{name} needs a heading `## Question 8: title (6 points)` and a table of points "
                f"that come to {points:g}; they come to {total:g}."
            )
        title = heading[1][0].upper() + heading[1][1:]
        found[name] = {"title": title, "points": points, "rubric": rubric}
    return found


def public_checks(tests: Path) -> dict[str, str]:
    """The functions of the public checks as text, by question, from otter's files of them."""
    found = {}
    for path in sorted(tests.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        for function in functions:
            function.decorator_list = []  # otter's, which isn't there where the form is used
        found[path.stem] = "\n\n".join(map(ast.unparse, functions)) + "\n"
    return found


def form(student: NotebookNode, name: str, tests: Path) -> NotebookNode:
    """The student form: otter's, with a first cell that brings the public checks along.

    Args:
        student: the notebook that otter made.
        name: of the assignment.
        tests: the folder with the public tests.

    Returns:
        The notebook, in canonical form.
    """
    checks = public_checks(tests)
    text = "{\n" + "".join(f"    {k!r}: {_quoted(v)},\n" for k, v in checks.items()) + "}"
    install = book.colab_cell().replace("# In Google Colab:", "# Run this cell first. In Colab:", 1)
    first = new_code_cell(FIRST.format(install=install, checks=text))
    first.metadata = NotebookNode(jupyter=NotebookNode(source_hidden=True))
    kept = [
        cell for cell in student.cells if cell.source.strip() and not OTTERS.search(cell.source)
    ]
    student.cells = [first, *kept]
    student.metadata = NotebookNode(
        kernelspec=NotebookNode(normalise.KERNELSPEC),
        language_info=NotebookNode(normalise.LANGUAGE_INFO),
    )
    for cell in student.cells:
        cell.source = "\n".join(line.rstrip() for line in cell.source.strip("\n").split("\n"))
        cell.id = ""
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    normalise.give_ids(student, name)
    nbformat.validate(student)
    return student


def _quoted(text: str) -> str:
    """A Python literal of a text, over several lines where that is easy to read."""
    plain = "'''" not in text and "\\" not in text
    return f"'''{text}'''" if plain else repr(text)


def requirements(grading: bool = False) -> str:
    """What a student form needs to run and to check itself, or what Gradescope installs."""
    version = book.version()
    wheel = f"deep_learning_tested-{version}-py3-none-any.whl"
    url = f"{book.repository_url()}/releases/download/v{version}/{wheel}"
    otter = f"{OTTER}\n" if grading else ""
    return f"deep-learning-tested @ {url}\n{otter}"


def build(master: Path, into: Path) -> Path:
    """Build one assignment.

    Args:
        master: its notebook.
        into: the folder that gets a folder for it; what was there is replaced.

    Returns:
        The assignment's folder.

    Raises:
        AssignmentError: otter refuses the master, or has nothing to test.
    """
    name = master.stem
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        shutil.copy(master, work)
        (work / "requirements.txt").write_text(requirements(grading=True), encoding="utf-8")
        command = [sys.executable, "-m", "otter", "assign", master.name, "out", "--no-run-tests"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True)
        if done.returncode:
            raise AssignmentError(f"{master}: otter assign failed:\n{done.stderr[-2000:]}")
        out = work / "out"
        tests = out / "autograder" / "tests"
        if not list(tests.glob("*.py")):
            raise AssignmentError(f"{master}: there is no test in it.")
        student = form(book.read(out / "student" / master.name), name, out / "student" / "tests")
        normalise.write(student, out / "student" / master.name)
        shutil.rmtree(out / "student" / "tests")
        (out / "student" / "requirements.txt").write_text(requirements(), encoding="utf-8")
        (archive,) = (out / "autograder").glob("*.zip")
        archive.rename(out / f"{name}-gradescope.zip")
        with zipfile.ZipFile(out / f"{name}-student.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted((out / "student").iterdir()):
                file.write(path, path.name)
        hand = by_hand(book.read(master))
        (out / "by_hand.json").write_text(json.dumps(hand, indent=1) + "\n", encoding="utf-8")
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(out, target)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make assignments", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="of assignments (default: all)")
    parser.add_argument("--into", type=Path, default=BUILT, help="where to")
    options = parser.parse_args(arguments)
    try:
        for master in masters(options.names):
            print(build(master, options.into))
    except AssignmentError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
