"""Plant small bugs into the book's code, and see which of them its checkers and tests notice.

    make mutants                      all that has changed since it was tried last
    tools/mutants cnn/lenet --all     what a name contains, changed or not

The code is the solution of each exercise that has a checker, the solution of each question of an
assignment that has tests, and the definitions of each page that `tests/peers` names (of their bugs
a fixed choice, `SAMPLE` a page). `tests/notebooks/mutants.json` records what was tried: by group of
code its hash, how many bugs were planted, and which were not noticed. Each of these has to stand in
`tests/notebooks/mutants.yml`, with the reason why it is no bug.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import inspect
import json
import linecache
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import yaml
from IPython.core.inputtransformer2 import TransformerManager

from tools import assignments, book, environment, execute, mutations, normalise
from tools.mutations import Mutation
from utils import pages

Accepts = Callable[[str], bool]
PEERS = book.ROOT / "tests" / "peers"
RECORD = book.ROOT / "tests" / "notebooks" / "mutants.json"
REASONS = book.ROOT / "tests" / "notebooks" / "mutants.yml"
GUIDE = book.ROOT / "teach.md"
SAMPLE = 40
PREPARATION = 300  # seconds, at most
PATIENCE = 5  # seconds, and times of what the code without a bug takes
MEMORY = 8 * 2**30  # bytes that a bug may ask for
SCORE = re.compile(r"of [\d,]+ small bugs, [\d,]+ are noticed")


class MutantsError(Exception):
    """The code without a bug is not accepted, or can't be run; the message says where and why."""


@dataclass(frozen=True)
class Group:
    """Code that is tried together, and what it is held to.

    Args:
        key: its page or assignment, and its name there.
        targets: the definitions that get bugs.
        context: all other code that the verdict hangs on, as text.
        trier: prepares what says whether code in place of the targets is accepted.
        sample: how many bugs at most.
    """

    key: str
    targets: list[ast.stmt]
    context: Callable[[], str]
    trier: Callable[[], Accepts]
    sample: int | None = None

    @property
    def code(self) -> str:
        """The targets without a bug."""
        return ast.unparse(ast.Module(self.targets, []))

    def mutations(self) -> list[Mutation]:
        """The bugs, or a fixed choice of them."""
        found = list(mutations.mutations(ast.parse(self.code)))
        if self.sample is None or len(found) <= self.sample:
            return found
        chosen = {m.code for m in sorted(found, key=lambda m: _hash(m.change))[: self.sample]}
        return [mutation for mutation in found if mutation.code in chosen]

    def hash(self) -> str:
        """Of the code, of what it is held to, and of how bugs are made."""
        method = inspect.getsource(mutations)
        return _hash(_text(self.targets), self.context(), method, str(self.sample))


def groups(name: str = "") -> Iterator[Group]:
    """The groups whose keys contain a name."""
    for page in book.toc_pages():
        yield from exercises(page, name)
        yield from definitions(page, name)
    for master in assignments.masters([]):
        yield from questions(master, name)


# ------------------------------------------------------------------------------------- code
def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def _text(statements: list[ast.stmt]) -> str:
    """Code as text that is the same in every version of Python: f-strings as tuples."""

    class Flat(ast.NodeTransformer):
        def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
            self.generic_visit(node)
            parts = [p.value if isinstance(p, ast.FormattedValue) else p for p in node.values]
            return ast.Tuple(parts, ast.Load())

    copy = Flat().visit(ast.parse(ast.unparse(ast.Module(statements, []))))
    return ast.unparse(ast.fix_missing_locations(copy))


def _statements(source: str) -> list[ast.stmt]:
    return ast.parse(TransformerManager().transform_cell(source)).body


