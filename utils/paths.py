"""Where the book keeps its files: in the repository, or beside the package in a wheel."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = _PACKAGE / "_book"  # a wheel carries data/ and claims.yml here


def book_root() -> Path:
    """The repository's root, or the copy of its files that an installed wheel carries.

    Returns:
        A folder that holds ``data/``.
    """
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent


def shipped_data() -> Path:
    """The data that comes with the book and needs no network.

    Returns:
        The folder ``data/``, described by its ``README.md``.
    """
    return book_root() / "data"


def claims_file() -> Path:
    """The one file in which every claim of the book is recorded.

    Returns:
        The path of ``claims.yml``.
    """
    return _IN_WHEEL / "claims.yml" if _IN_WHEEL.is_dir() else book_root() / "chapters/claims.yml"


def replications_folder() -> Path:
    """Where the stored replications of the claims are.

    Returns:
        A folder with one sub-folder a page.
    """
    return _IN_WHEEL / "replications" if _IN_WHEEL.is_dir() else chapters_folder() / "replications"


def chapters_folder() -> Path:
    """Where the notebooks are, in the repository.

    Returns:
        The folder of the parts.
    """
    return book_root() / "chapters"


def packed_exercises() -> Path | None:
    """What an installed wheel carries of the notebooks.

    Returns:
        The file, or None in the repository, where the notebooks themselves are read.
    """
    return _IN_WHEEL / "exercises.json" if _IN_WHEEL.is_dir() else None


def cache_dir() -> Path:
    """Where downloads are kept: ``$BOOK_CACHE``, or the system's place for caches.

    Returns:
        A folder, which may not exist yet.
    """
    if chosen := os.environ.get("BOOK_CACHE"):
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("deep-learning-tested", appauthor=False)


def local_data() -> Path | None:
    """Where the reader keeps data sets of their own accord: ``$BOOK_DATA``, if it is set.

    Returns:
        A folder with one sub-folder a data set, or None.
    """
    chosen = os.environ.get("BOOK_DATA")
    return Path(chosen).expanduser() if chosen else None
