"""`erase`: the right to be forgotten. Nothing of it stays in tables, in their history or in files under way."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.errors import UsageError
from search_forecast.lakehouse.contracts import (
    ACCEPTED_SPELLINGS,
    BACKTEST_METRICS,
    CALENDAR_EVENTS,
    CORRECTIONS,
    DAILY_TERM_COUNTS,
    DELIVERIES,
    MODEL_SCORES,
    RAW_SEARCH_TERMS,
    REJECTED_RECORDS,
    SEARCH_EVENTS,
    TERM_FORECASTS,
    TERM_PROFILE,
    TERM_SUMMARY,
    TERM_TRENDS,
    TERM_VARIANTS,
    Table,
)
from search_forecast.lakehouse.contracts.base import literals
from search_forecast.lakehouse.forgetting import PUBLIC_EVENT, Sought, checked_pattern
from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.lakehouse.purge import purge
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import containers, corrections, ingest, terms
from search_forecast.medallion.aggregate import aggregate
from search_forecast.medallion.clean import clean
from search_forecast.medallion.corrections import Decision, Row
from search_forecast.medallion.reconcile import reconcile
from search_forecast.medallion.spellings import accepted
from search_forecast.parameters import REPORT, EraseParameters

logger = logging.getLogger(__name__)

# Table, column, and in SQL what stands in place of the name of a shop's own event; null for holidays, which stay.
_EVENTS = (
    (CALENDAR_EVENTS, "event", "if(kind <> 'holiday', 'erased ' || kind, null)"),
    (TERM_FORECASTS, "events", f"if(startswith(events, '{PUBLIC_EVENT}'), null, 'erased')"),
)
_MADE_ELSEWHERE = (TERM_FORECASTS, BACKTEST_METRICS, MODEL_SCORES, CALENDAR_EVENTS, TERM_PROFILE, TERM_TRENDS)
HOLDING_TEXT = (
    *(DELIVERIES, CORRECTIONS, RAW_SEARCH_TERMS, SEARCH_EVENTS, REJECTED_RECORDS),
    *(DAILY_TERM_COUNTS, TERM_SUMMARY, ACCEPTED_SPELLINGS, TERM_VARIANTS, *_MADE_ELSEWHERE),
)
_TEXT_FIELDS, _NUMBER_FIELDS = ("malformed_record",), ("day", "month", "year", "date", "count")
_NUMBERS = r"^[0-9 \t:./+TZ-]*$"  # in which a pattern would find years
# Of a model's inputs their values: names of fields are what its columns are called.
_INPUT_VALUES = r"""regexp_replace(inputs, r'"(?:[^"\\]|\\.)*" *:', ' ')"""


def sought(lakehouse: Lakehouse, parameters: EraseParameters) -> Sought:
    """What must be found everywhere else: term or pattern, with the spellings that count for it; of a delivery its own.

    Call it before `erase`, which leaves nothing to learn them from.

    Raises:
        UsageError: there is no such delivery, the pattern can find nothing, or the reason, which is kept, holds what is
            erased.
    """
    ingest.finish_sealed(lakehouse)
    if parameters.matching is not None:
        matching = Sought(pattern=checked_pattern(parameters.matching))
        variants = [variant for variant, term in accepted(lakehouse).rows if matching.is_in(term)]
        result = replace(matching, terms=frozenset(variants))
    elif parameters.term is not None:
        term = normaliser()(parameters.term)
        if not term:
            raise UsageError("erase: --term is empty once normalised")
        result = Sought(frozenset({term, *accepted(lakehouse).variants_of(term)}))
    else:
        row = corrections.find(corrections.deliveries(lakehouse), str(parameters.delivery))
        raw, events = lakehouse.read(RAW_SEARCH_TERMS), lakehouse.read(SEARCH_EVENTS)  # before F, which needs Spark
        of_it = F.col("delivery_id") == row["delivery_id"]
        own = terms.with_normalised(raw.where(of_it), "searchterm", "term")
        others = events.where(~of_it).select("term")
        only = own.select("term").where("term <> ''").distinct().join(others, "term", how="left_anti")
        result = Sought(frozenset(each["term"] for each in only.collect()))
    if result.is_in(parameters.why):
        raise UsageError("erase: --why holds what is to be erased, and is kept: say it in other words")
    return result


def in_lines(lakehouse: Lakehouse, what: Sought) -> Sought:
    """What must be found within lines, as of logs, where a pattern with ^ or $ finds no term: those that it finds."""
    if what.pattern is None or not lakehouse.exists(TERM_SUMMARY):
        return what
    is_sought, rows = what.rule(), lakehouse.ask("select term from {term_summary}", TERM_SUMMARY)
    return replace(what, terms=what.terms | {row["term"] for row in rows if is_sought(row["term"], True)})


def erase(lakehouse: Lakehouse, parameters: EraseParameters, what: Sought, now: datetime) -> dict[str, Any]:
    """Remove it from every table, from their history and from staging; killed at any point and run again it goes on.

    What is derived (forecasts) goes first and the records last, from which a killed run learns again what is sought.

    Args:
        lakehouse: where.
        parameters: what was asked for.
        what: as `sought` says.
        now: the time.

    Returns:
        erased_count: records; deliveries: how many they came with; purged: the tables that have no history any more;
        similar_terms: how many others hold the term among other words; named_files: deliveries whose file's name does;
        delivered_files: what still holds it outside.
    """
    _clear_made_elsewhere(lakehouse, what)
    rows, now = corrections.deliveries(lakehouse), corrections.moment(lakehouse, now)
    whole = None if parameters.delivery is None else corrections.find(rows, parameters.delivery)["delivery_id"]
    raw = _marked(lakehouse.read(RAW_SEARCH_TERMS), what, whole)
    affected = _affected(raw)
    decision = Decision(parameters.why, lakehouse.user(), now)
    corrections.commit(lakehouse, rows, _decided(rows, affected, whole, what, decision))
    _clear_corrections(lakehouse, what)
    if whole is not None:  # its terms are learned from its records, those of a spelling from the list
        _clear_spellings(lakehouse, what)
    batch_ids = sorted({batch_id for batch_id, _, _ in affected.values()})
    if batch_ids:
        own_rows = f"batch_id in ({literals(batch_ids)})"
        lakehouse.write(raw.where(own_rows).where("not is_sought").drop("is_sought"), RAW_SEARCH_TERMS, where=own_rows)
    if whole is None:  # after the records: it says which spellings are sought
        _clear_spellings(lakehouse, what)
    clean(lakehouse, parameters.cleaning, now)
    aggregate(lakehouse)
    reconcile(lakehouse, now)
    similar = _similar_count(lakehouse, what)
    tables = [table for table in HOLDING_TEXT if lakehouse.exists(table)]
    for table in tables:
        purge(lakehouse, table)
    for directory in lakehouse.staging.glob("*"):  # nobody else ingests now, and what else is under way can be repeated
        shutil.rmtree(directory, ignore_errors=True)
    if lakehouse.root is not None:
        (lakehouse.root / REPORT).unlink(missing_ok=True)  # a picture of gold as it was
    erased_count = sum(count for _, _, count in affected.values())
    logger.info("erase: %d records of %d deliveries, %d tables purged", erased_count, len(affected), len(tables))
    return {
        "erased_count": erased_count,
        "deliveries": len(affected),
        "purged": [table.full_name for table in tables],
        "similar_terms": similar,
        "named_files": sum(what.is_in(row["source_file"]) for row in rows),
        "delivered_files": _delivered_files(lakehouse),
    }


def _delivered_files(lakehouse: Lakehouse) -> list[str]:
    """The files, zip files too, from which records were erased, as far as they still lie where they were taken from."""
    names = [Path(row["source_file"]) for row in corrections.deliveries(lakehouse) if row["erased_count"]]
    paths = {path for name in names for path in (name, *name.parents)}
    return sorted(str(path) for path in paths if containers.lies_there(str(path)))


def _marked(raw: DataFrame, what: Sought, delivery_id: str | None) -> DataFrame:
    """Raw records with `is_sought`."""
    if delivery_id is not None:
        return raw.withColumn("is_sought", F.col("delivery_id") == delivery_id)
    is_sought = what.rule()

    def is_in_record(searchterm: str | None, others: list[str | None]) -> bool:
        return is_sought(searchterm, True) or any(is_sought(text, False) for text in others)

    numbers: list[Column] = [F.when(~F.col(name).rlike(_NUMBERS), F.col(name)) for name in _NUMBER_FIELDS]
    extras = F.coalesce(F.map_values("extra_fields"), F.array().cast("array<string>"))
    others = F.concat(F.array(*map(F.col, _TEXT_FIELDS), *numbers), extras)
    rule = F.udf(is_in_record, "boolean", useArrow=False)
    return raw.withColumn("is_sought", rule("searchterm", others))


def _affected(raw: DataFrame) -> dict[str, tuple[str, int, int]]:
    """By delivery_id, of those that hold it: the batch, the records there are, and those that are sought."""
    counts = raw.groupBy("batch_id", "delivery_id").agg(
        F.count("*").alias("record_count"), F.count_if("is_sought").alias("sought_count")
    )
    return {
        row["delivery_id"]: (row["batch_id"], row["record_count"], row["sought_count"])
        for row in counts.where("sought_count > 0").collect()
    }


def _decided(
    rows: list[Row], affected: dict[str, tuple[str, int, int]], whole: str | None, what: Sought, decision: Decision
) -> list[Row]:
    """The deliveries that change: how many of their records are erased, and no text of theirs holds it."""
    changes = []
    for row in rows:
        news = [row]
        if row["record_count"] is not None and (row["delivery_id"] in affected or row["delivery_id"] == whole):
            _, present, found = affected.get(row["delivery_id"], ("", 0, 0))
            count = row["record_count"] - (present - found)
            news = corrections.erased(row, count, decision, whole=row["delivery_id"] == whole) or [row]
        clear = {name: _cleared(news[0][name], what) for name in ("reason", "warning")}
        if news[0] | clear != row:
            changes.append(news[0] | clear)
    return changes


def _cleared(text: str | None, what: Sought) -> str | None:
    return "erased" if text is not None and what.is_in(text) else text


def _clear_made_elsewhere(lakehouse: Lakehouse, what: Sought) -> None:
    for table in _MADE_ELSEWHERE:
        if lakehouse.exists(table):
            columns = {_INPUT_VALUES: False, "predicted_label": True} if table is MODEL_SCORES else {"term": True}
            _keep(lakehouse, table, columns, what)
    for table, column, instead in _EVENTS:
        if lakehouse.exists(table):
            _rename(lakehouse, table, column, instead, what)


def _clear_spellings(lakehouse: Lakehouse, what: Sought) -> None:
    if lakehouse.exists(ACCEPTED_SPELLINGS):
        _keep(lakehouse, ACCEPTED_SPELLINGS, dict.fromkeys(ACCEPTED_SPELLINGS.schema.names, True), what)


def _clear_corrections(lakehouse: Lakehouse, what: Sought) -> None:
    """Let no reason of an earlier decision hold it: they were logged before the deliveries' own said so no more."""
    rows = lakehouse.ask("select * from {corrections}", CORRECTIONS)
    cleared = [row | {"why": _cleared(row["why"], what)} for row in rows]
    if cleared != rows:
        values: list[tuple[object, ...]] = [tuple(row[name] for name in CORRECTIONS.schema.names) for row in cleared]
        lakehouse.write(lakehouse.create(values, CORRECTIONS), CORRECTIONS)


