"""A training run as a registered version: what is recorded of it, and how it gets into the registry."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F

from search_forecast.demand.forecasting import portable_model
from search_forecast.demand.training import Assessment
from search_forecast.demand.version_files import VersionFiles
from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import TERM_FORECASTS
from search_forecast.lakehouse.names import resolve
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import provenance, registry
from search_forecast.models.registry import Registry, Version


def check_alone(lakehouse: Lakehouse, name: str) -> None:
    """Raise DataError if the tables hold forecasts of another model: they tell versions apart by their number only."""
    if not lakehouse.exists(TERM_FORECASTS):
        return
    others = lakehouse.read(TERM_FORECASTS).where(F.col("model_name") != name).select("model_name").limit(1).collect()
    if others:
        raise DataError(
            f"{TERM_FORECASTS.full_name} holds forecasts of {others[0]['model_name']}: one demand model a gold schema; "
            f"give {name} a lakehouse or schema of its own"
        )


def record(
    lakehouse: Lakehouse, run: Assessment, errors: dict[str, float | None], now: datetime, *, as_of: date | None
) -> dict[str, Any]:
    """What a version keeps of the run that made it, enough to train it once more."""
    return {
        "kind": "forecast",
        "created_at": now.isoformat(),
        "parameters": {**vars(run.parameters), "candidates": list(run.parameters.candidates)},
        "as_of": None if as_of is None else as_of.isoformat(),
        "trained_from": run.series.first_date.isoformat(),
        "trained_to": run.series.last_day.isoformat(),
        "row_count": run.series.count,
        "left_out": dict(run.left_out),
        "seed": None,  # nothing in it is random
        "tables": _tables(lakehouse, run),
        "metrics": {measure: value for measure, value in errors.items() if value is not None},
        "code": provenance.code(),
        "versions": provenance.versions(lakehouse.spark.version),
    }


def publish(models: Registry, name: str, files: VersionFiles, recorded: dict[str, Any]) -> Version:
    """Register a run's files; it cannot be promoted before its gate is tagged."""
    directory = files.directory.parent
    described = registry.describe_forecasts(directory, Path(portable_model.__file__), recorded)
    code = recorded["code"]
    tags = {
        "kind": "forecast",
        "gate": "pending",
        "gate_reason": "its training was cut off before its metrics were kept: train again",
        "gate_against": str(recorded["gate"]["against"] or "none"),
        "trained_from": recorded["trained_from"],
        "trained_to": recorded["trained_to"],
        "git_commit": str(code["git_commit"] or "unknown") + ("-dirty" if code["is_dirty"] else ""),
        "files_sha256": provenance.combined_hash(described["files"]),
    }
    return models.publish(
        name, directory, described, parameters=recorded["parameters"], metrics=recorded["metrics"], tags=tags
    )


def _tables(lakehouse: Lakehouse, run: Assessment) -> list[dict[str, Any]]:
    tables = []
    for name, delta_version in run.series.delta_versions.items():
        rows = lakehouse.at(resolve(lakehouse, name), delta_version)
        tables.append({"table": name, "delta_version": delta_version, "content_hash": provenance.content_hash(rows)})
    return tables
