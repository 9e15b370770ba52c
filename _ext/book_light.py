"""What a reader's browser loads: little, nothing twice, and nothing that the page does not use.

Every page passes through `Bridge` on its way to its file. There its icons become drawings, its
images get their sizes, its style sheets become one, its scripts wait for the text, and its theme is
known before the first paint.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import book_icons
import book_images
import book_styles
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.config import Config
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.util import logging

logger = logging.getLogger(__name__)

THEME = Path(__file__).with_name("theme.js")
THEMES_OWN = re.compile(r'<script data-cfasync="false">.*?</script>', re.DOTALL)
# Scripts that the theme and the extensions load everywhere, and what a page that uses them has.
USED = {
    "fontawesome.js": "no page",
    "design-tabs.js": "sd-tab-set",
    "togglebutton.js": "dropdown",
    "copybutton.js": 'class="highlight"',
    "clipboard.min.js": 'class="highlight"',
}
# What the theme copies into the book, and no page uses.
UNUSED = ("_static/vendor/fontawesome/**/*.*", "_static/scripts/fontawesome.js*")
FILE = re.compile(r'[ \t]*<script\b([^>]*?)\bsrc="([^"]+)"([^>]*)></script>\n?')
INLINE = re.compile(r"[ \t]*<script\b[^>]*>[^<]*</script>\n?")
PRELOAD = re.compile(r'[ \t]*<link rel="preload" as="script"[^>]*>\n?')
# Pygments marks each name, bracket and blank, which look like any other text.
CODE = re.compile(r'(?<=<div class="highlight"><pre>).*?(?=</pre>)', re.DOTALL)
PLAIN = ("n", "nn", "p", "w")
MARKED = re.compile(rf'<span class="(?:{"|".join(PLAIN)})">([^<]*)</span>')
VIEWPORT = re.compile(r'\s*<meta name="viewport"[^>]*>')


def with_theme(page: str) -> str:
    """A page whose theme is settled by the first script, not by the last."""
    page = THEMES_OWN.sub(lambda _: f"<script>\n{THEME.read_text(encoding='utf-8')}</script>", page)
    # The logo for the dark theme is for readers without scripts, too.
    return page.replace("only-dark pst-js-only", "only-dark")


def with_few_scripts(page: str) -> str:
    """A page without scripts that it does not use, and with the others after its text."""
    seen = set()

    def later(match: re.Match[str]) -> str:
        address = match[2].partition("?")[0]
        if address in seen or USED.get(address.rpartition("/")[2], "") not in page:
            return ""
        seen.add(address)
        waits = re.search(r"\b(defer|async|early|type=)", match[1] + match[3])
        return match[0] if waits else match[0].replace("<script", "<script defer", 1)

    def once(match: re.Match[str]) -> str:
        text = match[0].strip()
        if text in seen:
            return ""
        seen.add(text)
        # What changes an object of a script that waits has to wait, too: modules do.
        waits = "<script>DOCUMENTATION_OPTIONS."
        return match[0].replace("<script>", '<script type="module">') if waits in text else match[0]

    page = PRELOAD.sub("", FILE.sub(later, page))
    first = VIEWPORT.search(page)
    if first:
        page = page[: first.end()] + VIEWPORT.sub("", page[first.end() :])
    return INLINE.sub(once, page)


def with_few_marks(page: str) -> str:
    """A page whose code has no marks that show nothing."""
    return CODE.sub(lambda match: MARKED.sub(r"\1", match[0]), page)


class Bridge(BuiltinTemplateLoader):
    """Sphinx's template engine, whose pages are made light."""

    def init(self, builder: Builder, *args: Any, **kwargs: Any) -> None:
        super().init(builder, *args, **kwargs)
        self.builder = builder
        builder.app.book_sheets = []

    def images(self) -> dict[str, Path]:
        """Where the images of the book are, by the names of their files in it."""
        own = Path(self.builder.srcdir, "_static").glob("*.*")
        drawn = Path(self.builder.outdir, "_static", "animations").glob("*.png")
        found = {
            name: Path(self.builder.srcdir, file) for file, name in self.builder.images.items()
        }
        return {file.name: file for file in (*own, *drawn)} | found

    def render(self, template: str, context: dict[str, Any]) -> str:
        page = super().render(template, context)
        if self.builder.name != "html" or "<body" not in page:
            return page
        root = context["content_root"].removeprefix("./")
        try:
            page = book_icons.with_icons(page)
        except book_icons.UnknownIconError as error:
            logger.warning("%s", error, location=context.get("pagename"))
        page = book_images.with_sizes(page, self.images())
        page = with_few_marks(with_few_scripts(with_theme(page)))
        return book_styles.with_one_sheet(page, root, self.builder.app.book_sheets)


def choose(_app: Sphinx, config: Config) -> None:
    config.template_bridge = f"{__name__}.Bridge"


def finish(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        for pattern in UNUSED:
            for file in Path(app.outdir).glob(pattern):
                file.unlink()
        book_styles.put_together(Path(app.outdir), app.book_sheets)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", choose)
    app.connect("build-finished", finish, priority=700)  # the theme writes a sheet at 500
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
