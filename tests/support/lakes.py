"""A small lakehouse that is whole, written without Spark: two batches from delivery to gold."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute, parquet

from support import reference
from support.delta import CONTRACTS, Rows, arrow_table

DAY, AT = date(2024, 3, 1), datetime(2024, 3, 2, tzinfo=timezone.utc)


def append(
    root: Path, name: str, rows: Rows, position: str | None = None, replacing: Mapping[str, int] | None = None
) -> Path:
    """Append rows to a table as Spark would, made from its contract where it isn't there, in place of files (and when).

    Returns the table's directory.
    """
    table = CONTRACTS[name]
    place = root / f"search_{table.layer}" / name
    log = place / "_delta_log"
    version = len(list(log.glob("*.json")))
    log.mkdir(parents=True, exist_ok=True)
    if version == 0:
        fields = [{**field.jsonValue(), "metadata": field.metadata} for field in table.schema.fields]
        metadata = {
            "id": name, "description": table.comment, "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": [],
            "configuration": table.properties, "createdTime": 0,
        }  # fmt: skip
        protocol = {"minReaderVersion": 1, "minWriterVersion": 4}
        _commit(log, 0, "CREATE TABLE", [{"protocol": protocol}, {"metaData": metadata}])
        version = 1
    removed = [
        {"remove": {"path": path, "deletionTimestamp": at_ms, "dataChange": True}}
        for path, at_ms in (replacing or {}).items()
    ]
    file = place / f"part-{version:05d}.parquet"
    content = arrow_table(name, rows)
    nullable = pa.schema([field.with_nullable(True) for field in content.schema])
    parquet.write_table(content.cast(nullable), file, write_page_checksum=True)
    added = {
        "path": file.name, "partitionValues": {}, "size": file.stat().st_size, "modificationTime": 0,
        "dataChange": True, "stats": json.dumps({"numRecords": len(rows), **_bounds(content)}),
    }  # fmt: skip
    _commit(log, version, "WRITE", [*removed, {"add": added}], position)
    return place


def _bounds(content: pa.Table) -> dict[str, dict[str, Any]]:
    """The least and the greatest value of each column of dates or text, by which a reader passes a file over."""
    columns = [name for name in content.column_names if content.schema.field(name).type in (pa.date32(), pa.string())]
    bounds = {name: compute.min_max(content[name]).as_py() for name in columns}
    texts = {
        name: {end: str(value) for end, value in both.items() if value is not None} for name, both in bounds.items()
    }
    return {f"{end}Values": {name: both[end] for name, both in texts.items() if end in both} for end in ("min", "max")}


def _commit(
    log: Path, version: int, operation: str, actions: list[dict[str, Any]], position: str | None = None
) -> None:
    info = {"timestamp": version, "operation": operation, "operationParameters": {}}
    info |= {"userMetadata": position} if position else {}
    text = "".join(json.dumps(action) + "\n" for action in [{"commitInfo": info}, *actions])
    (log / f"{version:020d}.json").write_text(text, encoding="utf-8")


def batch(number: int, terms: tuple[str, ...] = ("hat", "tv")) -> dict[str, list[dict[str, Any]]]:
    """The rows of one batch, a day of its own: a search for each term, and a record that is none."""
    name, delivery, day = f"batch-{number:06d}", f"{number:064x}", DAY.replace(day=number)
    common = {"delivery_id": delivery, "batch_id": name}
    source = {"source_file": f"{number}.csv"}
    raw = [{**common, **source, "searchterm": term, "ingested_at": AT} for term in (*terms, "")]
    events = [{**common, "event_date": day, "term": t, "searched_as": t, "search_count": 1} for t in terms]
    count = len(terms)
    return {
        "deliveries": [
            {**common, **source, "bytes": 9, "record_count": count + 1, "status": "ingested", "received_at": AT}
        ],
        "raw_search_terms": raw,
        "search_events": events,
        "rejected_records": [{**common, **source, "searchterm": "", "reject_reasons": ["empty_term"]}],
        "daily_term_counts": [{"event_date": day, "term": term, "search_count": 1} for term in terms],
        "batches": [
            {
                "batch_id": name, "delivered_count": count + 1, "raw_count": count + 1, "event_count": count,
                "rejected_count": 1, "search_count": count, "aggregated_count": count, "reconciled": True,
                "started_at": AT, "finished_at": AT,
            }
        ],
    }  # fmt: skip


def whole(root: Path) -> Path:
    """Write a lakehouse of two batches whose gold shows silver as it is."""
    for number in (1, 2):
        add(root, batch(number))
    counts = {(DAY.replace(day=number), term): 1 for number in (1, 2) for term in ("hat", "tv")}
    append(root, "daily_totals", totals(counts))
    append(root, "term_summary", summaries(counts), "search_events@2")
    variants = [{"term": t, "searched_as": t, "search_count": 2, "rule": "exact"} for t in ("hat", "tv")]
    append(root, "term_variants", variants, "search_events@2")
    return root


def taken_in(root: Path, *files: Path, now: datetime | None = None) -> Path:
    """Write a lakehouse into which files were delivered, a batch each, all of it as plain Python counts it."""
    now = now or datetime.now(timezone.utc)
    records = {path: reference.read_delivery(path) for path in files}
    for number, (path, raw) in enumerate(records.items(), 1):
        common = {
            "batch_id": f"batch-{number:06d}",
            "delivery_id": hashlib.sha256(reference.content_of(path)).hexdigest(),
        }
        source = {**common, "source_file": str(path)}
        rows = [{**vars(record), "extra_fields": record.extra_fields or None, **source} for record in raw]
        judged = [reference.classify(record, now.date()) for record in raw]
        events = [event for event in judged if isinstance(event, reference.Event)]
        counts = {"delivered_count": len(raw), "raw_count": len(raw), "event_count": len(events)}
        counts |= {"rejected_count": len(raw) - len(events)}
        counts |= dict.fromkeys(("search_count", "aggregated_count"), len(events))
        delivery = {"bytes": path.stat().st_size, "record_count": len(raw), "status": "ingested", "received_at": now}
        layers = {
            "deliveries": [{**source, **delivery}],
            "raw_search_terms": [{**row, "ingested_at": now} for row in rows],
            "search_events": [{**common, **vars(event), "search_count": 1} for event in events],
            "rejected_records": [
                {**row, "reject_reasons": list(outcome.reasons)}
                for row, outcome in zip(rows, judged, strict=True)
                if isinstance(outcome, reference.Rejection)
            ],
            "batches": [
                {"batch_id": common["batch_id"], **counts, "reconciled": True, "started_at": now, "finished_at": now}
            ],
        }
        add(root, layers)
    all_of_it = reference.expected([record for raw in records.values() for record in raw], now.date())
    return shown(root, all_of_it.daily_term_counts, all_of_it.variants, len(files))


def shown(
    root: Path, counts: Mapping[tuple[date, str], int], variants: Mapping[tuple[str, str], int], version: int
) -> Path:
    """Write gold that shows a version of silver."""
    rows = [{"event_date": day, "term": term, "search_count": n} for (day, term), n in counts.items()]
    append(root, "daily_term_counts", rows)
    append(root, "daily_totals", totals(counts))
    append(root, "term_summary", summaries(counts), f"search_events@{version}")
    typed = [{"term": t, "searched_as": text, "search_count": n, "rule": "exact"} for (t, text), n in variants.items()]
    append(root, "term_variants", typed, f"search_events@{version}")
    return root


def searched(root: Path, file: Path, first: date, counts: Mapping[str, Sequence[int]]) -> Path:
    """Write a lakehouse into which one file was delivered: each term searched so often on the days from `first` on."""
    days = ((first + timedelta(days=n), line) for n, line in enumerate(zip(*counts.values(), strict=True)))
    records = (
        f"{day.day},{day.month},{day.year},{term}\n" * count
        for day, line in days
        for term, count in zip(counts, line, strict=True)
    )
    file.write_text("day,month,year,searchterm\n" + "".join(records), encoding="utf-8")
    return taken_in(root, file)


def totals(counts: Mapping[tuple[date, str], int]) -> Rows:
    """The rows of daily_totals of those of daily_term_counts: every day of the range, incomplete ends found out."""
    by_day = Counter[date]()
    for (day, _), count in counts.items():
        by_day[day] += count
    first, last = min(by_day), max(by_day)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    inner = [day for day in days[1:-1] if by_day[day]]
    quietest = {
        end: min((by_day[day] for day in inner if abs(day - end).days <= 28), default=0) for end in (first, last)
    }
    terms = Counter(day for day, _ in counts)
    return [
        {
            "event_date": day, "search_count": by_day[day], "distinct_term_count": terms[day],
            "is_complete_day": by_day[day] >= quietest.get(day, 0),
        }
        for day in days
    ]  # fmt: skip


def summaries(counts: Mapping[tuple[date, str], int]) -> Rows:
    """The rows of term_summary of those of daily_term_counts."""
    by_term = Counter[str]()
    for (_, term), count in counts.items():
        by_term[term] += count
    days = {term: sorted(day for day, other in counts if other == term) for term in by_term}
    return [
        {
            "term": term, "search_count": count, "share_ratio": count / by_term.total(),
            "rank": 1 + sum(other > count for other in by_term.values()),
            "first_seen_date": days[term][0], "last_seen_date": days[term][-1], "active_day_count": len(days[term]),
        }
        for term, count in by_term.items()
    ]  # fmt: skip


def add(root: Path, tables: Mapping[str, Rows]) -> None:
    """Append to several tables."""
    for name, rows in tables.items():
        append(root, name, rows)