def _binds(statement: ast.stmt) -> set[str]:
    """The names that a definition or an assignment makes."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return set()


def _targets(cells: list[str], names: Collection[str]) -> list[ast.stmt]:
    """Of some cells the definitions of some names, and of the functions and classes they need."""
    found = []
    for statement in pages.what_is_needed(cells, names):
        if _binds(statement) & set(names) or isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.append(statement)
    return found


def _namespace(code: str, around: dict[str, Any]) -> dict[str, Any]:
    """What code defines, in a copy of what is around it; its source can be looked up."""
    name = f"<mutant {_hash(code)}>"
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    namespace = dict(around)
    exec(compile(code, name, "exec"), namespace)
    return namespace


# ------------------------------------------------------------------------------------- exercises
@cache
def _gathered() -> dict[str, Any]:
    return pages.gather(book.ROOT / "chapters")


def exercises(page: str, name: str) -> Iterator[Group]:
    """A group for each exercise of a page that has a checker."""
    solutions: dict[str, list[str]] = {}
    others: list[str] = []
    for label, cells in _solutions(page):
        (solutions.setdefault(label, []) if label else others).extend(cells)
    for label, entry in _gathered()["exercises"].items():
        key = f"{page}: {label}"
        if entry["page"] == page and name in key:
            checkers = [*_gathered()["pages"][page], *entry["code"]]
            yield _exercise(key, entry["answers"], others, solutions[label], checkers)


@cache
def _solutions(page: str) -> list[tuple[str, list[str]]]:
    """The sources of a page's code cells, each with the exercise that it solves, if any."""
    label, found = "", []
    for cell in book.read(book.ROOT / "chapters" / f"{page}.ipynb").cells:
        if cell.cell_type == "markdown":
            for kind, text in re.findall(r"\{solution-(start|end)\} *(\S*)", cell.source):
                label = text if kind == "start" else ""
        elif not normalise.is_colab_cell(cell):
            found.append((label, [re.sub(r"^@checked_by\(\w+\)\n", "", cell.source, flags=re.M)]))
    return found


def _exercise(
    key: str, answers: dict[str, str], others: list[str], solution: list[str], checkers: list[str]
) -> Group:
    code = [*others, *solution]

    def context() -> str:
        used = pages.what_is_needed(code, answers)
        return _text([*used, *pages.what_is_needed(checkers, set(answers.values()))])

    def trier() -> Accepts:
        around = pages.run_what_is_needed(code, answers, key)
        bench = pages.run_what_is_needed(checkers, set(answers.values()), key)

        def accepts(code: str) -> bool:
            before = torch.get_default_dtype()
            torch.set_default_dtype(bench["default_dtype"])
            try:
                answer = _namespace(code, around)
                remarks = [check.remark(answer[a], bench[spec]) for a, spec in answers.items()]
            except Exception:  # already the definition fails
                return False
            finally:
                torch.set_default_dtype(before)
            return all(remark.state == "right" for remark in remarks)

        import torch

        from utils import check

        return accepts

    return Group(key, _targets(solution, answers), context, trier)


# ------------------------------------------------------------------------------------- questions
def questions(master: Path, name: str) -> Iterator[Group]:
    """A group for each question of an assignment that has tests."""
    question, where = "", ""
    code: list[str] = []
    solution: list[str] = []
    tests: list[str] = []
    for cell in book.read(master).cells:
        if found := assignments.settings(cell.source, assignments.QUESTION):
            question, solution, tests = found["name"], [], []
        elif cell.cell_type == "raw":
            where = cell.source.removeprefix("# ").split("\n")[0]
            key = f"assignments/{master.stem}: {question}"
            if where == "END QUESTION" and tests and solution and name in key:
                yield _question(key, [*code], solution, tests)
        elif cell.cell_type == "code" and where == "BEGIN TESTS":
            tests.append(cell.source)
        elif cell.cell_type == "code":
            code.append(cell.source)
            if where == "BEGIN SOLUTION":
                solution.append(cell.source)


def _question(key: str, code: list[str], solution: list[str], tests: list[str]) -> Group:
    found = [s for t in tests for s in _statements(t) if isinstance(s, ast.FunctionDef)]
    names = {argument.arg for function in found for argument in function.args.args}

    def context() -> str:
        return _text(pages.what_is_needed(code, names)) + "".join(tests)

    def trier() -> Accepts:
        around = pages.run_what_is_needed(code, names, key)
        checks = [_namespace(t, {})[f.name] for t, f in zip(tests, found, strict=True)]

        def accepts(code: str) -> bool:
            try:
                answer = _namespace(code, around)
                for check in checks:
                    torch.manual_seed(0)
                    check(*(answer[name] for name in inspect.signature(check).parameters))
            except Exception:  # whatever a bug leads to: it has been noticed
                return False
            return True

        import torch

        return accepts

    return Group(key, _targets(solution, names), context, trier)


