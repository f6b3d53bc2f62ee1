"""`import-model`: a Spark ML model that someone else trained becomes a registered version."""

import logging
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.ml import PipelineModel

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.spark_errors import first_line, is_sparks
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import archives, model_inputs, provenance, scoring, signature
from search_forecast.models.model_inputs import Input
from search_forecast.models.registry import Registry, Version
from search_forecast.models.sparkml import files, stages
from search_forecast.models.sparkml.metadata import find_models, read_metadata
from search_forecast.models.train_regression import publish_pipeline

logger = logging.getLogger(__name__)


def import_model(
    lakehouse: Lakehouse,
    models: Registry,
    archive: Path,
    *,
    name: str,
    declared: Sequence[Input],
    model_path: str | None,
    now: datetime,
) -> dict[str, Any]:
    """Unpack, check, load, wrap, try and register a model. Refused, it leaves nothing behind.

    The same model with the same inputs is registered once: importing it again names the version that is there.

    Args:
        lakehouse: whose session loads the model.
        models: the registry.
        archive: .tar.gz, .tar, .zip or directory.
        name: to register it under.
        declared: its inputs, for a model that does not know them; a value is used to try the model with.
        model_path: which of several models in the archive.
        now: time of the import.

    Returns:
        The version, the class and the inputs of the model, what it predicted when it was tried, its origin, is_new.
    """
    models.check_name(name, is_forecast=False)
    # Unpacked on this machine's own disk; what Spark reads lies where its executors see it too.
    with tempfile.TemporaryDirectory(prefix="search-forecast-") as own, scratch(lakehouse.staging) as directory:
        unpacked = Path(own) / "unpacked"
        archives.unpack(archive, unpacked)
        delivered = _chosen(unpacked, archive, model_path)
        origin = _origin(archive, delivered, delivered.relative_to(unpacked).as_posix())
        # Without what Spark would take for a pattern, such as * or [.
        source = directory / "source" / (re.sub(r"[^\w.-]", "_", delivered.name) if delivered != unpacked else "model")
        shutil.copytree(delivered, source)
        files.keep_best(source)
        metadata, spark_version = files.check(source), lakehouse.spark.version  # starts Spark, which loads the model
        model = stages.load(source, metadata)
        pipeline, inputs = signature.wrapped(model, declared)
        before = _same(models, name, origin["files_sha256"], inputs)
        if before is not None:
            logger.info("import-model: the same model is %s already", before)
            return _answer(before, models.record(before), is_new=False)
        record = {
            "kind": "imported",
            "created_at": now.isoformat(),
            "spark_ml_class": origin["spark_ml_class"],
            "inputs": inputs,
            "label": stages.label(stages.flat(model)),
            "ranges": None,
            "row_count": None,
            "tables": [],
            "seed": None,
            "origin": origin,
            "tried": _tried(lakehouse, pipeline, inputs, declared),
            "gate": {"passed": True, "reason": "it scores; how well is unknown, as it was trained elsewhere"},
            "code": provenance.code(),
            "versions": provenance.versions(spark_version),
        }
        version = publish_pipeline(models, name, pipeline, record, directory)
    logger.info("import-model: %s from %s", version, archive)
    return _answer(version, record, is_new=True)


def _chosen(root: Path, archive: Path, model_path: str | None) -> Path:
    """The one model in the archive, or the one that was asked for."""
    by_path = {path.relative_to(root).as_posix(): path for path in find_models(root)}
    if not by_path:
        raise DataError(f"{archive.name}: no Spark ML model in it{_what_else(root)}")
    if model_path is not None:
        if model_path.strip("/") not in by_path:
            paths = ", ".join(by_path)
            raise UsageError(f"import-model: {archive.name} has no model {model_path.strip('/')}; it has {paths}")
        return by_path[model_path.strip("/")]
    if len(by_path) > 1:
        raise UsageError(
            f"import-model: {archive.name} has {len(by_path)} models: add --model with one of {', '.join(by_path)}"
        )
    return next(iter(by_path.values()))


def _what_else(root: Path) -> str:
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    if any(path.name == "MLmodel" for path in paths):
        return ": it is an MLflow model of another kind (pyfunc); only models saved by Spark ML are imported"
    if any(map(_is_pickle, paths)):
        return ": it holds a Python pickle, which is never loaded; save the model with Spark ML (model.save)"
    return ", that is a directory with metadata/part-00000"


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix in (".pkl", ".pickle", ".joblib") or file.read(1) == b"\x80"


def _origin(archive: Path, delivered: Path, path: str) -> dict[str, Any]:
    metadata, manifest = read_metadata(delivered), provenance.files_manifest(delivered)
    files_sha256 = provenance.combined_hash(manifest)
    return {
        "file": archive.name,
        "sha256": file_sha256(archive) if archive.is_file() else files_sha256,
        "path": path,
        "spark_ml_class": metadata.spark_class,
        "spark_version": metadata.spark_version,
        "saved_at": metadata.saved_at.isoformat(),
        "files": manifest,
        "files_sha256": files_sha256,
    }


def _same(models: Registry, name: str, files_sha256: str, inputs: dict[str, str]) -> Version | None:
    for version in models.versions(name):
        if version.tags.get("kind") != "imported":
            continue
        with tempfile.TemporaryDirectory() as own, suppress(DataError):  # damaged: importing it again mends that
            record = models.record(version)
            if record["origin"]["files_sha256"] == files_sha256 and record["inputs"] == inputs:
                models.files(version, Path(own))
                return version
    return None


def _tried(
    lakehouse: Lakehouse, pipeline: PipelineModel, inputs: Mapping[str, str], declared: Sequence[Input]
) -> dict[str, Any]:
    """Prove that the model scores, with the values declared, else with ones that it knows or of the right type."""
    values = {item.name: item.value for item in declared if item.value is not None}

    def sample(name: str, kind: str) -> str:
        if kind == "string":
            return stages.known_value(stages.flat(pipeline), name) or "a"
        return "true" if kind == "boolean" else "1"

    texts = [Input(name, kind, values.get(name, sample(name, kind))) for name, kind in inputs.items()]
    row = model_inputs.values(texts, inputs, "import-model")
    rows = model_inputs.one_row(lakehouse.spark, row, inputs)
    try:
        answer = scoring.scored(pipeline, rows, inputs, {}).collect()[0]
    except Exception as error:
        if not is_sparks(error):
            raise
        raise DataError(
            f"import-model: the model does not score {row}: {first_line(error)}; its inputs may be other than these: "
            f"say --input NAME:TYPE=VALUE"
        ) from error
    return {"inputs": row, "prediction": answer["prediction"], "predicted_label": answer["predicted_label"]}


def _answer(version: Version, record: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
    origin = record["origin"]
    saved = f"saved by Spark {origin['spark_version']} at {origin['saved_at']}"
    return {
        "model": version.name,
        "version": version.number,
        "aliases": list(version.aliases),
        "is_new": is_new,
        "spark_ml_class": record["spark_ml_class"],
        "inputs": [f"{name}:{model_inputs.shown(kind)}" for name, kind in record["inputs"].items()],
        "label": record["label"],
        "tried": record["tried"],
        "origin": f"{origin['file']}/{origin['path']}, {saved}",
        "sha256": origin["sha256"],
    }
