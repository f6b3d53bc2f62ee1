"""Searches as other systems export them, in every container that ingest takes.

Written from the vendors' documentation (named in layouts/*.yml), not with the code that reads it.
"""

import bz2
import csv
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from search_forecast.synthetic.layouts import stored_gzip

Record = dict[str, Any]
_PACKINGS = ("", ".gz", ".bz2", ".zst")
_JSON_FORMS, _TEXT_FORMS = (".json", ".jsonl", ".ndjson"), (".csv", ".tsv", ".txt")
CONTAINERS = (*(form + packing for form in _TEXT_FORMS + _JSON_FORMS for packing in _PACKINGS), ".parquet", ".zip")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every member: the same bytes each time


@dataclass(frozen=True)
class Search:
    """What one record says, as text: a day in the layout's form, a term as typed, and how often."""

    day: str
    term: str
    count: str = "1"


@dataclass(frozen=True)
class Export:
    """How one layout writes searches.

    Attributes:
        record: The record of a search, with the names that the vendor gives.
        form: The container that the vendor uses.
        day: A day as the vendor writes it.
        is_counted: Whether a record stands for several searches.
        noise: Records that are no searches, with the reason why silver rejects them; a text is a line as it is.
        before: Lines before the header of CSV.
        escape: What stands before a quote in a quoted field of CSV, if it isn't doubled.
        is_nested: Whether its records are no rows of a table of texts.
    """

    record: Callable[[Search], Record]
    form: str = ".csv"
    day: Callable[[date], str] = date.isoformat
    is_counted: bool = True
    noise: tuple[tuple[Record | str, str], ...] = ()
    before: str = ""
    escape: str | None = None
    is_nested: bool = False

    def containers(self) -> tuple[str, ...]:
        """The containers in which its records can stand."""
        return tuple(each for each in CONTAINERS if not (self.is_nested and each.startswith(_TEXT_FORMS)))


def _ga4(event: str, day: str, term: str) -> Record:
    params = [{"key": "page_location", "value": {"string_value": "https://shop.example/s", "int_value": None}}]
    if term:
        params.append({"key": "search_term", "value": {"string_value": term, "int_value": None}})
    return {"event_date": day, "event_name": event, "event_params": params}


def _slow_log(search: Search) -> Record:
    source = {"query": {"multi_match": {"query": search.term, "fields": ["title"]}}, "size": 24}
    return {
        "@timestamp": f"{search.day}T11:59:59.123Z",
        "elasticsearch.slowlog.source": json.dumps(source, ensure_ascii=False),
        "elasticsearch.slowlog.took": "5.3ms",
    }


EXPORTS = {
    "origin": Export(
        lambda s: {**dict(zip(("year", "month", "day"), s.day.split("-"), strict=False)), "searchterm": s.term},
        is_counted=False,
    ),
    "plain": Export(lambda s: {"date": s.day, "query": s.term, "count": s.count}),
    "search_log": Export(
        lambda s: {"timestamp": f"{s.day}T12:00:00+00:00" if s.day else "", "query": s.term}, is_counted=False
    ),
    "spark_csv": Export(lambda s: {"date": s.day, "query": s.term, "count": s.count}, escape="\\"),
    "ga4_exploration": Export(
        lambda s: {"Date": s.day, "Search term": s.term, "Event count": s.count},
        day=lambda day: f"{day:%Y%m%d}",
        before=f"# {'-' * 40}\n# Free form 1\n# 20240301-20240303\n# {'-' * 40}\n\n",
        noise=((",,1234,Grand total", "total_line"),),
    ),
    "ga4_bigquery": Export(
        lambda s: _ga4("view_search_results", s.day, s.term),
        form=".jsonl",
        day=lambda day: f"{day:%Y%m%d}",
        is_counted=False,
        is_nested=True,
        noise=((_ga4("page_view", "20240301", ""), "other_event"),),
    ),
    "search_console": Export(
        lambda s: {"data_date": s.day, "query": s.term, "impressions": s.count, "clicks": "0", "sum_top_position": "3"}
    ),
    "shopify": Export(lambda s: {"Day": s.day, "Search query": s.term, "Searches": s.count}),
    "algolia": Export(lambda s: {"date": s.day, "search": s.term, "count": s.count, "nbHits": "24"}, form=".jsonl"),
    "ubi": Export(
        lambda s: {
            "query_id": "6a1f",
            "client_id": "c-1",
            "user_query": s.term,
            "timestamp": f"{s.day}T12:00:00+00:00" if s.day else "",
            "query_response_hit_ids": ["p1", "p2"],
        },
        form=".jsonl",
        is_counted=False,
        noise=(
            ({"action_name": "click", "query_id": "6a1f", "timestamp": "2024-03-01T12:00:05Z"}, "other_event"),
            ("[2024-03-01T12:00:05] INFO flushed 2 events", "malformed_record"),
        ),
    ),
    "elasticsearch_slowlog": Export(_slow_log, form=".jsonl", is_counted=False, is_nested=True),
    "oss_keywords": Export(
        lambda s: {
            "DATE": s.day,
            "OSS_KEYWORD": s.term,
            "USERS": "1",
            "SITE_VISITS": f"{s.count}.396445676" if s.count.isdecimal() and s.count != "0" else s.count,
            "RANK": "1",
        },
        before="\ufeff\n",
    ),
}


