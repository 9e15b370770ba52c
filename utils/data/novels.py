"""Books as plain text: Jane Austen's six novels, which ship, and two that are fetched."""

import gzip
import re
from typing import NamedTuple, overload

from utils.data.downloads import Remote, fetch
from utils.errors import unknown
from utils.paths import shipped_data

_AUSTEN = {
    "emma": "emma",
    "mansfield-park": "mansfieldpark",
    "northanger-abbey": "northangerabbey",
    "persuasion": "persuasion",
    "pride-and-prejudice": "prideprejudice",
    "sense-and-sensibility": "sensesensibility",
}
_GITHUB = "https://raw.githubusercontent.com"
_REMOTE = {
    "time-machine": Remote(
        path="time-machine/timemachine.txt",
        urls=(
            f"{_GITHUB}/d2l-ai/d2l-zh/5918a8b9e8dd92e5085c15118e76c919b04f09a7/data/timemachine.txt",
            "http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt",
        ),
        hash="sha256:8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516",
    ),
    "tiny-shakespeare": Remote(
        path="tinyshakespeare/input.txt",
        urls=(
            f"{_GITHUB}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
            "/data/tinyshakespeare/input.txt",
        ),
        hash="sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
}
TITLES = (*_AUSTEN, *_REMOTE)


@overload
def austen(title: None = None) -> dict[str, str]: ...
@overload
def austen(title: str) -> str: ...
def austen(title: str | None = None) -> dict[str, str] | str:
    """Jane Austen's six novels, which are in the public domain and ship with the book.

    Without a title, such as "Emma" or "pride-and-prejudice", a dictionary from titles to texts.

    >>> austen("Emma")[:4]
    'EMMA'
    >>> list(austen())[:3]
    ['emma', 'mansfield-park', 'northanger-abbey']

    Raises:
        ValueError: she wrote no such novel; the message lists those she did.
    """
    if title is None:
        return {name: _read_austen(name) for name in _AUSTEN}
    if _slug(title) not in _AUSTEN:
        raise ValueError(unknown("novel", title, _AUSTEN))
    return _read_austen(_slug(title))


def book(title: str) -> str:
    """The text of any book there is: Austen's novels, "time-machine", "tiny-shakespeare".

    Raises:
        ValueError: there is no such book; the message lists those that exist.
        DataError: the book does not ship and can't be downloaded.
    """
    name = _slug(title)
    if name in _AUSTEN:
        return _read_austen(name)
    if name not in _REMOTE:
        raise ValueError(unknown("book", title, TITLES))
    return fetch(_REMOTE[name]).read_text(encoding="utf-8")


def paragraphs(text: str) -> list[str]:
    r"""Cut a text whose lines are broken into its paragraphs, each on one line.

    >>> paragraphs("One line,\nand another.\n\nThe end.")
    ['One line, and another.', 'The end.']
    """
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


class TextSplit(NamedTuple):
    """A text in three parts: to learn from, to choose with, and to be measured on once."""

    train: str
    validation: str
    test: str


_HEADING = re.compile(r"(chapter|volume) \w+|\(end of volume \w+\.\)|\*.*", re.IGNORECASE)
_HELD_OUT = 1 / 40  # of each novel, for validation and again for the test
_TRAINED_ON = 100_000  # characters of each novel
_THE_END = re.compile(r"the end|finis|a note on the text", re.IGNORECASE)


def austen_split(full: bool = False) -> TextSplit:
    """The one split of Austen's novels on which every language model of the book is measured.

    Each of the six novels is cut into runs of whole paragraphs: its last fortieth is for the test,
    the fortieth before that for validation, and the hundred thousand characters before those for
    training; a part joins its runs from all six. A paragraph is a line. Title pages, headings of
    chapters, footnotes and notes on the text are left out; everything else (capitals, punctuation,
    digits) stays as it is. With ``full``, everything that is not held out is for training.

    >>> [round(len(part), -3) for part in austen_split()]
    [603000, 98000, 98000]
    >>> [round(len(part), -3) for part in austen_split(full=True)]
    [3806000, 98000, 98000]
    """
    train: list[str] = []
    validation: list[str] = []
    test: list[str] = []
    for title in _AUSTEN:
        body = _body(_read_austen(title))
        total = sum(map(len, body))
        left = total
        kept = total if full else _TRAINED_ON + 2 * _HELD_OUT * total
        for line in body:
            if left <= kept:
                later = left / total  # the share of the novel from this paragraph on
                if later > 2 * _HELD_OUT:
                    train.append(line)
                elif later > _HELD_OUT:
                    validation.append(line)
                else:
                    test.append(line)
            left -= len(line)
    return TextSplit(*("\n".join(part) + "\n" for part in (train, validation, test)))


def _body(text: str) -> list[str]:
    """A novel's paragraphs from its first chapter to its end, without headings."""
    lines = paragraphs(text)
    first = next(i for i, line in enumerate(lines) if line.lower().startswith("chapter "))
    last = next((i for i, line in enumerate(lines) if _THE_END.fullmatch(line)), len(lines))
    return [line for line in lines[first:last] if not _HEADING.fullmatch(line)]


def _read_austen(name: str) -> str:
    file = shipped_data() / "austen" / f"{_AUSTEN[name]}.txt.gz"
    return gzip.decompress(file.read_bytes()).decode("utf-8")


def _slug(title: str) -> str:
    return "-".join(title.lower().removeprefix("the ").split())
