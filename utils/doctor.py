"""What is right and what is wrong with this installation: ``python -m utils.doctor``.

A line for each check, with what to do; the exit status is 1 if something is wrong. It has to start
where little works, so this module is readable by Python 3.8 and imports only the standard library;
everything else is imported within the check that is about it.
"""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parent
WHEEL = (PACKAGE / "_book").is_dir()  # and not a checkout
PYTHON = ((3, 11, 4), (3, 15))  # the oldest, and the first that is too new
TORCH = "2.13.0"  # which the stored outputs come from
OLDEST = {"torch": (2, 8), "numpy": (2, 0), "matplotlib": (3, 8)}
# What else the helpers import, and how pip calls it.
OTHERS = {
    "beartype": "beartype",
    "filelock": "filelock",
    "IPython": "ipython",
    "jaxtyping": "jaxtyping",
    "lazy_loader": "lazy-loader",
    "matplotlib_inline": "matplotlib-inline",
    "num2words": "num2words",
    "pandas": "pandas",
    "PIL": "pillow",
    "platformdirs": "platformdirs",
    "requests": "requests",
    "sacrebleu": "sacrebleu",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torchvision": "torchvision",
    "tqdm": "tqdm",
    "yaml": "pyyaml",
}
PEER = "d2l==1.0.3"
DATA = (
    "austen/emma.txt.gz",
    "austen/mansfieldpark.txt.gz",
    "austen/northangerabbey.txt.gz",
    "austen/persuasion.txt.gz",
    "austen/prideprejudice.txt.gz",
    "austen/sensesensibility.txt.gz",
    "fashion-mnist/t10k-images-idx3-ubyte.gz",
    "fashion-mnist/t10k-labels-idx1-ubyte.gz",
    "fashion-mnist/train-images-idx3-ubyte.gz",
    "fashion-mnist/train-labels-idx1-ubyte.gz",
)
KERNEL = "python3"  # the one that the notebooks ask for
INLINE = re.compile(r"module://(matplotlib_inline|ipykernel)\b")  # Matplotlib's own for notebooks

OK, NOTE, WRONG = "ok", "note", "WRONG"


class Finding(NamedTuple):
    """What a check found.

    Attributes:
        state: ``OK``, ``NOTE`` (it works, but should be known) or ``WRONG``.
        text: a line that says what is there and, unless all is well, what to do.
    """

    state: str
    text: str


def python() -> Finding:
    """Whether the book supports this Python."""
    oldest, too_new = PYTHON
    version = tuple(sys.version_info[:3])
    here = f"Python {'.'.join(map(str, version))} ({sys.executable})"
    if oldest <= version < too_new:
        return Finding(OK, here)
    return Finding(
        WRONG,
        f"{here} is too {'old' if version < oldest else 'new'}: the book needs Python 3.11.4 to "
        "3.14; install one, and start this again with it.",
    )


def environment() -> Finding:
    """Whether a checkout of the book is used with the environment that it makes for itself."""
    if not _outside():
        return Finding(OK, f"Packages are those of {sys.prefix}")
    own = PACKAGE.parent / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run = f"in {PACKAGE.parent}, run `make setup` (without make: {_quoted()} tools/setup.py), then "
    return Finding(
        NOTE,
        f"This is not the book's own environment: {'' if own.exists() else run}use {own} instead.",
    )


def helpers() -> Finding:
    """Whether a notebook, in this folder or another, finds the book's ``utils``."""
    # What `python -m` or a program's own folder puts first is not there for a notebook elsewhere.
    everywhere = sys.path if getattr(sys.flags, "safe_path", False) else sys.path[1:]
    for path in (everywhere, [os.getcwd(), *everywhere]):
        spec = PathFinder.find_spec("utils", path)
        if spec is None:
            to_do = _install(f'--no-deps --editable "{PACKAGE.parent}"')
            return Finding(WRONG, f"Notebooks in other folders don't find {PACKAGE}: {to_do}.")
        file = Path(spec.origin or next(iter(spec.submodule_search_locations or [])))
        if file.resolve() != PACKAGE / "__init__.py":
            return Finding(
                WRONG,
                f"Another `utils` comes before the book's: {file}; rename it or uninstall it "
                f"(the book's is {PACKAGE}).",
            )
    return Finding(OK, f"utils is the book's ({PACKAGE})")


