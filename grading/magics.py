"""A cell as a notebook takes it, as plain Python: what magics time or capture runs, the rest of
what only a notebook understands is left out.

IPython's own transformer reads a cell anew for every magic in it; this one reads it once.
"""

from __future__ import annotations

import ast
import re

# code that follows them on the line, or in the cell, runs as it would without them
RUN = frozenset("time timeit prun memit mprun lprun capture snakeviz".split())
# the rest of such a cell is not for this Python
FOREIGN = frozenset(
    "! bash sh script cmd system sx perl ruby html HTML js javascript latex markdown svg SVG "
    "cython python python2 python3 pypy sql R".split()
)
FILES = frozenset({"writefile", "file"})
PYLAB = "import numpy as np; from matplotlib import pyplot as plt; from matplotlib.pylab import *"
CELL = re.compile(r"%%([\w!]+)[ \t]*([^\n]*)")
LINE = re.compile(
    r"(?P<indent>[ \t]*+)"
    r"(?P<target>(?:[^=\n\"'(#%!?]*+=[ \t]*+(?=[%!]))?+)"
    r"(?:%%?(?P<name>\w+)[ \t]*+(?P<code>.*)"
    r"|(?P<other>!.*|\?.*|%{0,2}[\w.*]++\?\??[ \t;]*+$"
    r"|(?:pip3?|conda|matplotlib|load_ext|autoreload)[ \t]++[\w-].*))",
    re.DOTALL,
)
OPTIONS = re.compile(r"(?:(?:--[\w-]+|-[nrptl] ?[\d.]+|-[fsTDm][ \t]+\S+|-[a-zA-Z])(?:[ \t]++|$))+")
PIECE = re.compile(
    r"""(?P<string>\"{3}(?:[^\\"]|\\.|"(?!""))*+(?:\"{3}|\Z)|'{3}(?:[^\\']|\\.|'(?!''))*+(?:'{3}|\Z)
    |"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)
    |(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<joined>\\\r?\n)|(?P<end>\n)|\#[^\n]*+
    |[^"'()\[\]{}\\\n\#]++|.""",
    re.DOTALL | re.VERBOSE,
)
LONGEST = 80  # characters of a line that was left out
MOST = 20  # such lines of a cell


def python(source: str) -> tuple[str, list[str]]:
    """A cell's code as plain Python; every line keeps its number.

    Args:
        source: as it stands in the notebook.

    Returns:
        The Python, and the lines that were left out. What is no Python either way is returned as
        it is, to fail where it is run.
    """
    if _parses(source):
        return source, []
    lines = _unindented(source.split("\n"))
    left_out: list[str] = []
    unknown, place = "", -1
    while (head := _cell_magic(lines, place + 1)) is not None:
        place, name, arguments = head
        if name in FILES:
            return _write_file(arguments, "\n".join(lines[place + 1 :])), left_out
        if name in FOREIGN:
            return "", [lines[place][:LONGEST]]
        if name not in RUN:
            unknown = lines[place]
        lines[place] = _instead(name, arguments)
    code = _without_line_magics("\n".join(lines), left_out)
    return ("", [unknown[:LONGEST]]) if unknown and not _parses(code) else (code, left_out)


def _parses(source: str) -> bool:
    """Whether it is Python; what is too deep to say may be."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    except (RecursionError, MemoryError):
        return True
    return True


def _unindented(lines: list[str]) -> list[str]:
    """The lines without an indentation or a prompt that the first of them has."""
    first = next((line for line in lines if line.strip()), "")
    if indent := first[: len(first) - len(first.lstrip(" \t"))]:
        lines = [line.removeprefix(indent) for line in lines]
    if first.lstrip().startswith(">>> "):
        lines = [re.sub(r"^(?:>>>|\.\.\.) ?", "", line) for line in lines]
    return lines


def _cell_magic(lines: list[str], start: int) -> tuple[int, str, str] | None:
    """Where the cell's magic stands, its name and the rest of its line; comments may come first."""
    for place in range(start, len(lines)):
        if lines[place].strip() and not lines[place].startswith("#"):
            match = CELL.match(lines[place])
            return (place, match[1], match[2]) if match else None
    return None


def _instead(name: str, arguments: str) -> str:
    """What runs in place of the line of a cell's magic."""
    if name == "capture":
        kept = next((word for word in arguments.split() if word.isidentifier()), "")
        return f"{kept} = get_ipython().captured()" if kept else "# captured"
    if name == "timeit":
        return OPTIONS.sub("", arguments, count=1) or "# timed"
    return "# a magic"


def _write_file(arguments: str, text: str) -> str:
    """Python that writes a file as `%%writefile` does."""
    words = arguments.split()
    names = [word.strip("'\"") for word in words if word != "-a"] or ["file.txt"]
    mode = "a" if "-a" in words else "w"
    return f"open({names[0]!r}, {mode!r}, encoding='utf-8').write({text!r})"


def _without_line_magics(source: str, left_out: list[str]) -> str:
    """Plain Python in place of magics and of commands, which stand at the start of a statement."""
    parts, place = [], 0
    while place < len(source):
        end = _end_of_line(source, place)
        if LINE.match(source, place, end) is None:
            stop = _end_of_statement(source, place)
            parts.append(source[place:stop])
            place = stop
            continue
        while source[end - 1 : end] == "\\" and end < len(source):
            end = _end_of_line(source, end + 1)
        line = source[place:end]
        parts.append(_line(line, left_out) + "\n" * line.count("\n"))
        parts.append(source[end : end + 1])
        place = end + 1
    return "".join(parts)


def _line(line: str, left_out: list[str]) -> str:
    """Plain Python in place of one line."""
    line = line.replace("\\\n", " ")
    match = LINE.match(line)
    assert match is not None
    indent, target, name, code = (
        match[group] or "" for group in ("indent", "target", "name", "code")
    )
    if name == "pylab":
        return indent + PYLAB
    if name == "run" and (script := re.match(r"([\w./-]+\.py)\s*$", code)):
        return f"{indent}exec(compile(open({script[1]!r}).read(), {script[1]!r}, 'exec'))"
    if name in RUN:
        code = OPTIONS.sub("", code, count=1) if code.startswith("-") else code
        if code and LINE.match(code) is None:
            return indent + target + code
        return f"{indent}{target}None" if target else f"{indent}pass"
    if len(left_out) < MOST:
        left_out.append(line.strip()[:LONGEST])
    if target:
        return f"{indent}{target}{'[]' if match['other'] else 'None'}"
    return f"{indent}pass"


def _end_of_line(source: str, place: int) -> int:
    end = source.find("\n", place)
    return len(source) if end < 0 else end


def _end_of_statement(source: str, place: int) -> int:
    """Where the next statement can begin: after a line end outside brackets and strings."""
    depth = 0
    while place < len(source) and (match := PIECE.match(source, place)):
        place = match.end()
        if match.lastgroup == "open":
            depth += 1
        elif match.lastgroup == "close":
            depth = max(0, depth - 1)
        elif match.lastgroup == "end" and not depth:
            break
    return place
