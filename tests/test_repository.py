"""The two commands, the papers, the workflows and the price of an import."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml

from tools import book, contents
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
    assert set(listed) == set(phony) - {"setup"} == set(rules) - {"setup"}
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
def test_an_old_python_is_refused_in_one_line(tmp_path: Path) -> None:
    done = run(MAKE, "book", f"PYTHON={old_python(tmp_path)}")
    assert done.returncode != 0
    said = (done.stdout + done.stderr).strip().splitlines()
    assert len(said) == 1, said
    assert "needs Python 3.11.4 to 3.14, found Python 3.9.2" in said[0]


def test_versions_of_python_agree() -> None:
    assert PROJECT["project"]["requires-python"] == ">=3.11.4,<3.15"
    assert "(3, 11, 4) <= sys.version_info[:3] < (3, 15)" in MAKEFILE


def make_setup_with_a_stub(folder: Path) -> tuple[list[str], Path]:
    """A copy of what `make setup` reads, and the command that runs it with a stub for pip."""
    for name in ("requirements.txt", "requirements-peer.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup.py", folder / "tools")
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
    done = run(sys.executable, "tools/setup.py", "--torch", torch, "--check")
    assert (done.returncode, done.stdout) == (0, "")
    assert time.monotonic() - started < 20


# --------------------------------------------------------------------------------- packages
def test_pip_check_complains_of_nothing_but_the_peer() -> None:
    peer = book.peer_requirement().split("==")[0]
    lines = run(sys.executable, "-m", "pip", "check").stdout.strip().splitlines()
    assert [line for line in lines if not line.startswith(f"{peer} ")] in (
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
