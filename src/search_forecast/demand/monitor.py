"""`monitor`: past forecasts against what came, the mix of terms against the trained one, and whether to train again."""

import logging
from collections.abc import Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame

from search_forecast.demand.known_days import known_days
from search_forecast.demand.monitoring import accuracy, drift, rule
from search_forecast.demand.periods import WINDOW_DAYS
from search_forecast.demand.term_series import closures
from search_forecast.demand.version_files import VersionFiles
from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import (
    DAILY_TERM_COUNTS,
    DAILY_TOTALS,
    DEMAND_DRIFT,
    FORECAST_ACCURACY,
    TERM_FORECASTS,
)
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.registry import CHAMPION, Registry, Version
from search_forecast.parameters import MonitorParameters

logger = logging.getLogger(__name__)


def monitor(
    lakehouse: Lakehouse,
    model_version: int,
    trained: tuple[date, date],
    *,
    latest_trained_to: date | None,
    parameters: MonitorParameters,
    as_of: date | None = None,
) -> dict[str, Any]:
    """Bring forecast_accuracy and demand_drift up to date and apply the rule.

    Both tables are functions of gold and of the forecasts: running it again changes nothing.

    Args:
        lakehouse: where the tables lie.
        model_version: the champion.
        trained: first and last day of the data that it was trained on.
        latest_trained_to: last day of the data that any version was trained on; None where unknown.
        parameters: limits of the rule.
        as_of: act as if this were the last day; the last complete one if not given, or if that is earlier.

    Returns:
        model_version, as_of, forecasts_compared (forecasts of this version that have come, at most as many as the rule
        looks at), skill_ratio and interval_coverage of the latest of them, psi, p_value and is_drifted of the latest
        window, needs_retrain (text `true` or `false`: a job's condition compares text), reason.

    Raises:
        DataError: gold holds no complete day.
    """
    # The totals first: they say up to which day there is anything to compare.
    totals = lakehouse.read(DAILY_TOTALS, lakehouse.version(DAILY_TOTALS))
    counts = lakehouse.read(DAILY_TERM_COUNTS, lakehouse.version(DAILY_TERM_COUNTS))
    last_day = _last_day(totals, as_of)
    forecasts = lakehouse.read(TERM_FORECASTS)
    compared = accuracy.forecast_accuracy(forecasts, counts, totals, last_day, closures(lakehouse))
    lakehouse.write(compared, FORECAST_ACCURACY)
    windows = _drifts(counts, model_version, trained, parameters, last_day)
    rows = [tuple(vars(window).values()) for window in windows]
    lakehouse.write(lakehouse.create(rows, DEMAND_DRIFT), DEMAND_DRIFT, where=f"model_version = {model_version:d}")
    latest = _latest_forecasts(lakehouse, model_version, parameters)
    is_needed, reason = rule.needs_retrain(latest, windows, latest_trained_to, last_day, parameters)
    logger.info("monitor: version %d as of %s: %s", model_version, last_day, reason)
    return {
        "model_version": model_version,
        "as_of": last_day.isoformat(),
        **_figures(latest, windows),
        "needs_retrain": "true" if is_needed else "false",
        "reason": reason,
    }


def _figures(forecasts: Sequence[rule.ForecastWindow], windows: Sequence[drift.Drift]) -> dict[str, Any]:
    return {
        "forecasts_compared": len(forecasts),
        "skill_ratio": forecasts[0].skill_ratio if forecasts else None,
        "interval_coverage": forecasts[0].interval_coverage if forecasts else None,
        "psi": windows[-1].psi if windows else None,
        "p_value": windows[-1].p_value if windows else None,
        "is_drifted": windows[-1].is_drifted if windows else False,
    }


def _last_day(totals: DataFrame, as_of: date | None) -> date:
    last = known_days(totals, as_of).last
    if last is None:
        raise DataError(f"monitor: {DAILY_TOTALS.full_name} holds no complete day; run aggregate first")
    return last


def _drifts(
    counts: DataFrame, model_version: int, trained: tuple[date, date], parameters: MonitorParameters, as_of: date
) -> list[drift.Drift]:
    days = drift.reference(*trained)
    mixes = drift.window_mixes(counts, *days, as_of).collect()
    variation = drift.ordinary_variation(counts, *days).collect()[0]
    return drift.drifts(mixes, variation, model_version, trained[1], parameters)


def _latest_forecasts(
    lakehouse: Lakehouse, model_version: int, parameters: MonitorParameters
) -> list[rule.ForecastWindow]:
    # Of forecasts made daily, seven share days with one another: enough rows for as many as the rule wants that don't.
    limit = WINDOW_DAYS * parameters.accuracy_windows
    rows = accuracy.first_windows(lakehouse.read(FORECAST_ACCURACY), model_version, limit).collect()
    return rule.apart([rule.ForecastWindow(**row.asDict()) for row in rows], parameters.accuracy_windows)


def monitor_champion(
    lakehouse: Lakehouse, models: Registry, name: str, parameters: MonitorParameters, as_of: date | None
) -> dict[str, Any]:
    """Monitor the champion of a model; without one that can be read, training is what is needed.

    Returns:
        As `monitor`; model_version is None where there is no champion.
    """
    champion = models.holder(name, CHAMPION)
    if champion is None:
        return {"model_version": None, "needs_retrain": "true", "reason": f"{name} has no champion yet"}
    trained = _day_of(champion, "trained_from"), _day_of(champion, "trained_to")
    newest = models.latest(name) or champion
    latest = max(_day_of(version, "trained_to") for version in (champion, newest) if "trained_to" in version.tags)
    said = monitor(lakehouse, champion.number, trained, latest_trained_to=latest, parameters=parameters, as_of=as_of)
    try:
        with scratch(lakehouse.staging) as directory:
            VersionFiles.opened(lakehouse, models, champion, directory)
    except DataError as error:
        said["reason"] = f"{error}; {said['reason']}"
        if newest.number == champion.number:  # else one that may take its place waits for somebody to promote it
            said["needs_retrain"] = "true"
    return said


def _day_of(version: Version, tag: str) -> date:
    if tag not in version.tags:
        raise DataError(f"monitor: {version} does not say {tag}: it was not registered by train")
    return date.fromisoformat(version.tags[tag])
