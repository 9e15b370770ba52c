"""One style sheet for all pages, with the rules that they use.

The theme and the extensions bring fourteen sheets, most of whose rules are for what the book does
not have. When all pages are written, the sheets that they name are put together into `site.css`: a
rule of theirs that needs a class or an id which is nowhere in the book is left out, the book's own
are all kept. Each rule for the light or the dark theme is repeated for the reader's system: without
scripts nobody else says which theme is on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import tinycss2

SHEET = re.compile(r'[ \t]*<link\b(?=[^>]*rel="stylesheet")[^>]*\bhref="([^":]+)"[^>]*/?>\n?')
NAME = "_static/site.css"
THEME = re.compile(r"\[data-theme=[\"']?(light|dark)[\"']?\]")
WHEN = {
    "light": "@media not all and (prefers-color-scheme:dark)",
    "dark": "@media (prefers-color-scheme:dark)",
}
OWN = Path(__file__).parent.parent / "_static"
WITH_RULES = {"media", "supports", "layer", "container"}


def compact(tokens: Iterable[Any]) -> str:
    """The text of a part of a style sheet without comments and with single blanks.

    >>> compact(tinycss2.parse_component_value_list('a  b /* c */ { d :  "e  f" }'))
    'a b {d : "e  f"}'
    """
    text = ""
    for token in tokens:
        if token.type == "whitespace":
            text += "" if text.endswith((" ", ";", "{", ",")) or not text else " "
        elif token.type == "{} block":
            text += "{" + compact(token.content) + "}"
        elif token.type != "comment":
            text += token.serialize()
    return text.strip()


def selectors(prelude: list[Any]) -> Iterator[list[Any]]:
    """The selectors of a rule, which commas part."""
    start = 0
    for end, token in enumerate([*prelude, None]):
        if token is None or (token.type == "literal" and token.value == ","):
            yield prelude[start:end]
            start = end + 1


def needs(selector: list[Any]) -> set[str]:
    """The classes and ids that a page must have for a selector to match.

    >>> sorted(needs(tinycss2.parse_component_value_list("a.b > #c:not(.d)")))
    ['b', 'c']
    """
    after_dot = {
        token.value
        for dot, token in zip(selector, selector[1:])
        if dot.type == "literal" and dot.value == "." and token.type == "ident"
    }
    return after_dot | {token.value for token in selector if token.type == "hash"}


def with_addresses(text: str, sheet: str) -> str:
    """The text of a sheet whose addresses start at `_static/`, where the new one is."""

    def moved(match: re.Match[str]) -> str:
        address = match[2]
        if re.match(r"data:|#|https?:", address):
            return match[0]
        return f'url("{urljoin(sheet, address).removeprefix("_static/")}")'

    return re.sub(r"url\(\s*([\"']?)([^)\"']+)\1\s*\)", moved, text)


def by_system(chosen: list[str], body: str) -> str:
    """A rule for the light or the dark theme once more, for pages whose theme is still `auto`."""
    text = ""
    for theme, condition in WHEN.items():
        mine = [THEME.sub("[data-theme=auto]", s) for s in chosen if theme in THEME.findall(s)]
        text += condition + "{" + ",".join(mine) + body + "}" if mine else ""
    return text


class Sheet:
    """What is put together of the sheets of a book."""

    def __init__(self, folder: Path, words: set[str]):
        self.folder = folder
        self.words = words
        self.rules: list[str] = []

    def add(self, name: str) -> None:
        """Add a sheet and those that it imports."""
        text = with_addresses((self.folder / name).read_text(encoding="utf-8"), name)
        own = name == f"_static/{Path(name).name}" and (OWN / Path(name).name).exists()
        for rule in tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True):
            if rule.type == "at-rule" and rule.lower_at_keyword == "import":
                (target,) = [token.value for token in rule.prelude if token.type == "string"]
                self.add(urljoin(name, target))
            else:
                self.rules.append(self.rule(rule, own))

    def rule(self, rule: Any, own: bool) -> str:
        """A rule as it stands in the one sheet; empty where no page needs it."""
        if rule.type == "qualified-rule":
            chosen = [
                compact(selector)
                for selector in selectors(rule.prelude)
                if own or needs(selector) <= self.words
            ]
            body = "{" + compact(rule.content) + "}"
            return ",".join(chosen) + body + by_system(chosen, body) if chosen else ""
        if rule.type != "at-rule":
            raise ValueError(f"{rule.type} in a style sheet: {rule.serialize()[:200]}")
        head = f"@{rule.at_keyword} {compact(rule.prelude)}".strip()
        if rule.content is None:
            return "" if rule.lower_at_keyword == "charset" else f"{head};"
        if rule.lower_at_keyword not in WITH_RULES:
            return head + "{" + compact(rule.content) + "}"
        inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        rules = "".join(self.rule(one, own) for one in inner)
        return head + "{" + rules + "}" if rules else ""

    def text(self) -> str:
        """The sheet, without the fonts that no rule names."""
        rest = "".join(rule for rule in self.rules if not rule.startswith("@font-face"))

        def named(rule: str) -> bool:
            family = re.search(r"font-family\s*:\s*[\"']?([^;\"'}]+)", rule)
            return family is None or family[1].replace("\\", "") in rest.replace("\\", "")

        return "".join(r for r in self.rules if not r.startswith("@font-face") or named(r))


def with_one_sheet(page: str, root: str, names: list[str]) -> str:
    """A page that loads the one sheet in place of others, whose names it puts among `names`."""
    first = SHEET.search(page)
    if first is None:
        return page
    before = None
    for match in SHEET.finditer(page):
        name = match[1].removeprefix(root).partition("?")[0]
        if name not in names:  # sheets of single pages go where they stand there
            names.insert(names.index(before) + 1 if before else len(names), name)
        before = name
    link = f'  <link rel="stylesheet" href="{root}{NAME}" />\n'
    return page[: first.start()] + link + SHEET.sub("", page[first.end() :])


def put_together(folder: Path, names: list[str]) -> None:
    """Write the sheet when all pages are there, and name it by its content.

    Args:
        folder: The built book.
        names: The sheets that the pages written in this build named. Others had been written
            before; what those named stands in the first line of the sheet of that time.
    """
    old = folder / NAME
    if old.exists():
        names += [
            name
            for name in old.read_text(encoding="utf-8").split("\n")[0].split()[1:-1]
            if name not in names and (folder / name).exists()
        ]
    pages = {file: file.read_text(encoding="utf-8") for file in folder.rglob("*.html")}
    scripts = (file.read_text(encoding="utf-8") for file in folder.rglob("*.js"))
    words = {word for text in (*pages.values(), *scripts) for word in re.findall(r"[\w-]+", text)}
    sheet = Sheet(folder, words)
    for name in names:
        sheet.add(name)
    text = f"/* {' '.join(names)} */\n{sheet.text()}"
    old.write_text(text, encoding="utf-8")
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    address = re.compile(rf'({re.escape(NAME)})(\?v=\w+)?"')
    for file, page in pages.items():
        changed = address.sub(rf'\1?v={version}"', page)
        if changed != page:
            file.write_text(changed, encoding="utf-8")
