"""`correct`: take a delivery out, let another count in its place, or bring it back; silver and gold follow."""

import logging
from dataclasses import replace
from datetime import datetime
from typing import Any

from search_forecast.errors import DataError
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import batches, corrections, ingest, landing, new_files, publish_trends
from search_forecast.medallion.aggregate import aggregate
from search_forecast.medallion.clean import clean
from search_forecast.medallion.corrections import Decision, Row
from search_forecast.medallion.reconcile import reconcile
from search_forecast.parameters import CorrectParameters, IngestParameters

logger = logging.getLogger(__name__)


def correct(lakehouse: Lakehouse, parameters: CorrectParameters, now: datetime) -> dict[str, Any]:
    """Decide what counts of a delivery, in one commit, and bring silver and gold up to it.

    Where it is killed after that commit, the next clean, aggregate, reconcile and trends do the rest. Saying the same
    again changes nothing.

    Returns:
        The delivery, its status now, the batches cleaned, the days rebuilt and the searches there are.

    Raises:
        UsageError: there is no such delivery.
        DataError: it can't be corrected so, or the layers disagree afterwards.
    """
    ingest.finish_sealed(lakehouse)  # else its batch would be written once more, as it was before this decision
    rows, now = corrections.deliveries(lakehouse), corrections.moment(lakehouse, now)
    row = corrections.find(rows, parameters.delivery)
    decision = Decision(parameters.why, lakehouse.user(), now)
    if parameters.replacement is not None:
        _take_in_place(lakehouse, parameters.replacement, rows, row, decision)
    else:
        corrections.commit(lakehouse, rows, _changes(rows, row, parameters, decision))
    cleaned = clean(lakehouse, parameters.cleaning, now)
    aggregated = aggregate(lakehouse)
    totals = reconcile(lakehouse, now)
    publish_trends.refresh(lakehouse)
    result = _outcome(corrections.deliveries(lakehouse), row)
    logger.info("correct: %s is %s", row["delivery_id"], result["status"])
    return {
        **result,
        "cleaned": cleaned["batches"],
        "days": aggregated["days"],
        "search_count": totals["search_count"],
    }


def _changes(rows: list[Row], row: Row, parameters: CorrectParameters, decision: Decision) -> list[Row]:
    if parameters.is_restored:
        changes, state = corrections.restored(rows, row, decision), "counts"
    else:
        changes, state = corrections.withdrawn(row, decision), "counts no more"
    if not changes:
        logger.warning("correct: %s %s already: this decision changes nothing", corrections.called(row), state)
    for other in changes[1:]:
        now = "counts again too" if other["status"] == corrections.INGESTED else "counts no more"
        logger.warning("correct: %s %s", corrections.called(other), now)
    return changes


def _take_in_place(
    lakehouse: Lakehouse, parameters: IngestParameters, rows: list[Row], row: Row, decision: Decision
) -> None:
    """Let one file count in place of a delivery: taken in now, or before; both statuses change in one commit.

    Raises:
        DataError: the file holds no delivery or several, cannot be read, or its content counts no more itself.
    """
    survey = landing.survey(parameters.source)
    parts = survey.parts
    if len(parts) != 1:
        why = "".join(f": {reason}" for reason in list(survey.passed_over.values())[:1] if not parts)
        raise DataError(f"correct: --by {parameters.source} holds {len(parts)} deliveries, expected one file{why}")
    new_files.check_deliveries(lakehouse, rows)
    batch = new_files.new_batch(lakehouse.staging, rows, decision.at)
    delivery = landing.stage(parts[0], batch.directory, ingest.layout_choice(parameters))
    content = str(delivery.delivery_id)
    known = next((r for r in rows if r["delivery_id"] == content and r["record_count"] is not None), None)
    if known is None:
        corrections.replaced(row, content, decision)  # says where that can't be, before anything is written
        news = replace(delivery, replaces=row["delivery_id"], why=decision.why)
        batch = replace(batch, deliveries=(news,))
        ingest.check_zones(lakehouse, batch)
        batches.seal(batch)
        ingest.commit(lakehouse, batch)
        return
    batches.discard(batch)
    if content == row["delivery_id"]:
        if any(each["replaced_by"] == content for each in rows):  # said once more, and found by the name of both
            return
        raise DataError(f"correct: --by {parameters.source} has the very content that it shall replace")
    if known["status"] == corrections.ERASED:
        raise DataError(f"correct: the content of {parameters.source} was erased: it is not taken in again")
    if known["status"] != corrections.INGESTED:
        raise DataError(
            f"correct: the content of {parameters.source} is {known['status']}; run correct {content[:12]} --restore"
        )
    corrections.commit(lakehouse, rows, corrections.replaced(row, content, decision))


def _outcome(rows: list[Row], row: Row) -> dict[str, Any]:
    keys = ("delivery_id", "source_file", "batch_id")
    after = next(each for each in rows if all(each[key] == row[key] for key in keys))
    return {name: after[name] for name in ("delivery_id", "source_file", "record_count", "status", "replaced_by")}
