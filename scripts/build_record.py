"""A build hook of hatchling, named in pyproject.toml: what a wheel holds beside the package's own files.

These are the layouts, and which commit and lock the wheel was built from.
"""

import json
import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildRecord(BuildHookInterface[Any]):
    """Adds search_forecast/layouts, and search_forecast/_build.json, which models/origin.py reads."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the file before the wheel is packed; an editable install has its checkout instead."""
        if version != "editable":
            build_data["force_include"][str(Path(self.root, "layouts"))] = "search_forecast/layouts"
            origin = runpy.run_path(str(Path(self.root, "src/search_forecast/models/origin.py")))
            record = json.dumps(origin["of_checkout"](Path(self.root)))
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(record, encoding="utf-8")
            build_data["force_include"][str(self.path)] = f"search_forecast/{origin['FILE']}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove it again."""
        self.path.unlink(missing_ok=True)

    @property
    def path(self) -> Path:
        """Where it lies meanwhile."""
        return Path(self.directory, "_build.json")
