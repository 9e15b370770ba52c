"""Make `.venv` and install what the book needs; do nothing when that is done.

With --grading: make `.venv-grading`, which has what marks assignments as well.

Run by the Makefile with any supported Python; uses the standard library only.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run by its path
    sys.path.insert(0, str(ROOT))

from tools import environment as clean_environment  # noqa: E402

NIGHTLY = "https://download.pytorch.org/whl/nightly/cpu"
INPUTS = ("requirements.txt", "requirements-peer.txt", "pyproject.toml", "tools/setup.py")


@dataclass(frozen=True)
class Environment:
    """An environment of the book.

    Attributes:
        folder: where it is.
        what: it has, in words.
        more: a file of further requirements.
    """

    folder: Path
    what: str
    more: str | None = None

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def stamp(self) -> Path:
        """The file that says what has been installed."""
        return self.folder / "installed.sha256"

    @property
    def interrupted(self) -> Path:
        """The file that is there while something is being installed."""
        return self.folder / "installing"


BOOK = Environment(ROOT / ".venv", "what the book needs")
GRADING = Environment(ROOT / ".venv-grading", "what grading needs", "requirements-grading.txt")


def fingerprint(environment: Environment, torch: str) -> str:
    """One hash over all that decides what is installed, and where."""
    digest = hashlib.sha256(f"{ROOT}\n{torch}\n".encode())
    for name in INPUTS if environment.more is None else (*INPUTS, environment.more):
        digest.update((ROOT / name).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def python_version(python: Path) -> tuple[int, int] | None:
    """The version of an environment's Python, or None where it does not run or has no pip."""
    code = "import pip, sys; print(*sys.version_info[:2])"
    command: list[str | Path] = [python, "-I", "-c", code]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = answer.stdout.split()
    return int(major), int(minor)


def create(folder: Path) -> None:
    """Make an environment in place of what is there.

    Raises:
        SystemExit: this Python can't; the message says what is missing.
    """
    this = f"Python {sys.version.split()[0]} ({sys.executable})"
    debian = f"python3-venv or python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            sys.exit(
                f"{this} has no {module}, without which it can make no environment. On Debian and "
                f"Ubuntu: apt-get install {debian}; then run make again."
            )
    import venv

    try:
        venv.create(folder, clear=True, with_pip=True, symlinks=os.name != "nt")
    except subprocess.CalledProcessError as error:
        said = (error.output or b"").decode(errors="replace").strip().splitlines()
        why = said[-1] if said else str(error)
        sys.exit(f"{this} could not put pip into {folder}: {why}. On Debian, {debian} may help.")


def pip(python: Path, *arguments: str) -> None:
    """Run an environment's pip.

    Raises:
        subprocess.CalledProcessError: pip failed.
    """
    quiet = ["--quiet", "--disable-pip-version-check"]
    command: list[str | Path] = [python, "-m", "pip", "install", *quiet, *arguments]
    subprocess.run(command, check=True, cwd=ROOT, env=pip_variables(python))


def pip_variables(python: Path) -> dict[str, str]:
    """The variables for pip: of its settings, in files too, only those that lead to the network.

    Others (`user`, `target`, `constraint`, ...) would put packages elsewhere, or others than asked.
    """
    variables = clean_environment.clean(os.environ)
    command: list[str | Path] = [python, "-m", "pip", "config", "list"]
    told = subprocess.run(
        command, capture_output=True, env=variables, check=False, encoding="utf-8"
    )
    lines = re.findall(r"^([\w:]+)\.([\w-]+)=(.+)$", told.stdout, re.M)
    for section in ("global", "install", ":env:"):  # a later one has the last word
        for place, name, value in lines:
            if place == section and name in clean_environment.NETWORK:
                variables["PIP_" + name.upper().replace("-", "_")] = ast.literal_eval(value)
    return variables | {"PIP_CONFIG_FILE": os.devnull}


def install(environment: Environment, torch: str) -> None:
    """Install PyTorch, the locked requirements, the peer and the helpers, in this order."""
    python = environment.python
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (pinned,) = re.findall(r"^torch==(\S+)", locked, re.M)
    requirements = ROOT / "requirements.txt"
    # PyTorch first, at its version: asked for by the way, pip may choose a newer, larger build.
    if torch in ("", pinned):
        pip(python, f"torch=={pinned}")
    else:
        last_night = ("--pre", "--extra-index-url", NIGHTLY, "torch")
        which = last_night if torch == "nightly" else (f"torch=={torch}",)
        pip(python, *which, "torchvision")
        requirements = environment.folder / "requirements-without-torch.txt"
        rest = re.sub(r"^torch(vision)?==.*\n", "", locked, flags=re.M)
        requirements.write_text(rest, encoding="utf-8")
    pip(python, "-r", str(requirements))
    if environment.more:
        pip(python, "-r", environment.more)
    pip(python, "--no-deps", "-r", "requirements-peer.txt")
    pip(python, "--no-deps", "--no-build-isolation", "--editable", ".")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--torch", default="", help="another PyTorch than the locked one, or nightly"
    )
    parser.add_argument(
        "--same-python", action="store_true", help="insist on this Python's version"
    )
    parser.add_argument("--grading", action="store_true", help="make .venv-grading")
    parser.add_argument("--check", action="store_true", help="only say whether there is work to do")
    options = parser.parse_args()
    environment = GRADING if options.grading else BOOK
    folder, stamp, interrupted = environment.folder, environment.stamp, environment.interrupted
    wanted = fingerprint(environment, options.torch)
    there = python_version(environment.python)
    other = options.same_python and there != sys.version_info[:2]
    if (
        there
        and not other
        and stamp.exists()
        and stamp.read_text(encoding="utf-8").strip() == wanted
    ):
        return 0
    if options.check:
        print(f"{folder.name} is not what the requirements ask for: run make")
        return 1
    # Installing into what an interrupted run left behind can miss broken files: start afresh.
    if there is None or there < (3, 11) or other or interrupted.exists():
        print(f"Making {folder.name} with Python {sys.version.split()[0]} ...", flush=True)
        create(folder)
    stamp.unlink(missing_ok=True)
    interrupted.touch()
    where = f"{environment.what} into {folder.name}"
    print(f"Installing {where} (the first time takes minutes) ...", flush=True)
    try:
        install(environment, options.torch)
    except subprocess.CalledProcessError as error:
        if error.returncode > 0:  # pip gave up by itself and has undone what it began
            interrupted.unlink()
        print("The installation failed: see pip's message above, then run make again.")
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the next make starts the installation afresh.")
        return 130
    stamp.write_text(wanted + "\n", encoding="utf-8")
    interrupted.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
