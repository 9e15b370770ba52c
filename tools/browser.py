"""Make sure that there is a Chromium to test the site in; install it where we may.

Run by `make test`. Only as root on Debian or Ubuntu is something installed; elsewhere one line
says how to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.site.chromium import NoChromiumError, find_chromium


def install() -> None:
    """Install the distribution's package; what apt-get says is shown only when it fails."""
    print("Installing Chromium for the tests of the site ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        done = subprocess.run(
            ["apt-get", *command], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(done.stdout[-2000:] + done.stderr[-2000:])
            return


def main() -> int:
    """Run the command line."""
    may_install = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")
    for attempt in range(2):
        try:
            find_chromium()
        except NoChromiumError as error:
            if attempt or not may_install or os.environ.get("CHROMIUM"):
                print(error, file=sys.stderr)
                return 1
            install()
        else:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
