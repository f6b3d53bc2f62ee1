"""`import-model`: a Spark ML model that someone else trained becomes a registered version."""

import logging
import re
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.ml import PipelineModel

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import archives, model_inputs, provenance, registry, scoring, sparkml
from search_forecast.models.model_inputs import Input
from search_forecast.models.registry import Registry, Version
from search_forecast.models.sparkml import Metadata
from search_forecast.models.train_regression import publish_pipeline

logger = logging.getLogger(__name__)


def import_model(
    lakehouse: Lakehouse,
    models: Registry,
    archive: Path,
    *,
    name: str,
    given: Sequence[Input],
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
        given: its inputs, for a model that does not know them; a value is used to try the model with.
        model_path: which of several models in the archive.
        now: time of the import.

    Returns:
        The version, the class and the inputs of the model, what it predicted when it was tried, its origin, is_new.
    """
    registry.check_name(name)
    # Unpacked and checked on this machine's own disk; what Spark reads lies where its executors see it too.
    with tempfile.TemporaryDirectory(prefix="search-forecast-") as own, scratch(lakehouse.staging) as directory:
        unpacked = Path(own) / "unpacked"
        archives.unpack(archive, unpacked)
        found = _chosen(unpacked, archive, model_path)
        path = found.relative_to(unpacked).as_posix()
        metadata = sparkml.check(found)
        # Without what Spark would take for a pattern, such as * or [.
        source = directory / "source" / (re.sub(r"[^\w.-]", "_", found.name) if path != "." else "model")
        shutil.copytree(found, source)
        manifest = provenance.files_manifest(source)
        pipeline, inputs = scoring.wrapped(scoring.load(source, metadata), given)
        before = _same(models, name, provenance.combined_hash(manifest), inputs)
        if before is not None:
            logger.info("import-model: the same model is %s already", before)
            return _answer(before, models.record(before), is_new=False)
        scoring.prediction_column(pipeline)
        origin = {
            "file": archive.name,
            "sha256": provenance.file_hash(archive) if archive.is_file() else provenance.combined_hash(manifest),
            "path": path,
            "spark_ml_class": metadata.spark_class,
            "spark_version": metadata.spark_version,
            "saved_at": metadata.saved_at.isoformat(),
            "files": manifest,
            "files_sha256": provenance.combined_hash(manifest),
        }
        tried = _tried(lakehouse, pipeline, inputs, given)
        record = _record(lakehouse, metadata, pipeline, inputs=inputs, origin=origin, tried=tried, now=now)
        made = publish_pipeline(models, name, pipeline, record, directory)
    logger.info("import-model: %s from %s", made, archive)
    return _answer(made, record, is_new=True)


def _chosen(root: Path, archive: Path, model_path: str | None) -> Path:
    """The one model in the archive, or the one that was asked for."""
    found = {path.relative_to(root).as_posix(): path for path in sparkml.find_models(root)}
    if not found:
        raise DataError(f"{archive.name}: no Spark ML model in it{_what_else(root)}")
    if model_path is not None:
        wanted = model_path.strip("/")
        if wanted not in found:
            raise UsageError(f"import-model: {archive.name} has no model {wanted}; it has {', '.join(found)}")
        return found[wanted]
    if len(found) > 1:
        raise UsageError(
            f"import-model: {archive.name} has {len(found)} models: add --model with one of {', '.join(found)}"
        )
    return next(iter(found.values()))


def _what_else(root: Path) -> str:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    if any(path.name == "MLmodel" for path in files):
        return ": it is an MLflow model of another kind (pyfunc); only models saved by Spark ML are imported"
    if any(path.suffix in (".pkl", ".pickle", ".joblib") or path.open("rb").read(1) == b"\x80" for path in files):
        return ": it holds a Python pickle, which is never loaded; save the model with Spark ML (model.save)"
    return ", that is a directory with metadata/part-00000"


def _same(models: Registry, name: str, files_sha256: str, inputs: dict[str, str]) -> Version | None:
    for version in models.versions(name):
        if version.tags.get("kind") == "imported":
            record = models.record(version)
            if record["origin"]["files_sha256"] == files_sha256 and record["inputs"] == inputs:
                return version
    return None


def _tried(
    lakehouse: Lakehouse, pipeline: PipelineModel, inputs: dict[str, str], given: Sequence[Input]
) -> dict[str, Any]:
    """Prove that the model scores, with the values given, else with ones of the right type."""
    values = {item.name: item.value for item in given if item.value is not None}
    sample = {"string": "a", "boolean": "true"}
    texts = [Input(name, kind, values.get(name, sample.get(kind, "1"))) for name, kind in inputs.items()]
    row = model_inputs.values(texts, inputs, "import-model")
    schema = ", ".join(f"`{name}` {kind}" for name, kind in inputs.items())
    rows = lakehouse.spark.createDataFrame([tuple(row.values())], schema)
    try:
        answer = scoring.scored(pipeline, rows, inputs, {}).collect()[0]
    except Exception as error:
        if not scoring.is_sparks(error):
            raise
        raise DataError(
            f"import-model: the model does not score {row}: {scoring.first_line(error)}; its inputs may be other than "
            f"these: say --input NAME:TYPE=VALUE"
        ) from error
    return {"inputs": row, "prediction": answer["prediction"]}


def _record(
    lakehouse: Lakehouse,
    metadata: Metadata,
    pipeline: PipelineModel,
    *,
    inputs: dict[str, str],
    origin: dict[str, Any],
    tried: dict[str, Any],
    now: datetime,
) -> dict[str, Any]:
    last = scoring.stages(pipeline)[-1]
    label = last.getOrDefault("labelCol") if last.hasParam("labelCol") and last.isDefined("labelCol") else None
    return {
        "kind": "imported",
        "created_at": now.isoformat(),
        "spark_ml_class": metadata.spark_class,
        "inputs": inputs,
        "label": label,
        "ranges": None,
        "row_count": None,
        "tables": [],
        "seed": None,
        "origin": origin,
        "tried": tried,
        "gate": {"passed": True, "reason": "it scores; how well is unknown, as it was trained elsewhere"},
        "code": provenance.code(),
        "versions": provenance.versions(lakehouse.spark.version),
    }


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
