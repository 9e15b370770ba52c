"""Write requirements.txt: exact versions of what requirements.in asks for, for all platforms.

Uses uv in an environment of its own, which is thrown away; run by `make lock`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import environment, setup

ROOT = Path(__file__).resolve().parent.parent
# PyTorch's CUDA builds pin these exactly themselves, and its CPU builds have none of them.
LEFT_TO_TORCH = re.compile(r"^(triton|nvidia-|cuda-)")


def main() -> int:
    """Run the command line."""
    with tempfile.TemporaryDirectory() as folder:
        setup.create(Path(folder))
        scripts = Path(folder, "Scripts" if os.name == "nt" else "bin")
        setup.pip(scripts / "python", "uv")
        draft = Path(folder, "requirements.txt")
        options = ["--universal", "--python-version", "3.11", "--no-annotate", "--quiet"]
        label = ["--custom-compile-command", "make lock"]
        command: list[str | Path] = [
            scripts / "uv",
            "pip",
            "compile",
            *options,
            *label,
            "requirements.in",
            "-o",
            draft,
        ]
        subprocess.run(command, check=True, cwd=ROOT, env=environment.clean(os.environ))
        lines = draft.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = "".join(line for line in lines if not LEFT_TO_TORCH.match(line))
    (ROOT / "requirements.txt").write_text(kept, encoding="utf-8", newline="\n")
    print("requirements.txt is written; `make test` installs and tests it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
