"""Scripts that run before a page is drawn, as files, so that a browser fetches them once."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx


def load_early(app: Sphinx, context: dict[str, Any], script: Path) -> None:
    """Load a script in the head of a page, before its text: nothing that it hides may flash."""
    folder = Path(app.outdir, "_static")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(script, folder / script.name)
    version = hashlib.sha256(script.read_bytes()).hexdigest()[:8]
    address = f"{context['content_root']}_static/{script.name}?v={version}"
    tag = f'<script data-early src="{address}"></script>'
    context["metatags"] = f"{context.get('metatags', '')}\n    {tag}"
