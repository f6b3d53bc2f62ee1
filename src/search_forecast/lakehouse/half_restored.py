"""What a restore leaves that is stopped while it puts tables in place: fewer of them, so it looks like a lakehouse."""

import os
import shlex
from pathlib import Path

from search_forecast.errors import DataError

NOTE = ".restore.half"  # its content is the backup's directory


def refuse(root: Path, command: str) -> None:
    """Raise DataError, with what to do, where such a half lies."""
    if (root / NOTE).is_file():
        place = os.fsdecode((root / NOTE).read_bytes()) or "BACKUP"  # it was killed as it wrote this
        raise DataError(f"{command}: {root} is half restored; say restore {shlex.quote(place)} again")
