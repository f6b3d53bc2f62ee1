"""Delivered files that are in bronze, moved out of the landing directory."""

import shutil
import time
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from search_forecast.medallion import landing
from search_forecast.medallion.batches import Delivery
from search_forecast.medallion.landing import Survey

STILL_SECONDS = 60  # since it was written last; what an upload writes to a file that was moved nobody would read


def move(survey: Survey, deliveries: Iterable[Delivery], source: Path, directory: Path) -> int:
    """Move every file that was taken in, now or in an earlier run, or whose content was.

    A file stays that was rejected, or a member of it, one that is not what was read any more, and one that was
    written a moment ago: its upload may go on. Where a run is killed, the next one moves the rest.

    Args:
        survey: what lies at the source.
        deliveries: what became of each part of it.
        source: directory, whose folders are kept, or one file.
        directory: where the files go; one of the same name stays there, and the new one is numbered.

    Returns:
        The number of files moved.
    """
    read = {delivery.source_file: delivery.delivery_id for delivery in deliveries if delivery.status != "rejected"}
    root = (source if source.is_dir() else source.parent).absolute()
    count = 0
    for path, parts in groupby(survey.parts, key=lambda part: part.path):
        if _is_still(path) and all(part.name in read and landing.content_id(part) == read[part.name] for part in parts):
            target = _free(directory / path.relative_to(root))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
            count += 1
    return count


def _is_still(path: Path) -> bool:
    return path.exists() and abs(time.time() - path.stat().st_mtime) >= STILL_SECONDS


def _free(path: Path) -> Path:
    """The path, with a number before its endings where there is a file of that name."""
    stem, dot, endings = path.name.partition(".")
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{stem} {number}{dot}{endings}")
    return candidate
