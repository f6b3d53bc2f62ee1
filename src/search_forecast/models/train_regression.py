"""`train-regression`: a linear regression from a table, registered with all that it came from."""

import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from search_forecast.lakehouse.names import known_as, resolve
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import provenance, registry, regression
from search_forecast.models.registry import Registry
from search_forecast.parameters import RegressionParameters

logger = logging.getLogger(__name__)

SPARK_CLASS = "org.apache.spark.ml.regression.LinearRegressionModel"


def train_regression(
    lakehouse: Lakehouse, models: Registry, name: str, parameters: RegressionParameters, now: datetime
) -> dict[str, Any]:
    """Train on the table's latest version and register the result as the model's next version.

    Returns:
        The version, its aliases, metrics, gate and coefficients.
    """
    models.check_name(name, is_forecast=False)
    parameters = replace(parameters, table=known_as(lakehouse, parameters.table))
    source = resolve(lakehouse, parameters.table)
    version = lakehouse.latest(source)
    rows = lakehouse.at(source, version)
    trained = regression.train(rows, parameters)
    passed, reason = trained.gate
    record = {
        "kind": "trained",
        "created_at": now.isoformat(),
        "spark_ml_class": SPARK_CLASS,
        "inputs": dict.fromkeys(parameters.features, "double"),
        "label": parameters.label,
        "ranges": {feature: list(ends) for feature, ends in trained.ranges.items()},
        "row_count": trained.row_count,
        "tables": [
            {"table": parameters.table, "delta_version": version, "content_hash": provenance.content_hash(rows)}
        ],
        "parameters": {**vars(parameters), "features": list(parameters.features)},
        "seed": parameters.seed,
        "metrics": dict(trained.metrics),
        "coefficients": list(trained.coefficients),
        "intercept": trained.intercept,
        "gate": {"passed": passed, "reason": reason},
        "code": provenance.code(),
        "versions": provenance.versions(lakehouse.spark.version),
    }
    with scratch(lakehouse.staging) as directory:
        published = publish_pipeline(models, name, trained.model, record, directory)
    logger.info("train-regression: %s from %d rows", published, trained.row_count)
    return {
        "model": name,
        "version": published.number,
        "aliases": list(published.aliases),
        "row_count": trained.row_count,
        "coefficients": dict(zip(parameters.features, trained.coefficients, strict=True)),
        "intercept": trained.intercept,
        "metrics": dict(trained.metrics),
        "gate": ("passed: " if passed else "failed: ") + reason,
    }


def publish_pipeline(
    models: Registry, name: str, model: Any, record: dict[str, Any], directory: Path
) -> registry.Version:
    """Save a pipeline, describe it and register it."""
    model.save(str(directory / "model" / "sparkml"))
    described = registry.describe(directory / "model", record["inputs"], record, record["spark_ml_class"])
    code = record["code"]
    tags = {
        "kind": record["kind"],
        "spark_ml_class": record["spark_ml_class"],
        "gate": "passed" if record["gate"]["passed"] else "failed",
        "gate_reason": record["gate"]["reason"],
        "git_commit": str(code["git_commit"] or "unknown") + ("-dirty" if code["is_dirty"] else ""),
        "files_sha256": provenance.combined_hash(described["files"]),
    }
    return models.publish(
        name,
        directory / "model",
        described,
        parameters=record.get("parameters", {}),
        metrics=record.get("metrics", {}),
        tags=tags,
    )
