"""Live models: a page's network runs on the page (`utils.live`), with what the book itself brings.

The scripts of `_ext/live/` and the weights that notebooks have published come to `_static/live/`.
A page with a live model gets the scripts, deferred; the weights are fetched when a reader asks.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

SCRIPTS = Path(__file__).parent / "live"
MOUNT = re.compile(r'<div class="live" data-live="([\w-]+)"')


def copy_files(app: Sphinx) -> None:
    """Bring scripts and weights into the built book."""
    target = Path(app.outdir, "_static", "live")
    (target / "weights").mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS.glob("*.js"):
        shutil.copy2(script, target / script.name)
    for weights in Path(app.srcdir, "chapters").glob("*/live/*.js"):
        shutil.copy2(weights, target / "weights" / weights.name)


def add_scripts(app: Sphinx, page: str, _template: str, _context: dict, tree: Any) -> None:
    """Give a page the scripts of its live models."""
    raws = [] if tree is None else [raw.astext() for raw in tree.findall(nodes.raw)]
    models = [name for raw in raws for name in MOUNT.findall(raw)]
    for name in ["core", *models] if models else []:
        if not (SCRIPTS / f"{name}.js").is_file():
            raise ExtensionError(f"{page} publishes {name!r}: write _ext/live/{name}.js.")
        app.add_js_file(f"live/{name}.js", loading_method="defer")
    for name in models:
        if not list(Path(app.srcdir, "chapters").glob(f"*/live/{name}.js")):
            raise ExtensionError(
                f"The weights of {name!r} are not there: tools/execute {page}.ipynb"
            )


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", copy_files)
    app.connect("html-page-context", add_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
