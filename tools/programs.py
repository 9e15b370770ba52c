"""Make sure that the programs are there that tests start: a Chromium, and on Linux bubblewrap.

    python -m tools.programs [chromium] [bubblewrap]

Run by `make test`, and for Chromium alone by `make pdf` and its like. Only as root on Debian or
Ubuntu is something installed; elsewhere one line says how to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tools.chromium import NoChromiumError, find_chromium


def chromium() -> str:
    """What is wrong with the browser that shows the site; empty if nothing is."""
    try:
        find_chromium()
    except NoChromiumError as error:
        return str(error)
    return ""


def bubblewrap() -> str:
    """What is wrong with the sandbox that student code is graded in; empty if nothing is."""
    if sys.platform != "linux" or shutil.which("bwrap"):
        return ""
    return "The tests of the grader need bubblewrap: apt-get install bubblewrap, or dnf, pacman."


PROGRAMS = {"chromium": chromium, "bubblewrap": bubblewrap}


def install(package: str) -> None:
    """Install the distribution's package; what apt-get says is shown only when it fails."""
    print(f"Installing {package} for the tests ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", *command], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(done.stdout[-2000:] + done.stderr[-2000:])
            return


def main() -> int:
    """Run the command line."""
    may_install = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")
    status = 0
    for package in sys.argv[1:] or PROGRAMS:
        problem = PROGRAMS[package]
        if problem() and may_install and not (package == "chromium" and os.environ.get("CHROMIUM")):
            install(package)
        if left := problem():
            print(left, file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
