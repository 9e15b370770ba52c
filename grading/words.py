"""What was wrong with an answer, in words for the student, and no more than may be shown."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable

from grading import text

LONGEST = 300  # characters of a message
NOTHING = "there is nothing here yet: the answer is empty"
UNSAID = "a check that is not in your notebook broke a limit"
ERROR = re.compile(r"(\w+)(?: \(a \w+\))?:.*?(?: \((?:code cell (\d+), )?line (\d+)\))?", re.DOTALL)
KIND = re.compile(
    r"'(\w+)' object|non-iterable (\w+) object|instances of '(\w+)'|type\(s\) for .{1,8}: '(\w+)'"
)
KINDS = {
    "list": "a list",
    "tuple": "a tuple",
    "dict": "a dictionary",
    "set": "a set",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "Tensor": "a tensor",
    "ndarray": "a NumPy array",
    "function": "a function",
    "Remote": "an object that is no number, text or tensor",
}


def short(said: str, longest: int = LONGEST) -> str:
    """A text of the student's, made safe to show, on one line and not too long."""
    line = text.plain(" ".join(said[: 4 * longest].split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def missing(said: str, cells_failed: bool) -> str:
    """Why a name can't be had."""
    if not said.startswith("NameError: there is no "):
        return said
    name = said.removeprefix("NameError: there is no ")
    why = "see the cells that failed" if cells_failed else "no cell defines it"
    return f"there is no `{name}` in the notebook: {why}"


def raised(said: str) -> str:
    """What student code raised; about an error outside of its lines, in words."""
    match = ERROR.fullmatch(said)
    if match is None or match[3]:
        return said
    kind, _, rest = said.partition(": ")
    return NOTHING if kind == "NotWritten" else other_kind(kind, rest)


def unsaid(said: str, line_of: Callable[[int, int], str]) -> str:
    """What student code raised in a hidden test, which is where, but not its text."""
    match = ERROR.fullmatch(said)
    kind, cell, line = match.groups() if match else ("", None, None)
    if kind == "NotWritten" or ("NoneType" in said and not line):
        return NOTHING
    if kind == "WireError":
        return "what it returns is too large, or is not data"
    known = getattr(builtins, kind, None)
    is_error = isinstance(known, type) and issubclass(known, BaseException)
    what = f"it raises {kind}" if is_error else "it raises an error"
    if cell and line and len(cell + line) < 12 and (own := line_of(int(cell), int(line))):
        return f"{what} in line {line} of code cell {cell} (`{own}`)"
    return what


def other_kind(kind: str, said: str) -> str:
    """What is wrong with an answer that can't be used as the test uses it, in words."""
    if "NoneType" in said or "ellipsis" in said:
        return NOTHING
    if kind == "KeyError":
        return f"the answer has no entry {said}" if said else "the answer lacks an entry"
    if "to unpack" in said:
        return f"the answer has another number of parts than it should have ({said})"
    if match := KIND.search(said):
        words = KINDS.get(next(filter(None, match.groups())), "of another kind")
        said = said.replace("'Remote'", "an")
        return f"the answer, or a part of it, is {words}, which does not fit here ({kind}: {said})"
    return f"{kind}: {said}" if said else f"the answer can't be used as it should be ({kind})"
