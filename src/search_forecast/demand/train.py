"""`train`: backtest all candidates on gold's series, choose, and register the result as a version of search_demand."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand import demand
from search_forecast.demand.forecasting import (
    calendar_regression,
    choice,
    coherence,
    gate,
    portable_model,
    results,
    spread,
)
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting.backtest import SELECTION
from search_forecast.demand.forecasting.history import FREQUENCIES
from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import BACKTEST_METRICS, DEMAND_DRIFT, FORECAST_ACCURACY, TERM_FORECASTS, TOTAL
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import provenance, registry
from search_forecast.models.registry import Registry, Version
from search_forecast.parameters import ForecastParameters

logger = logging.getLogger(__name__)
SELECTED = ("term", "candidate", "typical_error", "is_small", "verdict", "p_value", "reason")


@dataclass(frozen=True)
class Trained:
    """What a training run made: data it read, measured backtest, the model's files, what was left out and why."""

    parameters: ForecastParameters
    data: demand.Data
    covered: DataFrame
    files: Path
    left_out: Mapping[str, str]


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
    demand.check_alone(lakehouse, name)
    with scratch(lakehouse.staging) as directory:
        trained = make(lakehouse, parameters, directory, as_of=as_of)
        champion = next((item for item in models.versions(name) if registry.CHAMPION in item.aliases), None)
        passed, reason = _gate(lakehouse, models, champion, trained, directory)
        errors = _errors(trained.covered)
        record = {
            "kind": "forecast",
            "created_at": now.isoformat(),
            "parameters": {**vars(parameters), "candidates": list(parameters.candidates)},
            "as_of": None if as_of is None else as_of.isoformat(),
            "trained_from": trained.data.first_date.isoformat(),
            "trained_to": trained.data.last_day.isoformat(),
            "row_count": trained.data.count,
            "left_out": dict(trained.left_out),
            "seed": None,  # nothing in it is random
            "tables": _tables(lakehouse, trained.data),
            "metrics": {name: value for name, value in errors.items() if value is not None},
            "gate": {"passed": passed, "reason": reason, "against": None if champion is None else champion.number},
            "code": provenance.code(),
            "versions": provenance.versions(lakehouse.spark.version),
        }
        made = _publish(models, name, trained, record)
        metrics = results.backtest_metrics(trained.covered, made.number)
        lakehouse.write(metrics, BACKTEST_METRICS, where=f"model_version = {made.number}")
        # Only now can it be promoted: a run that was killed before leaves no champion without metrics.
        models.tag(made, {"gate": "passed" if passed else "failed", "gate_reason": reason})
    logger.info("train: %s from %d series", made, trained.data.count)
    return {
        "model": name,
        "version": made.number,
        "series": trained.data.count,
        "forecastable": int(errors["forecastable_count"] or 0),
        "trained_to": record["trained_to"],
        "wape": errors["wape"],
        "mean_wape": errors["mean_wape"],
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
    regressions: list[calendar_regression.CalendarRegression] = []
    left_out: dict[str, str] = {}
    if set(parameters.candidates) & set(c.REGRESSIONS):
        tested = parameters.horizon + (parameters.windows - 1) * parameters.step
        learnt = calendar_regression.examples(data.packed, data.last_date, frequency, parameters.horizon, tested)
        regressions, left_out = calendar_regression.fit(lakehouse.keep(learnt, directory / "examples"))
    for candidate, why in left_out.items():
        logger.warning("train: without %s: %s", candidate, why)
    maker = demand.forecaster(data, parameters, regressions, {})
    backtested = lakehouse.keep(spread.backtests(data.packed, maker, parameters), directory / "backtests")
    halves = spread.multipliers(backtested, parameters.horizon)
    covered = lakehouse.keep(spread.with_coverage(backtested, halves, parameters.horizon), directory / "covered")
    files = directory / "model" / registry.FORECAST_FILES
    files.mkdir(parents=True)
    chosen = covered.where("is_champion").select(*SELECTED)
    selection = lakehouse.keep(chosen.coalesce(1), files / demand.SELECTION)
    maker = demand.forecaster(data, parameters, regressions, halves[-1])
    # Kept before it is put into one file: otherwise one task would make all the forecasts.
    made = lakehouse.keep(spread.forecasts(data.packed, selection, maker, parameters.horizon), directory / "made")
    if parameters.is_coherent:
        made = coherence.coherent(made)
    lakehouse.keep(made.coalesce(1), files / demand.FORECASTS)
    demand.write_about(files, parameters, data, regressions, halves[-1])
    return Trained(parameters, data, covered, files, left_out)


def _gate(
    lakehouse: Lakehouse, models: Registry, champion: Version | None, trained: Trained, directory: Path
) -> tuple[bool, str]:
    if champion is None:
        return gate.decide(gate.compare(trained.covered, None), None)
    try:
        held = demand.held(lakehouse, models, champion, directory)
    except DataError as error:
        return True, f"the champion is of no use: {error}"
    for what in ("frequency", "horizon"):
        theirs, ours = getattr(held.parameters, what), getattr(trained.parameters, what)
        if theirs != ours:
            return False, (
                f"its {what} is {ours}, version {champion.number}'s is {theirs}: not to be compared; promote by number "
                f"with --force"
            )
    return gate.decide(gate.compare(trained.covered, held.selection), champion.number)


def _errors(covered: DataFrame) -> dict[str, float | None]:
    """Errors over all terms, of the version's choice (made without the window measured) and of the mean."""
    terms = covered.where(F.col("term") != TOTAL)
    sums = {"wape": F.col("candidate") == SELECTION, "mean_wape": F.col("candidate") == c.MEAN}
    row = terms.agg(
        *(
            F.try_divide(F.sum(F.when(which, F.col("absolute_error"))), F.sum(F.when(which, F.col("actual")))).alias(
                name
            )
            for name, which in sums.items()
        )
    ).collect()[0]
    is_forecastable = F.col("is_champion") & (F.col("verdict") == choice.FORECASTABLE)
    counted = covered.agg(F.count_if(is_forecastable).alias("forecastable_count")).collect()[0]
    return {**row.asDict(), "forecastable_count": float(counted["forecastable_count"])}


def _tables(lakehouse: Lakehouse, data: demand.Data) -> list[dict[str, Any]]:
    found = []
    for name, version in data.versions.items():
        rows = lakehouse.at(lakehouse.resolve(name), version)
        found.append({"table": name, "delta_version": version, "content_hash": provenance.content_hash(rows)})
    return found


def _publish(models: Registry, name: str, trained: Trained, record: dict[str, Any]) -> Version:
    directory = trained.files.parent
    whole = registry.describe_forecasts(directory, Path(portable_model.__file__), record)
    code = record["code"]
    tags = {
        "kind": "forecast",
        "gate": "pending",
        "gate_reason": "its training was cut off before its metrics were kept: train again",
        "gate_against": str(record["gate"]["against"] or "none"),
        "trained_from": record["trained_from"],
        "trained_to": record["trained_to"],
        "git_commit": str(code["git_commit"] or "unknown") + ("-dirty" if code["is_dirty"] else ""),
        "files_sha256": provenance.combined_hash(whole["files"]),
    }
    return models.publish(name, directory, whole, parameters=record["parameters"], metrics=record["metrics"], tags=tags)
