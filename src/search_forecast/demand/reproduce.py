"""`reproduce` for demand forecasts: train once more from what a version recorded, and compare."""

from datetime import date
from typing import Any

from pyspark.sql import functions as F

from search_forecast.demand import training
from search_forecast.demand.version_files import VersionFiles, parameters_of
from search_forecast.errors import DataError
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.registry import Registry, Version
from search_forecast.models.reproduce import changed_since, recorded_rows, verdict


def reproduce_forecasts(lakehouse: Lakehouse, models: Registry, version: Version) -> dict[str, Any]:
    """Backtest, choose and forecast once more, and compare every forecast and every choice; returns as `reproduce`."""
    record = models.record(version)
    base, reasons = {"model": version.name, "version": version.number}, changed_since(lakehouse, record)
    try:
        parameters = parameters_of(record["parameters"])
    except DataError as error:
        return {**base, **verdict({}, [str(error), *reasons], is_readable=False)}
    read_at = {table["table"]: int(table["delta_version"]) for table in record["tables"]}
    for table in record["tables"]:
        _, trouble = recorded_rows(lakehouse, table)
        if trouble is not None:
            return {**base, **verdict({}, [trouble, *reasons], is_readable=False)}
    as_of = None if record["as_of"] is None else date.fromisoformat(record["as_of"])
    with scratch(lakehouse.staging) as directory:
        then = VersionFiles.of(models, version, directory)
        run = training.assess(lakehouse, parameters, directory, as_of=as_of, delta_versions=read_at)
        now = training.write(lakehouse, run, directory)
        differences = _forecast_differences(lakehouse, then, now)
    return {**base, **verdict(differences, reasons, is_readable=True)}


def _forecast_differences(lakehouse: Lakehouse, then: VersionFiles, now: VersionFiles) -> dict[str, float]:
    """The largest relative difference of each column, and the share of rows or choices that are not in both."""
    keys, numbers = ["term", "step"], ["forecast", "mean_forecast", "lower_80", "upper_80", "lower_95", "upper_95"]
    both = [
        files.forecasts(lakehouse).select(*keys, *(F.col(name).alias(f"{name}_{i}") for name in numbers))
        for i, files in enumerate((then, now))
    ]
    apart = {
        name: F.abs(F.col(f"{name}_0") - F.col(f"{name}_1"))
        / F.greatest(F.abs(f"{name}_0"), F.abs(f"{name}_1"), F.lit(1e-300))
        for name in numbers
    }
    joined = both[0].join(both[1], keys, how="full")
    lone = F.count_if(F.col("forecast_0").isNull() | F.col("forecast_1").isNull()) / F.count("*")
    row = joined.agg(lone.alias("rows"), *(F.max(value).alias(name) for name, value in apart.items())).collect()[0]
    choices = [files.champions(lakehouse).select("term", "verdict") for files in (then, now)]
    changed = choices[0].exceptAll(choices[1]).count() / max(choices[0].count(), 1)
    differences = {**row.asDict(), "choices": changed}
    return {name: float(value) for name, value in differences.items() if value}
