"""What to say when a reader asks for something that does not exist."""

import difflib
from collections.abc import Iterable


def unknown(what: str, name: object, known: Iterable[object]) -> str:
    """The message for a name that does not exist: the closest ones first, then all.

    Args:
        what: the kind of thing that was asked for, in a word or two.
        name: the name that was asked for.
        known: the names that exist.

    Returns:
        A sentence for an exception.
    """
    names = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), names, n=3)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    return f"There is no {what} {name!r}.{hint} There are: {', '.join(names)}."
