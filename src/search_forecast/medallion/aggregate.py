"""`aggregate`: searches to search_gold, the days that changed."""

import logging
from collections.abc import Collection
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import (
    ACCEPTED_SPELLINGS,
    DAILY_TERM_COUNTS,
    DAILY_TOTALS,
    SEARCH_EVENTS,
    TERM_SUMMARY,
    TERM_VARIANTS,
)
from search_forecast.lakehouse.spark_errors import is_gone
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import gold
from search_forecast.medallion.spellings import Spellings, accepted

logger = logging.getLogger(__name__)


_TOTALS = f"select {', '.join(DAILY_TOTALS.schema.names)} from {{daily_totals}}"  # noqa: S608 - a contract
BY_TERM = (TERM_SUMMARY, TERM_VARIANTS)
AGGREGATED = (DAILY_TERM_COUNTS, DAILY_TOTALS, *BY_TERM)


def aggregate(lakehouse: Lakehouse, *, is_full: bool = False) -> dict[str, Any]:
    """Bring gold up to silver's latest version, rebuilding only the days that changed since gold last was.

    Gold's position (the silver version it shows) is kept with the commit of term_variants, the last table written. The
    two by day are functions of whole days, so a run that was killed before that commit is simply done again from the
    same position; the two by term add to what they held, and each says with its commit what it shows. Where silver's
    changes since are gone, or a file of gold is, or other spellings are accepted now, everything is rebuilt.

    Returns:
        is_full; days: number of days rebuilt; silver_version.

    Raises:
        DataError: silver is gone, which gold was made from.
    """
    is_made_before = not lakehouse.exists(SEARCH_EVENTS) and lakehouse.exists(TERM_VARIANTS)
    if is_made_before and not lakehouse.holds_none(TERM_VARIANTS, "true"):  # empty where all records were rejected
        raise DataError(f"aggregate: {SEARCH_EVENTS.full_name} is gone; run clean first, which makes it from bronze")
    until, spellings = lakehouse.version(SEARCH_EVENTS), accepted(lakehouse)
    after = None if is_full or _is_damaged(lakehouse) else _position(lakehouse, spellings)
    if after == until:
        logger.info("aggregate: gold is up to date")
        return {"is_full": False, "days": 0, "silver_version": until}
    days = None if after is None else _changed_days(lakehouse, after, until)
    if after is None or days is None:
        _rebuild(lakehouse, until, spellings)
        [total] = lakehouse.ask("select count(*) as days from {daily_totals}", DAILY_TOTALS)
        logger.info("aggregate: %d days rebuilt (all of them)", total["days"])
        return {"is_full": True, "days": total["days"], "silver_version": until}
    _change(lakehouse, after, until, days, spellings)
    logger.info("aggregate: %d days rebuilt", len(days))
    return {"is_full": False, "days": len(days), "silver_version": until}


def _rebuild(lakehouse: Lakehouse, until: int, spellings: Spellings) -> None:
    """Make all of gold anew from a version of silver."""
    position = lakehouse.position(TERM_VARIANTS)
    if position is not None and not spellings.are_those_of(position):
        # Gold is no more what this says, even if the run is killed and the list of before is loaded again.
        lakehouse.write(lakehouse.create([], TERM_VARIANTS), TERM_VARIANTS, where="false", position="")
    events, own_terms = lakehouse.read(SEARCH_EVENTS, version=until), _own_terms(lakehouse, spellings)
    lakehouse.write(gold.daily_term_counts(gold.merged(events, own_terms)), DAILY_TERM_COUNTS)
    counts = lakehouse.read(DAILY_TERM_COUNTS)
    lakehouse.write(lakehouse.create(gold.daily_totals(_by_day(lakehouse)), DAILY_TOTALS), DAILY_TOTALS)
    lakehouse.write(gold.term_summary(counts), TERM_SUMMARY, position=spellings.position(until))
    variants = gold.term_variants(events.withColumn("change", F.lit(1)), accepted=own_terms)
    lakehouse.write(variants, TERM_VARIANTS, position=spellings.position(until))


def _own_terms(lakehouse: Lakehouse, spellings: Spellings) -> DataFrame | None:
    """The list as rows of search_gold.accepted_spellings; None where it is empty, so that nothing is joined."""
    return lakehouse.create(list(spellings.rows), ACCEPTED_SPELLINGS) if spellings.rows else None


