"""Put what `utils.check.check` needs of the notebooks into the wheel, as one file."""

import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Exercises(BuildHookInterface):
    """Gathers the exercises when a wheel is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file and have it included."""
        root = Path(self.root)
        if version == "editable" or not (root / "chapters").is_dir():
            return
        # by its path: the package itself needs what a build environment does not have
        spec = importlib.util.spec_from_file_location("pages", root / "utils" / "pages.py")
        pages = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(pages)
        file = Path(tempfile.mkdtemp()) / "exercises.json"
        text = json.dumps(pages.gather(root / "chapters"), ensure_ascii=False, indent=0)
        file.write_text(text, encoding="utf-8")
        build_data["force_include"][str(file)] = "utils/_book/exercises.json"
