"""Which deliveries count, and decisions that change it.

A decision is one commit to search_bronze.deliveries. Silver, gold and search_gold.corrections follow from what that
table says, by whatever run comes next: so a run that is killed after the decision loses nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import BATCHES, CORRECTIONS, DELIVERIES
from search_forecast.lakehouse.contracts.base import literals
from search_forecast.lakehouse.tables import Lakehouse

Row = dict[str, Any]  # of search_bronze.deliveries

INGESTED, WITHDRAWN, REPLACED, ERASED = "ingested", "withdrawn", "replaced", "erased"
TAKEN_OUT = (WITHDRAWN, REPLACED, ERASED)  # what was ingested once and counts no more
_RESTORED = "restored"
_LEAST_PREFIX = 4


@dataclass(frozen=True)
class Decision:
    """Why something is corrected, who says so, and when."""

    why: str
    by: str
    at: datetime


def find(rows: Sequence[Row], text: str) -> Row:
    """The delivery that a person named.

    Args:
        rows: search_bronze.deliveries.
        text: The start of its delivery_id, its source_file, or the end of that, such as the file's name.

    Raises:
        UsageError: there is none that was ever ingested, or several; the message names the nearest.
    """
    candidates = [row for row in rows if row["status"] in (INGESTED, *TAKEN_OUT)]
    matching = _named(candidates, text)
    if len(matching) > 1:  # a file of that name was replaced: the one that counts is meant
        matching = [row for row in matching if row["status"] == INGESTED] or matching
    if len(matching) == 1:
        return matching[0]
    if matching:
        several = ", ".join(f"{row['delivery_id'][:12]} ({row['status']}, {row['batch_id']})" for row in matching[:5])
        raise UsageError(f"{text} is several deliveries: {several}; name one by the start of its delivery_id")
    names = {Path(row["source_file"]).name: row for row in candidates}
    nearest = get_close_matches(Path(text).name, names, n=2, cutoff=0.6)
    near = " or ".join(f"{names[name]['source_file']} ({names[name]['delivery_id'][:12]})" for name in nearest)
    raise UsageError(
        f"no delivery {text}; "
        + (f"did you mean {near}?" if near else f"{DELIVERIES.full_name} lists the {len(candidates)} that there are")
    )


def _named(rows: list[Row], text: str) -> list[Row]:
    exact = [row for row in rows if row["source_file"] in (text, str(Path(text).absolute()))]
    if exact:
        return exact
    if len(text) >= _LEAST_PREFIX:
        by_id = [row for row in rows if row["delivery_id"].startswith(text.lower())]
        if by_id:
            return by_id
    return [row for row in rows if row["source_file"].endswith(f"/{text}")]


def withdrawn(row: Row, decision: Decision) -> list[Row]:
    """The rows that change where a delivery shall count no more; none where it does not count.

    Raises:
        DataError: another delivery counts in its place.
    """
    if row["status"] == REPLACED:
        raise DataError(f"{called(row)} was replaced by {row['replaced_by'][:12]}: withdraw that one")
    return [_corrected(row, decision, WITHDRAWN)] if row["status"] == INGESTED else []


def replaced(row: Row, by: str, decision: Decision) -> list[Row]:
    """The rows that change where another delivery shall count in place of one; none where that is so.

    Raises:
        DataError: a third one does, or it was erased.
    """
    if row["status"] == REPLACED and row["replaced_by"] == by:
        return []
    if row["status"] == REPLACED:
        raise DataError(f"{called(row)} was replaced by {row['replaced_by'][:12]}: replace that one")
    if row["status"] == ERASED:
        raise DataError(f"{called(row)} was erased: deliver what shall count as any other file")
    return [_corrected(row, decision, REPLACED, replaced_by=by)]


def restored(rows: Sequence[Row], row: Row, decision: Decision) -> list[Row]:
    """The rows that change where a delivery shall count again, in place of what had replaced it; none where it counts.

    That is replaced even where it was withdrawn: else both would count once it is restored too. What it had replaced
    beside this delivery counts again too; and counts no more once that is restored in turn.

    Raises:
        DataError: it was erased.
    """
    if row["status"] == ERASED:
        raise DataError(f"{called(row)} was erased: nothing of it is left to restore")
    if row["status"] == INGESTED:
        return []
    ingested = {each["delivery_id"]: each for each in rows if each["status"] in (INGESTED, *TAKEN_OUT)}
    # One decision has one time: by it those are known that came back together, and what went for them.
    returns = {each["corrected_at"] for each in rows if each["correction"] == _RESTORED}
    chain, last = [row], row
    while last["status"] == REPLACED and last["replaced_by"] in ingested:
        last = ingested[last["replaced_by"]]
        chain.append(last)
    changes = [_corrected(row, decision, INGESTED, what=_RESTORED)]
    if last is row:
        return changes
    if last["status"] in (INGESTED, WITHDRAWN):
        changes.append(_corrected(last, decision, REPLACED, replaced_by=row["delivery_id"]))
    successors = {each["replaced_by"] for each in chain[:-1] if each["corrected_at"] not in returns}
    for each in rows:
        if each in chain:
            continue
        is_of_decision = each["corrected_at"] == row["corrected_at"]
        is_replaced = each["status"] == REPLACED and each["replaced_by"] in successors
        went_along = each["status"] == REPLACED and each["replaced_by"] == row["replaced_by"] and is_of_decision
        came_back = each["status"] == INGESTED and each["correction"] == _RESTORED and is_of_decision
        if went_along or (is_replaced and each["corrected_at"] not in returns):
            changes.append(_corrected(each, decision, INGESTED, what=_RESTORED))
        elif came_back:
            changes.append(_corrected(each, decision, REPLACED, replaced_by=row["delivery_id"]))
    return changes


def erased(row: Row, count: int, decision: Decision, *, whole: bool) -> list[Row]:
    """The rows that change where records of a delivery are erased; none where as many were before.

    Args:
        row: The delivery.
        count: Records of it that are erased, those erased earlier among them.
        decision: Why.
        whole: Whether nothing of it stays.
    """
    status = ERASED if whole else row["status"]
    if (row["erased_count"] or 0, row["status"]) == (count, status):
        return []
    replaced_by = row["replaced_by"] if status == REPLACED else None
    return [_corrected(row, decision, status, what=ERASED, replaced_by=replaced_by) | {"erased_count": count}]


def _corrected(
    row: Row, decision: Decision, status: str, *, what: str | None = None, replaced_by: str | None = None
) -> Row:
    news = {"correction": what or status, "corrected_at": decision.at, "corrected_by": decision.by}
    return row | {"status": status, "reason": decision.why, "replaced_by": replaced_by} | news


def called(row: Row) -> str:
    """A delivery by its file and the start of its hash."""
    return f"{row['source_file']} ({row['delivery_id'][:12]})"


def valid_count(row: Row) -> int:
    """The records of a delivery that search_bronze.raw_search_terms holds."""
    return int(row["record_count"] or 0) - int(row["erased_count"] or 0)


def deliveries(lakehouse: Lakehouse) -> list[Row]:
    """search_bronze.deliveries: one row per file ever seen, like the listing of the landing directory itself."""
    return lakehouse.ask("select * from {deliveries}", DELIVERIES)


def unproven(rows: Iterable[Row], batches: Mapping[str, Row]) -> set[str]:
    """The batches that `reconcile` has not proven as they are: new ones, changed ones, and those that did not add up.

    Args:
        rows: search_bronze.deliveries.
        batches: search_gold.batches, by batch_id.
    """
    result = set()
    for row in rows:
        batch = batches.get(row["batch_id"])
        changes = [row[name] for name in ("corrected_at", "masked_at") if row[name] is not None]
        is_proven = batch is not None and batch["reconciled"] and all(at <= batch["finished_at"] for at in changes)
        if row["record_count"] is not None and not is_proven:
            result.add(row["batch_id"])
    return result | {batch_id for batch_id, batch in batches.items() if not batch["reconciled"]}


def moment(lakehouse: Lakehouse, now: datetime) -> datetime:
    """When something is decided: now, but after all checks and decisions before, or it would not be seen to be new.

    The two differ where the clock was put back.
    """
    past = "select finished_at as at from {batches} union all select corrected_at as at from {deliveries}"
    [last] = lakehouse.ask(f"select max(at) as at from ({past})", BATCHES, DELIVERIES)  # noqa: S608 - no input
    return now if last["at"] is None else max(now, last["at"] + timedelta(microseconds=1))


def commit(
    lakehouse: Lakehouse,
    rows: Sequence[Row],
    changes: Iterable[Row],
    more: Iterable[Row] = (),
    where: str | None = None,
) -> None:
    """Write changed deliveries, and perhaps more rows, in one commit.

    Args:
        lakehouse: where.
        rows: search_bronze.deliveries as it is.
        changes: rows of it as they shall be.
        more: further rows.
        where: which rows those replace.
    """
    news = {_key(row): row for row in changes}
    ids = {delivery_id for delivery_id, _, _ in news}
    # A content may have been seen under several names: a row for each.
    affected = [news.get(_key(row), row) for row in rows if row["delivery_id"] in ids]
    conditions = [where] if where else []
    if None in ids:  # of files that could not be read
        conditions.append("delivery_id is null")
    if named := sorted(ids - {None}):
        conditions.append(f"delivery_id in ({literals(named)})")
    if conditions:
        log(lakehouse, rows)  # what the rows say now is said nowhere else once they change
        names = DELIVERIES.schema.names
        values: list[tuple[object, ...]] = [tuple(row[name] for name in names) for row in (*more, *affected)]
        lakehouse.write(lakehouse.create(values, DELIVERIES), DELIVERIES, where=" or ".join(conditions))


def _key(row: Row) -> tuple[str, str, str]:
    return row["delivery_id"], row["source_file"], row["batch_id"]


def log(lakehouse: Lakehouse, rows: Sequence[Row]) -> int:
    """Add to search_gold.corrections the decisions that only the deliveries tell of yet; how many.

    Args:
        lakehouse: where.
        rows: search_bronze.deliveries as it was read.
    """
    decided = [row for row in rows if row["correction"] is not None]
    if not decided:
        return 0
    known, erased_before = set(), Counter[str]()
    for noted in lakehouse.ask("select * from {corrections}", CORRECTIONS):
        known.add((noted["delivery_id"], noted["corrected_at"]))
        erased_before[noted["delivery_id"]] += noted["record_count"] if noted["what"] == ERASED else 0
    news: list[tuple[object, ...]] = []
    for row in decided:
        is_erased, delivery_id = row["correction"] == ERASED, row["delivery_id"]
        count = row["erased_count"] - erased_before[delivery_id] if is_erased else valid_count(row)
        if (delivery_id, row["corrected_at"]) not in known:
            by = row["corrected_by"]
            news.append((delivery_id, row["correction"], row["reason"], count, row["corrected_at"], by))
    if not news:
        return 0
    return lakehouse.add(lakehouse.create(news, CORRECTIONS), CORRECTIONS, ("delivery_id", "corrected_at"))
