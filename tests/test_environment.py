"""Whatever the user's shell sets, programs and kernels run in the book's own environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import book, environment
from tools.book import ROOT

FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
STRIPPED = "try:\n    assert False\nexcept AssertionError:\n    print('checked')"
WHERE = "import sys\nfrom pathlib import Path\nPath(sys.executable).parent.parent.name"
TWO = "1\n2"
LOCALE = "import locale\nlocale.getpreferredencoding()"
WIDTH = "plt.rcParams['figure.dpi']"
NAMES = "import utils\nPath(utils.__file__).parent.parent == Path(ROOT)"
BOOK_SEED = "import os\nos.environ.get('BOOK_SEED') or 'none'"
TEXT = {
    STRIPPED: "checked\n",
    WHERE: repr(Path(sys.prefix).name),
    TWO: "2",
    LOCALE: "'utf-8'",
    WIDTH: "100.0",
    NAMES: "True",
    BOOK_SEED: "'none'",
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with settings of all kinds that people have."""
    home = tmp_path_factory.mktemp("home")
    kernel = home / "jupyter" / "kernels" / "python3"
    ipython = home / "ipython" / "profile_default"
    for folder in (kernel, ipython, home / "modules"):
        folder.mkdir(parents=True)
    foreign = {"argv": ["/no/such/python"], "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(foreign), encoding="utf-8")
    config = 'c.InteractiveShell.ast_node_interactivity = "all"\n'
    (ipython / "ipython_config.py").write_text(config, encoding="utf-8")
    (home / "matplotlibrc").write_text("figure.dpi: 20\n", encoding="utf-8")
    (home / "modules" / "utils.py").write_text("raise SystemExit('foreign')\n", encoding="utf-8")
    (home / "modules" / "yaml.py").write_text("raise SystemExit('foreign')\n", encoding="utf-8")
    return os.environ | {
        "BOOK_SEED": "7",
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home),
        "JUPYTER_DATA_DIR": str(home / "jupyter"),
        "JUPYTER_PATH": str(home / "jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "LC_ALL": "C",
        "MATPLOTLIBRC": str(home / "matplotlibrc"),
        "MPLBACKEND": "agg",
        "PIP_CONSTRAINT": "/no/such/file",
        "PIP_INDEX_URL": "https://example.org/simple",
        "PIP_USER": "1",
        "PYTEST_ADDOPTS": "--no-such-option",
        "PYTHONHASHSEED": "3",
        "PYTHONIOENCODING": "ascii",
        "PYTHONOPTIMIZE": "1",
        "PYTHONPATH": str(home / "modules"),
        "PYTHONSTARTUP": "/no/such/file",
        "PYTHONUTF8": "0",
        "UV_RESOLUTION": "lowest",
    }


def run(*command: str | Path, env: dict[str, str], **options: object) -> str:
    """What a command prints; it has to succeed."""
    settings = {"cwd": ROOT, "env": env, "capture_output": True, "encoding": "utf-8"} | options
    done = subprocess.run(list(map(str, command)), check=False, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def page(folder: Path) -> Path:
    """A notebook that shows in what environment it runs."""
    path = folder / "page.ipynb"
    title = new_markdown_cell("# P\n\nÜ.\n\n*Needs: nothing; runs in about N s on two CPU cores.*")
    cells = [new_code_cell(code.replace("ROOT", repr(str(ROOT)))) for code in TEXT]
    alt = {"image": {"alt": "a line from 1 to 2"}}
    cells.insert(0, new_code_cell(FIGURE, metadata={"mystnb": alt}))
    nbformat.write(new_notebook(cells=[title, *cells]), path)
    return path


# ------------------------------------------------------------------------------- the environment
def test_what_decides_results_is_left_out_and_what_leads_to_the_network_stays() -> None:
    given = {
        "HOME": "/h",
        "HTTPS_PROXY": "p",
        "PIP_CERT": "c",
        "PIP_INDEX_URL": "i",
        "PIP_USER": "1",
        "PYTHON": "python3",
        "PYTHONPATH": "m",
        "JUPYTER_PATH": "j",
        "MYPYPATH": "m",
    }
    kept = environment.clean(given, BOOK_DEVICE="cpu")
    assert given.keys() & kept.keys() == {
        "HOME",
        "HTTPS_PROXY",
        "PIP_CERT",
        "PIP_INDEX_URL",
        "PYTHON",
    }
    assert kept["PYTHONUTF8"] == "1" and kept["BOOK_DEVICE"] == "cpu"
    assert environment.clean(kept) == kept


def test_the_launcher_runs_python_in_it(hostile: dict[str, str]) -> None:
    code = (
        "import json, os, sys; print(json.dumps([dict(os.environ), sys.flags.optimize, sys.path]))"
    )
    said = run(sys.executable, "-I", "tools/environment.py", "-c", code, env=hostile)
    variables, optimize, path = json.loads(said)
    assert optimize == 0 and hostile["PYTHONPATH"] not in path
    assert variables["PIP_INDEX_URL"] == hostile["PIP_INDEX_URL"]
    gone = {name for name, value in hostile.items() if variables.get(name) != value}
    kept = {"BOOK_SEED", "LC_ALL", "PIP_INDEX_URL", "PYTEST_CURRENT_TEST"}
    assert gone >= {name for name in hostile if os.environ.get(name) != hostile[name]} - kept


def test_values_arrive_whole() -> None:
    given = {"LIST": "a 'b c' d\"'\"e", "ONE": "it's; $x", "EMPTY": ""}
    assert environment.words("@LIST", given) == ["a", "b c", "d'e"]
    assert environment.words("--seed=@ONE", given) == ["--seed=it's; $x"]
    assert environment.words("--seed=@EMPTY", given) == environment.words("@EMPTY", given) == []
    for word in ("plain", "me@example", "--to=me@example", "@"):
        assert environment.words(word, given) == [word]
    with pytest.raises(SystemExit, match="ONE=it's"):
        environment.words("@ONE", given)


# ------------------------------------------------------------------------------------- programs
@pytest.mark.parametrize("way", ["tools/execute", "-m tools.execute"])
def test_a_stored_page_does_not_depend_on_the_shell(
    way: str, hostile: dict[str, str], tmp_path: Path
) -> None:
    path = page(tmp_path)
    if way == "tools/execute":
        if os.name == "nt":
            pytest.skip("tools/execute is a shell script")
        command: list[str | Path] = [ROOT / "tools" / "execute"]
        settings = hostile
    else:  # started by hand, where only the kernel's environment is ours
        command = [sys.executable, "-m", "tools.execute"]
        settings = {k: v for k, v in hostile.items() if k not in ("PYTHONPATH", "PYTHONIOENCODING")}
    run(*command, path, env=settings)
    cells = [cell for cell in book.read(path).cells if cell.cell_type == "code"][1:]
    assert [list(output.data) for output in cells[0].outputs] == [["image/png", "text/plain"]]
    for cell, expected in zip(cells[1:], TEXT.values(), strict=True):
        (output,) = cell.outputs
        said = output.text if output.output_type == "stream" else output.data["text/plain"]
        assert said == expected, cell.source


def test_a_compared_page_does_not_depend_on_the_shell(
    hostile: dict[str, str], tmp_path: Path
) -> None:
    path = page(tmp_path)
    notebook = book.read(path)
    for number, cell in enumerate(notebook.cells[1:], start=1):
        cell.execution_count = number
    for cell, expected in zip(notebook.cells[2:], TEXT.values(), strict=True):
        cell.metadata.tags = ["nbval-check-output"]
        cell.outputs = [new_output("execute_result", {"text/plain": expected}, execution_count=1)]
        if cell.source == STRIPPED:
            cell.outputs = [new_output("stream", name="stdout", text=expected)]
    nbformat.write(notebook, path)
    nbval = ["-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p", "tests.conftest"]
    where = ["-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT]
    said = run(*[sys.executable, "-I", "tools/environment.py", *nbval, *where, path], env=hostile)
    assert f"{len(TEXT) + 1} passed" in said


def test_tests_refuse_to_pass_vacuously() -> None:
    settings = os.environ | {"PYTHONOPTIMIZE": "1"}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/test_serve.py"]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    assert done.returncode != 0 and "drops assertions" in done.stdout + done.stderr


# ----------------------------------------------------------------------------------------- make
STUB = "import json, sys\nprint(json.dumps(sys.argv[1:]))\n"


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A copy of the Makefile whose tools print what they are given."""
    folder = tmp_path / "it's a (copy) & more"
    (folder / "tools").mkdir(parents=True)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "tools" / "environment.py", folder / "tools")
    for name in ("execute", "replicate", "mutants", "gpu", "setup"):
        (folder / "tools" / f"{name}.py").write_text(STUB, encoding="utf-8")
    for name in ("__init__", "contents"):
        (folder / "tools" / f"{name}.py").touch()
    return folder


def made(workshop: Path, *words: str, env: dict[str, str]) -> list[list[str]]:
    """What the tools were given by `make` with these words."""
    settings = {k: v for k, v in env.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", *words, f"PYTHON={sys.executable}"]
    said = run(*command, env=settings, cwd=workshop)
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for .venv is a link")
def test_values_of_make_arrive_whole_and_reach_no_shell(
    workshop: Path, hostile: dict[str, str]
) -> None:
    touch = "$(touch x)`touch y`; touch z & $(shell touch w) $HOME $$ #"
    lists = {"execute": "NOTEBOOKS", "mutants": "PAGES", "gpu": "NOTEBOOKS"}
    for target, name in lists.items():
        setup, given = made(workshop, target, f"{name}='a b.ipynb' c\"'\"d '{touch}'", env=hostile)
        assert setup == ["--same-python"]
        assert [word for word in given if word[:2] != "--"] == ["a b.ipynb", "c'd", touch]
        _, given = made(workshop, target, env=hostile)
        assert [word for word in given if word[:2] != "--"] == []
    _, given = made(workshop, "replicate", f"SEED={touch}", f"WORKERS={touch}", env=hostile)
    assert given == [f"--seed={touch}", f"--workers={touch}"]
    _, given = made(workshop, "replicate", env=hostile)
    assert given == ["--workers=2"]
    (given,) = made(workshop, "setup", f"TORCH={touch}", env=hostile)
    assert given == [f"--torch={touch}", "--same-python"]
    # from the environment as well
    _, given = made(workshop, "execute", env=hostile | {"NOTEBOOKS": f"'{touch}'"})
    assert given == [touch]
    assert {path.name for path in workshop.iterdir()} == {"Makefile", ".venv", "tools"}
