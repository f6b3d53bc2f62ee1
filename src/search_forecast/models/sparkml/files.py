"""Checks every file of a saved Spark ML model, without Spark and without trusting it."""

import json
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from search_forecast.errors import DataError
from search_forecast.models.sparkml import classes
from search_forecast.models.sparkml.metadata import Metadata, holds_model, is_read, read_metadata

_VECTOR_TYPES = ("org.apache.spark.ml.linalg.VectorUDT", "org.apache.spark.ml.linalg.MatrixUDT")
_ROW_METADATA = b"org.apache.spark.sql.parquet.row.metadata"


def keep_best(model: Path) -> None:
    """Put the best model in the place of each search: its estimators and evaluators are not needed, nor ever loaded."""
    metadata = read_metadata(model)
    if metadata.is_search:
        best, aside = model / "bestModel", model.with_name(f".{model.name}.best")
        if not holds_model(best):
            raise DataError(f"{model.name}: a {metadata.short_class} without its best model (bestModel)")
        best.rename(aside)
        shutil.rmtree(model)
        aside.rename(model)
        keep_best(model)
    for name in metadata.stage_names:
        if holds_model(model / "stages" / name):
            keep_best(model / "stages" / name)


def check(model: Path) -> Metadata:
    """Check every file of a saved model before Spark sees it.

    Raises:
        DataError: a class or SQL that is not allowed, at any depth; a stage that is missing; a file that is damaged.
    """
    top = read_metadata(model)
    for directory in _model_directories(model):
        metadata = read_metadata(directory)
        classes.check(metadata, directory.name)
        missing = [name for name in metadata.stage_names if not holds_model(directory / "stages" / name)]
        if missing:
            raise DataError(f"{directory.name}: stage {missing[0]} is missing")
    for path in sorted(path for path in model.rglob("*") if path.is_file()):
        _check_file(path, model)
    for data in sorted(path for path in model.rglob("data") if path.is_dir()):
        if not any(path.name.endswith(".parquet") for path in data.rglob("part-*")):
            raise DataError(f"{data.relative_to(model)}: holds no Parquet part")
    return top


def _model_directories(model: Path) -> Iterator[Path]:
    """The model and everything in it that Spark might load as a stage."""
    yield model
    yield from (path.parent for path in sorted(model.rglob("metadata")) if path.is_dir() and path.parent != model)


def _check_file(path: Path, model: Path) -> None:
    name = path.relative_to(model).as_posix()
    checksums = path.with_name(f".{path.name}.crc")
    if checksums.is_file() and not _matches(path, checksums.read_bytes()):
        raise DataError(f"{name}: its content does not match its checksum file {checksums.name}: damaged")
    # Spark reads a directory of data whole, whatever the files are called.
    is_data = path.parent.name not in ("metadata", "stages") and not holds_model(path.parent)
    if is_data and all(map(is_read, path.relative_to(model).parts)):
        try:
            row = (parquet.read_schema(path).metadata or {}).get(_ROW_METADATA, b"{}")
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{name}: damaged Parquet file: {str(error).splitlines()[0][:150]}") from error
        _check_types(row, name)


def _check_types(row: bytes, name: str) -> None:
    """Spark makes an object of any class that a Parquet file names as a column's type: allow its vectors only."""
    try:
        waiting = [json.loads(row)]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: its schema is damaged") from error
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            named = value.get("class")
            if value.get("type") == "udt" and (named not in _VECTOR_TYPES or "serializedClass" in value):
                raise DataError(f"{name}: a column is of the class {str(named)[:200]!r}, which is not Spark ML's")
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _matches(path: Path, checksums: bytes) -> bool:
    """Whether a file is what Hadoop's checksum file says: a header, then a CRC-32 for each block of bytes."""
    if checksums[:4] != b"crc\0" or len(checksums) < 8:
        return False
    size = struct.unpack(">I", checksums[4:8])[0]
    expected = checksums[8:]
    if not 0 < size <= 2**24 or len(expected) % 4:
        return False
    position = 0
    with path.open("rb") as file:
        while block := file.read(size):
            if expected[position : position + 4] != struct.pack(">I", zlib.crc32(block)):
                return False
            position += 4
    return position == len(expected)
