"""A progress bar that leaves nothing behind."""

import os
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

Item = TypeVar("Item")


def _in_notebook() -> bool:
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def progress(items: Iterable[Item], what: str = "", total: int | None = None) -> Iterator[Item]:
    """Yield items, with a bar that shows how far it is and goes away at the end.

    A word says what it is, and ``total`` how many items there are if ``len(items)`` cannot tell.
    ``$BOOK_PROGRESS=0`` switches the bar off, where nobody looks.

    >>> list(progress(range(3), "counting"))
    [0, 1, 2]
    """
    if os.environ.get("BOOK_PROGRESS") == "0":
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    if not _in_notebook():
        from tqdm import tqdm

        yield from tqdm(items, desc=what, total=total, leave=False, disable=None)
        return
    import time

    from IPython.display import HTML, display

    # A text bar would leave its control characters in the stored output, a widget its state;
    # an updatable display that ends empty leaves nothing that the book stores.
    handle, shown = None, time.monotonic()
    try:
        for done, item in enumerate(items):
            if time.monotonic() - shown > 0.5:
                bar = f'<progress value="{done}" max="{total or 1}"></progress>'
                content = HTML(f"{what} {bar} {done}/{total or '?'}")
                if handle is None:
                    handle = display(content, display_id=True)
                else:
                    handle.update(content)
                shown = time.monotonic()
            yield item
    finally:
        if handle is not None:
            handle.update({}, raw=True)
