"""Where the book keeps its files: in the repository, or beside the package in a wheel."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = _PACKAGE / "_book"  # a wheel carries data/ and claims.yml here


def book_root() -> Path:
    """The repository's root, or the copy of its files that an installed wheel carries."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent


def shipped_data() -> Path:
    """The folder of the data that comes with the book; its ``README.md`` describes them."""
    return book_root() / "data"


def claims_file() -> Path:
    """The one file in which every claim of the book is recorded, ``claims.yml``."""
    return _IN_WHEEL / "claims.yml" if _IN_WHEEL.is_dir() else book_root() / "chapters/claims.yml"


def replications_folder() -> Path:
    """Where the stored replications of the claims are, a folder a page."""
    return _IN_WHEEL / "replications" if _IN_WHEEL.is_dir() else chapters_folder() / "replications"


def chapters_folder() -> Path:
    """The folder of the parts with their notebooks, in the repository."""
    return book_root() / "chapters"


def packed_exercises() -> Path | None:
    """What an installed wheel carries of the notebooks; None in the repository."""
    return _IN_WHEEL / "exercises.json" if _IN_WHEEL.is_dir() else None


def cache_dir() -> Path:
    """Where downloads are kept: ``$BOOK_CACHE``, or the system's place for caches.

    The folder may not exist yet.
    """
    if chosen := os.environ.get("BOOK_CACHE"):
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("deep-learning-tested", appauthor=False)


def local_data() -> Path | None:
    """Where the reader keeps data sets, a folder each: ``$BOOK_DATA``, or None if it isn't set."""
    chosen = os.environ.get("BOOK_DATA")
    return Path(chosen).expanduser() if chosen else None
