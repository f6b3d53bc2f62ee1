"""`aggregate`: searches to search_gold, the days that changed."""

import logging
from datetime import date
from typing import Any

from pyspark.sql import functions as F

from search_forecast.lakehouse.contracts import (
    DAILY_TERM_COUNTS,
    DAILY_TOTALS,
    SEARCH_EVENTS,
    TERM_SUMMARY,
    TERM_VARIANTS,
)
from search_forecast.lakehouse.spark_errors import is_gone
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import gold

logger = logging.getLogger(__name__)


AGGREGATED = (DAILY_TERM_COUNTS, DAILY_TOTALS, TERM_SUMMARY, TERM_VARIANTS)


def aggregate(lakehouse: Lakehouse, *, is_full: bool = False) -> dict[str, Any]:
    """Bring gold up to silver's latest version, rebuilding only the days that changed since gold last was.

    Gold's position (the silver version it shows) is kept with the commit of term_variants, the last table written and
    the only one that adds to what it had. The others are functions of whole days, so a run that was killed before that
    commit is simply done again from the same position. Where silver's changes since are gone, or a file of gold is,
    everything is rebuilt.

    Returns:
        is_full; days: number of days rebuilt; silver_version.
    """
    until = lakehouse.version(SEARCH_EVENTS)
    after = None if is_full or _is_damaged(lakehouse) else _position(lakehouse)
    if after == until:
        logger.info("aggregate: gold is up to date")
        return {"is_full": False, "days": 0, "silver_version": until}
    days = None if after is None else _changed_days(lakehouse, after, until)
    events = lakehouse.read(SEARCH_EVENTS, version=until)
    if after is None or days is None:
        where, variants = None, None
        changes = events.withColumn("change", F.lit(1))
    else:
        where = f"event_date in ({', '.join(f'date{day.isoformat()!r}' for day in days)})" if days else "false"
        events, changes = events.where(where), lakehouse.changes(SEARCH_EVENTS, after, until)
        variants = lakehouse.read(TERM_VARIANTS)
    lakehouse.write(gold.daily_term_counts(events), DAILY_TERM_COUNTS, where=where)
    counts = lakehouse.read(DAILY_TERM_COUNTS)
    lakehouse.write(gold.daily_totals(counts), DAILY_TOTALS)
    lakehouse.write(gold.term_summary(counts), TERM_SUMMARY)
    lakehouse.write(gold.term_variants(changes, variants), TERM_VARIANTS, position=f"{SEARCH_EVENTS.name}@{until}")
    [total] = lakehouse.ask("select count(*) as days from {daily_totals}", DAILY_TOTALS)
    day_count = total["days"] if days is None else len(days)
    logger.info("aggregate: %d days rebuilt%s", day_count, " (all of them)" if days is None else "")
    return {"is_full": days is None, "days": day_count, "silver_version": until}


def _is_damaged(lakehouse: Lakehouse) -> bool:
    """Whether a data file of gold is gone."""
    damaged = [table.full_name for table in AGGREGATED if lakehouse.lost_files(table)]
    if damaged:
        logger.warning("aggregate: a data file of %s is gone: everything is rebuilt", ", ".join(damaged))
    return bool(damaged)


def _position(lakehouse: Lakehouse) -> int | None:
    """The silver version that gold shows; None where that can't be known or silver's changes since are gone."""
    position = lakehouse.position(TERM_VARIANTS)
    if position is None:
        return None
    version = int(position.rpartition("@")[2])
    versions = [commit["version"] for commit in lakehouse.history(SEARCH_EVENTS)]
    return version if min(versions) - 1 <= version <= max(versions) else None


def _changed_days(lakehouse: Lakehouse, after: int, until: int) -> list[date] | None:
    """Days that changed after a silver version; None where the files that tell are gone, as VACUUM removes them."""
    days = lakehouse.changes(SEARCH_EVENTS, after, until).select("event_date").distinct()
    try:
        return sorted(row["event_date"] for row in days.collect())
    except Exception as error:
        if not is_gone(error):
            raise
        logger.warning("aggregate: what changed in silver after version %d is gone: everything is rebuilt", after)
        return None