def content(name: str, searches: Sequence[Search], container: str | None = None) -> tuple[bytes, Counter[str]]:
    """A file of a layout, and for each reason how many of its records are no searches.

    Args:
        name: The layout.
        searches: One for each record, in order.
        container: One of CONTAINERS, by default the vendor's own. In a zip file it is a member of the vendor's form.
    """
    export = EXPORTS[name]
    ending = export.form if container in (None, ".zip") else str(container)
    form = "." + ending.split(".")[1]
    records: list[Record | str] = [export.record(search) for search in searches]
    # A table can't hold a line that is none of its rows.
    noise = [(line, reason) for line, reason in export.noise if form in _FORMS_OF[type(line)](export)]
    for place, (line, _) in enumerate(noise):
        records.insert(min(place, len(records)), line)
    return _packed(name, _FORMS[form](export, records), form, container or ""), Counter(reason for _, reason in noise)


def _csv(export: Export, records: list[Record | str], delimiter: str = ",") -> bytes:
    names = list(next(record for record in records if isinstance(record, dict)))
    file = io.StringIO(newline="")
    options: dict[str, Any] = (
        {"doublequote": False, "escapechar": export.escape, "quoting": csv.QUOTE_ALL} if export.escape else {}
    )
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n", **options)
    file.write(export.before)
    writer.writerow(names)
    for record in records:
        if isinstance(record, dict):
            writer.writerow(_cell(record.get(name)) for name in names)
        else:
            file.write(record.replace(",", delimiter) + "\n")
    return file.getvalue().encode()


def _tsv(export: Export, records: list[Record | str]) -> bytes:
    return _csv(export, records, "\t")


def _json(export: Export, records: list[Record | str]) -> bytes:
    lines = (r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in records)
    return "".join(line + "\n" for line in lines).encode()


def _parquet(export: Export, records: list[Record | str]) -> bytes:
    rows = [record for record in records if isinstance(record, dict)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    sink = io.BytesIO()
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), sink)
    return sink.getvalue()


_FORMS: dict[str, Callable[[Export, list[Record | str]], bytes]] = {
    **dict.fromkeys((".csv", ".txt"), _csv),
    ".tsv": _tsv,
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), _json),
    ".parquet": _parquet,
}
_FORMS_OF: dict[type, Callable[[Export], tuple[str, ...]]] = {
    dict: lambda export: (*_JSON_FORMS, ".parquet"),
    str: lambda export: _JSON_FORMS if export.form == ".jsonl" else _TEXT_FORMS,
}


def _cell(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _packed(name: str, data: bytes, form: str, container: str) -> bytes:
    if container.endswith(".gz"):
        return stored_gzip(data)
    if container.endswith(".bz2"):
        return bz2.compress(data)
    if container.endswith(".zst"):
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(data)
        return bytes(sink.getvalue())
    if container == ".zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(zipfile.ZipInfo(f"{name}{form}", _EPOCH), data)
        return file.getvalue()
    return data