# ------------------------------------------------------------------------------------- peers
def definitions(page: str, name: str) -> Iterator[Group]:
    """A group for a page of which `tests/peers` names definitions."""
    test = PEERS / f"test_{page.rpartition('/')[2].replace('-', '_')}.py"
    key = f"{page}: tests/peers"
    if name not in key or not test.exists():
        return
    text = test.read_text(encoding="utf-8")
    constants = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    names = {str(constant.value) for constant in constants}
    cells = _gathered()["pages"][page]
    defined = [s for source in cells for s in _statements(source)]
    targets = [s for s in defined if not isinstance(s, ast.Assign) and _binds(s) & names]

    def context() -> str:
        return _text(pages.what_is_needed(cells, names)) + text

    def trier() -> Accepts:
        return _held_to_peers(book.ROOT / "chapters" / f"{page}.ipynb", test)

    yield Group(key, targets, context, trier, SAMPLE)


def _held_to_peers(path: Path, test: Path) -> Accepts:
    """Runs the tests of a page in this process, with a notebook that has other definitions."""
    import pytest

    read = book.read
    seconds: defaultdict[str, float] = defaultdict(float)
    originals: dict[str, str] = {}

    class Order:
        """Tests that name what has changed come first, and quick ones before slow ones."""

        def __init__(self, changed: set[str]) -> None:
            self.changed = changed

        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            def place(item: pytest.Item) -> tuple[bool, float]:
                text = inspect.getsource(item.obj)  # type: ignore[attr-defined]
                return not any(f'"{n}"' in text for n in self.changed), seconds[item.nodeid]

            items.sort(key=place)

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            seconds[report.nodeid] += report.duration

    def accepts(code: str) -> bool:
        new = {name: s for s in ast.parse(code).body for name in _binds(s)}
        texts = {name: ast.unparse(s) for name, s in new.items()}
        originals.update({name: text for name, text in texts.items() if name not in originals})
        changed = {name for name, text in texts.items() if text != originals[name]}

        def with_bug(asked: Path) -> nbformat.NotebookNode:
            notebook = read(asked)
            for cell in notebook.cells if asked == path else []:
                if cell.cell_type == "code" and not normalise.is_colab_cell(cell):
                    body = _statements(cell.source)
                    if any(_binds(s) & changed for s in body):
                        swapped = [new[min(_binds(s))] if _binds(s) & changed else s for s in body]
                        cell.source = ast.unparse(ast.Module(swapped, []))
            return notebook

        for module in [name for name in sys.modules if name.startswith("tests.peers")]:
            del sys.modules[module]  # what it keeps was made with the last bug
        idle = ["cacheprovider", "xdist", "nbval", "unraisableexception", "threadexception"]
        options = ["-x", "-q", *(f"-pno:{plugin}" for plugin in idle)]
        book.read = with_bug  # type: ignore[assignment]
        try:
            return pytest.main([*options, str(test)], plugins=[Order(changed)]) == 0
        finally:
            book.read = read

    return accepts


