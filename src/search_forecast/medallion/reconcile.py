"""`reconcile`: prove that no record was lost or counted twice."""

import logging
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError
from search_forecast.lakehouse import delta_log
from search_forecast.lakehouse.contracts import (
    BATCHES,
    DAILY_TERM_COUNTS,
    DAILY_TOTALS,
    DELIVERIES,
    RAW_SEARCH_TERMS,
    REJECTED_RECORDS,
    SEARCH_EVENTS,
    TERM_SUMMARY,
    TERM_VARIANTS,
)
from search_forecast.lakehouse.contracts.base import literals
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import corrections

logger = logging.getLogger(__name__)

LAYERS = (DELIVERIES, RAW_SEARCH_TERMS, REJECTED_RECORDS, SEARCH_EVENTS, DAILY_TERM_COUNTS)
SUMMED = (DAILY_TOTALS, TERM_SUMMARY, TERM_VARIANTS)
_QUERY = """
with taken as (
    select * from {deliveries} where record_count is not null and BATCHES
), outside as (
    select delivery_id from taken where status <> 'ingested'
), by_day as (
    select event_date, batch_id, count(*) as event_count, sum(search_count) as search_count
    from {search_events} where BATCHES group by event_date, batch_id
), silver as (
    select event_date, sum(search_count) as search_count from {search_events} where DAYS group by event_date
), gold as (
    select event_date, sum(search_count) as search_count from {daily_term_counts} where DAYS group by event_date
), right_days as (
    select silver.event_date from silver join gold using (event_date) where silver.search_count = gold.search_count
), counts as (
    select batch_id, received_at as started_at, 0 as raw_count, 0 as event_count, 0 as rejected_count,
        0 as search_count, 0 as aggregated_count,
        if(status = 'ingested', record_count - coalesce(erased_count, 0), 0) as delivered_count
    from taken
    union all
    select batch_id, null, count(*), 0, 0, 0, 0, 0
    from {raw_search_terms} left anti join outside using (delivery_id)
    where BATCHES
    group by batch_id
    union all
    select batch_id, null, 0, 0, count(*), 0, 0, 0 from {rejected_records} where BATCHES group by batch_id
    union all
    select batch_id, null, 0, event_count, 0, search_count, 0, 0 from by_day
    union all
    select batch_id, null, 0, 0, 0, 0, event_count, 0 from by_day left semi join right_days using (event_date)
), totals as (
    select batch_id, min(started_at) as started_at, sum(delivered_count) as delivered_count,
        sum(raw_count) as raw_count, sum(event_count) as event_count, sum(rejected_count) as rejected_count,
        sum(search_count) as search_count, sum(aggregated_count) as aggregated_count
    from counts group by batch_id
)
select *, delivered_count = raw_count and raw_count = event_count + rejected_count
    and event_count = aggregated_count as reconciled
from totals
"""
COUNTS = ("delivered_count", "raw_count", "event_count", "rejected_count", "search_count", "aggregated_count")


def checked_batches(batch_ids: Iterable[str] | None = None, days: Mapping[str, date] | None = None) -> str:
    """A query for search_gold.batches but for finished_at: one row per batch, of deliveries that count.

    Of the events, those count as aggregated that lie on days for which gold counts as many searches as silver.

    Args:
        batch_ids: which batches, one at least; all that any layer knows where None.
        days: `first` and `last` of their days.
    """
    batches = "true" if batch_ids is None else f"batch_id in ({literals(sorted(batch_ids))})"
    between = "true" if days is None else "event_date between date'{first}' and date'{last}'".format(**days)
    return _QUERY.replace("BATCHES", batches).replace("DAYS", between)


