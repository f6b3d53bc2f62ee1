"""`clean`: raw records to search_silver, batch by batch."""

import logging
from datetime import date, datetime, timedelta
from typing import Any

from pyspark.sql import functions as F

from search_forecast.lakehouse import notes
from search_forecast.lakehouse.contracts import BATCHES, DELIVERIES, RAW_SEARCH_TERMS, REJECTED_RECORDS, SEARCH_EVENTS
from search_forecast.lakehouse.contracts.base import literals
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import corrections, reading, silver, terms
from search_forecast.medallion.corrections import Row
from search_forecast.medallion.reading import Reading
from search_forecast.parameters import CleanParameters

logger = logging.getLogger(__name__)
_NOTE = "early_days"


def clean(lakehouse: Lakehouse, parameters: CleanParameters, now: datetime) -> dict[str, Any]:
    """Turn every batch that silver does not hold as its deliveries say into searches and rejected records.

    So does a batch of which a record was rejected as one of the future, once that day has come, and one of which a
    delivery counts no more, or again. Then, unless personal data is kept, mask it in the raw records whose time is
    over. Where a table of silver is gone, as somebody moved it away, all batches are cleaned anew.

    Returns:
        batches: the ids cleaned; event_count and rejected_count: their records; masked_batches: those whose raw records
        were looked through for personal data.
    """
    today, deliveries = parameters.today(now), corrections.deliveries(lakehouse)
    batches = {row["batch_id"]: row for row in lakehouse.ask("select * from {batches}", BATCHES)}
    unproven = corrections.unproven(deliveries, batches)
    counts_by_table = ((SEARCH_EVENTS, "event_count"), (REJECTED_RECORDS, "rejected_count"))
    if any(any(b[name] for b in batches.values()) and not lakehouse.exists(t) for t, name in counts_by_table):
        _reopen(lakehouse, list(batches.values()))
        unproven |= batches.keys()
    expected = _expected_counts(deliveries, unproven)
    held = silver_counts(lakehouse, sorted(expected))
    # Each table takes a batch in one commit: all of its rows are there, or none.
    different = {
        batch_id: ids for batch_id, counts in expected.items() if (ids := _different(counts, held.get(batch_id, {})))
    }
    early_days, early_note = _early_days(lakehouse, deliveries)
    due = {batch_id for batch_id, day in early_days.items() if day <= today.isoformat()}
    pending = sorted(different.keys() | due)
    _reopen(lakehouse, [batches[batch_id] for batch_id in sorted(due - unproven)])
    for batch_id in pending:
        readings = _readings(deliveries, {batch_id})
        own_rows = f"batch_id = '{batch_id}'"
        if batch_id not in due and held.get(batch_id):  # the others' days stay as they are
            own_rows += f" and delivery_id in ({literals(sorted(different[batch_id]))})"
        raw = lakehouse.read(RAW_SEARCH_TERMS).where(own_rows).where(F.col("delivery_id").isin(*readings))
        # Else Spark starts a process of Python, whether a record needs it or not.
        are_plain = lakehouse.holds_none(RAW_SEARCH_TERMS, f"{own_rows} and ({terms.NEEDS_PYTHON})")
        records = silver.classified(raw, today, readings, parameters.personal, are_plain=are_plain)
        # Rejected records last: until they are written, those of the future still say that there is something to do.
        lakehouse.write(silver.search_events(records), SEARCH_EVENTS, where=own_rows)
        if not _are_all_searches(lakehouse, batch_id, expected.get(batch_id)):
            lakehouse.write(silver.rejected_records(records), REJECTED_RECORDS, where=own_rows)
    _note_early_days(lakehouse, deliveries, pending, early_days, early_note)
    cleaned = [counts for batch in silver_counts(lakehouse, pending).values() for counts in batch.values()]
    event_counts, rejected_counts = zip((0, 0), *cleaned, strict=True)
    result = {
        "batches": pending,
        "event_count": sum(event_counts),
        "rejected_count": sum(rejected_counts),
        "masked_batches": _mask_raw(lakehouse, deliveries, parameters, now),
    }
    logger.info("clean: %d batches, %d events, %d rejected", len(pending), sum(event_counts), sum(rejected_counts))
    return result


