"""`train`: a training run, registered as a version of search_demand with its gate against the champion."""

import logging
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame

from search_forecast.demand import publication, training
from search_forecast.demand.forecasting import gate
from search_forecast.demand.forecasting.backtest_metrics import backtest_metrics, errors_over_terms
from search_forecast.demand.version_files import VersionFiles
from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import BACKTEST_METRICS, DEMAND_DRIFT, FORECAST_ACCURACY, TERM_FORECASTS
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import registry
from search_forecast.models.registry import Registry, Version
from search_forecast.parameters import ForecastParameters

logger = logging.getLogger(__name__)
BY_HAND = "promote by number with --force"


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
        The version, its gate, how many series are forecastable, what was left out and why, and the errors that its
        forecasts are worth.
    """
    models.check_name(name, is_forecast=True)
    for table in (TERM_FORECASTS, FORECAST_ACCURACY, DEMAND_DRIFT):
        lakehouse.open(table)  # dashboards and alerts read them from the first day on
    publication.check_alone(lakehouse, name)
    with scratch(lakehouse.staging) as directory:
        champion = models.holder(name, registry.CHAMPION)
        champions, obstacle = _champions(lakehouse, models, champion, parameters, directory)
        run = training.assess(lakehouse, parameters, directory, as_of=as_of, champions=champions)
        passed, reason = (
            (False, obstacle)
            if obstacle
            else gate.decide(
                gate.compare(run.rows, has_champion=champion is not None), None if champion is None else champion.number
            )
        )
        files = training.write(lakehouse, run, directory)
        errors = errors_over_terms(run.rows)
        record = publication.record(lakehouse, run, errors, now, as_of=as_of)
        record["gate"] = {"passed": passed, "reason": reason, "against": None if champion is None else champion.number}
        version = publication.publish(models, name, files, record)
        metrics = backtest_metrics(run.rows, version.number)
        lakehouse.write(metrics, BACKTEST_METRICS, where=f"model_version = {version.number}")
        # Only now can it be promoted: a run that was killed before leaves no champion without metrics.
        models.tag(version, {"gate": "passed" if passed else "failed", "gate_reason": reason})
    logger.info("train: %s from %d series", version, run.series.count)
    return {
        "model": name,
        "version": version.number,
        "series": run.series.count,
        "forecastable": int(errors["forecastable_count"] or 0),
        "trained_to": record["trained_to"],
        "left_out": record["left_out"],
        "wape": errors["wape"],
        "mean_wape": errors["mean_wape"],
        "gate": ("passed: " if passed else "failed: ") + reason,
    }


def _champions(
    lakehouse: Lakehouse, models: Registry, champion: Version | None, parameters: ForecastParameters, directory: Path
) -> tuple[DataFrame | None, str | None]:
    """What the present champion forecasts with; or why it can't be compared with, and then nothing passes."""
    if champion is None:
        return None, None
    try:
        files = VersionFiles.of(models, champion, directory)
        theirs, champions = files.about().parameters, files.champions(lakehouse)
    except DataError as error:
        obstacle = (
            f"version {champion.number}, the champion, cannot be read, so nothing can be better than it ({error})"
        )
        return None, f"{obstacle}; {BY_HAND}"
    for what in ("frequency", "horizon"):
        ours, other = getattr(parameters, what), getattr(theirs, what)
        if ours != other:
            return None, f"its {what} is {ours}, version {champion.number}'s is {other}: not to be compared; {BY_HAND}"
    return champions, None
