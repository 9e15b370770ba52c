"""The two commands, the papers, the workflows and the price of an import."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from tools import book, contents, setup
from tools.book import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MAKE = shutil.which("make") or "make"


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository and keep what it says; make's own variables stay out."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    settings = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True} | options
    return subprocess.run([str(word) for word in command], check=False, **settings)


def names(requirements: str) -> set[str]:
    """The names of the packages in a requirements file."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)", requirements, re.M)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


# ----------------------------------------------------------------------------------- make
def test_help_lists_every_target_with_a_line() -> None:
    listed = dict(re.findall(r"^  ([a-z]+) +(\S.*)$", run(MAKE, "help").stdout, re.M))
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split()
    rules = re.findall(r"^([a-z]+):", MAKEFILE, re.M)
    hidden = {"python", "setup"}  # what others need
    assert set(listed) == set(phony) - hidden == set(rules) - hidden
    assert {"book", "test", "serve", "notebooks", "gpu", "lock", "clean", "help"} <= set(listed)


def test_help_is_the_default() -> None:
    assert run(MAKE).stdout == run(MAKE, "help").stdout


def old_python(folder: Path) -> Path:
    """A program that answers like a Python that is too old."""
    path = folder / "python3.9"
    path.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for an old Python is a shell script")
@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"^([a-z]+):", MAKEFILE, re.M)) - {"help", "clean"})
)
def test_an_old_python_is_refused_in_one_line(target: str, tmp_path: Path) -> None:
    done = run(MAKE, target, f"PYTHON={old_python(tmp_path)}")
    assert done.returncode != 0
    said = (done.stdout + done.stderr).strip().splitlines()
    assert len(said) == 1, said
    assert "needs Python 3.11.4 to 3.14, found Python 3.9.2" in said[0]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for an old Python is a shell script")