# ------------------------------------------------------------------------------------- workers
class Worker:
    """A process that tries code, so that what loops for ever can be stopped."""

    def __init__(self) -> None:
        given = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        settings = execute.AS_STORED | {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
        self.environment = environment.clean(given, **settings)
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the process, whatever it does; the next question starts another."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def accepts(self, key: str, code: str, limit: float) -> bool:
        """Whether code passes in the place of a group's; what takes longer than a limit does not.

        Raises:
            MutantsError: the group can't be prepared.
        """
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools.mutants", "--work"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
                cwd=book.ROOT, env=self.environment,
            )  # fmt: skip
        assert self.process.stdin and self.process.stdout
        alarm = threading.Timer(limit, self.process.kill)
        alarm.start()
        try:
            self.process.stdin.write(json.dumps([key, code]) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except OSError:  # it has just been stopped
            answer = ""
        finally:
            alarm.cancel()
        if not answer:
            self.stop()
            return False
        if answer.startswith('"'):
            raise MutantsError(f"{key}: {json.loads(answer)}")
        return json.loads(answer)


def work() -> None:
    """Answer questions from standard input: a worker's life."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Linux has such a limit
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what is printed on the way is nobody's business
    os.dup2(nowhere, 2)
    now, accepts = "", None
    for line in sys.stdin:
        key, code = json.loads(line)
        try:
            if key != now:
                (group,) = (group for group in groups(key) if group.key == key)
                now, accepts = key, group.trier()
            assert accepts is not None
            answer: bool | str = accepts(code)
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


def tried(group: Group, worker: Worker) -> dict[str, Any]:
    """Plant all bugs of a group.

    Returns:
        What the record holds of it.

    Raises:
        MutantsError: the code without a bug is not accepted.
    """

    def prepare() -> float:
        start = time.perf_counter()
        if not worker.accepts(group.key, group.code, PREPARATION):
            raise MutantsError(f"{group.key}: the code itself is not accepted.")
        return time.perf_counter() - start

    prepare()
    limit = PATIENCE * (1 + prepare())
    planted, survived = group.mutations(), []
    for mutation in planted:
        if worker.process is None:  # the last bug has stopped it
            prepare()
        if worker.accepts(group.key, mutation.code, limit):
            survived.append(mutation.change)
    prepare()  # no bug has changed what others see
    return {"hash": group.hash(), "planted": len(planted), "survived": survived}


# ------------------------------------------------------------------------------------- the record
def record() -> dict[str, dict[str, Any]]:
    """What was tried, by group."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def reasons() -> dict[str, dict[str, str]]:
    """By group, the changes that are no bugs, and why."""
    listed = yaml.safe_load(REASONS.read_text(encoding="utf-8")) if REASONS.exists() else {}
    return {
        key: {e["change"]: e["why"] for e in entries} for key, entries in (listed or {}).items()
    }


def complaints(key: str, survived: Collection[str]) -> list[str]:
    """How a group's bugs that were not noticed differ from those that are listed."""
    listed = reasons().get(key, {})
    return [
        *(f"{key}: not noticed: {change}" for change in survived if change not in listed),
        *(f"{key}: listed, but noticed: {change}" for change in listed if change not in survived),
    ]


def score(entries: Collection[dict[str, Any]]) -> tuple[int, int]:
    """How many bugs were planted, how many of them noticed."""
    planted = sum(entry["planted"] for entry in entries)
    return planted, planted - sum(len(entry["survived"]) for entry in entries)


def guide_with_score(guide: str, known: dict[str, dict[str, Any]]) -> str:
    """The teacher's guide with the score as it is."""
    planted, noticed = score(known.values())
    if not SCORE.search(guide):
        raise MutantsError("teach.md has no sentence with the score.")
    return SCORE.sub(f"of {planted:,} small bugs, {noticed:,} are noticed", guide)


def save(known: dict[str, dict[str, Any]]) -> None:
    """Write the record, and its score into the teacher's guide."""
    entries = ",\n".join(
        f" {json.dumps(key)}: {json.dumps(known[key], ensure_ascii=False, indent=2)}"
        for key in sorted(known)
    )
    RECORD.write_text(f"{{\n{entries}\n}}\n", encoding="utf-8", newline="\n")
    guide = GUIDE.read_text(encoding="utf-8")
    GUIDE.write_text(guide_with_score(guide, known), encoding="utf-8", newline="\n")


def try_all(
    chosen: list[Group], workers: int
) -> Iterator[tuple[Group, dict[str, Any] | MutantsError]]:
    """Try groups in several processes at a time; what becomes of them, in order."""
    with contextlib.ExitStack() as stack:
        idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for _ in range(workers):
            idle.put(stack.enter_context(Worker()))

        def try_one(group: Group) -> tuple[Group, dict[str, Any] | MutantsError]:
            worker = idle.get()
            try:
                return group, tried(group, worker)
            except MutantsError as error:
                return group, error
            finally:
                idle.put(worker)

        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(try_one, chosen)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tools/mutants", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="of groups, or parts of them (default: all)")
    parser.add_argument("--all", action="store_true", help="also what has not changed")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        work()
        return 0
    chosen = {group.key: group for name in options.names or [""] for group in groups(name)}
    if not options.names:
        save({key: entry for key, entry in record().items() if key in chosen})
    changed = [
        group
        for group in chosen.values()
        if options.all or record().get(group.key, {}).get("hash") != group.hash()
    ]
    failed = []
    for group, result in try_all(changed, options.workers):
        if isinstance(result, MutantsError):
            failed.append(str(result))
        else:
            save(record() | {group.key: result})  # an interrupted run goes on where it stopped
            planted, noticed = score([result])
            print(f"{group.key:<60}{noticed:>5} of {planted:>3}", flush=True)
    known = record()
    for key in chosen:
        failed += complaints(key, known.get(key, {}).get("survived", []))
    if not options.names:
        failed += [f"{key}: listed, but there is none" for key in reasons() if key not in chosen]
    planted, noticed = score([known[key] for key in chosen if key in known])
    print(f"{noticed} of {planted} small bugs are noticed.", *failed, sep="\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
