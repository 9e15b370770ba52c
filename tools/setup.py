"""Make `.venv` and install what the book needs; do nothing when that is done.

With --grading: make `.venv-grading`, which has what marks assignments as well.

Run by the Makefile with any supported Python; uses the standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GRADING = "--grading" in sys.argv
VENV = ROOT / (".venv-grading" if GRADING else ".venv")
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed.sha256"
INTERRUPTED = VENV / "installing"
INPUTS: tuple[str, ...]
INPUTS = ("requirements.txt", "requirements-peer.txt", "pyproject.toml", "tools/setup.py")
INPUTS += ("requirements-grading.txt",) if GRADING else ()


def fingerprint(torch: str) -> str:
    """One hash over all that decides what is installed, and where."""
    digest = hashlib.sha256(f"{ROOT}\n{torch}\n".encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def python_version() -> tuple[int, int] | None:
    """The version of the environment's Python, or None where it does not run or has no pip."""
    code = "import pip, sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = answer.stdout.split()
    return int(major), int(minor)


def pip(*arguments: str) -> None:
    """Run pip in the environment.

    Raises:
        subprocess.CalledProcessError: pip failed.
    """
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([PYTHON, "-m", "pip", "install", *quiet, *arguments], check=True, cwd=ROOT)


def install(torch: str) -> None:
    """Install PyTorch, the locked requirements, the peer and the helpers, in this order."""
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    (pinned,) = re.findall(r"^torch==(\S+)", locked, re.M)
    requirements = ROOT / "requirements.txt"
    # PyTorch first, at its version: asked for by the way, pip may choose a newer, larger build.
    if torch in ("", pinned):
        pip(f"torch=={pinned}")
    else:
        pip(f"torch=={torch}", "torchvision")
        requirements = VENV / "requirements-without-torch.txt"
        rest = re.sub(r"^torch(vision)?==.*\n", "", locked, flags=re.M)
        requirements.write_text(rest, encoding="utf-8")
    pip("-r", str(requirements))
    if GRADING:
        pip("-r", "requirements-grading.txt")
    pip("--no-deps", "-r", "requirements-peer.txt")
    pip("--no-deps", "--no-build-isolation", "--editable", ".")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--torch", default="", help="another PyTorch than the locked one")
    parser.add_argument(
        "--same-python", action="store_true", help="insist on this Python's version"
    )
    parser.add_argument("--grading", action="store_true", help="make .venv-grading")
    parser.add_argument("--check", action="store_true", help="only say whether there is work to do")
    options = parser.parse_args()
    wanted = fingerprint(options.torch)
    there = python_version()
    other = options.same_python and there != sys.version_info[:2]
    if there and not other and STAMP.exists() and STAMP.read_text().strip() == wanted:
        return 0
    if options.check:
        print(f"{VENV.name} is not what the requirements ask for: run make")
        return 1
    # Installing into what an interrupted run left behind can miss broken files: start afresh.
    if there is None or there < (3, 11) or other or INTERRUPTED.exists():
        print(f"Making {VENV.name} with Python {sys.version.split()[0]} ...", flush=True)
        venv.create(VENV, clear=True, with_pip=True, symlinks=os.name != "nt")
    STAMP.unlink(missing_ok=True)
    INTERRUPTED.touch()
    what = "what grading needs" if GRADING else "what the book needs"
    print(f"Installing {what} into {VENV.name} (the first time takes minutes) ...", flush=True)
    try:
        install(options.torch)
    except subprocess.CalledProcessError as error:
        if error.returncode > 0:  # pip gave up by itself and has undone what it began
            INTERRUPTED.unlink()
        print("The installation failed: see pip's message above, then run make again.")
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the next make starts the installation afresh.")
        return 130
    STAMP.write_text(wanted + "\n")
    INTERRUPTED.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
