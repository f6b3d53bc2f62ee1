"""`reconcile`: prove that no record was lost or counted twice."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import (
    BATCHES,
    DAILY_TERM_COUNTS,
    DELIVERIES,
    RAW_SEARCH_TERMS,
    REJECTED_RECORDS,
    SEARCH_EVENTS,
)
from search_forecast.lakehouse.contracts.base import literals
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import corrections

logger = logging.getLogger(__name__)

LAYERS = (DELIVERIES, RAW_SEARCH_TERMS, REJECTED_RECORDS, SEARCH_EVENTS, DAILY_TERM_COUNTS)
# search_gold.batches but for finished_at: one row per batch that any layer knows, of deliveries that count. Of the
# events, those count as aggregated that lie on days for which gold counts as many searches as silver.
CHECKED_BATCHES = """
with taken as (
    select * from {deliveries} where record_count is not null
), outside as (
    select delivery_id from taken where status <> 'ingested'
), by_day as (
    select event_date, batch_id, count(*) as event_count, sum(search_count) as search_count
    from {search_events} group by event_date, batch_id
), silver as (
    select event_date, sum(search_count) as search_count from by_day group by event_date
), gold as (
    select event_date, sum(search_count) as search_count from {daily_term_counts} group by event_date
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
    group by batch_id
    union all
    select batch_id, null, 0, 0, count(*), 0, 0, 0 from {rejected_records} group by batch_id
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


def reconcile(lakehouse: Lakehouse, now: datetime) -> dict[str, Any]:
    """Count every batch in every layer and compare; batches whose counts are new or changed go to search_gold.batches.

    Corrections that a killed run decided and did not note go to search_gold.corrections first.

    Returns:
        The number of batches and the overall counts.

    Raises:
        DataError: the layers disagree; the message names the first batch and layer.
    """
    corrections.log(lakehouse, corrections.corrected(lakehouse))
    before = {row["batch_id"]: row for row in lakehouse.ask("select * from {batches}", BATCHES)}
    checked = {row["batch_id"]: row for row in lakehouse.ask(CHECKED_BATCHES, *LAYERS)}
    compared = (*COUNTS, "reconciled")
    changed = {
        batch_id: {**row, "finished_at": now}
        for batch_id, row in checked.items()
        if batch_id not in before or any(row[name] != before[batch_id][name] for name in compared)
    }
    if changed:
        rows: list[tuple[object, ...]] = [tuple(row[name] for name in BATCHES.schema.names) for row in changed.values()]
        lakehouse.write(lakehouse.create(rows, BATCHES), BATCHES, where=f"batch_id in ({literals(changed)})")
    batches = before | changed
    result = {"batches": len(batches), **{name: sum(row[name] for row in batches.values()) for name in COUNTS}}
    logger.info("reconcile: %s", ", ".join(f"{key} {value}" for key, value in result.items()))
    wrong = sorted(batch_id for batch_id, row in batches.items() if not row["reconciled"])
    if wrong:
        raise DataError(f"reconcile: {mismatch(batches[wrong[0]])} (all counts: {BATCHES.full_name})")
    [gold] = lakehouse.ask("select coalesce(sum(search_count), 0) as n from {daily_term_counts}", DAILY_TERM_COUNTS)
    if gold["n"] != result["search_count"]:
        raise DataError(
            f"reconcile: gold: {gold['n']} searches in {DAILY_TERM_COUNTS.full_name}, "
            f"expected {result['search_count']}; run aggregate --full"
        )
    return result


def mismatch(batch: Mapping[str, Any]) -> str:
    """One line on a batch that does not add up: which layer, how many; then, after a semicolon, what to do."""
    delivered, raw, events, rejected, _, aggregated = (batch[name] for name in COUNTS)
    if raw != delivered:
        mend = "restore it from its Delta history" if raw < delivered else "run the erase once more that was cut off"
        layer, got, expected = "bronze", raw, delivered
    elif events + rejected != raw:
        layer, got, expected, mend = "silver", events + rejected, raw, "run clean, then aggregate"
    else:
        layer, got, expected, mend = "gold", aggregated, events, "run aggregate --full"
    return f"{batch['batch_id']}: {layer} holds {got} of its records, expected {expected}; {mend}"
