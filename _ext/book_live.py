"""Live models: a page's network runs on the page (`utils.live`), with what the book itself brings.

The scripts of `_ext/live/` and the weights that notebooks have published come to `_static/live/`,
from where they are fetched when a reader asks. A page with a live model has the button (`live.js`).
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

SCRIPTS = Path(__file__).parent / "live"
MOUNT = re.compile(r'<div class="live" data-live="([\w-]+)"')
SIZE = re.compile(r'(<div class="live" data-live="([\w-]+)" data-kilobytes=)"\d+"')
STILL = re.compile(
    r'(data-live="([\w-]+)".*?<img class="live-still") src="data:image/png;base64,([^"]+)"',
    re.DOTALL,
)


def copy_files(app: Sphinx) -> None:
    """Bring scripts and weights into the built book."""
    target = Path(app.outdir, "_static", "live")
    (target / "weights").mkdir(parents=True, exist_ok=True)
    shutil.copy2(SCRIPTS.with_suffix(".js"), target.with_suffix(".js"))
    for script in SCRIPTS.glob("*.js"):
        shutil.copy2(script, target / script.name)
    for weights in Path(app.srcdir, "chapters").glob("*/live/*.js"):
        shutil.copy2(weights, target / "weights" / weights.name)


def add_scripts(app: Sphinx, page: str, _template: str, _context: dict, tree: Any) -> None:
    """Give a page with live models the script of their buttons."""
    raws = [] if tree is None else [raw.astext() for raw in tree.findall(nodes.raw)]
    models = [name for raw in raws for name in MOUNT.findall(raw)]
    for name in models:
        if not (SCRIPTS / f"{name}.js").is_file():
            raise ExtensionError(f"{page} publishes {name!r}: write _ext/live/{name}.js.")
    if models:
        app.add_js_file("live.js", loading_method="defer")
    for name in models:
        if not list(Path(app.srcdir, "chapters").glob(f"*/live/{name}.js")):
            raise ExtensionError(
                f"The weights of {name!r} are not there: tools/execute {page}.ipynb"
            )


def settle(app: Sphinx, _page: str, _template: str, context: dict, _tree: Any) -> None:
    """Put still pictures into files of their own, and say how much comes over the line."""
    folder = Path(app.outdir, app.builder.imagedir)

    def in_file(match: re.Match[str]) -> str:
        before, name, encoded = match.groups()
        data = base64.b64decode(encoded)
        width, height = Image.open(io.BytesIO(data)).size
        folder.mkdir(exist_ok=True)
        (folder / f"live-{name}.png").write_bytes(data)
        address = f"{context['content_root']}{app.builder.imagedir}/live-{name}.png"
        return f'{before} src="{address}" width="{width}" height="{height}"'

    def with_size(match: re.Match[str]) -> str:
        weights = Path(app.outdir, "_static", "live", "weights", f"{match[2]}.js").read_bytes()
        return f'{match[1]}"{max(1, round(len(gzip.compress(weights)) / 1000))}"'

    if "body" in context:
        context["body"] = SIZE.sub(with_size, STILL.sub(in_file, context["body"]))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", copy_files)
    app.connect("html-page-context", add_scripts)
    app.connect("html-page-context", settle)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
