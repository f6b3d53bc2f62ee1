"""`reproduce`: train once more from what a version recorded, and compare."""

import logging
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F

from search_forecast import provenance, regression
from search_forecast.errors import DataError
from search_forecast.jobs.demand import FORECASTS, SELECTION, parameters_of
from search_forecast.jobs.score_model import loaded
from search_forecast.jobs.staging import scratch
from search_forecast.jobs.train import make
from search_forecast.parameters import RegressionParameters
from search_forecast.registry import Registry, Version
from search_forecast.scoring import first_line, is_sparks
from search_forecast.tables import Lakehouse

logger = logging.getLogger(__name__)

TOLERANCE = 1e-9


def reproduce(lakehouse: Lakehouse, models: Registry, version: Version) -> dict[str, Any]:
    """Read the recorded version of the data, check its hash, train with the recorded parameters, compare the numbers.

    Returns:
        verdict (`identical`, `equal within 1e-9` or `different`), is_reproduced, largest_difference, the numbers that
        differ, and reasons: what is no longer as it was recorded.

    Raises:
        DataError: the model was imported, so there is nothing to train.
    """
    record = models.record(version)
    if record["kind"] == "forecast":
        return _reproduce_forecasts(lakehouse, models, version, record)
    if record["kind"] != "trained":
        with loaded(lakehouse, models, version):
            pass
        raise DataError(
            f"reproduce: {version.name} version {version.number} was imported and cannot be trained here; its files "
            f"are those of {record['origin']['file']} (sha256 {record['origin']['sha256']}), as registered"
        )
    reasons = _changed(lakehouse, record)
    base = {"model": version.name, "version": version.number}
    parameters = RegressionParameters(**{**record["parameters"], "features": tuple(record["parameters"]["features"])})
    data = record["tables"][0]
    name = f"{data['table']} version {data['delta_version']}"
    try:
        rows = lakehouse.at(lakehouse.resolve(data["table"]), data["delta_version"])
        found_hash = provenance.content_hash(rows)
    except Exception as error:
        if not (is_sparks(error) or isinstance(error, DataError)):
            raise
        gone = f"{name} cannot be read any more (vacuumed or removed): {first_line(error)}"
        return {**base, **_verdict({}, [gone, *reasons], is_readable=False)}
    if found_hash != data["content_hash"]:
        reasons.insert(0, f"{name} holds other rows than it did: content {found_hash}, recorded {data['content_hash']}")
    try:
        trained = regression.train(rows, parameters)
    except DataError as error:
        return {**base, **_verdict({}, [str(error), *reasons], is_readable=False)}
    now = {"intercept": trained.intercept, "row_count": trained.row_count, **trained.metrics}
    then = {"intercept": record["intercept"], "row_count": record["row_count"], **record["metrics"]}
    for position, feature in enumerate(parameters.features):
        now[f"coefficient {feature}"] = trained.coefficients[position]
        then[f"coefficient {feature}"] = record["coefficients"][position]
    # An equal result from other rows is luck, not reproduction.
    is_same_data = found_hash == data["content_hash"]
    return {**base, **_verdict(regression.differences(then, now), reasons, is_readable=is_same_data)}


def _changed(lakehouse: Lakehouse, record: Mapping[str, Any]) -> list[str]:
    return [
        *provenance.changed(record["code"], provenance.code(), ("lock_sha256", "git_commit", "is_dirty")),
        *provenance.changed(record["versions"], provenance.versions(lakehouse.spark.version), list(record["versions"])),
    ]


def _reproduce_forecasts(
    lakehouse: Lakehouse, models: Registry, version: Version, record: Mapping[str, Any]
) -> dict[str, Any]:
    """Backtest, choose and forecast once more, and compare every forecast and every choice."""
    base, reasons = {"model": version.name, "version": version.number}, _changed(lakehouse, record)
    read_at = {table["table"]: int(table["delta_version"]) for table in record["tables"]}
    for table in record["tables"]:
        name = f"{table['table']} version {table['delta_version']}"
        try:
            found_hash = provenance.content_hash(
                lakehouse.at(lakehouse.resolve(table["table"]), table["delta_version"])
            )
        except Exception as error:
            if not (is_sparks(error) or isinstance(error, DataError)):
                raise
            gone = f"{name} cannot be read any more (vacuumed or removed): {first_line(error)}"
            return {**base, **_verdict({}, [gone, *reasons], is_readable=False)}
        if found_hash != table["content_hash"]:
            return {**base, **_verdict({}, [f"{name} holds other rows than it did", *reasons], is_readable=False)}
    as_of = None if record["as_of"] is None else date.fromisoformat(record["as_of"])
    with scratch(lakehouse.staging) as directory:
        download = directory / "version"
        download.mkdir()
        then = models.files(version, download)
        now = make(lakehouse, parameters_of(record["parameters"]), directory, as_of=as_of, versions=read_at).files
        differences = _forecast_differences(lakehouse, then, now)
    return {**base, **_verdict(differences, reasons, is_readable=True)}


def _forecast_differences(lakehouse: Lakehouse, then: Path, now: Path) -> dict[str, float]:
    """The largest relative difference of each column, and the share of rows or choices that are not in both."""
    keys, numbers = ["term", "step"], ["forecast", "mean_forecast", "lower_80", "upper_80", "lower_95", "upper_95"]
    both = [
        lakehouse.kept(files / FORECASTS).select(*keys, *(F.col(name).alias(f"{name}_{i}") for name in numbers))
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
    choices = [lakehouse.kept(files / SELECTION).select("term", "candidate", "verdict") for files in (then, now)]
    changed = choices[0].exceptAll(choices[1]).count() / max(choices[0].count(), 1)
    found = {**row.asDict(), "choices": changed}
    return {name: float(value) for name, value in found.items() if value}


def _verdict(differences: dict[str, float], reasons: list[str], *, is_readable: bool) -> dict[str, Any]:
    largest = max((math.inf if math.isnan(value) else value for value in differences.values()), default=0.0)
    verdict = "identical" if not differences else f"equal within {TOLERANCE:g}"
    if largest > TOLERANCE or not is_readable:
        verdict = "different"
    logger.info("reproduce: %s", verdict)
    return {
        "verdict": verdict,
        "is_reproduced": verdict != "different",
        "largest_difference": largest,
        "differences": differences,
        "changed_since": reasons,
    }
