"""Animations whose frames are fetched when they come into view.

`utils.plotting.animate` stores a player with all its frames in the notebook's output. The page
keeps the first picture and the controls; the player's script, with the frames in it, becomes a
file. It is a script and no data, so that a page that was opened from a disk can fetch it, too.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

FOLDER = "_static/animations"
PLAYER = re.compile(
    r'<div class="animation"(?P<box>[^>]*>.*?)src="data:image/png;base64,(?P<poster>[^"]+)"'
    r"(?P<controls>.*?)<script>(?P<script>.*?)</script>",
    re.DOTALL,
)
# Fetches the players that come near, once each.
LOADER = Path(__file__).with_name("animations.js")


def write(app: Sphinx, content: bytes, kind: str) -> str:
    """Write a file named by its content, and say where it is, seen from the book's folder."""
    name = f"{FOLDER}/{hashlib.sha256(content).hexdigest()[:16]}.{kind}"
    file = Path(app.outdir, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return name


def take_out_frames(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Replace each player of a page by its first picture and the address of the rest."""
    if app.builder.format != "html":
        return
    root = "../" * page.count("/")

    def lighter(match: re.Match[str]) -> str:
        poster = write(app, base64.b64decode(match["poster"]), "png")
        player = write(app, match["script"].encode(), "js")
        box = f'<div class="animation" data-player="{root}{player}"{match["box"]}'
        return f'{box}src="{root}{poster}"{match["controls"]}'

    for raw in doctree.findall(nodes.raw):
        if "html" in raw.get("format", "") and 'class="animation"' in raw.astext():
            text = PLAYER.sub(lighter, raw.astext())
            raw.rawsource = text
            raw.children = [nodes.Text(text)]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-resolved", take_out_frames)
    app.add_js_file(None, body=LOADER.read_text(encoding="utf-8"))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