def package(name: str) -> Finding:
    """Whether a package can be imported and is new enough."""
    try:
        version = str(importlib.import_module(name).__version__)
    except ModuleNotFoundError as error:
        needed = str(error.name).partition(".")[0]
        what = "is missing" if needed == name else f"can't be imported ({error})"
        return Finding(WRONG, f"{name} {what}: {_install(OTHERS.get(needed, needed))}.")
    except Exception as error:  # a package that is there in parts may raise anything
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        again = _pip(f"--force-reinstall {_pinned(name)}")
        return Finding(WRONG, f"{name} can't be imported ({why}): {again}.")
    oldest = OLDEST[name]
    if tuple(int(n) for n in re.findall(r"\d+", version)[:2]) < oldest:
        least = ".".join(map(str, oldest))
        newer = _pip(f'--upgrade "{name}>={least}"')
        return Finding(WRONG, f"{name} {version} is too old, {least} is the oldest: {newer}.")
    if name == "torch" and version.split("+")[0] != TORCH:
        return Finding(
            NOTE,
            f"torch {version}; the book's outputs are of {TORCH}, so decimals may differ from the "
            "page's, verdicts should not.",
        )
    return Finding(OK, f"{name} {version}")


def others() -> Finding:
    """Whether all other packages are there that the helpers import."""
    missing = [pip for name, pip in OTHERS.items() if importlib.util.find_spec(name) is None]
    if missing:
        return Finding(WRONG, f"Missing: {', '.join(missing)}: {_install(*missing)}.")
    return Finding(OK, f"{len(OTHERS)} other packages that the helpers need are there")


def peer() -> Finding:
    """Whether d2l is there, which some pages compare themselves with."""
    if importlib.util.find_spec("d2l") is None:
        return Finding(
            NOTE, f"d2l is missing, which some pages compare with: {_install(f'--no-deps {PEER}')}."
        )
    return Finding(OK, "d2l is there to compare with")


def data() -> Finding:
    """Whether the data that ships with the book is there and whole."""
    from utils.paths import shipped_data

    folder = shipped_data()
    bad = [f"{name} is {fault}" for name in DATA if (fault := _fault(folder / name))]
    if bad:
        get = (
            "run the first cell of a notebook again"
            if WHEEL
            else f"git -C {shlex.quote(str(PACKAGE.parent))} checkout -- data"
        )
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        return Finding(WRONG, f"Of the book's data in {folder}, {bad[0]}{more}: {get}.")
    return Finding(OK, f"The book's data is whole ({folder})")


def own_data() -> Finding:
    """Whether ``$BOOK_DATA``, where a reader keeps data sets, is a folder."""
    from utils.paths import local_data

    folder = local_data()
    if folder is None:
        return Finding(OK, "BOOK_DATA is not set: full data sets are downloaded when asked for")
    if not folder.is_dir():
        return Finding(WRONG, f"BOOK_DATA={folder} is no folder: make it, or unset BOOK_DATA.")
    return Finding(OK, f"BOOK_DATA={folder}")


def device() -> Finding:
    """Whether the device that ``$BOOK_DEVICE`` asks for is here."""
    try:
        from utils.device import best_device

        return Finding(OK, f"Tensors live on: {best_device()}")
    except (ValueError, RuntimeError) as error:
        return Finding(WRONG, str(error))
    except Exception as error:  # whatever keeps torch from being imported: its own check says it
        return Finding(NOTE, f"The device was not looked at, for want of torch ({error}).")


def kernel() -> Finding:
    """Whether notebooks run in this Python."""
    if missing := [n for n in ("ipykernel", "jupyter_client") if not importlib.util.find_spec(n)]:
        return Finding(
            NOTE, f"No notebooks run here without {missing[0]}: {_install('jupyterlab')}."
        )
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    # Beside the system's Python, a kernel of its own folder may come after the user's.
    where = "--user" if sys.prefix == sys.base_prefix else "--sys-prefix"
    own = f"{_quoted()} -m ipykernel install {where} --name {KERNEL}"
    try:
        program = KernelSpecManager().get_kernel_spec(KERNEL).argv[0]
    except NoSuchKernel:
        return Finding(WRONG, f"There is no kernel {KERNEL!r}: {own}.")
    if re.fullmatch(r"python(3(\.\d+)?)?", program):
        program = sys.executable  # as Jupyter takes it
    ask = [program, "-I", "-c", "import sys; print(sys.prefix)"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(WRONG, f"The kernel {KERNEL!r} does not start ({error}): {own}.")
    if os.path.realpath(done.stdout.strip()) != os.path.realpath(sys.prefix):
        return Finding(WRONG, f"The kernel {KERNEL!r} belongs to another Python, {program}: {own}.")
    return Finding(OK, f"The kernel {KERNEL!r} is this Python's")


def cache() -> Finding:
    """Whether downloads can be kept."""
    from utils.paths import cache_dir

    try:
        folder = cache_dir()
    except ModuleNotFoundError as error:
        return Finding(NOTE, f"The folder for downloads was not looked at: {error}.")
    there = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=str(there)).close()
    except OSError as error:
        return Finding(
            WRONG,
            f"Downloads can't be kept in {folder} ({error.strerror}): set BOOK_CACHE to a folder "
            "that can be written to.",
        )
    return Finding(OK, f"Downloads are kept in {folder}")


