"""What a student wrote below one question, text and pictures, from a notebook that nobody trusts.

`of` asks a process of its own for it, which may use little time and memory; run as a program, this
module is that process: it reads a request and the file from its input, and prints blocks as JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grading import notebooks, text
from grading.bubblewrap import ROOT
from grading.rubric import HEADING
from grading.submissions import HASHED

SECONDS = 30
MEMORY = 1 << 30
BLOCKS = 200
CHARACTERS = 20_000  # of a block
PICTURE = 3 << 20  # characters of a picture
PICTURES = {  # how the bytes of each begin
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
}
DRAWING = "image/svg+xml"  # a few bytes of it may keep a browser busy for hours
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
MARKERS = re.compile(r"\s*<!--\s*(BEGIN|END) QUESTION\s*-->\s*")

Block = dict[str, str]  # kind (text, code, output, error, picture, note) and text; or type and data


def of(path: Path, question: str, form: Sequence[str]) -> list[Block]:
    """The blocks of a question in a student's file.

    Args:
        path: the file.
        question: q8.
        form: the cells of the form, which are not the student's.

    Returns:
        What is shown; if it can't be read, a note that says why.
    """
    request = json.dumps({"question": question, "form": list(form), "name": text.name(path.name)})
    line = ["prlimit", f"--as={MEMORY}", f"--cpu={SECONDS}", "--fsize=0", "--core=0", "--nofile=64"]
    line += [sys.executable, "-s", "-P", "-m", "grading.excerpt"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.defpath, "PYTHONUTF8": "1"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"}
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            data = file.read(HASHED + 1)
        done = subprocess.run(
            line,
            input=request.encode() + b"\n" + data,
            capture_output=True,
            timeout=SECONDS,
            env=environment,
            cwd=ROOT,
        )
        if done.returncode:
            raise ValueError(done.stderr[-300:].decode(errors="replace") or "it ended early")
        return [_checked(block) for block in json.loads(done.stdout)[: BLOCKS + 1]]
    except (OSError, ValueError, subprocess.TimeoutExpired, TypeError, KeyError) as error:
        return [note(f"This file can't be shown: {text.plain(str(error))[-300:]}")]


def _checked(block: Any) -> Block:
    """A block with nothing in it but text, or a picture of a kind that runs nothing."""
    if block["kind"] == "picture":
        if block["type"] not in PICTURES or not re.fullmatch(r"[A-Za-z0-9+/=]*", block["data"]):
            raise ValueError("a picture that is none")
        return {"kind": "picture", "type": block["type"], "data": block["data"]}
    return {"kind": str(block["kind"]), "text": text.plain(str(block["text"]), keep="\n\t")}


def note(words: str) -> Block:
    """Something that the page says itself."""
    return {"kind": "note", "text": words}


def blocks(cells: Sequence[Any], question: str, form: Sequence[str]) -> Iterator[Block]:
    """The student's cells below a question, and what they put out."""
    handed_out = {_bare(source) for source in form}
    numbers = [_question(cell) for cell in cells]
    if f"q{question.removeprefix('q')}" in numbers:
        start = numbers.index(question)
        rest = range(start + 1, len(cells))
        end = next((i for i in rest if numbers[i] not in ("", question)), len(cells))
        chosen = cells[start:end]
    else:
        yield note("The question's heading is not in this notebook: all cells follow.")
        chosen = cells
    count = 0
    for cell in chosen:
        source = notebooks.source_of(cell) if isinstance(cell, dict) else ""
        own = _bare(source) not in handed_out and bool(source.strip())
        if notebooks.kind_of(cell) == "code":
            if own:
                yield {"kind": "code", "text": _cut(source)}
            found = list(_outputs(cell)) if own or not source.strip() else []
        else:
            if own:
                yield {"kind": "text", "text": _cut(source)}
            found = list(_attached(cell)) if isinstance(cell, dict) else []
        yield from found
        count += own + len(found)
    if not count:
        yield note("There is nothing here yet.")


def _bare(source: str) -> str:
    """A cell's text without what editors change."""
    return re.sub(r"\s+", " ", MARKERS.sub("", source)).strip()


def _question(cell: Any) -> str:
    """The question whose heading stands in a cell; empty if there is none."""
    if not isinstance(cell, dict) or notebooks.kind_of(cell) == "code":
        return ""
    match = HEADING.search(notebooks.source_of(cell)[:CHARACTERS])
    return f"q{match[1]}" if match else ""


def _cut(words: str) -> str:
    words = COLOURS.sub("", words)
    return words if len(words) <= CHARACTERS else words[:CHARACTERS] + "\n… (cut off here)"


def _joined(value: Any) -> str:
    """Text that notebooks store as a text or as a list of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _outputs(cell: dict[str, Any]) -> Iterator[Block]:
    """What a cell has put out."""
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        kind = output.get("output_type")
        if kind == "stream":
            yield {"kind": "output", "text": _cut(_joined(output.get("text")))}
        elif kind in ("error", "pyerr"):
            last = f"{output.get('ename')}: {output.get('evalue')}"
            yield {"kind": "error", "text": _cut(last)}
        else:
            yield from _shown(output.get("data", output))


def _shown(data: Any) -> Iterator[Block]:
    """A result in the best form that is safe: a picture or else text, never HTML."""
    if not isinstance(data, dict):
        return
    for name in PICTURES:
        # version 3 says png for image/png
        if found := _picture(name, _joined(data.get(name) or data.get(name[6:9]))):
            yield found
            return
    if DRAWING in data or "svg" in data:
        yield note("A drawing of a kind that is not shown here (SVG): open the file to see it.")
    if plain := _joined(data.get("text/plain", data.get("text"))):
        yield {"kind": "output", "text": _cut(plain)}
    elif data.keys() - {DRAWING, "svg"}:
        kinds = ", ".join(sorted(str(kind)[:40] for kind in data)[:5])
        yield note(f"A result of a kind that is not shown here: {kinds}.")


def _picture(kind: str, data: str) -> Block | None:
    """A picture whose bytes are what they claim to be, and not too many."""
    if not data or len(data) > PICTURE:
        return note("A picture that is too large to be shown.") if data else None
    try:
        raw = base64.b64decode(data)
    except (binascii.Error, ValueError):
        return note("A picture that is damaged.")
    if not raw.lstrip().startswith(PICTURES[kind]):
        return note("A picture that is damaged.")
    return {"kind": "picture", "type": kind, "data": base64.b64encode(raw).decode()}


def _attached(cell: dict[str, Any]) -> Iterator[Block]:
    """The pictures in a cell of text."""
    attachments = cell.get("attachments")
    for data in attachments.values() if isinstance(attachments, dict) else []:
        yield from _shown(data)


def main() -> int:
    """Answer the request on the input."""
    request = json.loads(sys.stdin.buffer.readline())
    try:
        cells = notebooks.all_cells(sys.stdin.buffer.read(), request["name"])
    except notebooks.Unreadable as error:
        found = [note(str(error))]
    else:
        found = []
        for block in blocks(cells, request["question"], request["form"]):
            found.append(block)
            if len(found) == BLOCKS:
                found.append(note("There is more, which is not shown here."))
                break
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