def _keep(lakehouse: Lakehouse, table: Table, columns: Mapping[str, bool], what: Sought) -> None:
    """Rewrite a table without the rows that hold it, if there are any.

    Args:
        lakehouse: where.
        table: which.
        columns: those to look into, in SQL, and whether each is a whole term, or a text in which it may stand.
        what: what is sought.
    """
    is_sought, wholes, rows = what.rule(), list(columns.values()), lakehouse.read(table)  # before F, which needs Spark

    def is_held(*texts: str | None) -> bool:
        return any(map(is_sought, texts, wholes))

    rule = F.udf(is_held, "boolean", useArrow=False)
    marked = rows.withColumn("is_sought", rule(*map(F.expr, columns)))
    if not marked.where("is_sought").isEmpty():
        lakehouse.write(marked.where("not is_sought").drop("is_sought"), table)


def _rename(lakehouse: Lakehouse, table: Table, column: str, instead: str, what: Sought) -> None:
    """Let no name of a shop's own events hold it; there stays a row, one where two are now called alike."""
    is_sought, rows = what.rule(), lakehouse.read(table)  # before F, which needs Spark
    rule, name = F.udf(lambda text: is_sought(text, False), "boolean", useArrow=False), F.expr(instead)
    marked = rows.withColumn("is_sought", name.isNotNull() & rule(column))
    if not marked.where("is_sought").isEmpty():
        cleared = marked.withColumn(column, F.when(F.col("is_sought"), name).otherwise(F.col(column)))
        lakehouse.write(cleared.drop("is_sought").distinct(), table)


def _similar_count(lakehouse: Lakehouse, what: Sought) -> int:
    """Terms that stay though they hold what is sought among other words."""
    is_sought = what.rule()
    rule = F.udf(lambda text: is_sought(text, False), "boolean", useArrow=False)
    return lakehouse.read(TERM_SUMMARY).where(rule("term")).count()
