"""The Colab path: a copied notebook runs where there is only the installed wheel.

A new environment outside the repository stands for Colab. It gets links to the files of what the
wheel says it depends on (pip would fetch gigabytes again to the same end), and nothing else; then
the notebook's first cell installs the helpers into it. Only the address of the wheel is exchanged.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
    namespace = {"release": book.version(), "folder": ""}
    line = next(line for line in book.colab_cell().splitlines() if "wheel = " in line)
    exec(line.strip(), namespace)
    assert namespace["wheel"].endswith(f"/{wheel.name}")


def test_wheel_holds_the_helpers_claims_and_data_and_no_more(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {"utils/__init__.py", "utils/__init__.pyi", "utils/py.typed", "utils/book.mplstyle"}
    expected |= {"utils/_book/claims.yml"}
    data = [path for path in (book.ROOT / "data").rglob("*") if path.is_file()]
    expected |= {f"utils/_book/{path.relative_to(book.ROOT).as_posix()}" for path in data}
    assert expected <= names
    assert all(name.startswith(("utils/", "deep_learning_tested-")) for name in names)
    assert not [name for name in names if "__pycache__" in name]


def requirements_of(wheel: Path) -> list[str]:
    """What the wheel's own metadata say it needs."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        lines = archive.read(name).decode().splitlines()
    return [line.split(": ", 1)[1] for line in lines if line.startswith("Requires-Dist: ")]


def closure(requirements: list[str]) -> set[str]:
    """The names of all distributions that these requirements bring, extras left aside."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += [Requirement(line) for line in distribution(name).requires or []]
    return found


def link_distribution(name: str, site_packages: Path) -> None:
    """Link, or copy to another disk, the files of an installed distribution."""
    installed = distribution(name)
    for file in installed.files or []:
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        target = site_packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        source = Path(str(installed.locate_file(file)))
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)


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
    venv.create(environment, with_pip=True, symlinks=os.name != "nt")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [python, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    where = run("-c", "import sysconfig; print(sysconfig.get_path('platlib'))")
    for name in closure(["ipykernel", *requirements_of(wheel)]):
        link_distribution(name, Path(where))
    colab.install(python, wheel, tmp_path)
    assert run("-c", "import torch, numpy; print(torch.__version__, numpy.__version__)") == (
        f"{version('torch')} {version('numpy')}"
    )

    spec = tmp_path / "jupyter" / "kernels" / "colab"
    spec.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": argv, "display_name": "Colab", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    work = tmp_path / "work"
    work.mkdir()
    copied = Path(shutil.copy(book.ROOT / "chapters" / f"{PAGE}.ipynb", work))
    notebook = book.read(copied)
    notebook.cells.append(new_code_cell("import utils\nprint(utils.__file__)"))
    execute.run(notebook, work, kernel="colab")
    imported = Path(notebook.cells[-1].outputs[0].text.strip())
    assert environment.resolve() in imported.resolve().parents