def _change(lakehouse: Lakehouse, after: int, until: int, days: dict[date, bool], spellings: Spellings) -> None:
    """Bring gold from one version of silver to another.

    Of silver and gold's counts the changed days are read, of its totals, a row for each day, all. The two by term
    hold a row for each term, and share and rank of all change with every search, so those are read and written whole.

    Args:
        lakehouse: where.
        after: the version that gold shows.
        until: the version that it shall show.
        days: as `_changed_days` says.
        spellings: those that gold was counted by, and is.
    """
    position = spellings.position(until)
    if not days:
        for table in BY_TERM:
            lakehouse.write(lakehouse.create([], table), table, where="false", position=position)
        return
    own_terms = _own_terms(lakehouse, spellings)
    own_days = f"event_date in ({', '.join(f'date{day.isoformat()!r}' for day in sorted(days))})"
    events, changes = lakehouse.read(SEARCH_EVENTS, version=until), lakehouse.changes(SEARCH_EVENTS, after, until)
    day_counts = gold.daily_term_counts(gold.merged(events.where(own_days), own_terms))
    lakehouse.write(day_counts, DAILY_TERM_COUNTS, where=own_days)
    counts = lakehouse.read(DAILY_TERM_COUNTS)
    _change_totals(lakehouse, days, own_days)
    shown = lakehouse.position(TERM_SUMMARY)
    if shown != position:
        if shown == spellings.position(after) and not any(days.values()):
            added = gold.changed_counts(gold.merged(changes, own_terms))
            summary = gold.term_summary(counts.where(own_days), added, lakehouse.read(TERM_SUMMARY))
        else:  # a term's first or last day may be gone: which one is it now?
            summary = gold.term_summary(counts)
        lakehouse.write(summary, TERM_SUMMARY, position=position)
    variants = gold.term_variants(changes, lakehouse.read(TERM_VARIANTS), own_terms)
    lakehouse.write(variants, TERM_VARIANTS, position=position)


def _change_totals(lakehouse: Lakehouse, days: Collection[date], own_days: str) -> None:
    """Bring search_gold.daily_totals up to the counts of some days; others may differ too, at the ends of the range.

    Args:
        lakehouse: where.
        days: those days.
        own_days: SQL predicate for them.
    """
    before = {row["event_date"]: tuple(row.values()) for row in lakehouse.ask(_TOTALS, DAILY_TOTALS)}
    others = {day: (row[1], row[2]) for day, row in before.items() if row[1] and day not in days}
    totals = gold.daily_totals(others | _by_day(lakehouse, own_days))
    gone = before.keys() - {row[0] for row in totals}
    changed = sorted(gone | {row[0] for row in totals if row != before.get(row[0])})
    if changed:
        first, last = changed[0], changed[-1]
        news = [row for row in totals if first <= row[0] <= last]
        where = f"event_date between date'{first}' and date'{last}'"
        lakehouse.write(lakehouse.create(news, DAILY_TOTALS), DAILY_TOTALS, where=where)


def _by_day(lakehouse: Lakehouse, own_days: str = "true") -> dict[date, tuple[int, int]]:
    """Searches and distinct terms of days that have any, from search_gold.daily_term_counts."""
    sums = "select event_date, sum(search_count) as searches, count(*) as terms from {daily_term_counts}"
    rows = lakehouse.ask(f"{sums} where {own_days} group by event_date", DAILY_TERM_COUNTS)
    return {row["event_date"]: (int(row["searches"]), int(row["terms"])) for row in rows}


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


def _position(lakehouse: Lakehouse, spellings: Spellings) -> int | None:
    """The silver version that gold shows; None where that can't be known or silver's changes since are gone.

    None too where gold was counted by other spellings.
    """
    position = lakehouse.position(TERM_VARIANTS)
    if position is None:
        return None
    version = int(position.rpartition("@")[2])
    if not spellings.are_those_of(position):
        logger.info("aggregate: other spellings are accepted now: everything is rebuilt")
        return None
    versions = [commit["version"] for commit in lakehouse.history(SEARCH_EVENTS)]
    return version if versions and min(versions) - 1 <= version <= max(versions) else None


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
