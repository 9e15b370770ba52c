"""Archives that are the same, byte for byte, whenever and wherever they are packed."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first time that an archive can state


def pack(target: Path, files: Mapping[str, bytes], stored: frozenset[str] = frozenset()) -> None:
    """Write a zip archive, in the order of `files`.

    Args:
        target: the archive; its folder is made.
        files: what each file is called in it, and what it holds.
        stored: the names of those that are not compressed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on any Unix
            method = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content, method, compresslevel=9)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their path in it, sorted; what is hidden is left out."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in found}
    shown = {name: path for name, path in names.items() if not f"/{name}".count("/.")}
    return {name: path.read_bytes() for name, path in sorted(shown.items())}
