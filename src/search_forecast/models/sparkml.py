"""Reads the files of a saved Spark ML model, of Spark 2, 3 and 4, without Spark and without trusting them."""

import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from search_forecast.errors import DataError

_CLASS = re.compile(r"org\.apache\.spark\.ml(\.[A-Za-z_]\w*)+", re.ASCII)
# What a PipelineModel becomes when it is saved through Spark Connect; its stages are as ever.
_PYTHON_PIPELINE = "pyspark.ml.pipeline.PipelineModel"
_PIPELINES = ("org.apache.spark.ml.PipelineModel", _PYTHON_PIPELINE)
_PART = re.compile(r"part-\d{5}(-[0-9a-f-]{36}-c000\.txt)?", re.ASCII)
_UID = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_VECTOR_TYPES = ("org.apache.spark.ml.linalg.VectorUDT", "org.apache.spark.ml.linalg.MatrixUDT")
_LARGEST_METADATA = 16 * 2**20
_ROW_METADATA = b"org.apache.spark.sql.parquet.row.metadata"


@dataclass(frozen=True)
class Metadata:
    """What Spark wrote about a model or a stage: class, uid, version and time of saving, parameters."""

    spark_class: str
    uid: str
    spark_version: str
    saved_at: datetime
    parameters: Mapping[str, Any]

    @property
    def short_class(self) -> str:
        """The class without its package."""
        return self.spark_class.rpartition(".")[2]

    @property
    def python_class(self) -> str:
        """The pyspark class whose `load` opens the model."""
        name = self.spark_class.replace("org.apache.spark.", "pyspark.", 1)
        return name.replace("pyspark.ml.pipeline.", "pyspark.ml.")

    @property
    def is_pipeline(self) -> bool:
        """Whether it is a fitted pipeline, whose stages are models of their own."""
        return self.spark_class in _PIPELINES

    @property
    def stage_uids(self) -> list[str]:
        """The stages of a pipeline, in order; none for another model."""
        return list(self.parameters["stageUids"]) if self.is_pipeline else []


def parse_metadata(content: bytes) -> Metadata:
    """Read the one line of JSON that a metadata part holds.

    Raises:
        DataError: it is no such line, or names a class that is not Spark ML's own.
    """
    try:
        fields = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"its metadata is damaged: {str(error)[:100]}") from error
    # Spark reads the first line only: what follows could say something else.
    if not isinstance(fields, dict) or len(content.strip(b"\r\n").splitlines()) != 1:
        raise DataError("its metadata is not one line with a JSON object")
    spark_class, uid, version = (fields.get(name) for name in ("class", "uid", "sparkVersion"))
    saved, given, defaults = fields.get("timestamp"), fields.get("paramMap", {}), fields.get("defaultParamMap", {})
    if not (isinstance(spark_class, str) and isinstance(version, str) and isinstance(given, dict)):
        raise DataError("its metadata lacks class, sparkVersion or paramMap: not written by Spark ML")
    if not _CLASS.fullmatch(spark_class) and spark_class != _PYTHON_PIPELINE:
        raise DataError(f"its metadata names the class {spark_class[:200]!r}; only org.apache.spark.ml.* is loaded")
    if not isinstance(uid, str) or not _UID.fullmatch(uid) or not isinstance(defaults, dict):
        raise DataError(f"its metadata has no valid uid or defaultParamMap (uid {str(uid)[:50]!r})")
    if type(saved) is not int or not 0 <= saved < 10**14:
        raise DataError(f"its metadata has no valid timestamp ({str(saved)[:50]})")
    if spark_class in _PIPELINES:
        _check_stage_uids(given.get("stageUids"))
    saved_at = datetime.fromtimestamp(saved / 1000, timezone.utc)
    return Metadata(spark_class, uid, version[:50], saved_at, {**defaults, **given})


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key appears twice")
    return fields


def _check_stage_uids(uids: object) -> None:
    if not isinstance(uids, list) or not all(isinstance(uid, str) and _UID.fullmatch(uid) for uid in uids):
        raise DataError("it is a PipelineModel without a valid list of stages (stageUids)")


def read_metadata(model: Path) -> Metadata:
    """The metadata of the model saved in a directory.

    Raises:
        DataError: there is none, or something beside it that Spark would read too, or it is damaged.
    """
    directory = model / "metadata"
    # Spark reads whatever lies there and is not hidden, in any form that it can unpack.
    visible = [path for path in sorted(directory.iterdir()) if not path.name.startswith(("_", "."))]
    filled = [path for path in visible if not path.is_file() or path.stat().st_size]
    if len(filled) != 1 or not filled[0].is_file() or not _PART.fullmatch(filled[0].name):
        raise DataError(f"{model.name}/metadata: expected one file part-00000..., found {_names(visible)}")
    if filled[0].stat().st_size > _LARGEST_METADATA:
        raise DataError(f"{model.name}/metadata: larger than {_LARGEST_METADATA >> 20} MB")
    try:
        return parse_metadata(filled[0].read_bytes())
    except DataError as error:
        raise DataError(f"{model.name}: {error}") from error


def _names(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths[:3]) or "nothing"


def find_models(root: Path) -> list[Path]:
    """The directories below (or at) `root` that hold a saved model, stages of others left out."""
    if _holds_model(root):
        return [root]
    found: list[Path] = []
    for directory in sorted(path for path in root.iterdir() if path.is_dir()):
        found += find_models(directory)
    return found


def _holds_model(directory: Path) -> bool:
    metadata = directory / "metadata"
    return metadata.is_dir() and any(path.name.startswith("part-") for path in metadata.iterdir())


def check(model: Path) -> Metadata:
    """Check every file of a saved model before Spark sees it.

    Raises:
        DataError: a class that is not Spark ML's own, at any depth; a stage that is missing; a file that is damaged.
    """
    top = read_metadata(model)
    for directory in _model_directories(model):
        found = read_metadata(directory)
        names = sorted(path.name for path in (directory / "stages").iterdir()) if found.stage_uids else []
        width = len(str(len(found.stage_uids)))
        expected = [f"{index:0{width}}_{uid}" for index, uid in enumerate(found.stage_uids)]
        missing = [name for name in expected if name not in names or not _holds_model(directory / "stages" / name)]
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
    if path.name.endswith(".parquet") and not path.name.startswith((".", "_")):
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
