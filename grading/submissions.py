"""What students hand in: files and folders, each of them accounted for. Nothing is trusted."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grading import text, uploads

NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.I)  # browsers add the second ending
ARCHIVE = re.compile(r"\.zip$", re.I)
HASHED = 65 << 20  # bytes of a file that decide whether it is the same; larger ones are refused
MOST_FILES = 2000  # in a student's folder
LISTED = 5  # of a student's other files
RESERVED = "(possible)"  # the row of points that are possible
STRAY = {
    "desktop.ini": "Windows' own file",
    "thumbs.db": "Windows' own file",
    "ehthumbs.db": "Windows' own file",
    "icon\r": "macOS's own file",
    "__macosx": "macOS's own folder",
    **dict.fromkeys(uploads.METADATA, "Gradescope's own file"),
}


@dataclass(frozen=True)
class Submission:
    """What one student handed in.

    Attributes:
        student: the name in the gradebook.
        path: of the file that is marked, or of the folder if there is none.
        digest: SHA-256 of its bytes; empty if they can't be read.
        problem: why there is nothing to mark, in words for the student; without a digest, why
            it can't be read here.
        entry: the name in the folder of submissions, as it was uploaded.
        owner: what that name says of the student.
    """

    student: str
    path: Path
    digest: str
    problem: str = ""
    entry: str = ""
    owner: uploads.Owner = uploads.Owner("")


@dataclass
class HandedIn:
    """Everything in a folder of submissions.

    Attributes:
        submissions: one a student, by name.
        skipped: names in the folder that belong to no student or are not marked, with the reason.
        unclear: what somebody has to decide before anyone is marked, a sentence each.
    """

    submissions: list[Submission] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


def find(folder: Path, ours: Iterable[Path] = ()) -> HandedIn:
    """Everything in a folder of submissions.

    Args:
        folder: with a file or a folder of each student, or as a learning platform exports it.
        ours: files that may lie there and are nobody's, say the roster.

    Returns:
        What there is; nothing in the folder is missing from it.

    Raises:
        ValueError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}: SUBMISSIONS names a folder of notebooks.")
    found, metadata = HandedIn(), _metadata(folder)
    known = {os.path.realpath(path) for path in ours}
    files: dict[str, list[tuple[Path, str, uploads.Owner]]] = {}
    for path in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        if os.path.realpath(path) in known:  # Path.resolve fails where links form a loop
            found.skipped.append((text.name(path.name), "it is yours, not a student's"))
            continue
        if why := _stray(path.name):
            found.skipped.append((text.name(path.name), why))
            continue
        stem = NOTEBOOK.sub("", path.name) if NOTEBOOK.search(path.name) else path.stem
        is_folder = path.is_dir() and not path.is_symlink()
        entry = path.name
        whose = uploads.owner(entry, entry if is_folder else stem, metadata)
        if not (whose.platform or is_folder) and path.suffix.lower() == ".csv":
            why = "a table: if it is yours, name it by ROSTER or HAND"
            found.skipped.append((text.name(entry), why))
            continue
        files.setdefault(whose.student, []).append((path, entry, whose))
    for student, entries in sorted(files.items()):
        _choose(found, folder, student, entries)
    if not found.submissions and not found.unclear:
        raise ValueError(
            f"{folder} is empty: put a notebook, a zip or a folder of each student in it."
        )
    _twins(found)
    return found


