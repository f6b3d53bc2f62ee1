"""What Spark wrote about a saved model or stage, of Spark 2, 3 and 4; read without Spark and without trusting it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError

_CLASS = re.compile(r"org\.apache\.spark\.ml(\.[A-Za-z_]\w*)+", re.ASCII)
# What these become when they are saved through Spark Connect; their stages are as ever.
_PYTHON_CLASSES = (
    "pyspark.ml.pipeline.PipelineModel",
    "pyspark.ml.classification.OneVsRestModel",
    "pyspark.ml.tuning.CrossValidatorModel",
    "pyspark.ml.tuning.TrainValidationSplitModel",
)
# Spark, Databricks and committers of object stores name a part each in their way; a compressed one would be unpacked.
_PART = re.compile(r"part-(r-)?\d{5}(-[\w-]+(\.c000[\w-]*)?\.txt)?", re.ASCII)
_UID = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_LARGEST_METADATA = 16 * 2**20


@dataclass(frozen=True)
class Metadata:
    """Class, uid, version and time of saving, parameters of a model or a stage."""

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
        return self.python_class == "pyspark.ml.PipelineModel"

    @property
    def is_search(self) -> bool:
        """Whether it is a search over parameters, whose best model is one of its own."""
        return self.python_class.startswith("pyspark.ml.tuning.")

    @property
    def stage_names(self) -> list[str]:
        """The directories of a pipeline's stages, in order; none for another model."""
        uids = self.parameters["stageUids"] if self.is_pipeline else []
        return [f"{index:0{len(str(len(uids)))}}_{uid}" for index, uid in enumerate(uids)]


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
    saved, explicit, defaults = fields.get("timestamp"), fields.get("paramMap", {}), fields.get("defaultParamMap", {})
    if not (isinstance(spark_class, str) and isinstance(version, str) and isinstance(explicit, dict)):
        raise DataError("its metadata lacks class, sparkVersion or paramMap: not written by Spark ML")
    if not _CLASS.fullmatch(spark_class) and spark_class not in _PYTHON_CLASSES:
        raise DataError(f"its metadata names the class {spark_class[:200]!r}; only org.apache.spark.ml.* is loaded")
    if not isinstance(uid, str) or not _UID.fullmatch(uid) or not isinstance(defaults, dict):
        raise DataError(f"its metadata has no valid uid or defaultParamMap (uid {str(uid)[:50]!r})")
    if type(saved) is not int or not 0 <= saved < 10**14:
        raise DataError(f"its metadata has no valid timestamp ({str(saved)[:50]})")
    saved_at = datetime.fromtimestamp(saved / 1000, timezone.utc)
    metadata = Metadata(spark_class, uid, version[:50], saved_at, {**defaults, **explicit})
    if metadata.is_pipeline:
        _check_stage_uids(explicit.get("stageUids"))
    return metadata


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
    visible = [path for path in sorted((model / "metadata").iterdir()) if is_read(path.name)]
    filled = [path for path in visible if not path.is_file() or path.stat().st_size]
    if len(filled) != 1 or not filled[0].is_file() or not _PART.fullmatch(filled[0].name):
        names = ", ".join(path.name for path in visible[:3]) or "nothing"
        raise DataError(f"{model.name}/metadata: expected one file part-00000..., found {names}")
    if filled[0].stat().st_size > _LARGEST_METADATA:
        raise DataError(f"{model.name}/metadata: larger than {_LARGEST_METADATA >> 20} MB")
    try:
        return parse_metadata(filled[0].read_bytes())
    except DataError as error:
        raise DataError(f"{model.name}: {error}") from error


def is_read(name: str) -> bool:
    """Whether Spark reads a file, or what lies in a directory, of this name: hidden names have exceptions."""
    if name.startswith("."):
        return False
    return not name.startswith("_") or "=" in name or name.startswith(("_metadata", "_common_metadata"))


def holds_model(directory: Path) -> bool:
    """Whether a model or stage is saved in a directory."""
    metadata = directory / "metadata"
    return metadata.is_dir() and any(path.name.startswith("part-") for path in metadata.iterdir())


def find_models(root: Path) -> list[Path]:
    """The directories below (or at) `root` that hold a saved model, stages of others left out."""
    if holds_model(root):
        return [root]
    directories = sorted(path for path in root.iterdir() if path.is_dir())
    return [model for directory in directories for model in find_models(directory)]