def _are_all_searches(lakehouse: Lakehouse, batch_id: str, expected: dict[str, int] | None) -> bool:
    """Whether no record of a batch is left to be rejected, and none is rejected now: to count is less than to judge."""
    lakehouse.open(REJECTED_RECORDS)
    held = silver_counts(lakehouse, [batch_id]).get(batch_id, {})
    return expected is not None and held == {delivery_id: (count, 0) for delivery_id, count in expected.items()}


def _different(expected: dict[str, int], held: dict[str, tuple[int, int]]) -> set[str]:
    """The deliveries of which silver holds another number of records than it shall."""
    totals = {delivery_id: sum(both) for delivery_id, both in held.items()}
    return {each for each in expected.keys() | totals.keys() if expected.get(each) != totals.get(each)}


def _mask_raw(lakehouse: Lakehouse, deliveries: list[Row], parameters: CleanParameters, now: datetime) -> list[str]:
    """Mask personal data in the raw records that were kept as long as they may be; give the batches looked through.

    Their deliveries say so afterwards. A run that is killed before does it again, which masks what is masked.
    """
    if parameters.personal.policy == "keep":
        return []
    until = now - timedelta(days=parameters.raw_retention_days)
    batch_ids = sorted({row["batch_id"] for row in deliveries if _is_kept_since(row, until)})
    if not batch_ids:
        return []
    country = parameters.personal.country
    raw = lakehouse.read(RAW_SEARCH_TERMS)
    judged = terms.with_placeholder(raw.where(F.col("batch_id").isin(batch_ids)), country)
    judged = judged.where("placeholder is not null")
    personal = sorted(row["batch_id"] for row in judged.select("batch_id").distinct().collect())
    if personal:
        readings = {reading.parse(row["reading"]) for row in deliveries if row["batch_id"] in personal}
        records = silver.masked(raw.where(F.col("batch_id").isin(personal)), country, readings)
        lakehouse.write(records, RAW_SEARCH_TERMS, where=f"batch_id in ({literals(personal)})")
    rows = (row for row in deliveries if row["batch_id"] in batch_ids)
    marked = [row | ({"masked_at": now} if _is_kept_since(row, until) else {}) for row in rows]
    values: list[tuple[object, ...]] = [tuple(row[name] for name in DELIVERIES.schema.names) for row in marked]
    lakehouse.write(lakehouse.create(values, DELIVERIES), DELIVERIES, where=f"batch_id in ({literals(batch_ids)})")
    logger.info("clean: raw records of %d batches looked through, personal data in %d", len(batch_ids), len(personal))
    return batch_ids


def _is_kept_since(row: Row, until: datetime) -> bool:
    """Whether a delivery's raw records may hold personal data, and came before a time."""
    return row["record_count"] is not None and row["masked_at"] is None and bool(row["received_at"] <= until)


def _early_days(lakehouse: Lakehouse, deliveries: list[Row]) -> tuple[dict[str, str], dict[str, Any]]:
    """The first day, as ISO text, of each batch's records that were rejected as of the future; and the note of that.

    Only Spark tells those days: they are noted for the version of search_silver.rejected_records that they hold for, so
    that a run with nothing to do starts no Spark.
    """
    note = notes.read(lakehouse.staging, _NOTE)
    if not lakehouse.exists(REJECTED_RECORDS):
        return {}, {}
    if note.get("of") == _rejected_version(lakehouse, deliveries):
        return note["days"], note
    return _found_early_days(lakehouse, deliveries, early_batches(lakehouse)), {}


def _note_early_days(
    lakehouse: Lakehouse, deliveries: list[Row], cleaned: list[str], days: dict[str, str], note: dict[str, Any]
) -> None:
    """Note the days for the next run, once some batches are cleaned that had others before."""
    if lakehouse.exists(REJECTED_RECORDS):
        others = {batch_id: day for batch_id, day in days.items() if batch_id not in cleaned}
        early = early_batches(lakehouse) & set(cleaned) if cleaned else set()
        news = {
            "of": _rejected_version(lakehouse, deliveries),
            "days": others | _found_early_days(lakehouse, deliveries, early),
        }
        if news != note:
            notes.write(lakehouse.staging, _NOTE, news)


