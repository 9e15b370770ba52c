"""What students hand in: notebooks, and zip files with a notebook. Nothing of it is trusted."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

LARGEST = 32 << 20  # bytes of a notebook
MEMBERS = 500  # files in an archive
CELLS = 2000
NOT_THEIRS = re.compile(r"otter\.Notebook|^\s*(?:import otter|grader\.\w+\()", re.M)


class Unreadable(Exception):
    """A file that can't be graded; the message says why, in words for the student."""


@dataclass(frozen=True)
class Submission:
    """One file that was handed in.

    Attributes:
        student: the file's name without its ending.
        path: where it is.
        digest: SHA-256 of its bytes.
    """

    student: str
    path: Path
    digest: str


def find(folder: Path) -> list[Submission]:
    """All submissions in a folder, by name.

    Args:
        folder: with a file for each student.

    Returns:
        One for each file that isn't hidden.

    Raises:
        ValueError: there is no such folder, it's empty, or two files belong to one student.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}: SUBMISSIONS names a folder of notebooks.")
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] not in "._")
    if not files:
        raise ValueError(
            f"{folder} is empty: put a notebook or an export zip of each student in it."
        )
    stems = [path.stem for path in files]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise ValueError(f"Two files for {', '.join(twice)} in {folder}: keep one of them.")
    found = []
    for path in files:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ValueError(
                f"{path} can't be read ({error.strerror}): nothing was graded."
            ) from None
        found.append(Submission(path.stem, path, digest))
    return found


def cells(path: Path) -> list[str]:
    """The code of a submission, cell by cell, as plain Python.

    Args:
        path: a notebook, or a zip file that holds one.

    Returns:
        The sources; cells that only talk to otter are left out.

    Raises:
        Unreadable: it's neither, it's broken, or it's suspicious.
    """
    text = _from_zip(path) if zipfile.is_zipfile(path) else _bytes(path)
    try:
        notebook = nbformat.from_dict(json.loads(text))
        found = [cell for cell in notebook.cells if cell.cell_type == "code"]
        sources = [c.source if isinstance(c.source, str) else "".join(c.source) for c in found]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        kind = "zip file" if path.suffix == ".zip" else "notebook"
        raise Unreadable(f"{path.name} is not a {kind} that can be read.") from None
    if len(sources) > CELLS:
        raise Unreadable(f"The notebook has {len(sources)} code cells; {CELLS} are allowed.")
    return [_plain(source) for source in sources if not NOT_THEIRS.search(source)]


def _plain(source: str) -> str:
    """Python without magics; what can't be read is left to fail where it is run."""
    try:
        return TransformerManager().transform_cell(source)
    except SyntaxError:
        return source


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise Unreadable(f"The file is larger than {LARGEST >> 20} MB: clear its outputs.")
    return path.read_bytes()


def _from_zip(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS:
                raise Unreadable(f"The archive has {len(members)} files; {MEMBERS} are allowed.")
            for member in members:
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts:
                    raise Unreadable(
                        f"The archive names a file outside itself: {member.filename!r}."
                    )
            notebooks = [
                m for m in members if m.filename.endswith(".ipynb") and "__MACOSX" not in m.filename
            ]
            if len(notebooks) != 1:
                raise Unreadable(f"The archive holds {len(notebooks)} notebooks; one is expected.")
            with archive.open(notebooks[0]) as file:
                text = file.read(LARGEST + 1)  # whatever size the archive's header claims
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Unreadable(f"The archive is broken: {error}.") from None
    if len(text) > LARGEST:
        raise Unreadable(
            f"The notebook in it is larger than {LARGEST >> 20} MB: clear its outputs."
        )
    return text
