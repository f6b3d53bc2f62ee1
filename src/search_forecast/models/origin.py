"""Which code this is: the git commit and the lock of a checkout, or those that a wheel was built from.

It needs the standard library alone, as scripts/build_record.py runs it where a wheel is built.
"""

import hashlib
import json
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

FILE = "_build.json"


def code() -> dict[str, Any]:
    """The git commit of this code, whether files were changed since, and the sha256 of the lock of its dependencies.

    Each is None where it is not known: a wheel that was built otherwise, a checkout without git.
    """
    package = Path(str(resources.files("search_forecast")))
    root = package.parents[1]
    # A wheel's site-packages may lie inside some other repository: that one's commit would be a lie.
    if (root / "pyproject.toml").is_file() and root / "src" / package.name == package:
        return of_checkout(root)
    record = package / FILE
    if record.is_file():
        written: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        return written
    return {"git_commit": None, "is_dirty": None, "lock_sha256": None}


def of_checkout(root: Path) -> dict[str, Any]:
    """What `code` says about the project in a directory."""
    lock = root / "requirements.txt"
    changes = _git(root, "status", "--porcelain")
    return {
        "git_commit": _git(root, "rev-parse", "HEAD"),
        "is_dirty": None if changes is None else bool(changes),
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None,
    }


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