def _rejected_version(lakehouse: Lakehouse, deliveries: list[Row]) -> list[Any]:
    """What tells the state of search_silver.rejected_records, also from that of another lakehouse before this one."""
    received = max((row["received_at"] for row in deliveries), default=None)
    return [lakehouse.version(REJECTED_RECORDS), len(deliveries), str(received)]


def _found_early_days(lakehouse: Lakehouse, deliveries: list[Row], batch_ids: set[str]) -> dict[str, str]:
    """The first day of the records of some batches that were rejected as of the future."""
    if not batch_ids:
        return {}
    records = lakehouse.read(REJECTED_RECORDS)  # before F, which needs Spark
    records = records.where(F.col("batch_id").isin(*batch_ids) & F.array_contains("reject_reasons", "date_in_future"))
    dated = silver.with_event_date(records, _readings(deliveries, batch_ids)).where("event_date is not null")
    # The last day that Python has: east of UTC the last one of 9999 is the first of 10000.
    days = dated.groupBy("batch_id").agg(F.least(F.min("event_date"), F.lit(date.max)).alias("day"))
    return {row["batch_id"]: row["day"].isoformat() for row in days.collect()}


def early_batches(lakehouse: Lakehouse) -> set[str]:
    """Batches with a record that was rejected as one of the future."""
    reasons = "select batch_id, explode(reject_reasons) as reason from {rejected_records}"
    early = f"select distinct batch_id from ({reasons}) where reason = 'date_in_future'"  # noqa: S608 - no input
    return {row["batch_id"] for row in lakehouse.ask(early, REJECTED_RECORDS)}


def _readings(deliveries: list[Row], batch_ids: set[str]) -> dict[str, Reading]:
    """How to read the records of each delivery that counts of some batches, by delivery_id."""
    return {
        row["delivery_id"]: reading.parse(row["reading"])
        for row in deliveries
        if row["status"] == corrections.INGESTED and row["batch_id"] in batch_ids
    }


def _reopen(lakehouse: Lakehouse, batches: list[Row]) -> None:
    """Let batches that were proven count as unproven before they change, so that `reconcile` counts them again."""
    if batches:
        own_rows = f"batch_id in ({literals(row['batch_id'] for row in batches)})"
        values: list[tuple[object, ...]] = [
            tuple((row | {"reconciled": False})[name] for name in BATCHES.schema.names) for row in batches
        ]
        lakehouse.write(lakehouse.create(values, BATCHES), BATCHES, where=own_rows)


def _expected_counts(deliveries: list[Row], batch_ids: set[str]) -> dict[str, dict[str, int]]:
    """Records that count of each delivery of some batches that has any, by batch."""
    result: dict[str, dict[str, int]] = {}
    for row in deliveries:
        if row["record_count"] is not None and row["batch_id"] in batch_ids:
            result[row["batch_id"]] = {}
    for row in deliveries:
        if row["batch_id"] in result and row["status"] == corrections.INGESTED and corrections.valid_count(row):
            result[row["batch_id"]][row["delivery_id"]] = corrections.valid_count(row)
    return result


def silver_counts(lakehouse: Lakehouse, batch_ids: list[str]) -> dict[str, dict[str, tuple[int, int]]]:
    """Events and rejected records of each delivery of a few batches, those that have any."""
    if not batch_ids:
        return {}
    counts = lakehouse.ask(
        f"""
        select batch_id, delivery_id, sum(events) as events, sum(rejected) as rejected
        from (
            select batch_id, delivery_id, 1 as events, 0 as rejected from {{search_events}}
            union all
            select batch_id, delivery_id, 0 as events, 1 as rejected from {{rejected_records}}
        )
        where batch_id in ({literals(batch_ids)})
        group by batch_id, delivery_id
        """,  # noqa: S608 - ids from deliveries, quoted
        SEARCH_EVENTS,
        REJECTED_RECORDS,
    )
    result: dict[str, dict[str, tuple[int, int]]] = {}
    for row in counts:
        result.setdefault(row["batch_id"], {})[row["delivery_id"]] = (int(row["events"]), int(row["rejected"]))
    return result
