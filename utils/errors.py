"""What to say when a reader asks for something that does not exist."""

import difflib
from collections.abc import Iterable


def unknown(what: str, name: object, known: Iterable[object]) -> str:
    """The message for a name that does not exist: the closest ones first, then all.

    >>> print(unknown("data set", "irish", ["iris", "wine"]))
    There is no data set 'irish'. Did you mean 'iris'? There are: iris, wine.
    """
    names = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), names, n=3)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    return f"There is no {what} {name!r}.{hint} There are: {', '.join(names)}."
