"""What is new at a source, staged as one batch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession

from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import DELIVERIES, RAW_SEARCH_TERMS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import batches, containers, corrections, landing, staging_tasks
from search_forecast.medallion.batches import Batch, Delivery
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.content_ids import ContentIds
from search_forecast.medallion.corrections import Row
from search_forecast.medallion.landing import Survey


def stage_new_files(
    staging: Path,
    survey: Survey,
    choice: Choice,
    seen: list[Row],
    now: datetime,
    *,
    content_ids: ContentIds | None = None,
    spark: Callable[[], SparkSession] | None = None,
) -> tuple[Batch, list[Delivery]]:
    """Stage what is new in a batch; also return the deliveries that lie there as they were seen before.

    Args:
        staging: of the lakehouse.
        survey: what lies at the source.
        choice: what says the layout of a file.
        seen: rows of search_bronze.deliveries.
        now: when this run began.
        content_ids: what was read before; learns what is read now.
        spark: gives the session whose tasks may stage what is new.
    """
    batch, content_ids = new_batch(staging, seen, now), content_ids or ContentIds(staging, now)
    past = _Past.of(seen)
    names = {row["source_file"] for row in seen}
    # Of a content that was rejected and then taken, what became of it at last.
    in_order = sorted(seen, key=lambda row: bool(row["status"] != "rejected"))
    rows = {(row["delivery_id"], row["source_file"]): row for row in in_order}
    new, known = [], []
    unseen = [part for part in survey.parts if part.name not in names]
    stamps = {part: content_ids.stamp(part) for part in unseen}  # of before they are read
    stage = staging_tasks.stager(spark, unseen, batch.directory, choice)
    for part in survey.parts:
        name = part.name
        # Only a file whose name is known may be known: the others are hashed while they are staged.
        row = rows.get((content_ids.get(part), name)) if name in names else None
        if row is not None and not _may_be_taken_now(part, row, batch.directory, choice, past):
            status, reason = row["status"], row["reason"]
            if status in corrections.TAKEN_OUT and name in past.latest:  # the name had another content meanwhile
                status, reason = "rejected", _why_not_again(row)
            elif status == "rejected" and row["delivery_id"] in past.ingested:  # by now
                status, reason = "duplicate", f"same content as {past.ingested[row['delivery_id']]}"
            known.append(Delivery(row["delivery_id"], name, row["bytes"], None, status, reason))
            continue
        stamp = stamps[part] if part in stamps else content_ids.stamp(part)
        delivery = _inspect(part, stage, choice, past)
        content_ids.note(part, stamp, delivery.delivery_id)
        if delivery.status == "rejected" and delivery.delivery_id not in past.ingested:
            batch.unstage(delivery)  # the next file may have this content by another layout, and be taken
        if row is not None and (delivery.delivery_id, delivery.status) == (row["delivery_id"], "rejected"):
            known.append(delivery)
            continue
        if delivery.status == "ingested" and delivery.delivery_id is not None:
            past.ingested[delivery.delivery_id] = name
        new.append(delivery)
    return replace(batch, deliveries=tuple(new)), known


def new_batch(staging: Path, seen: list[Row], now: datetime) -> Batch:
    """A batch with nothing in it yet, the next by its number."""
    batch_id = _next_id(seen)
    return Batch(batch_id, now, (), batches.new_directory(staging, batch_id))


def _next_id(seen: list[Row]) -> str:
    number = max((int(row["batch_id"].removeprefix("batch-")) for row in seen), default=0) + 1
    return f"batch-{number:06d}"


def check_deliveries(lakehouse: Lakehouse, seen: list[Row]) -> None:
    """Raise DataError where bronze holds a batch of which no delivery is known any more: a new one would replace it.

    Args:
        lakehouse: where.
        seen: search_bronze.deliveries.
    """
    later = f"select min(batch_id) as batch_id from {{raw_search_terms}} where batch_id >= '{_next_id(seen)}'"  # noqa: S608
    [lost] = lakehouse.ask(later, RAW_SEARCH_TERMS)
    if lost["batch_id"] is not None:
        raise DataError(
            f"{RAW_SEARCH_TERMS.full_name} holds {lost['batch_id']}, of which {DELIVERIES.full_name} has no row: bring "
            "that table back, from its Delta history or a backup; nothing was taken in"
        )


@dataclass(frozen=True)
class _Past:
    """What was ingested.

    Attributes:
        ingested: source_file of each content that counts.
        taken_out: the row of each content that counts no more.
        latest: of each name, the row of the content that counts and came last.
    """

    ingested: dict[str, str]
    taken_out: dict[str, Row]
    latest: dict[str, Row]

    @classmethod
    def of(cls, seen: list[Row]) -> "_Past":
        ingested = sorted((row for row in seen if row["status"] == "ingested"), key=lambda row: row["batch_id"])
        return cls(
            {row["delivery_id"]: row["source_file"] for row in ingested},
            {row["delivery_id"]: row for row in seen if row["status"] in corrections.TAKEN_OUT},
            {row["source_file"]: row for row in ingested},
        )


def _may_be_taken_now(part: Part, row: Row, directory: Path, choice: Choice, past: _Past) -> bool:
    """Whether a file that was rejected may have a layout by now, or one that takes a known name: somebody mended it."""
    content_id = row["delivery_id"]
    if row["status"] != "rejected" or content_id in past.ingested or content_id in past.taken_out:
        return False
    try:
        with containers.opened(part) as file:
            layout = landing.open_records(part, file, directory, choice).export.name
    except (DataError, RecursionError):
        return False
    return part.name not in past.latest or choice.known_name(layout) != "reject"


def _inspect(part: Part, stage: Callable[[Part], Delivery], choice: Choice, past: _Past) -> Delivery:
    """Stage a file that was not seen before, or say why it is not taken."""
    status, reason, delivery_id, before = "rejected", "", None, past.latest.get(part.name)
    try:
        delivery = stage(part)
        goes_on = before is not None and landing.begins_with(part, before["bytes"], str(before["delivery_id"]))
    except containers.ChangedError as error:
        reason = str(error)  # no content: by the time it is hashed it may be whole, and must not be known then
    except DataError as error:
        reason, delivery_id = str(error), landing.content_id(part)
    else:
        delivery_id = delivery.delivery_id
        known_name = choice.known_name(delivery.layout_name)
        if delivery_id in past.ingested:
            status, reason = "duplicate", f"same content as {past.ingested[delivery_id]}"
        elif delivery_id in past.taken_out:
            reason = _why_not_again(past.taken_out[delivery_id])
        elif before is None:
            return delivery
        elif goes_on:
            why = "it goes on from what was taken in of it before"
            return replace(delivery, replaces=before["delivery_id"], why=why)
        elif known_name == "append":
            return delivery
        elif known_name == "replace":
            why = f"layout {delivery.layout_name}: a file of a known name replaces the one before"
            return replace(delivery, replaces=before["delivery_id"], why=why)
        else:
            # Adding it would count twice what both contents share, replacing it would drop what only the first one had.
            reason = (
                "a file of this name with other content was ingested before; deliver the new records under a new name, "
                f"or run correct {before['delivery_id'][:12]} --by FILE, or let its layout say known_name: append or "
                "replace"
            )
    return Delivery(delivery_id, part.name, landing.file_size(part.path), None, status, reason)


def _why_not_again(row: Row) -> str:
    """Why a content is not taken that was taken out before."""
    said = f"the same content came as {row['source_file']} and was {row['status']} ({row['reason']})"
    if row["status"] == corrections.ERASED:
        return said
    return f"{said}; correct {row['delivery_id'][:12]} --restore brings it back"
