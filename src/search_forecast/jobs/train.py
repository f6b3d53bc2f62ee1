"""`train`: backtest all candidates on gold's series, choose, and register the result as a version of search_demand."""

import logging
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast import provenance, registry
from search_forecast.contracts import BACKTEST_METRICS, DEMAND_DRIFT, FORECAST_ACCURACY, TERM_FORECASTS
from search_forecast.forecasting import calendar_regression, coherence, gate, portable_model, results, spread
from search_forecast.forecasting import candidates as c
from search_forecast.forecasting.history import FREQUENCIES
from search_forecast.jobs import demand
from search_forecast.jobs.staging import scratch
from search_forecast.parameters import ForecastParameters
from search_forecast.registry import Registry, Version
from search_forecast.tables import Lakehouse

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What a training run made: the data it read, the measured backtest, and the files of the model."""

    data: demand.Data
    covered: DataFrame
    files: Path


def train(
    lakehouse: Lakehouse,
    models: Registry,
    name: str,
    parameters: ForecastParameters,
    *,
    as_of: date | None,
    now: datetime,
) -> dict[str, Any]:
    """Train on the latest versions of gold's tables and register the result, with its gate against the champion.

    Returns:
        The version, its gate, how many series are forecastable, and the errors that its choice is worth.
    """
    registry.check_name(name)
    for table in (TERM_FORECASTS, FORECAST_ACCURACY, DEMAND_DRIFT):
        lakehouse.open(table)  # dashboards and alerts read them from the first day on
    with scratch(lakehouse.staging) as directory:
        trained = make(lakehouse, parameters, directory, as_of=as_of)
        champion = next((item for item in models.versions(name) if registry.CHAMPION in item.aliases), None)
        comparison = _compared(lakehouse, models, champion, trained, directory)
        passed, reason = gate.decide(comparison, None if champion is None else champion.number)
        series = {row["verdict"]: row["count"] for row in _verdicts(trained.covered)}
        record = {
            "kind": "forecast",
            "created_at": now.isoformat(),
            "parameters": {**vars(parameters), "candidates": list(parameters.candidates)},
            "as_of": None if as_of is None else as_of.isoformat(),
            "trained_from": trained.data.first_date.isoformat(),
            "trained_to": trained.data.last_day.isoformat(),
            "row_count": trained.data.count,
            "seed": None,  # nothing in it is random
            "tables": _tables(lakehouse, trained.data),
            "metrics": _metrics(trained.covered, comparison),
            "gate": {"passed": passed, "reason": reason, "against": None if champion is None else champion.number},
            "code": provenance.code(),
            "versions": provenance.versions(lakehouse.spark.version),
        }
        made = _publish(models, name, trained, record)
        lakehouse.write(
            results.backtest_metrics(trained.covered, made.number), BACKTEST_METRICS,
            where=f"model_version = {made.number}",
        )  # fmt: skip
    logger.info("train: %s from %d series", made, trained.data.count)
    return {
        "model": name,
        "version": made.number,
        "series": trained.data.count,
        "forecastable": series.get("forecastable", 0),
        "trained_to": record["trained_to"],
        "wape": comparison.expected,
        "mean_wape": comparison.mean,
        "gate": ("passed: " if passed else "failed: ") + reason,
    }


def make(
    lakehouse: Lakehouse,
    parameters: ForecastParameters,
    directory: Path,
    *,
    as_of: date | None = None,
    versions: dict[str, int] | None = None,
) -> Trained:
    """Read gold, backtest, choose and forecast; write the model's files below `directory`.

    Args:
        lakehouse: where gold is.
        parameters: what to train.
        directory: empty, where Python and Spark both see it.
        as_of: last day to know of.
        versions: Delta versions of gold's tables, the latest where None.
    """
    frequency = FREQUENCIES[parameters.frequency]
    data = demand.read(lakehouse, parameters, directory, versions=versions, as_of=as_of)
    regressions = []
    if set(parameters.candidates) & set(c.REGRESSIONS):
        tested = parameters.horizon + (parameters.windows - 1) * parameters.step
        learnt = calendar_regression.examples(data.packed, data.last_date, frequency, parameters.horizon, tested)
        regressions = calendar_regression.fit(lakehouse.keep(learnt, directory / "examples"))
    maker = demand.forecaster(data, parameters, regressions, {})
    backtested = lakehouse.keep(spread.backtests(data.packed, maker, parameters), directory / "backtests")
    halves = spread.multipliers(backtested, parameters.horizon)
    covered = lakehouse.keep(spread.with_coverage(backtested, halves, parameters.horizon), directory / "covered")
    files = directory / "model" / registry.FORECAST_FILES
    files.mkdir(parents=True)
    chosen = covered.where("is_champion").select("term", "candidate", "typical_error", "verdict", "p_value", "reason")
    selection = lakehouse.keep(chosen.coalesce(1), files / demand.SELECTION)
    maker = demand.forecaster(data, parameters, regressions, halves[-1])
    made = spread.forecasts(data.packed, selection, maker, parameters.horizon)
    if parameters.is_coherent:
        made = coherence.coherent(lakehouse.keep(made, directory / "incoherent"))
    lakehouse.keep(made.coalesce(1), files / demand.FORECASTS)
    demand.write_about(files, parameters, data, regressions, halves[-1])
    return Trained(data, covered, files)


def _compared(
    lakehouse: Lakehouse, models: Registry, champion: Version | None, trained: Trained, directory: Path
) -> gate.Comparison:
    if champion is None:
        return gate.compare(trained.covered, None)
    download = directory / "champion"
    download.mkdir()
    held = demand.held(lakehouse, models.files(champion, download))
    return gate.compare(trained.covered, held.selection)


def _verdicts(covered: DataFrame) -> list[Any]:
    return covered.where("is_champion").groupBy("verdict").count().collect()


def _tables(lakehouse: Lakehouse, data: demand.Data) -> list[dict[str, Any]]:
    found = []
    for name, version in data.versions.items():
        rows = lakehouse.at(lakehouse.resolve(name), version)
        found.append({"table": name, "delta_version": version, "content_hash": provenance.content_hash(rows)})
    return found


def _metrics(covered: DataFrame, comparison: gate.Comparison) -> dict[str, float]:
    counted = covered.agg(F.count_if("is_champion").alias("series_count")).collect()[0]
    found = {"series_count": counted["series_count"], "wape": comparison.expected, "mean_wape": comparison.mean}
    return {name: float(value) for name, value in found.items() if value is not None}


def _publish(models: Registry, name: str, trained: Trained, record: dict[str, Any]) -> Version:
    directory = trained.files.parent
    whole = registry.describe_forecasts(directory, Path(portable_model.__file__), record)
    code = record["code"]
    tags = {
        "kind": "forecast",
        "gate": "passed" if record["gate"]["passed"] else "failed",
        "gate_reason": record["gate"]["reason"],
        "gate_against": str(record["gate"]["against"] or "none"),
        "trained_from": record["trained_from"],
        "trained_to": record["trained_to"],
        "git_commit": str(code["git_commit"] or "unknown") + ("-dirty" if code["is_dirty"] else ""),
        "files_sha256": provenance.combined_hash(whole["files"]),
    }
    return models.publish(name, directory, whole, parameters=record["parameters"], metrics=record["metrics"], tags=tags)
