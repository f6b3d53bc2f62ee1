"""A version's own files: its record, and whether the others are still what it says."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError, counted
from search_forecast.models import provenance
from search_forecast.models.registry.mlflow_model import RECORD, SPARK_FILES


class _Record(dict[str, Any]):
    """An object in a version's record; what somebody took out of it is missed in a line, wherever it is needed."""

    def __init__(self, version: object, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self._version = version

    def __missing__(self, key: str) -> Any:
        raise DataError(f"{self._version}: its record has no {key}: damaged or edited; use another version")


def read(directory: Path, version: object) -> dict[str, Any]:
    """All that was recorded when a version was made.

    Raises:
        DataError: its files are missing or damaged.
    """
    try:
        record = json.loads((directory / RECORD).read_bytes(), object_pairs_hook=partial(_Record, version))
        if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
            raise ValueError("no record of a version")
        return record
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{version}: its files are missing or damaged ({directory / RECORD})") from error


def checked(directory: Path, version: object) -> Path:
    """The directory of a version's model, compared with its record.

    Raises:
        DataError: a file is missing, changed or added since it was registered.
    """
    record = read(directory, version)
    recorded, files = record["files"], directory / str(record.get("files_directory", SPARK_FILES))
    present = provenance.files_manifest(files)
    wrong = sorted(path for path in {*recorded, *present} if recorded.get(path) != present.get(path))
    if wrong:
        raise DataError(
            f"{version}: {wrong[0]} is not what was registered ({len(wrong)} of {counted(len(recorded), 'file')}): "
            f"damaged or tampered with; use another version"
        )
    return files
