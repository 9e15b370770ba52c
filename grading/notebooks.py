"""What a student hands in, bytes of a notebook or of a zip file, as cells of plain Python.

It runs inside the sandbox, before any of the student's code does.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import PurePosixPath
from typing import Any, TypedDict

from grading import magics

LARGEST = 64 << 20  # bytes of a notebook
MEMBERS = 500  # files in an archive
CELLS = 2000  # cells with code
CODE = 2 << 20  # characters of all code
NAMES = 5  # files that a message names
# what other files begin with
KINDS = {
    b"%PDF": "a PDF file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x1f\x8b": "an archive of another kind than zip",
    b"7z\xbc\xaf": "an archive of another kind than zip",
    b"Rar!": "an archive of another kind than zip",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"<": "a web page",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
}
ADVICE = "Hand in the notebook itself, the .ipynb file."


class Unreadable(Exception):
    """A file that can't be graded; the message says why, in words for the student."""


class Cell(TypedDict):
    """A cell with code.

    Attributes:
        number: as the student counts cells with code, from 1.
        source: plain Python.
        left_out: lines that were dropped: commands, and magics that run no Python.
    """

    number: int
    source: str
    left_out: list[str]


def cells(data: bytes, name: str) -> list[Cell]:
    """The code of what was handed in, cell by cell.

    Args:
        data: a notebook, or a zip file that holds one.
        name: of the file, for messages.

    Returns:
        The cells that have code.

    Raises:
        Unreadable: it's neither, it's broken, or it's suspicious.
    """
    found = [cell for cell in all_cells(data, name) if kind_of(cell) == "code"]
    if len(found) > CELLS:
        raise Unreadable(f"The notebook has {len(found)} code cells; {CELLS} are allowed.")
    sources = [source_of(cell) for cell in found]
    if sum(map(len, sources)) > CODE:
        raise Unreadable(
            f"The notebook has more than {CODE >> 20} MB of code: data belongs into a file."
        )
    result = []
    for number, source in enumerate(sources, start=1):
        if source.strip():
            python, left_out = magics.python(source)
            result.append(Cell(number=number, source=python, left_out=left_out))
    return result


def all_cells(data: bytes, name: str) -> list[Any]:
    """All cells of what was handed in, as they are stored; nothing about them is sure.

    Raises:
        Unreadable: there are none, see `cells`.
    """
    if data.startswith(b"PK"):
        data, name = _from_zip(data, name)
    return _all_cells(_parsed(data, name), name)


def _parsed(data: bytes, name: str) -> Any:
    """The JSON of a notebook, in whatever encoding an editor has left it."""
    if not data.strip(b"\0 \r\n\t"):
        raise Unreadable(f"{name} is not a notebook: it is empty. {ADVICE}")
    for encoding in (json.detect_encoding(data), *_old_encodings(data)):
        try:
            text = data.decode(encoding).strip("\ufeff\0 \r\n\t")
            return json.loads(text, strict=False)
        except (ValueError, RecursionError):
            continue
    raise Unreadable(f"{name} is not a notebook that can be read{_what_it_is(data, name)}")


def _old_encodings(data: bytes) -> list[str]:
    """Encodings of an editor that doesn't write UTF-8, the likelier one first."""
    runs = re.findall(rb"[\x80-\xff]+", data)
    # letters with accents stand alone, Chinese characters are two bytes and seldom alone
    chinese = 2 * sum(len(run) > 1 for run in runs) > len(runs)
    return ["gb18030", "latin-1"] if chinese else ["latin-1", "gb18030"]


def _what_it_is(data: bytes, name: str) -> str:
    """The end of a sentence: what the file is instead, and what to do."""
    start = data[:200].lstrip(b"\xef\xbb\xbf \r\n\t")
    for begins, kind in KINDS.items():
        if start.startswith(begins):
            return f": it is {kind}. {ADVICE}"
    if name.lower().endswith(".py"):
        return f": it is a Python script. {ADVICE}"
    if b"<<<<<<< " in data and b">>>>>>> " in data:
        return ": Git has left marks of a conflict in it. Resolve it, and hand it in again."
    if start.startswith(b"{"):
        return ": it is cut off or damaged. Save it, and hand it in again."
    return f". {ADVICE}"


def _all_cells(notebook: Any, name: str) -> list[Any]:
    """The cells of a notebook of any version of the format."""
    if isinstance(notebook, dict):
        if isinstance(notebook.get("cells"), list):
            return notebook["cells"]
        sheets = notebook.get("worksheets")  # until version 3
        if isinstance(sheets, list):
            parts = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
            return [cell for part in parts if isinstance(part, list) for cell in part]
    raise Unreadable(f"{name} is not a notebook: it is JSON of another kind. {ADVICE}")


def kind_of(cell: Any) -> Any:
    """Of which kind a cell is."""
    return cell.get("cell_type") if isinstance(cell, dict) else None


def source_of(cell: dict[str, Any]) -> str:
    """The text of a cell; version 3 calls it `input`."""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str):
        return ""
    # half characters can't be compiled
    whole = source.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\r\n", "\n").replace("\r", "\n")


def _from_zip(data: bytes, name: str) -> tuple[bytes, str]:
    """The one notebook of an archive, and its name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS:
                raise Unreadable(f"The archive has {len(members)} files; {MEMBERS} are allowed.")
            read: dict[bytes, str] = {}
            for member in _notebooks(members):
                # a second notebook is no fault if it is the same
                read.setdefault(_member(archive, member), member.filename)
                if len(read) > NAMES:
                    break
    except zipfile.BadZipFile as error:
        raise Unreadable(
            f"{name} is not a zip file that can be read: {error}. It is cut off or damaged: "
            "make it anew."
        ) from None
    except Unreadable:
        raise
    except Exception as error:  # zlib's, lzma's and bz2's errors, passwords, unknown methods
        raise Unreadable(f"The archive {name} is damaged or has a password: {error}.") from None
    if len(read) != 1:
        there = list(read.values()) or [m.filename for m in members if not m.is_dir()]
        listed = ", ".join(there[:NAMES]) + (", …" if len(there) > NAMES else "")
        more = f"more than {NAMES}" if len(read) > NAMES else len(read)
        raise Unreadable(
            f"The archive holds {more} notebooks; one is expected. "
            f"{'They are' if read else 'It holds'}: {listed or 'nothing'}. {ADVICE}"
        )
    return next(iter(read.items()))


def _notebooks(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The notebooks that the student means; copies that programs have added are left out."""
    found = []
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise Unreadable(f"The archive names a file outside itself: {member.filename!r}.")
        copies = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
        ending = path.name.lower().removesuffix(".txt").removesuffix(".json")
        if ending.endswith(".ipynb") and not copies and not member.is_dir():
            found.append(member)
    return found


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        data = file.read(LARGEST + 1)  # whatever size the archive's header claims
    if len(data) > LARGEST:
        raise Unreadable(
            f"The notebook in the archive is larger than {LARGEST >> 20} MB: clear its outputs."
        )
    return data