def variables() -> Finding:
    """Whether variables of the environment change what a page shows."""
    found = {name: os.environ.get(name, "") for name in EFFECTS}
    told = [
        f"{name}={value} {EFFECTS[name]}"
        for name, value in found.items()
        if value not in ("", "0") and not INLINE.match(value)
    ]
    if not told:
        return Finding(OK, f"None of {', '.join(EFFECTS)} changes results")
    bad_seed = not re.fullmatch(r"\s*([-+]?\d+)?\s*", found["BOOK_SEED"])
    if bad_seed:
        told.append("BOOK_SEED has to be a whole number")
    wrong = bad_seed or found["PYTHONOPTIMIZE"] not in ("", "0")
    return Finding(WRONG if wrong else NOTE, f"{'; '.join(told)}: unset what you did not mean.")


EFFECTS = {
    "PYTHONOPTIMIZE": "drops assertions, so that every answer would pass",
    "PYTHONPATH": "puts other modules before the installed ones",
    "MPLBACKEND": "draws figures elsewhere than in the notebook",
    "BOOK_SEED": "moves every seed, so that numbers differ from the page's",
    "BOOK_FULL": "loads data sets in full, so that numbers differ from the page's",
}

CHECKS: dict[str, Callable[[], Finding]] = {
    "environment": environment,
    "helpers": helpers,
    **{name: partial(package, name) for name in OLDEST},
    "others": others,
    "peer": peer,
    "data": data,
    "own data": own_data,
    "device": device,
    "kernel": kernel,
    "cache": cache,
    "variables": variables,
}


def examine() -> Iterator[Finding]:
    """What each check finds; only that on Python, where it is one that the rest can't run on."""
    yield (first := python())
    if first.state == WRONG:
        return
    for name, check in CHECKS.items():
        try:
            yield check()
        except Exception as error:  # one that breaks down must not hide what the others find
            yield Finding(WRONG, f"The check of {name} broke down: {error!r}.")


def main() -> int:
    """Print a line for each finding as it comes; 1 if something is wrong, else 0."""
    wrong = 0
    for finding in examine():
        print(f"{finding.state:5}  {finding.text}", flush=True)
        wrong += finding.state == WRONG
    print(f"\n{wrong} to mend, the first one first." if wrong else "\nNothing is wrong.")
    return 1 if wrong else 0


def _fault(file: Path) -> str:
    """What is wrong with a gzipped file, or nothing."""
    if not file.is_file():
        return "missing"
    try:
        with gzip.open(str(file)) as stream:
            while stream.read(1 << 20):  # reading to the end checks gzip's own sum
                continue
    except (OSError, EOFError, zlib.error):
        return "broken"
    return ""


def _quoted() -> str:
    """This Python, as a shell takes it."""
    return f'"{sys.executable}"' if " " in sys.executable else sys.executable


def _pip(what: str) -> str:
    return f"{_quoted()} -m pip install {what}"


def _pinned(name: str) -> str:
    return f"torch=={TORCH}" if name == "torch" else name


def _outside() -> bool:
    """Whether this is a checkout that is used from outside its environment."""
    own = [PACKAGE.parent / name for name in (".venv", ".venv-grading")]
    return not WHEEL and os.path.realpath(sys.prefix) not in map(os.path.realpath, own)


def _install(*names: str) -> str:
    """How to come by packages."""
    if _outside():
        return "use the book's own environment, as said above"
    return _pip(" ".join(map(_pinned, names)))


if __name__ == "__main__":
    if not __package__:  # run by its path: its own folder, which holds no top-level module, goes
        sys.path[0] = str(PACKAGE.parent)
    sys.exit(main())
