"""Run copies of the notebooks as Google Colab does: no repository, helpers from the wheel.

The Python that runs this stands for Colab's: the first cell of the notebooks installs the wheel
into it. Meant for Colab's image, by `make colab`; a test does the same in a new environment.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import book, execute


def install(python: Path | str, wheel: Path, folder: Path) -> None:
    """Run the notebooks' first cell as in Colab, with the wheel in place of the release's address.

    Args:
        python: The Python to install into.
        wheel: The wheel of the helpers.
        folder: A working directory outside the repository.

    Raises:
        RuntimeError: The cell failed; the message is what it printed.
    """
    lines = book.colab_cell().splitlines()
    lines = [f"wheel = {str(wheel)!r}" if line.startswith("wheel = ") else line for line in lines]
    stub = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')"
    command = [python, "-c", "\n".join([stub, *lines])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def main() -> int:
    """Run the command line."""
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--wheel-dir", name, str(book.ROOT)], check=True)
        (wheel,) = folder.glob("*.whl")
        install(sys.executable, wheel, folder)
        for path in book.chosen([]):
            copied = Path(shutil.copy(path, folder))
            try:
                seconds = execute.run(book.read(copied), folder)
                print(f"{path.stem}: {seconds:.1f} s", flush=True)
            except execute.NotebookFailed as error:
                print(f"{path.stem}: {error}", flush=True)
                failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
