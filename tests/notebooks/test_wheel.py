"""The Colab path: a copied notebook runs where there is only the installed wheel.

A new environment outside the repository stands for Colab. It gets links to the files of what the
wheel says it depends on (pip would fetch gigabytes again to the same end), and nothing else; then
the notebook's first cell installs the helpers into it. Only the address of the wheel is exchanged.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from tests import fresh
from tools import book, colab, execute

PAGE = "foundations/autograd"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the project, built as for a release."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*build, str(book.ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_has_the_name_that_the_colab_cell_asks_for(wheel: Path) -> None:
    names: dict[str, str] = {}
    for line in book.colab_cell().splitlines():
        if line.startswith(("release = ", "file = ", "site = ", "wheel = ")):
            exec(line, names)
    assert names["wheel"].endswith(f"/{wheel.name}")


def test_wheel_holds_the_helpers_claims_and_data_and_no_more(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {"utils/__init__.py", "utils/__init__.pyi", "utils/py.typed", "utils/book.mplstyle"}
    expected |= {"utils/_book/claims.yml", "utils/_book/exercises.json"}
    data = [path for path in (book.ROOT / "data").rglob("*") if path.is_file()]
    expected |= {f"utils/_book/{path.relative_to(book.ROOT).as_posix()}" for path in data}
    assert expected <= names
    assert all(name.startswith(("utils/", "deep_learning_tested-")) for name in names)
    assert not [name for name in names if "__pycache__" in name]


def test_a_copied_notebook_runs_with_only_the_wheel(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert book.ROOT not in tmp_path.parents
    for name in ("PYTHONPATH", "BOOK_FULL", "BOOK_DATA"):
        monkeypatch.delenv(name, raising=False)
    # Versions as locked, should something be fetched after all.
    monkeypatch.setenv("PIP_CONSTRAINT", str(book.ROOT / "requirements.txt"))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    environment = tmp_path / "colab"
    python = fresh.environment(environment, ["ipykernel", *fresh.requirements_of(wheel)])

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [python, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    colab.install(python, wheel, tmp_path)
    assert run("-c", "import torch, numpy; print(torch.__version__, numpy.__version__)") == (
        f"{version('torch')} {version('numpy')}"
    )

    assert run("-m", "utils.doctor").endswith("Nothing is wrong.")

    work = tmp_path / "work"
    work.mkdir()
    copied = Path(shutil.copy(book.ROOT / "chapters" / f"{PAGE}.ipynb", work))
    notebook = book.read(copied)
    notebook.cells.append(new_code_cell("import utils\nprint(utils.__file__)"))
    execute.run(notebook, work, python=python)
    imported = Path(notebook.cells[-1].outputs[0].text.strip())
    assert environment.resolve() in imported.resolve().parents


def test_a_student_form_checks_itself_with_only_its_requirements(
    wheel: Path, tmp_path: Path
) -> None:
    """The form by itself in an empty folder: no network, no repository, no grader."""
    grading = book.ROOT / ".venv-grading"
    python = grading / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    build = [python, "-m", "tools.assignments", "foundations"]
    subprocess.run([*build, "--into", tmp_path], cwd=book.ROOT, check=True, capture_output=True)
    folder = tmp_path / "foundations" / "student"
    wanted = (folder / "requirements.txt").read_text().splitlines()
    assert [line.split()[0] for line in wanted] == ["deep-learning-tested"]
    path = [str(next(grading.glob("[Ll]ib*/**/site-packages")))]
    needed = [*fresh.requirements_of(wheel), "ipykernel"]
    python = fresh.environment(tmp_path / "student", needed, path)
    install = [python, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", wheel]
    subprocess.run(install, check=True, capture_output=True)
    code = [
        c.source for c in book.read(folder / "foundations.ipynb").cells if c.cell_type == "code"
    ]
    answer = (
        "def log_softmax(logits):\n"
        "    logits = logits - logits.amax(-1, keepdim=True)\n"
        "    return logits - logits.exp().sum(-1, keepdim=True).log()"
    )
    script = "\n".join(
        [*code[:2], answer, 'print(grader.check("q1"))', 'print(grader.check("q2"))']
    )
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(folder / "foundations.ipynb", work)
    done = subprocess.run([python, "-c", script], cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "✓ q1" in done.stdout
    assert "○ q2" in done.stdout and "softmax_regression_gradients" in done.stdout