def reconcile(lakehouse: Lakehouse, now: datetime, *, is_full: bool = False) -> dict[str, Any]:
    """Count the batches that are not proven as they are now in every layer, and compare; note in search_gold.batches.

    Those are the new ones, the ones of which a delivery was corrected or masked or that `clean` took up again, and
    those that did not add up; and of gold their days. What else there is was proven when it changed last, and
    gold's sums show it still: each of its tables must hold as many searches as all batches together.

    Corrections that a killed run decided and did not note go to search_gold.corrections first.

    Args:
        lakehouse: where.
        now: the time.
        is_full: count every batch and every day anew.

    Returns:
        The number of batches, how many of them were counted, and the overall counts.

    Raises:
        DataError: the layers disagree; the message names the first batch and layer.
    """
    deliveries = corrections.deliveries(lakehouse)
    corrections.log(lakehouse, deliveries)
    before = {row["batch_id"]: row for row in lakehouse.ask("select * from {batches}", BATCHES)}
    unproven = corrections.unproven(deliveries, before)
    checked = _checked(lakehouse, None if is_full else unproven)
    unknown = sorted(batch_id for batch_id, row in checked.items() if row["started_at"] is None)
    if unknown:  # no delivery says when it came, as a row of search_gold.batches must
        raise DataError(f"reconcile: {mismatch(checked[unknown[0]])}")
    compared = (*COUNTS, "reconciled")
    changed = {
        batch_id: {**row, "finished_at": now}
        for batch_id, row in checked.items()
        if batch_id not in before
        or any(row[name] != before[batch_id][name] for name in compared)
        or (batch_id in unproven and row["reconciled"])
    }
    if changed:
        rows: list[tuple[object, ...]] = [tuple(row[name] for name in BATCHES.schema.names) for row in changed.values()]
        lakehouse.write(lakehouse.create(rows, BATCHES), BATCHES, where=f"batch_id in ({literals(changed)})")
    batches = before | changed
    sums = {name: sum(row[name] for row in batches.values()) for name in COUNTS}
    result = {"batches": len(batches), "checked": len(checked), **sums}
    logger.info("reconcile: %s", ", ".join(f"{key} {value}" for key, value in result.items()))
    wrong = sorted(batch_id for batch_id, row in batches.items() if not row["reconciled"])
    if wrong:
        raise DataError(f"reconcile: {mismatch(batches[wrong[0]])} (all counts: {BATCHES.full_name})")
    # What went from a batch left no day behind to compare: then all of gold's days are summed.
    _check_sums(lakehouse, sums["search_count"], all_days=is_full or bool(changed.keys() & before.keys()))
    return result


def unproven_bytes(root: Path) -> int:
    """The bytes of bronze's files of raw records, on this machine, that came after the last batch was proven."""
    proven_at = delta_log.written_at(root / "search_gold" / BATCHES.name)
    stats = [file.stat() for file in (root / "search_bronze" / RAW_SEARCH_TERMS.name).rglob("*.parquet")]
    return sum(stat.st_size for stat in stats if stat.st_mtime_ns > proven_at)


def _checked(lakehouse: Lakehouse, batch_ids: set[str] | None) -> dict[str, dict[str, Any]]:
    """The counts of some batches, or of all where None, by batch_id."""
    days = None
    if batch_ids is not None:
        if not batch_ids:
            return {}
        own = f"batch_id in ({literals(sorted(batch_ids))})"
        ends = f"select min(event_date) as first, max(event_date) as last from {{search_events}} where {own}"  # noqa: S608
        [found] = lakehouse.ask(ends, SEARCH_EVENTS)
        days = found if found["first"] else {"first": date.min, "last": date.min}
    return {row["batch_id"]: row for row in lakehouse.ask(checked_batches(batch_ids, days), *LAYERS)}


def _check_sums(lakehouse: Lakehouse, expected: int, *, all_days: bool) -> None:
    """Raise DataError unless gold's tables hold as many searches as all batches."""
    tables = (DAILY_TERM_COUNTS, *SUMMED) if all_days else SUMMED
    sums = " union all ".join(f"select '{t.name}' as name, sum(search_count) as n from {{{t.name}}}" for t in tables)  # noqa: S608
    found = {row["name"]: row["n"] or 0 for row in lakehouse.ask(sums, *tables)}
    for table in tables:
        if found[table.name] != expected:
            raise DataError(
                f"reconcile: gold: {found[table.name]} searches in {table.full_name}, expected {expected}; "
                "run aggregate --full; where it stays so, reconcile --all says which layer is wrong"
            )


def mismatch(batch: Mapping[str, Any], *, is_noted: bool = False) -> str:
    """One line on a batch that does not add up: which layer, how many; then, after a semicolon, what to do.

    `clean` passes over a batch that is noted as proven.
    """
    delivered, raw, events, rejected, _, aggregated = (batch[name] for name in COUNTS)
    if raw != delivered:
        mend = "restore it from its Delta history" if raw < delivered else "run the erase once more that was cut off"
        layer, got, expected = "bronze", raw, delivered
    elif events + rejected != raw:
        mend = f"run {'reconcile --all, ' if is_noted else ''}clean, then aggregate"
        layer, got, expected = "silver", events + rejected, raw
    else:
        layer, got, expected, mend = "gold", aggregated, events, "run aggregate --full"
    if batch["started_at"] is None:
        mend = (
            "no delivery has that batch: run ingest, which finishes it if it is staged, or restore the table that "
            "another program changed from its Delta history"
        )
    return f"{batch['batch_id']}: {layer} holds {got} of its records, expected {expected}; {mend}"
