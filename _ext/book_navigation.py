"""Ways through the book that do not get lost: breadcrumbs, next and previous, and the side bar.

Parts that are still to be written say so in the side bar, and next and previous pass them by. The
breadcrumbs and the link home stand in the header (`breadcrumbs.html`); `place.js` keeps the page
and section where a reader was, in the browser, and the front page offers to go on there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from book_contents import planned
from book_ledger import reading_order
from book_page import is_chapter
from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset_file

HERE = Path(__file__).parent
SCRIPTS = ("page.js", "place.js")
BADGE = ' <span class="to-come">to be written</span>'


def to_write(app: Sphinx) -> dict[str, int]:
    """How many chapters each part still lacks, by the name of its overview page."""
    parts = planned(Path(app.srcdir))
    return {
        f"chapters/{part}/index": sum(
            f"chapters/{part}/{slug}" not in app.env.found_docs for slug in slugs
        )
        for part, slugs in parts.items()
    }


def unwritten(app: Sphinx) -> set[str]:
    """The overview pages of parts of which no chapter is written."""
    parts = planned(Path(app.srcdir))
    lacking = to_write(app)
    return {page for page, n in lacking.items() if n == len(parts[page.split("/")[1]])}


def neighbour(app: Sphinx, page: str, step: int) -> dict[str, str] | None:
    """Link and title of the next page (of the previous one: step -1) that is not empty."""
    order, empty = reading_order(app), unwritten(app)
    if page not in order:
        return None
    start = order.index(page) + step
    rest = order[start:] if step > 0 else order[start::-1] if start >= 0 else []
    for name in rest:
        if name not in empty:
            title = app.builder.render_partial(app.env.titles[name])["title"]
            return {"link": app.builder.get_relative_uri(page, name), "title": title}
    return None


def marked(app: Sphinx, page: str, tree: str) -> str:
    """The side bar's list, in which parts say what is still to be written."""
    empty = unwritten(app)
    for part, lacking in to_write(app).items():
        address = "#" if part == page else app.builder.get_relative_uri(page, part)
        entry = rf'<li class="toctree-l1[^"]*"><a class="[^"]*" href="{re.escape(address)}">.*?'
        if part in empty:
            tree = re.sub(rf"({entry})(?=</a>)", rf"\1{BADGE}", tree, count=1)
        elif lacking:
            link = f'<a href="{address}">{lacking} to be written</a>'
            more = f'<li class="toctree-l2 more">{link}</li>\n'
            tree = re.sub(rf"({entry})(?=</ul>)", rf"\1{more}", tree, count=1, flags=re.DOTALL)
    return tree


def lead_on(app: Sphinx, page: str, _template: str, context: dict, _tree: Any) -> None:
    """Next, previous, the side bar, and the scripts of the page."""
    if page in reading_order(app):
        context["prev"], context["next"] = neighbour(app, page, -1), neighbour(app, page, +1)
    toctree = context.get("generate_toctree_html")
    if toctree is not None:
        context["generate_toctree_html"] = lambda *args, **kwargs: marked(
            app, page, str(toctree(*args, **kwargs))
        )
    if is_chapter(app, page):
        app.add_js_file("place.js", loading_method="defer")


def copy_scripts(app: Sphinx) -> None:
    if app.builder.format == "html":
        folder = Path(app.outdir, "_static")
        folder.mkdir(parents=True, exist_ok=True)
        for script in SCRIPTS:
            copy_asset_file(HERE / script, folder)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", lead_on, priority=901)  # after the side bar's summaries
    app.add_js_file("page.js", loading_method="defer")
    app.connect("builder-inited", copy_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
