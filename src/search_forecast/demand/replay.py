"""`replay`: history week by week, each week with what was known then, so that monitoring has something to say."""

import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from search_forecast.demand.monitor import monitor_champion
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.demand.score import score
from search_forecast.demand.train import train
from search_forecast.errors import UsageError
from search_forecast.lakehouse.contracts import TERM_FORECASTS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.promotion import promote_latest
from search_forecast.models.registry import CHAMPION, Registry
from search_forecast.parameters import ForecastParameters, MonitorParameters

logger = logging.getLogger(__name__)
WEEK = timedelta(days=7)
COLUMNS = ("as_of", "champion", "is_trained", "is_promoted", "added", "skill_ratio", "interval_coverage", "reason")


def replay(
    lakehouse: Lakehouse,
    models: Registry,
    name: str,
    *,
    first: date,
    last: date,
    parameters: ForecastParameters,
    train_every: int = 1,
    now: Callable[[], datetime],
) -> Iterator[dict[str, Any]]:
    """Do, as of one day in each week, what the jobs do: monitor, train where it is due or needed, promote, score.

    Args:
        lakehouse: where gold is.
        models: the registry.
        name: of the model.
        first: the first day to act as of.
        last: none after it.
        parameters: to train with.
        train_every: weeks between trainings; between them training is needed where monitoring says so.
        now: the clock.

    Yields:
        Of each week: as_of, champion, is_trained, is_promoted, added (rows of term_forecasts), skill_ratio and
        interval_coverage of the latest forecast that has come, reason (monitoring's).

    Raises:
        UsageError: no week lies between, or a version was trained on later days: it would know the future.
    """
    if last < first:
        raise UsageError(f"replay: --to {last} is before --from {first}")
    trained_to = max((version.tags.get("trained_to", "") for version in models.versions(name)), default="")
    if trained_to > first.isoformat():
        last_week = date.fromisoformat(trained_to)  # whose forecasts come last: without them it was cut off
        made_on = last_week - timedelta(days=FREQUENCIES[parameters.frequency].days - 1)  # the Monday of a week
        start = last_week + WEEK if _has_forecasts(lakehouse, made_on) else last_week
        raise UsageError(
            f"replay: a version of {name} was trained on days up to {trained_to}, so it would know the future; go on "
            f"--from {start}, or replay in another lakehouse"
        )
    for week in range((last - first) // WEEK + 1):
        yield _week(
            lakehouse, models, name, first + week * WEEK, parameters=parameters, is_due=week % train_every == 0, now=now
        )


def _has_forecasts(lakehouse: Lakehouse, made_on: date) -> bool:
    if not lakehouse.exists(TERM_FORECASTS):
        return False
    sql = f"select 1 as n from {{term_forecasts}} where made_on_date = date'{made_on}' limit 1"  # noqa: S608
    return bool(lakehouse.ask(sql, TERM_FORECASTS))


def _week(
    lakehouse: Lakehouse,
    models: Registry,
    name: str,
    as_of: date,
    *,
    parameters: ForecastParameters,
    is_due: bool,
    now: Callable[[], datetime],
) -> dict[str, Any]:
    seen = monitor_champion(lakehouse, models, name, MonitorParameters(), as_of)
    is_trained, is_promoted = is_due or seen["needs_retrain"] == "true", False
    if is_trained:
        train(lakehouse, models, name, parameters, as_of=as_of, now=now())
        is_promoted = bool(promote_latest(models, name, CHAMPION, now())["is_promoted"])
    champion = models.find(name, alias=CHAMPION)
    scored = score(lakehouse, models, champion, as_of, now())
    logger.info("replay: as of %s: version %d, %d rows", as_of, champion.number, scored["added"])
    figures = {"skill_ratio": seen.get("skill_ratio"), "interval_coverage": seen.get("interval_coverage")}
    return {
        "as_of": as_of.isoformat(),
        "champion": champion.number,
        "is_trained": is_trained,
        "is_promoted": is_promoted,
        "added": scored["added"],
        **figures,
        "reason": seen["reason"],
    }