def _metadata(folder: Path) -> dict[str, uploads.Owner]:
    """What Gradescope says of the folders, if it has made them."""
    for name in uploads.METADATA:
        path = folder / name
        if path.is_file():
            try:
                return uploads.gradescope(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise ValueError(f"{path} can't be read: {error}. Export it once more.") from None
    return {}


def _stray(name: str) -> str:
    """Why a name is nobody's work; empty if it may be somebody's."""
    if why := STRAY.get(name.lower()):
        return why
    if name.startswith("~$"):
        return "a lock of an office program"
    if name.startswith("."):
        return "hidden"
    return ""


def _choose(
    found: HandedIn, folder: Path, student: str, entries: list[tuple[Path, str, uploads.Owner]]
) -> None:
    """The one file of a student that is marked; what can't be decided is noted as unclear."""
    whose = entries[0][2]
    candidates: list[tuple[Path, str]] = []  # a file, and the entry in which it came
    odd: list[str] = []  # what is no file
    closed: list[str] = []  # what we can't read, which is not the student's fault
    left: list[tuple[str, str]] = []
    for path, entry, _ in entries:
        kind = _kind(path)
        if kind == "folder":
            candidates += [(file, entry) for file in _files(path, folder, left, odd, closed)]
        elif kind == "file":
            candidates.append((path, entry))
        else:
            odd.append(f"{text.name(entry)} is {kind}, not a file")

    def shown(path: Path) -> str:
        return text.name(os.path.relpath(path, folder))

    notebooks = [pair for pair in candidates if NOTEBOOK.search(pair[0].name)]
    archives = [pair for pair in candidates if ARCHIVE.search(pair[0].name)]
    marked = notebooks + archives
    if student == RESERVED:
        names = ", ".join(text.name(entry) for _, entry, _ in entries)
        found.unclear.append(f"{names}: no student can be called {RESERVED}; rename it.")
        return
    if len(marked) > 1:
        listed = [shown(path) for path, _ in marked]
        if len(set(listed)) < len(listed):  # they look alike: show how they are written
            listed = [ascii(os.path.relpath(path, folder)) for path, _ in marked]
        what = "Two files" if len(marked) == 2 else f"{len(marked)} files"
        found.unclear.append(f"{what} for {student}: {', '.join(listed)}. Keep one of them.")
        return
    if not marked and len(candidates) == 1:
        marked = candidates  # whatever it is, what reads it will say so
    for path, _ in candidates:
        if marked and path != marked[0][0]:
            left.append((shown(path), f"not marked: {shown(marked[0][0])} is"))
    found.skipped += left[:LISTED]
    if len(left) > LISTED:
        found.skipped.append((f"{len(left) - LISTED} more files of {student}", "not marked"))
    late = any(owner.late for _, _, owner in entries)
    whose = uploads.Owner(student, whose.keys, whose.platform, late)
    if marked:
        path, entry = marked[0]
        found.skipped += [(why, "not marked") for why in (odd + closed)[:LISTED]]
        found.submissions.append(Submission(student, path, digest(path), "", entry, whose))
        return
    path, entry, _ = entries[0]
    if closed:
        found.submissions.append(Submission(student, path, "", "; ".join(closed), entry, whose))
        return
    names = ", ".join(shown(path) for path, _ in candidates[:5])
    problem = "; ".join(odd) or (f"no notebook among {names}" if names else "an empty folder")
    sign = hashlib.sha256(problem.encode()).hexdigest()
    found.submissions.append(
        Submission(student, path, sign, f"There is no notebook to mark: {problem}.", entry, whose)
    )


def _kind(path: Path) -> str:
    """What an entry is, in words; links are not followed: they may lead anywhere."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return "file"  # reading it will say why it can't be read
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "a link" if stat.S_ISLNK(mode) else "a device or a pipe"


def _files(
    folder: Path, root: Path, left: list[tuple[str, str]], odd: list[str], closed: list[str]
) -> Iterator[Path]:
    """The files in a student's folder, deep; what else is there is noted."""
    count = 0

    def unreadable(error: OSError) -> None:
        closed.append(f"{text.name(Path(error.filename).name)} can't be read ({error.strerror})")

    for place, folders, files in os.walk(folder, onerror=unreadable):
        for name in sorted(folders + files):
            path = Path(place, name)
            shown = text.name(os.path.relpath(path, root))
            kind = _kind(path)
            count += 1
            if count > MOST_FILES:
                odd.append(f"more than {MOST_FILES} files in {text.name(folder.name)}")
                return
            if why := _stray(name):
                left.append((shown, why))
                if name in folders:
                    folders.remove(name)
            elif kind == "file":
                yield path
            elif kind != "folder":
                odd.append(f"{shown} is {kind}, not a file")


def _twins(found: HandedIn) -> None:
    """Names that people, or some disks, can't tell apart."""
    alike: dict[str, list[str]] = {}
    for submission in found.submissions:
        alike.setdefault(text.same(submission.student), []).append(submission.student)
    for names in alike.values():
        if len(names) > 1:
            found.unclear.append(
                f"{' and '.join(names)} differ in capital letters only: is it one student? "
                "Keep one of them, or rename one."
            )


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes and its size; empty if it can't be read."""
    result = hashlib.sha256()
    try:
        # a link that has taken the file's place, or a pipe that never ends, is not opened
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            left = HASHED
            while left > 0 and (chunk := file.read(min(left, 1 << 20))):
                result.update(chunk)
                left -= len(chunk)
    except OSError:
        return ""
    if size > HASHED:
        result.update(str(size).encode())
    return result.hexdigest()
