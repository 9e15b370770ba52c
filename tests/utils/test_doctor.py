"""The doctor says what is wrong with an installation, even where nothing else starts."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from packaging.requirements import Requirement

from tools.book import ROOT, colab_cell, peer_requirement
from utils import doctor
from utils.doctor import NOTE, OK, WRONG

DOCTOR = ROOT / "utils" / "doctor.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKED = (ROOT / "requirements.txt").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable that the doctor looks at."""
    for name in (*doctor.EFFECTS, "BOOK_DEVICE", "BOOK_DATA", "BOOK_CACHE"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str | Path, cwd: Path = ROOT, **variables: str) -> tuple[int, str]:
    """The exit status of a Python with these variables and what it says, or complains of."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout or done.stderr


# ------------------------------------------------------------------------- the whole program
def test_this_installation_is_right() -> None:
    code, said = run("-m", "utils.doctor")
    assert (code, "WRONG" in said) == (0, False), said
    lines = said.strip().splitlines()
    assert len(lines) == len(doctor.CHECKS) + 3  # Python, an empty line, the sum
    assert lines[-1] == "Nothing is wrong."


def test_one_wrong_thing_gives_the_exit_status_1(monkeypatch, capsys, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    monkeypatch.setattr(doctor, "CHECKS", {"data": doctor.data, "own data": doctor.own_data})
    assert doctor.main() == 0
    assert capsys.readouterr().out.endswith("\nNothing is wrong.\n")
    monkeypatch.setenv("BOOK_DATA", str(folder))
    assert doctor.main() == 1
    assert capsys.readouterr().out.endswith(
        f"\nWRONG  BOOK_DATA={folder} is no folder: make it, or unset BOOK_DATA.\n"
        "\n1 to mend, the first one first.\n"
    )


def test_it_starts_where_nothing_is_installed() -> None:
    """`-S` leaves out site-packages, and with them torch and lazy_loader."""
    code, said = run("-S", "-m", "utils.doctor")
    assert code == 1
    for name in ("torch", "numpy", "matplotlib"):
        assert f"WRONG  {name} is missing: " in said
    assert "WRONG  Missing: " in said and "lazy-loader" in said
    assert "note   The device was not looked at" in said
    assert said.endswith(" to mend, the first one first.\n") and "broke down" not in said


def test_without_lazy_loader_the_helpers_say_whom_to_ask() -> None:
    code, said = run("-S", "-c", "from utils import trial")
    assert code == 1
    assert "No module named 'lazy_loader': python -m utils.doctor says what to do." in said


def test_a_folder_with_another_utils(tmp_path: Path) -> None:
    (tmp_path / "utils.py").write_text("", encoding="utf-8")
    for start in (["-P", "-m", "utils.doctor"], [DOCTOR]):
        code, said = run("-S", *start, cwd=tmp_path, PYTHONPATH=str(ROOT))
        assert code == 1
        assert f"WRONG  Another `utils` comes before the book's: {tmp_path / 'utils.py'}; " in said
    code, said = run(
        *("-c", "from utils import doctor; print(doctor.helpers())"), PYTHONPATH=str(tmp_path)
    )
    assert str(tmp_path / "utils.py") in said, "which notebooks in other folders find"


def test_an_old_torch(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("__version__ = '2.1.0+cu118'", encoding="utf-8")
    code, said = run("-m", "utils.doctor", PYTHONPATH=str(tmp_path))
    assert code == 1
    assert "WRONG  torch 2.1.0+cu118 is too old, 2.8 is the oldest: " in said
    assert said.endswith(" to mend, the first one first.\n") and "broke down" not in said


def test_a_check_that_breaks_down_hides_no_other(monkeypatch, capsys) -> None:
    def broken() -> doctor.Finding:
        raise KeyError("argv")

    monkeypatch.setattr(doctor, "CHECKS", {"kernel": broken, "data": doctor.data})
    assert doctor.main() == 1
    said = capsys.readouterr().out
    assert "WRONG  The check of kernel broke down: KeyError('argv')." in said
    assert "ok     The book's data is whole" in said


# ---------------------------------------------------------------------------- check by check
def test_python(monkeypatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 11, 4, "final", 0))
    assert doctor.python().state == OK
    monkeypatch.setattr(sys, "version_info", (3, 15, 0, "final", 0))
    assert "Python 3.15.0" in doctor.python().text and "is too new" in doctor.python().text
    monkeypatch.setattr(sys, "version_info", (3, 11, 3, "final", 0))
    (finding,) = doctor.examine()  # and nothing else is tried
    assert finding.state == WRONG
    assert "is too old: the book needs Python 3.11.4 to 3.14" in finding.text


def test_environment(monkeypatch, tmp_path: Path) -> None:
    package = tmp_path / "utils"
    monkeypatch.setattr(doctor, "PACKAGE", package)
    monkeypatch.setattr(doctor, "WHEEL", False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert doctor.environment().state == OK
    assert doctor._install("numpy") == f"{doctor._quoted()} -m pip install numpy"
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "conda"))
    found = doctor.environment()
    assert found.state == NOTE and f"in {tmp_path}, run `make setup` (without make: " in found.text
    assert doctor._install("numpy") == "use the book's own environment, as said above"
    own = tmp_path / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    own.parent.mkdir(parents=True)
    own.touch()
    assert doctor.environment().text.endswith(f"environment: use {own} instead.")
    monkeypatch.setattr(doctor, "WHEEL", True)
    assert doctor.environment().state == OK


def test_helpers(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", ["", str(ROOT)])
    assert doctor.helpers().state == OK
    monkeypatch.setattr(sys, "path", [str(ROOT)])  # as `python -m` in the checkout puts it
    found = doctor.helpers()
    assert found.state == WRONG
    assert found.text.startswith("Notebooks in other folders don't find ")
    other = tmp_path / "utils" / "__init__.py"
    other.parent.mkdir()
    other.touch()
    monkeypatch.setattr(sys, "path", ["", str(ROOT)])
    monkeypatch.chdir(tmp_path)
    assert f"comes before the book's: {other}; rename it" in doctor.helpers().text
    other.unlink()  # a folder without it comes after any package
    assert doctor.helpers().state == OK


@pytest.mark.parametrize("name", doctor.OLDEST)
def test_packages(monkeypatch, name: str) -> None:
    assert doctor.package(name).state == OK or name == "torch"
    oldest = ".".join(map(str, doctor.OLDEST[name]))
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(__version__="1.26.4"))
    found = doctor.package(name)
    assert found.state == WRONG
    assert found.text.startswith(f"{name} 1.26.4 is too old, {oldest} is the oldest: ")
    monkeypatch.setitem(sys.modules, name, None)
    assert doctor.package(name).state == WRONG


def test_torch_of_another_version(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__=f"{doctor.TORCH}+cu130"))
    assert doctor.package("torch").state == OK
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.8.0"))
    found = doctor.package("torch")
    assert found.state == NOTE and f"outputs are of {doctor.TORCH}" in found.text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "import no_such_part.of_it",
            "matplotlib can't be imported (No module named 'no_such_part",
        ),
        ("raise OSError('DLL load\\nfailed')", "can't be imported (OSError: DLL load failed): "),
    ],
)
def test_a_package_that_is_there_in_parts(monkeypatch, tmp_path: Path, code, words) -> None:
    (tmp_path / "matplotlib.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "matplotlib")
    found = doctor.package("matplotlib")
    assert found.state == WRONG and words in found.text


def test_other_packages_and_the_peer(monkeypatch) -> None:
    assert doctor.others().state == OK
    assert doctor.peer().state == OK
    monkeypatch.setitem(doctor.OTHERS, "no_such_module", "no-such")
    assert doctor.others().text.startswith("Missing: no-such: ")
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    found = doctor.peer()
    assert found.state == NOTE and found.text.startswith("d2l is missing")


def test_data(monkeypatch, tmp_path: Path) -> None:
    assert doctor.data().state == OK
    monkeypatch.setattr("utils.paths.shipped_data", lambda: tmp_path)
    found = doctor.data()
    assert found.state == WRONG
    assert f"data in {tmp_path}, {doctor.DATA[0]} is missing and 9 more: " in found.text
    assert "checkout -- data" in found.text
    shutil.copytree(ROOT / "data", tmp_path, dirs_exist_ok=True)
    assert doctor.data().state == OK
    file = tmp_path / doctor.DATA[0]
    file.write_bytes(file.read_bytes()[:-100])
    assert f"{doctor.DATA[0]} is broken: " in doctor.data().text
    monkeypatch.setattr(doctor, "WHEEL", True)
    assert "run the first cell of a notebook again" in doctor.data().text


def test_own_data(monkeypatch, tmp_path: Path) -> None:
    assert doctor.own_data().state == OK
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    assert doctor.own_data() == (OK, f"BOOK_DATA={tmp_path}")
    monkeypatch.setenv("BOOK_DATA", str(tmp_path / "none"))
    assert doctor.own_data().state == WRONG


def test_device(monkeypatch) -> None:
    assert doctor.device().state == OK
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for asked, words in (("cuda", "this machine has none"), ("gpu", "is not a device")):
        monkeypatch.setenv("BOOK_DEVICE", asked)
        found = doctor.device()
        assert found.state == WRONG and words in found.text
    monkeypatch.delitem(sys.modules, "utils.device")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert doctor.device().state == NOTE


def test_kernel(monkeypatch, tmp_path: Path) -> None:
    for name in ("JUPYTER_PATH", "JUPYTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert doctor.kernel().state == OK
    folder = tmp_path / "kernels" / doctor.KERNEL
    folder.mkdir(parents=True)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

    def belongs_to(program: str) -> doctor.Finding:
        spec = {"argv": [program, "-m", "x"], "display_name": "x", "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        return doctor.kernel()

    assert belongs_to("python3").state == OK, "Jupyter takes its own Python for this"
    assert belongs_to(sys.executable).state == OK
    other = belongs_to(getattr(sys, "_base_executable", ""))
    assert other.state == WRONG and "belongs to another Python" in other.text
    gone = belongs_to(str(tmp_path / "gone"))
    assert gone.state == WRONG and "does not start" in gone.text
    assert f"-m ipykernel install --sys-prefix --name {doctor.KERNEL}" in gone.text
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert doctor.kernel().state == NOTE


def test_no_kernel(monkeypatch) -> None:
    monkeypatch.setattr(doctor, "KERNEL", "no-such-kernel")
    assert doctor.kernel().text.startswith("There is no kernel 'no-such-kernel': ")


def test_cache(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "not" / "yet"))
    assert doctor.cache().state == OK
    assert not (tmp_path / "not").exists(), "a check leaves nothing behind"
    (tmp_path / "file").touch()
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "file" / "cache"))
    found = doctor.cache()
    assert found.state == WRONG and "set BOOK_CACHE to a folder" in found.text
    monkeypatch.delenv("BOOK_CACHE")
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert doctor.cache().state == NOTE


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("PYTHONOPTIMIZE", "1", WRONG),
        ("PYTHONOPTIMIZE", "0", OK),
        ("PYTHONPATH", "/elsewhere", NOTE),
        ("MPLBACKEND", "agg", NOTE),
        ("MPLBACKEND", "module://matplotlib_inline.backend_inline", OK),
        ("BOOK_SEED", "5000", NOTE),
        ("BOOK_SEED", "0", OK),
        ("BOOK_SEED", "many", WRONG),
        ("BOOK_FULL", "1", NOTE),
    ],
)
def test_variables(monkeypatch, name: str, value: str, state: str) -> None:
    assert doctor.variables().state == OK
    monkeypatch.setenv(name, value)
    found = doctor.variables()
    assert found.state == state
    assert (f"{name}={value}" in found.text) == (state != OK)


# ------------------------------------------------------------------------------- up to date
def test_an_old_python_can_read_it_and_it_imports_the_standard_library_only() -> None:
    for file in (DOCTOR, DOCTOR.with_name("__init__.py")):
        assert ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8)).body
    imported = set()
    for node in ast.parse(DOCTOR.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported and imported <= set(sys.stdlib_module_names)


def test_it_knows_what_the_project_needs() -> None:
    oldest, too_new = (".".join(map(str, version)) for version in doctor.PYTHON)
    assert PROJECT["requires-python"] == f">={oldest},<{too_new}"
    assert f"\ntorch=={doctor.TORCH}\n" in LOCKED
    assert doctor.PEER == peer_requirement()
    needed = {r.name: str(r.specifier) for r in map(Requirement, PROJECT["dependencies"])}
    assert set(needed) == {*doctor.OLDEST, *doctor.OTHERS.values()}
    for name, version in doctor.OLDEST.items():
        least = needed[name].removeprefix(">=")
        assert tuple(map(int, f"{least}.0".split(".")[:2])) == version
    packed = {p.relative_to(ROOT / "data").as_posix() for p in (ROOT / "data").rglob("*.gz")}
    assert packed == set(doctor.DATA)
    kernels = {
        json.loads(path.read_text(encoding="utf-8"))["metadata"]["kernelspec"]["name"]
        for path in (ROOT / "chapters").glob("*/*.ipynb")
    }
    assert kernels == {doctor.KERNEL}


# ------------------------------------------------------------------------------ the page
PAGE = (ROOT / "troubleshooting.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^(.+)\n: ", PAGE, re.M)  # of its definition lists: the symptoms
MESSAGES = [m for term in TERMS for _, m in re.findall(r"(?<!`)(`+)([^`].*?)\1(?!`)", term)]


def templates() -> set[str]:
    """All strings of the sources, with an ellipsis for what is filled in."""
    texts = [
        p.read_text(encoding="utf-8") for d in ("utils", "tools") for p in (ROOT / d).rglob("*.py")
    ]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = {re.sub(r"\$\(or .*", "…", re.sub(r"\s*\\\n\s*", " ", makefile))}
    for text in [*texts, colab_cell()]:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
                found.add("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_there_are_messages_on_the_page() -> None:
    assert len(MESSAGES) > 12
    assert PAGE.index("-m utils.doctor") < PAGE.index("\n## ")


@pytest.fixture(scope="module")
def said() -> set[str]:
    """What the sources can say."""
    return templates()


@pytest.mark.parametrize("message", MESSAGES)
def test_the_page_quotes_what_the_sources_say(message: str, said: set[str]) -> None:
    assert [text for text in said if message in text], "no source says this any more"


def test_the_page_names_variables_targets_and_files_that_exist() -> None:
    sources = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "utils").rglob("*.py"))
    variables = set(re.findall(r"\bBOOK_[A-Z]+", PAGE))
    assert variables and all(f'"{name}"' in sources for name in variables)
    targets = re.findall(r"`make (?:\w+=\S+ )?([a-z]+)`", PAGE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets and all(f"\n{name}:" in makefile for name in targets)
    assert "tools\\setup.py" in PAGE and (ROOT / "tools" / "setup.py").is_file()
