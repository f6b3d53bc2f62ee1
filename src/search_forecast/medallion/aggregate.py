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

    Gold's position (the silver version it shows) is kept with the commit of term_variants, the last table written. The
    two by day are functions of whole days, so a run that was killed before that commit is simply done again from the
    same position; the two by term add to what they held, and each says with its commit what it shows. Where silver's
    changes since are gone, or a file of gold is, everything is rebuilt.

    Returns:
        is_full; days: number of days rebuilt; silver_version.
    """
    until = lakehouse.version(SEARCH_EVENTS)
    after = None if is_full or _is_damaged(lakehouse) else _position(lakehouse)
    if after == until:
        logger.info("aggregate: gold is up to date")
        return {"is_full": False, "days": 0, "silver_version": until}
    days = None if after is None else _changed_days(lakehouse, after, until)
    if after is None or days is None:
        _rebuild(lakehouse, until)
        [total] = lakehouse.ask("select count(*) as days from {daily_totals}", DAILY_TOTALS)
        logger.info("aggregate: %d days rebuilt (all of them)", total["days"])
        return {"is_full": True, "days": total["days"], "silver_version": until}
    _change(lakehouse, after, until, days)
    logger.info("aggregate: %d days rebuilt", len(days))
    return {"is_full": False, "days": len(days), "silver_version": until}


def _rebuild(lakehouse: Lakehouse, until: int) -> None:
    """Make all of gold anew from a version of silver."""
    events = lakehouse.read(SEARCH_EVENTS, version=until)
    lakehouse.write(gold.daily_term_counts(events), DAILY_TERM_COUNTS)
    counts = lakehouse.read(DAILY_TERM_COUNTS)
    lakehouse.write(gold.daily_totals(counts), DAILY_TOTALS)
    lakehouse.write(gold.term_summary(counts), TERM_SUMMARY, position=_shown(until))
    variants = gold.term_variants(events.withColumn("change", F.lit(1)))
    lakehouse.write(variants, TERM_VARIANTS, position=_shown(until))


def _change(lakehouse: Lakehouse, after: int, until: int, days: dict[date, bool]) -> None:
    """Bring gold from one version of silver to another.

    Of silver, gold's counts and its totals the changed days are read; the two tables by term hold a row for each term,
    and share and rank of all change with every search, so those are read and written whole.

    Args:
        lakehouse: where.
        after: the version that gold shows.
        until: the version that it shall show.
        days: as `_changed_days` says.
    """
    if not days:
        for table in (TERM_SUMMARY, TERM_VARIANTS):
            lakehouse.write(lakehouse.create([], table), table, where="false", position=_shown(until))
        return
    own_days = f"event_date in ({', '.join(f'date{day.isoformat()!r}' for day in sorted(days))})"
    events, changes = lakehouse.read(SEARCH_EVENTS, version=until), lakehouse.changes(SEARCH_EVENTS, after, until)
    lakehouse.write(gold.daily_term_counts(events.where(own_days)), DAILY_TERM_COUNTS, where=own_days)
    counts = lakehouse.read(DAILY_TERM_COUNTS)
    others, own_totals = lakehouse.read(DAILY_TOTALS).where(f"not {own_days}"), _changed_totals(lakehouse, own_days)
    totals = gold.daily_totals(counts.where(own_days), others)
    lakehouse.write(totals.where(own_totals), DAILY_TOTALS, where=own_totals)
    shown = lakehouse.position(TERM_SUMMARY)
    if shown != _shown(until):
        if shown == _shown(after) and not any(days.values()):
            added = gold.changed_counts(changes)
            summary = gold.term_summary(counts.where(own_days), added, lakehouse.read(TERM_SUMMARY))
        else:  # a term's first or last day may be gone: which one is it now?
            summary = gold.term_summary(counts)
        lakehouse.write(summary, TERM_SUMMARY, position=_shown(until))
    variants = gold.term_variants(changes, lakehouse.read(TERM_VARIANTS))
    lakehouse.write(variants, TERM_VARIANTS, position=_shown(until))


def _changed_totals(lakehouse: Lakehouse, own_days: str) -> str:
    """Which days' totals can change with some days' counts: theirs, and at both ends where the range was and is.

    Args:
        lakehouse: where gold's counts are new, and its totals may be.
        own_days: SQL predicate for those days.
    """
    ends = "min(event_date) as first, max(event_date) as last"
    ranges = lakehouse.ask(
        f"""
        select {ends} from {{daily_totals}}
        union all
        select {ends} from (
            select event_date from {{daily_totals}} where search_count > 0 and not {own_days}
            union all
            select event_date from {{daily_term_counts}} where {own_days}
        )
        """,  # noqa: S608 - days, quoted
        DAILY_TOTALS,
        DAILY_TERM_COUNTS,
    )
    if any(each["first"] is None for each in ranges):
        return "true"
    outside = (f"event_date <= date'{each['first']}' or event_date >= date'{each['last']}'" for each in ranges)
    return " or ".join([own_days, *outside])


def _shown(version: int) -> str:
    """What a table's commit says that shows a version of silver."""
    return f"{SEARCH_EVENTS.name}@{version}"


def _is_damaged(lakehouse: Lakehouse) -> bool:
    """Whether a data file of gold is gone, or a whole table of it."""
    is_filled = lakehouse.exists(TERM_VARIANTS)  # the last one that is written
    damaged = [
        table.full_name
        for table in AGGREGATED
        if lakehouse.lost_files(table) or (is_filled and not lakehouse.exists(table))
    ]
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


def _changed_days(lakehouse: Lakehouse, after: int, until: int) -> dict[date, bool] | None:
    """Days that changed after a silver version, and whether a term has fewer searches there than before.

    None where the files that tell are gone, as VACUUM removes them.
    """
    counts = gold.changed_counts(lakehouse.changes(SEARCH_EVENTS, after, until))
    days = counts.groupBy("event_date").agg((F.min("search_count") < 0).alias("is_less"))
    try:
        return {row["event_date"]: row["is_less"] for row in days.collect()}
    except Exception as error:
        if not is_gone(error):
            raise
        logger.warning("aggregate: what changed in silver after version %d is gone: everything is rebuilt", after)
        return None
