"""`correct`: take a delivery out, let another count in its place, or bring it back; silver and gold follow."""

import logging
from datetime import datetime
from typing import Any

from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import corrections, ingest
from search_forecast.medallion.aggregate import aggregate
from search_forecast.medallion.clean import clean
from search_forecast.medallion.corrections import Decision, Row
from search_forecast.medallion.reconcile import reconcile
from search_forecast.parameters import CorrectParameters

logger = logging.getLogger(__name__)


def correct(lakehouse: Lakehouse, parameters: CorrectParameters, now: datetime) -> dict[str, Any]:
    """Decide what counts of a delivery, in one commit, and bring silver and gold up to it.

    Where it is killed after that commit, the next clean, aggregate and reconcile do the rest. Saying the same again
    changes nothing.

    Returns:
        The delivery, its status now, the batches cleaned, the days rebuilt and the searches there are.

    Raises:
        UsageError: there is no such delivery.
        DataError: it can't be corrected so, or the layers disagree afterwards.
    """
    ingest.finish_sealed(lakehouse)  # else its batch would be written once more, as it was before this decision
    rows = corrections.deliveries(lakehouse)
    row = corrections.find(rows, parameters.delivery)
    decision = Decision(parameters.why, lakehouse.user(), now)
    if parameters.replacement is not None:
        ingest.take_in_place_of(lakehouse, parameters.replacement, rows, row, decision)
    elif parameters.is_restored:
        corrections.commit(lakehouse, rows, corrections.restored(rows, row, decision))
    else:
        corrections.commit(lakehouse, rows, corrections.withdrawn(row, decision))
    cleaned = clean(lakehouse, parameters.cleaning, now)
    aggregated = aggregate(lakehouse)
    totals = reconcile(lakehouse, now)
    result = _outcome(corrections.deliveries(lakehouse), row)
    logger.info("correct: %s is %s", row["delivery_id"], result["status"])
    return {
        **result,
        "cleaned": cleaned["batches"],
        "days": aggregated["days"],
        "search_count": totals["search_count"],
    }


def _outcome(rows: list[Row], row: Row) -> dict[str, Any]:
    keys = ("delivery_id", "source_file", "batch_id")
    after = next(each for each in rows if all(each[key] == row[key] for key in keys))
    return {name: after[name] for name in ("delivery_id", "source_file", "record_count", "status", "replaced_by")}
