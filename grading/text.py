"""Text that strangers have written, made safe to show on a screen, in a table, as a file's name."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# control characters, halves of characters, line ends of other kinds, and what turns text around
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
FORMULA = tuple("=+-@\u2212")  # what begins a formula, once full-width forms are made plain
LONGEST_NAME = 120  # bytes of a name that a file gets


def plain(text: str, keep: str = "") -> str:
    """The text without characters that could hide or fake something; each becomes its escape.

    Args:
        text: any text, half characters included.
        keep: characters that may stay, say newlines.

    Returns:
        Text that can be encoded and printed.
    """

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        return character if character in keep else repr(character)[1:-1]

    return UNSAFE.sub(escape, text)


def name(raw: str) -> str:
    """A name as people read it: composed (NFC), bytes that are not UTF-8 and controls escaped."""
    # Python reads a byte that is not UTF-8 as half a character, U+DC80 to U+DCFF
    bytewise = re.sub("[\udc80-\udcff]", lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", raw)
    return plain(unicodedata.normalize("NFC", bytewise))


def same(raw: str) -> str:
    """What two names have in common that people, or some disks, take for one."""
    return unicodedata.normalize("NFC", name(raw).lower()).strip()


def cell(value: object, keep: str = "") -> object:
    """A value for a CSV file: on one line, and no spreadsheet takes it for a formula.

    Args:
        value: any.
        keep: line ends that stay.
    """
    if not isinstance(value, str):
        return value
    spaces = "".join(character for character in "\r\n\t" if character not in keep)
    line = plain(re.sub(f"[{spaces}]+", " ", value), keep)
    return f"'{line}" if _formula(line) else line


def uncell(said: str) -> str:
    """What stood in a cell before `cell` kept it from being a formula."""
    return said[1:] if said[:1] == "'" and _formula(said[1:]) else said


def _formula(line: str) -> bool:
    """Whether a spreadsheet may take a line for a formula."""
    return unicodedata.normalize("NFKC", line).lstrip().startswith(FORMULA)


def file_name(student: str, ending: str = ".html") -> str:
    """A file's name for a student: every disk can hold it, and no other student has it."""
    easy = re.sub(r"[^\w.@+ -]", "_", student)
    if easy == student and len(easy.encode()) <= LONGEST_NAME and easy.strip(". ") == easy:
        return easy + ending
    short = easy.encode()[:LONGEST_NAME].decode(errors="ignore").strip(". ")
    return f"{short}-{hashlib.sha256(student.encode()).hexdigest()[:8]}{ending}"
