"""`score`: what a version of search_demand expects of the coming days, from the latest counts, into term_forecasts."""

import logging
from datetime import date
from typing import Any

from search_forecast.demand import demand
from search_forecast.demand.forecasting import coherence, results, spread
from search_forecast.errors import UsageError
from search_forecast.lakehouse.contracts import TERM_FORECASTS
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.registry import Registry, Version

logger = logging.getLogger(__name__)
KEYS = ("term", "target_date", "model_version", "interval_level", "made_on_date")


def score(lakehouse: Lakehouse, models: Registry, version: Version, as_of: date | None) -> dict[str, Any]:
    """Fit each term's champion to the counts up to now and add its forecasts; those that are there stay as they are.

    Returns:
        The version, the date of the last counts, the series, and the number of rows added.
    """
    demand.check_alone(lakehouse, version.name)
    with scratch(lakehouse.staging) as directory:
        held = demand.held(lakehouse, models, version, directory)
        trained_to = held.about["last_day"]
        if as_of is not None and as_of.isoformat() < trained_to:
            raise UsageError(
                f"score: {version} was trained on counts up to {trained_to}; as of {as_of} it would know the future: "
                f"train --as-of {as_of} first"
            )
        parameters = held.parameters
        # The terms that the version knows; what came up since counts as (other) until the next training.
        data = demand.read(lakehouse, parameters, directory, terms=held.selection.select("term"), as_of=as_of)
        maker = demand.forecaster(data, parameters, held.regressions, held.multipliers)
        made = lakehouse.keep(
            spread.forecasts(data.packed, held.selection, maker, parameters.horizon), directory / "forecasts"
        )
        if parameters.is_coherent:
            made = coherence.coherent(made)
        rows = results.term_forecasts(made, version.name, version.number, data.last_date)
        added = lakehouse.add(rows, TERM_FORECASTS, KEYS)
    logger.info("score: %d rows added for %d series, made on %s by %s", added, data.count, data.last_date, version)
    return {
        "model": version.name,
        "version": version.number,
        "made_on": data.last_date.isoformat(),
        "series": data.count,
        "horizon": parameters.horizon,
        "added": added,
    }
