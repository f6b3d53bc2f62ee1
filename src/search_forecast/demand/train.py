"""`train`: a training run, registered as a version of search_demand with its gate against the champion."""

import logging
from datetime import date, datetime
from pathlib import Path
from typing import Any

from search_forecast.demand import publication, training
from search_forecast.demand.forecasting import gate
from search_forecast.demand.forecasting.backtest_metrics import backtest_metrics, errors_over_terms
from search_forecast.demand.training import TrainingRun
from search_forecast.demand.version_files import VersionFiles
from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import BACKTEST_METRICS, DEMAND_DRIFT, FORECAST_ACCURACY, TERM_FORECASTS
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import registry
from search_forecast.models.registry import Registry, Version
from search_forecast.parameters import ForecastParameters

logger = logging.getLogger(__name__)


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
        The version, its gate, how many series are forecastable, and the errors that its forecasts are worth.
    """
    registry.check_name(name)
    for table in (TERM_FORECASTS, FORECAST_ACCURACY, DEMAND_DRIFT):
        lakehouse.open(table)  # dashboards and alerts read them from the first day on
    publication.check_alone(lakehouse, name)
    with scratch(lakehouse.staging) as directory:
        run = training.run(lakehouse, parameters, directory, as_of=as_of)
        champion = models.holder(name, registry.CHAMPION)
        passed, reason = _gate(lakehouse, models, champion, run, directory)
        errors = errors_over_terms(run.backtested)
        record = publication.record(lakehouse, run, errors, now, as_of=as_of)
        record["gate"] = {"passed": passed, "reason": reason, "against": None if champion is None else champion.number}
        version = publication.publish(models, name, run, record)
        metrics = backtest_metrics(run.backtested, version.number)
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
        "wape": errors["wape"],
        "mean_wape": errors["mean_wape"],
        "gate": ("passed: " if passed else "failed: ") + reason,
    }


def _gate(
    lakehouse: Lakehouse, models: Registry, champion: Version | None, run: TrainingRun, directory: Path
) -> tuple[bool, str]:
    if champion is None:
        return gate.decide(gate.compare(run.backtested, None), None)
    try:
        files = VersionFiles.of(models, champion, directory)
        parameters = files.about().parameters
        champions = files.champions(lakehouse)
    except DataError as error:
        return True, f"the champion is of no use: {error}"
    for what in ("frequency", "horizon"):
        theirs, ours = getattr(parameters, what), getattr(run.parameters, what)
        if theirs != ours:
            return False, (
                f"its {what} is {ours}, version {champion.number}'s is {theirs}: not to be compared; promote by number "
                f"with --force"
            )
    return gate.decide(gate.compare(run.backtested, champions), champion.number)
