"""Icons as drawings in the page, in place of a script of 817 kB that puts them there.

Templates and stored outputs name an icon of Font Awesome (`<i class="fas fa-rocket"></i>`); the
page gets its outline, which the theme ships in that script.
"""

from __future__ import annotations

import functools
import re
from importlib.util import find_spec
from pathlib import Path

THEME = "pydata_sphinx_theme"
ICON = re.compile(r'<(i|span) class="([^"]*\bfa-[^"]*)"([^>]*)>\s*</\1>')
# Classes that change how an icon is shown; all others that begin with fa- are a name or a family.
LOOKS = {"fa-lg", "fa-sm", "fa-fw"}
FAMILIES = {"fa", "fas", "fa-solid", "fab", "fa-brands", "far", "fa-regular"}


class UnknownIconError(ValueError):
    """The theme has no icon of this name."""


@functools.cache
def script() -> str:
    """The theme's copy of Font Awesome: first brands, then regular, then solid icons."""
    spec = find_spec(THEME)
    assert spec is not None and spec.submodule_search_locations  # the book's theme stands on it
    folder = Path(spec.submodule_search_locations[0], "theme", THEME, "static")
    return (folder / "scripts" / "fontawesome.js").read_text(encoding="utf-8")


@functools.cache
def outline(name: str, solid: bool) -> tuple[str, str, str]:
    """Width, height and path of an icon, under its name or an old one.

    Raises:
        UnknownIconError: there is none.
    """
    quoted = re.escape(name)
    key = rf"[{{,]\"?{quoted}\"?:\[|[{{,]\"?[\w-]+\"?:\[(?=\d+,\d+,\[[^\]]*\"{quoted}\")"
    found = re.findall(rf'(?:{key})(\d+),(\d+),\[[^\]]*\],"\w+","([^"]+)"', script())
    if not found:
        raise UnknownIconError(f"Font Awesome has no icon called {name!r}.")
    return tuple(found[-1 if solid else 0])


def drawing(match: re.Match[str]) -> str:
    classes = match[2].split()
    (name,) = [c[3:] for c in classes if c[:3] == "fa-" and c not in LOOKS | FAMILIES] or [""]
    width, height, path = outline(name, solid=not {"fab", "fa-brands", "far"} & set(classes))
    kept = " ".join(c for c in classes if c in LOOKS or not re.match(r"fa[srb]?(-|$)", c))
    return (
        f'<svg class="{f"icon {kept}".strip()}"{match[3]} aria-hidden="true" '
        f'viewBox="0 0 {width} {height}"><path fill="currentColor" d="{path}"/></svg>'
    )


def with_icons(page: str) -> str:
    """A page with a drawing in the place of each icon.

    Raises:
        UnknownIconError: the theme has no such icon.
    """
    return ICON.sub(drawing, page)