@pytest.mark.parametrize("given", [["PYTHON="], ["PYTHON=/no/such"], ["PYTHON=a'b"], []])
def test_no_python_is_said_in_one_line(given: list[str], tmp_path: Path) -> None:
    """With `PYTHON` a program that is not there, or with an old one alone on the path."""
    old_python(tmp_path).rename(tmp_path / "python3")
    for tool in ("sh", "grep"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    done = run(MAKE, "grade", *given, env={"PATH": str(tmp_path)})
    (line,) = (done.stdout + done.stderr).strip().splitlines()
    found = "Python 3.9.2" if given in (["PYTHON="], []) else "none"
    assert done.returncode != 0 and f"found {found}; install one or name it" in line


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_that_makes_no_environments_is_named_in_one_line(
    module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find(name)
    )
    with pytest.raises(
        SystemExit, match=f"has no {module}, .*apt-get install python3-venv"
    ) as told:
        setup.create(tmp_path / "environment")
    assert len(str(told.value).splitlines()) == 1
    assert not (tmp_path / "environment").exists()


def test_an_ensurepip_that_fails_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise subprocess.CalledProcessError(1, "ensurepip", b"Traceback\nno wheels")

    monkeypatch.setattr(venv, "create", fail)
    with pytest.raises(SystemExit, match="could not put pip into .*: no wheels. On Debian") as told:
        setup.create(tmp_path / "environment")
    assert len(str(told.value).splitlines()) == 1


def test_pip_installs_into_the_environment_whatever_its_settings_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wheel = tmp_path / "wheels" / "speck-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("speck.py", "")
        archive.writestr(
            "speck-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: speck\nVersion: 1.0\n"
        )
        archive.writestr("speck-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("speck-1.0.dist-info/RECORD", "")
    elsewhere = tmp_path / "elsewhere"
    config = tmp_path / "pip.conf"
    lines = ["[global]", "no-index = true", f"find-links = {wheel.parent.as_uri()}", "[install]"]
    lines += ["user = true", "constraint = /no/such/file", f"target = {elsewhere}"]
    config.write_text("\n".join(lines), encoding="utf-8")
    settings = {"CONFIG_FILE": str(config), "USER": "1", "REQUIRE_VIRTUALENV": "1"}
    settings |= {"CONSTRAINT": "/no/such/file", "TARGET": str(elsewhere), "NO_BINARY": ":all:"}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "environment"
    setup.create(folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    setup.pip(python, "speck")
    said = run(python, "-I", "-c", "import speck; print(speck.__file__)").stdout
    assert folder in Path(said.strip()).parents
    assert not elsewhere.exists()


def test_versions_of_python_agree() -> None:
    assert PROJECT["project"]["requires-python"] == ">=3.11.4,<3.15"
    assert "(3, 11, 4) <= sys.version_info[:3] < (3, 15)" in MAKEFILE


def make_setup_with_a_stub(folder: Path) -> tuple[list[str], Path]:
    """A copy of what `make setup` reads, and the command that runs it with a stub for pip."""
    for name in ("requirements.txt", "requirements-peer.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "tools").mkdir()
    for name in ("__init__", "environment", "setup"):
        shutil.copy(ROOT / "tools" / f"{name}.py", folder / "tools")
    shutil.copy(ROOT / "Makefile", folder)
    # pip is replaced where setup.py calls it: each call leaves a line in pip.log.
    script = folder / "tools" / "setup.py"
    text = script.read_text(encoding="utf-8")
    body = "    (ROOT / 'pip.log').open('a').write(' '.join(arguments) + '\\n')\n"
    body += "    if (ROOT / 'stop').exists(): os._exit(9)\n"
    marker = '    quiet = ["--quiet"'
    assert marker in text
    script.write_text(text.replace(marker, body + "    return\n" + marker), encoding="utf-8")
    return [MAKE, "setup", f"PYTHON={sys.executable}"], folder / "pip.log"


def test_setup_installs_once_notices_changes_and_recovers(tmp_path: Path) -> None:
    command, log = make_setup_with_a_stub(tmp_path)

    def installs() -> int:
        log.unlink(missing_ok=True)
        done = run(*command, cwd=tmp_path)
        return len(log.read_text().splitlines()) if log.exists() else -done.returncode

    assert installs() == 4, "torch, the locked requirements, the peer, the helpers"
    assert installs() == 0
    for name in ("requirements.txt", "requirements-peer.txt", "pyproject.toml"):
        (tmp_path / name).touch()
        assert installs() == 0, "only the time changed"
        with (tmp_path / name).open("a") as file:
            file.write("# changed\n")
        assert installs() == 4, name
    (tmp_path / ".venv" / "mark").touch()
    with (tmp_path / "requirements.txt").open("a") as file:
        file.write("# again\n")
    (tmp_path / "stop").touch()  # the installation is killed half-way
    assert installs() == 1
    (tmp_path / "stop").unlink()
    assert installs() == 4
    assert not (tmp_path / ".venv" / "mark").exists(), "what was half installed was kept"
    assert installs() == 0


def test_a_missing_browser_stops_the_tests_with_one_line() -> None:
    done = run(sys.executable, "-m", "tools.programs", env={**os.environ, "CHROMIUM": "no-such"})
    assert done.returncode == 1
    assert len((done.stdout + done.stderr).strip().splitlines()) == 1
    assert "CHROMIUM" in done.stderr


def test_setup_of_this_repository_has_nothing_to_do() -> None:
    started = time.monotonic()
    torch = os.environ.get("TORCH", "")  # make passes it on
    done = run(sys.executable, "-m", "tools.setup", "--torch", torch, "--check")
    assert (done.returncode, done.stdout) == (0, "")
    assert time.monotonic() - started < 20


def test_text_files_have_an_encoding() -> None:
    """Without one, a file is read and written as the user's locale has it."""
    found = []
    files = [p for f in ("utils", "tools", "_ext", "grading") for p in (ROOT / f).rglob("*.py")]
    for path in [*files, ROOT / "hatch_build.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and opens_text_without_encoding(node):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found


def opens_text_without_encoding(call: ast.Call) -> bool:
    """Whether a call is `open`, `read_text` or `write_text` of text, and names no encoding."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    mode = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if name == "open" and not isinstance(call.func, ast.Name):
        text = bool(mode) and "b" not in mode[0] and len(mode[0]) < 3  # others open other things
    else:
        text = name in ("read_text", "write_text") or (
            name == "open" and not any("b" in word for word in mode if len(word) < 4)
        )
    return text and all(keyword.arg != "encoding" for keyword in call.keywords)


# --------------------------------------------------------------------------------- packages
def test_pip_check_complains_of_nothing_but_the_peer_and_what_stands_with_it() -> None:
    alone = names((ROOT / "requirements-peer.txt").read_text(encoding="utf-8"))
    lines = run(sys.executable, "-m", "pip", "check").stdout.strip().splitlines()
    assert [line for line in lines if line.split(" ")[0] not in alone] in (
        [],
        ["No broken requirements found."],
    )


def test_what_the_helpers_need_is_locked() -> None:
    wanted = names("\n".join(PROJECT["project"]["dependencies"]))
    direct = names((ROOT / "requirements.in").read_text(encoding="utf-8"))
    locked = names((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert wanted <= direct, "requirements.in misses a dependency of pyproject.toml"
    assert direct <= locked, "requirements.txt is old: make lock"


def test_lock_is_exact_and_leaves_cuda_to_torch() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    assert all(re.match(r"[\w.-]+==\S+( ;.*)?$", line) for line in lines)
    assert not [line for line in lines if re.match(r"(nvidia|cuda|triton)\b", line)]


def test_importing_the_helpers_is_cheap() -> None:
    code = (
        "import torch, time; start = time.perf_counter(); import utils; "
        "print(time.perf_counter() - start)"
    )
    times = [float(run(sys.executable, "-c", code, cwd=ROOT).stdout) for _ in range(5)]
    assert statistics.median(times) <= 0.3, times


# ---------------------------------------------------------------------------------- papers
def test_readme_table_is_what_the_notebooks_say() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert contents.with_table(readme) == readme, "run tools/contents"


def test_table_follows_the_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents.table()
    monkeypatch.setattr(book, "run_time", lambda notebook: 999)
    assert contents.table() != before


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_papers_name_files_targets_and_tools_that_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.M))
    assert set(re.findall(r"\bmake ([a-z]+)\b(?= *[`\n#A-Z])", text)) <= targets
    linked = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    quoted = re.findall(r"`((?:tools|tests|utils|chapters|data|\.github|\.ci)/[\w./-]*)`", text)
    assert linked or quoted
    assert [path for path in linked + quoted if not (ROOT / path).exists()] == []


def test_citation_names_this_version_and_repository() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == book.version()
    assert citation["repository-code"] == book.repository_url()
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)


def test_licences_cover_code_and_text() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in text
    assert "CC BY 4.0" in text


# -------------------------------------------------------------------------------- workflows
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_workflows_are_there() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "fresh", "gpu", "publish"]


def test_workflows_follow_their_schema() -> None:
    schema = ["--builtin-schema", "vendor.github-workflows"]
    done = run(sys.executable, "-m", "check_jsonschema", *schema, *WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_are_safe() -> None:
    program = Path(sys.executable).with_name("zizmor")
    config = ROOT / ".github" / "zizmor.yml"
    done = run(program, "--offline", "--no-progress", "--config", config, *WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_the_makefile(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.M))
    called = set(re.findall(r"\bmake ([a-z]+)\b", path.read_text(encoding="utf-8")))
    if ".ci/run" in path.read_text(encoding="utf-8"):
        called.add("test")
    assert called
    assert called <= targets


def test_ci_script_calls_make_test() -> None:
    assert re.search(r"\bmake test\b", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
