"""Check the style of modules and of the book's notebooks with ruff; run by `make lint`.

Stray notebooks in `chapters` are named and left alone: an empty one would be a syntax error.
"""

from __future__ import annotations

import glob
import subprocess
import sys

from tools import book


def main() -> int:
    """Run the command line."""
    strays = book.strays()
    for path in strays:
        print(book.left_alone(path), file=sys.stderr)
    without = [
        f"--extend-exclude={glob.escape(path.relative_to(book.ROOT).as_posix())}" for path in strays
    ]
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        line = [sys.executable, "-m", "ruff", *command, *without, "."]
        if subprocess.run(line, cwd=book.ROOT, check=False).returncode:
            if command[0] == "format":  # says what is quiet about which files
                subprocess.run(
                    [word for word in line if word != "--quiet"], cwd=book.ROOT, check=False
                )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
