"""What `make grade` and `make read` are told."""

from __future__ import annotations

import argparse
from pathlib import Path

from grading.bubblewrap import ROOT, shown
from grading.exports import PLATFORMS
from grading.feedback import SHOWN
from grading.limits import Limits

BUILT = ROOT / "dist" / "assignments"
OFF = ("", "0", "no", "false", "off")


def assignments() -> list[str]:
    """The names of all assignments."""
    return sorted(path.parent.name for path in (ROOT / "assignments").glob("*/*.ipynb"))


def switch(value: str) -> bool:
    """Whether `DRY=1` or the like is on."""
    return value.strip().lower() not in OFF


def common(parser: argparse.ArgumentParser) -> None:
    """The options that grading and reading share."""
    parser.add_argument("assignment", nargs="?", default="", help="foundations, cnn, ...")
    parser.add_argument("--assignment", dest="named", default="", help="the same as the first word")
    parser.add_argument("--built", type=Path, default=BUILT, help="where make assignments wrote")
    parser.add_argument("--out", type=Path, help="where results go (dist/grades/ASSIGNMENT)")


def settle(options: argparse.Namespace) -> None:
    """Check what the shared options say, and fill in what they leave open.

    Raises:
        ValueError: an assignment that there isn't, or no folder; the message says what to do.
    """
    name = options.assignment = options.named or options.assignment
    if not name:
        raise ValueError(f"Which assignment? ASSIGNMENT={' or '.join(assignments())}")
    if not (options.built / name / "autograder" / "tests").is_dir():
        known = ", ".join(assignments()) or "none"
        raise ValueError(
            f"There is no assignment {name!r} in {options.built} (the book has: {known}). "
            "Run `make assignments` first, or correct the name."
        )
    options.out = (options.out or ROOT / "dist" / "grades" / name).expanduser()
    for place in (options.out, *options.out.parents):
        if place.exists() and not place.is_dir():
            raise ValueError(f"OUT={options.out}: {place} is a file; OUT names a folder.")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line of `make grade`."""
    about = "Grade a folder of submissions."
    parser = argparse.ArgumentParser(prog="make grade", description=about)
    common(parser)
    parser.add_argument(
        "submissions", nargs="?", default="", help="a folder: a notebook, zip or folder of each"
    )
    parser.add_argument("--submissions", dest="folder", default="", help="the same as the second")
    parser.add_argument("--hand", type=Path, help="a CSV file of marks given by people")
    parser.add_argument("--roster", type=Path, help="a CSV file of the class")
    parser.add_argument("--export", choices=PLATFORMS, help="write what goes back to a platform")
    parser.add_argument("--column", default="", help="of the platform's table, for the points")
    parser.add_argument("--keep", choices=("latest", "best"), default="latest", help="what counts")
    parser.add_argument(
        "--feedback", choices=SHOWN, default=SHOWN[0], help="what hidden checks show"
    )
    parser.add_argument("--student", default="", help="mark this one again")
    parser.add_argument("--workers", type=int, default=2, help="submissions at a time")
    parser.add_argument("--seconds", type=float, default=Limits.seconds, help="for a submission")
    parser.add_argument(
        "--memory", type=int, default=Limits.memory >> 20, help="MB for a submission"
    )
    for name, words in {
        "again": "mark what has been marked, too",
        "dry": "say what would be done, and mark nothing",
    }.items():
        parser.add_argument(f"--{name}", nargs="?", const="1", default="", help=words)
    return parser.parse_args(arguments)


def check(options: argparse.Namespace) -> None:
    """Check what `make grade` was told, as far as that needs no file.

    Raises:
        ValueError: the message says what to do.
    """
    settle(options)
    options.submissions = options.folder or options.submissions
    if not options.submissions:
        raise ValueError(
            f"Which folder? make grade ASSIGNMENT={options.assignment} SUBMISSIONS=folder"
        )
    options.submissions = Path(options.submissions).expanduser()
    options.again, options.dry = switch(options.again), switch(options.dry)
    for name, least in {"workers": 1, "seconds": 1, "memory": 500}.items():
        if not getattr(options, name) >= least:  # NaN is not, either
            raise ValueError(f"{name.upper()}={getattr(options, name):g}: at least {least}.")
    for name in ("hand", "roster"):
        path = getattr(options, name)
        if path is not None:
            path = path.expanduser()
            setattr(options, name, path)
            if not path.is_file():
                raise ValueError(f"{name.upper()}={path}: there is no such file.")
    folder, out = options.submissions.resolve(), options.out.resolve()
    if folder in (out, *out.parents):
        raise ValueError(
            f"OUT={options.out} lies in SUBMISSIONS={options.submissions}, where results would be "
            "taken for hand-ins: name a folder outside of it."
        )
    _unseen(options)


def _unseen(options: argparse.Namespace) -> None:
    """Refuse places that the code of students could read.

    Raises:
        ValueError: naming the place.
    """
    places = {"The book": ROOT, "SUBMISSIONS": options.submissions, "OUT": options.out}
    places |= {"ROSTER": options.roster, "HAND": options.hand}
    for name, path in places.items():
        if path is not None and (folder := shown(path)):
            raise ValueError(
                f"{name} lies in {folder}, which students' code can read ({path}): move it, say "
                "below your home folder, and run again."
            )
