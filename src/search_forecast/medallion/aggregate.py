"""`aggregate`: searches to search_gold, the days that changed."""

import logging
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
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
    others = lakehouse.read(DAILY_TOTALS).where(f"not {own_days}")
    own_totals = _changed_totals(lakehouse, days, own_days)
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


def _changed_totals(lakehouse: Lakehouse, days: Iterable[date], own_days: str) -> str:
    """Which days' totals can change with some days' counts: theirs, and at both ends where the range was and is.

    Args:
        lakehouse: where gold's counts are new, and its totals may be.
        days: those days.
        own_days: SQL predicate for them.
    """
    ends = "min(event_date) as first, max(event_date) as last"
    old, new = lakehouse.ask(
        f"""
        select 1 as place, {ends} from {{daily_totals}}
        union all
        select 2 as place, {ends} from (
            select event_date from {{daily_totals}} where search_count > 0 and not {own_days}
            union all
            select event_date from {{daily_term_counts}} where {own_days}
        )
        order by place
        """,  # noqa: S608 - days, quoted
        DAILY_TOTALS,
        DAILY_TERM_COUNTS,
    )
    if old["first"] is None or new["first"] is None:
        return "true"
    incomplete = lakehouse.ask("select event_date from {daily_totals} where not is_complete_day", DAILY_TOTALS)
    ranges = (old["first"], old["last"]), (new["first"], new["last"])
    return f"{own_days} or {totals_at_ends(*ranges, days, {row['event_date'] for row in incomplete})}"


def totals_at_ends(
    old: tuple[date, date], new: tuple[date, date], days: Iterable[date], incomplete: AbstractSet[date]
) -> str:
    """Predicate for the days whose totals can change, other than those whose counts did.

    Those outside one of both ranges; and an end of one, unless it was complete and lies within the other, or is an end
    as before and nothing changed near it: only there its completeness is told by its neighbours.

    Args:
        old: first and last day of search_gold.daily_totals.
        new: those that it shall have.
        days: whose counts changed.
        incomplete: its days that count as cut off.
    """
    unsure = set[date]()
    for (before, now), others in (((old[0], new[0]), (old[1], new[1])), ((old[1], new[1]), (old[0], new[0]))):
        if before != now:
            unsure |= {now} | ({before} & incomplete)
            continue
        changed = [*days, *(others if others[0] != others[1] else ())]
        if any(abs((day - now).days) <= gold.EDGE_NEIGHBOUR_DAYS for day in changed):
            unsure.add(now)
    outside = f"event_date < date'{max(old[0], new[0])}' or event_date > date'{min(old[1], new[1])}'"
    return " or ".join([outside, *(f"event_date = date'{day}'" for day in sorted(unsure))])


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
