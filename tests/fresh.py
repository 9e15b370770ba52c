"""A new environment outside the repository, with what a distribution declares and nothing else.

It gets links to the files of what is installed here, because pip would fetch gigabytes again to the
same end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def distribution(name: str, path: list[str] | None = None) -> Distribution:
    """An installed distribution, in these folders or where Python looks."""
    options = {} if path is None else {"path": path}
    found = next(iter(Distribution.discover(name=name, **options)), None)
    if found is None:
        raise PackageNotFoundError(name)
    return found


def requirements_of(wheel: Path) -> list[str]:
    """What the wheel's own metadata say it needs."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        lines = archive.read(name).decode().splitlines()
    return [line.split(": ", 1)[1] for line in lines if line.startswith("Requires-Dist: ")]


def closure(requirements: list[str], path: list[str] | None = None) -> set[str]:
    """The names of all distributions that these requirements bring."""
    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in requirements]
    while waiting:
        requirement, asked_by = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": asked_by}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in found:
                found.add((name, extra))
                lines = distribution(name, path).requires or []
                waiting += [(Requirement(line), extra) for line in lines]
    return {name for name, _ in found}


def link_distribution(name: str, site_packages: Path, path: list[str] | None = None) -> None:
    """Link, or copy to another disk, the files of an installed distribution."""
    installed = distribution(name, path)
    for file in installed.files or []:
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        target = site_packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        source = Path(str(installed.locate_file(file)))
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)


def environment(folder: Path, requirements: list[str], path: list[str] | None = None) -> Path:
    """Make one.

    Args:
        folder: where.
        requirements: what is linked into it, with all that they need.
        path: the folders where that is installed; None for those of this Python.

    Returns:
        Its Python.
    """
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = "import sysconfig; print(sysconfig.get_path('platlib'))"
    where = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in closure(requirements, path):
        link_distribution(name, Path(where.strip()), path)
    return python
