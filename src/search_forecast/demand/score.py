"""`score`: what a version of search_demand expects of the coming days, from the latest counts, into term_forecasts."""

import logging
from datetime import date, datetime
from typing import Any

from pyspark.sql import functions as F

from search_forecast.demand import term_series, training
from search_forecast.demand.forecasting.forecasts import term_forecasts
from search_forecast.demand.publication import check_alone
from search_forecast.demand.version_files import VersionFiles
from search_forecast.errors import UsageError
from search_forecast.lakehouse.contracts import TERM_FORECASTS
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.registry import Registry, Version

logger = logging.getLogger(__name__)
KEYS = ("term", "target_date", "model_version", "interval_level", "made_on_date")


def score(
    lakehouse: Lakehouse, models: Registry, version: Version, as_of: date | None, now: datetime
) -> dict[str, Any]:
    """Fit each term's champion to the counts up to now and add its forecasts; those that are there stay as they are.

    What is scored last is the latest forecast, also where it is an earlier version's that was gone back to.

    Returns:
        The version, the date of the last counts, the series, and the number of rows added.
    """
    check_alone(lakehouse, version.name)
    with scratch(lakehouse.staging) as directory:
        about, champions = VersionFiles.opened(lakehouse, models, version, directory)
        parameters = about.parameters
        if as_of is not None and as_of.isoformat() < about.last_day:
            raise UsageError(
                f"score: {version} was trained on counts up to {about.last_day}; as of {as_of} it would know the "
                f"future: train --as-of {as_of} first"
            )
        # The terms that the version knows; what came up since counts as (other) until the next training.
        terms = champions.select("term")
        series = term_series.read(lakehouse, parameters, directory, terms=terms, as_of=as_of)
        tested = training.forecaster(series, parameters, about.shared, about.multipliers)
        forecasts = training.forecast(lakehouse, series, champions, tested, parameters=parameters, directory=directory)
        rows = term_forecasts(forecasts, version.name, version.number, series.last_date, now)
        added = lakehouse.add(rows, TERM_FORECASTS, KEYS, shared={"made_on_date": series.last_date})
        if not added:
            _make_latest(lakehouse, version, series.last_date, now)
    logger.info("score: %d rows added for %d series, made on %s by %s", added, series.count, series.last_date, version)
    return {
        "model": version.name,
        "version": version.number,
        "made_on": series.last_date.isoformat(),
        "series": series.count,
        "left_out": dict(series.left_out),
        "horizon": parameters.horizon,
        "added": added,
    }


def _make_latest(lakehouse: Lakehouse, version: Version, made_on: date, now: datetime) -> None:
    """Let a version's forecasts of a day count as scored now, if another version has forecast from that day since."""
    of_day = f"made_on_date = date'{made_on}'"
    last = "max_by(model_version, struct(scored_at, model_version))"
    sql = f"select {last} as number from {{term_forecasts}} where {of_day}"  # noqa: S608 - a date of ours
    if lakehouse.ask(sql, TERM_FORECASTS)[0]["number"] in (version.number, None):
        return
    own = f"{of_day} and model_version = {version.number:d}"
    rows = lakehouse.read(TERM_FORECASTS).where(own).withColumn("scored_at", F.lit(now))
    lakehouse.write(rows, TERM_FORECASTS, where=own)
    logger.info("score: %s forecast from these counts before; its forecasts are the latest again", version)
