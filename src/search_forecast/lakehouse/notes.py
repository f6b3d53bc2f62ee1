"""Notes in the staging directory: what takes long to find out again. Each may be lost, or be old, without harm.

A staging directory is there in both worlds: in a lakehouse on this machine, and in a volume of a workspace.
"""

import json
from pathlib import Path
from typing import Any


def read(staging: Path, name: str) -> dict[str, Any]:
    """A note; empty where there is none that can be read."""
    try:
        note = json.loads((staging / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def write(staging: Path, name: str, note: dict[str, Any]) -> None:
    """Put a note in place of the one before, whole or not at all."""
    staging.mkdir(parents=True, exist_ok=True)
    partial = staging / f"{name}.partial"
    partial.write_text(json.dumps(note), encoding="utf-8")
    partial.replace(staging / f"{name}.json")
