"""A file's records are staged, or the file is refused whole with a reason."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest
from pyarrow import parquet

from search_forecast.errors import DataError
from search_forecast.medallion import batches, landing, layouts, objects, reading, records
from search_forecast.medallion.batches import Delivery
from search_forecast.medallion.bronze import Layout
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from support import reference
from support.places import FIXTURES
from support.staging import HEADER, LOGGED, RECORDS, delivered, lines_of, staged


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        pytest.param(HEADER + RECORDS, RECORDS, id="plain"),
        pytest.param(HEADER + RECORDS.rstrip(b"\n"), RECORDS, id="no last newline"),
        pytest.param(b"\xef\xbb\xbf" + HEADER + RECORDS, RECORDS, id="BOM"),
        pytest.param((HEADER + RECORDS).replace(b"\n", b"\r\n"), RECORDS, id="CRLF"),
        pytest.param((HEADER + RECORDS).replace(b"\n", b"\r"), RECORDS, id="lone CR"),
        pytest.param((HEADER + RECORDS).replace(b"\n", b"\n \t\n\n"), RECORDS, id="blank lines"),
        pytest.param(b"\n \t\n\r\n" + HEADER + RECORDS, RECORDS, id="leading blank lines"),
        pytest.param(b"\xef\xbb\xbf\n\n" + HEADER + RECORDS, RECORDS, id="BOM, then leading blank lines"),
        pytest.param(HEADER, b"", id="header only"),
        pytest.param(HEADER.rstrip(b"\n"), b"", id="header only, no newline"),
        pytest.param(HEADER + b",,,\n", b",,,\n", id="a line of delimiters is a record"),
        pytest.param(HEADER + b"7,11,2021,a\xff\xc3b\n", b"7,11,2021,a\xff\xc3b\n", id="not UTF-8"),
        pytest.param(HEADER + b"7,11,2021,a\x00b\n", b"7,11,2021,a\x00b\n", id="NUL in a record"),
        pytest.param(
            HEADER + "7,11,2021,a\u0085b\u2028c\x0b\x0c\x1c\u00a0\n".encode(),
            "7,11,2021,a\u0085b\u2028c\x0b\x0c\x1c\u00a0\n".encode(),
            id="line separators of Unicode and ASCII end no line",
        ),
        pytest.param(HEADER + b"\x1c\x85\n", b"\x1c\x85\n", id="other white space is no blank line"),
        pytest.param(HEADER + b'  7,"\n', b'  7,"\n', id="a malformed line is left alone"),
    ],
)
def test_the_records_of_a_file_are_staged_a_line_each(tmp_path: Path, content: bytes, lines: bytes) -> None:
    delivery, found = staged(tmp_path, content)

    assert found == lines
    assert delivery == Delivery(
        delivery_id=hashlib.sha256(content).hexdigest(),
        source_file=str(tmp_path / "terms.csv"),
        bytes=len(content),
        record_count=lines.count(b"\n"),
        status="ingested",
        reason=None,
        layout_name="origin",
        reading="{}",
    )


def test_a_gzip_file_is_known_by_its_uncompressed_content(tmp_path: Path) -> None:
    packed = gzip.compress(HEADER + RECORDS)

    delivery, lines = staged(tmp_path, packed, "TERMS.CSV.GZ")

    assert lines == RECORDS
    assert delivery.delivery_id == hashlib.sha256(HEADER + RECORDS).hexdigest()
    assert delivery.bytes == len(packed)


def test_all_members_of_a_gzip_file_are_read(tmp_path: Path) -> None:
    _, lines = staged(tmp_path, gzip.compress(HEADER) + gzip.compress(RECORDS), "terms.csv.gz")

    assert lines == RECORDS


def test_a_line_of_tabs_is_a_record_of_a_tab_separated_file(tmp_path: Path) -> None:
    _, lines = staged(tmp_path, HEADER.replace(b",", b"\t") + b"\t\t\t\n  \n\n")

    assert lines == b"\t\t\t\n"


def test_a_header_that_is_not_utf_8_still_gives_its_names(tmp_path: Path) -> None:
    opened, _ = lines_of(Part(delivered(tmp_path, b"day,month,year,searchterm,Gr\xf6\xdfe\n" + RECORDS)))

    assert opened.layout == Layout(",", ("day", "month", "year", "searchterm", "Gr\ufffd\ufffde"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("a.csv", b"", "the file is empty", id="empty"),
        pytest.param("a.csv", b"\xef\xbb\xbf", "missing day, month, year, searchterm|the file is empty", id="BOM only"),
        pytest.param("a.csv", b"\n \r\n\t\n", "the file is empty", id="blank lines only"),
        pytest.param("a.csv.gz", b"", "the file is empty", id="empty, named gzip"),
        pytest.param("a.csv.gz", gzip.compress(b""), "the file is empty", id="empty gzip"),
        pytest.param("a.csv", b"day,month,year\n1,2,3\n", "missing searchterm", id="no such column"),
        pytest.param("a.csv", b"7,11,2021,laptop\n", "missing day, month, year, searchterm", id="no header"),
        pytest.param("a.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "missing day|not text", id="PNG"),
        pytest.param("a.csv", b"PK\x03\x04\x00\x00\x08\n", "not text", id="spreadsheet"),
        pytest.param("a.csv", (HEADER + RECORDS).decode().encode("utf-16"), "is UTF-16", id="UTF-16"),
        pytest.param("a.csv", b"\xfe\xff" + HEADER.decode().encode("utf-16-be"), "is UTF-16", id="UTF-16 BE"),
        pytest.param("a.csv", HEADER.decode().encode("utf-16-le"), "not text.* encoding: utf-16-le$", id="no BOM"),
        pytest.param("a.csv", HEADER.decode().encode("utf-32"), "is UTF-32.* encoding: utf-32$", id="UTF-32"),
        pytest.param("a.csv", b"\0\0\xfe\xff" + HEADER.decode().encode("utf-32-be"), "is UTF-32", id="UTF-32 BE"),
        pytest.param("a.jsonl", LOGGED.decode().encode("utf-16"), "the file is UTF-16; save it", id="JSON in UTF-16"),
        pytest.param("a.csv.gz", HEADER + RECORDS, "gzip file is broken", id="not gzip"),
        pytest.param("a.csv.gz", gzip.compress(HEADER + RECORDS)[:-9], "gzip file is broken", id="cut off"),
        pytest.param("a.csv.gz", gzip.compress(HEADER + RECORDS)[:12], "gzip file is broken", id="cut off early"),
        pytest.param(
            "a.csv.gz", gzip.compress(HEADER + RECORDS)[:-8] + bytes(8), "gzip file is broken", id="wrong checksum"
        ),
        pytest.param("a.csv.gz", gzip.compress(HEADER) + b"tail", "gzip file is broken", id="something after it"),
        pytest.param("a.csv", gzip.compress(HEADER), "not text|missing day", id="gzip, but not named so"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_nothing_of_it_staged(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        staged(tmp_path, content, name)

    assert [path.name for path in (tmp_path / "batch").iterdir() if not path.name.startswith("partial")] == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2**17])
def test_a_file_of_json_is_told_by_its_first_record_however_long_and_however_its_lines_end(
    tmp_path: Path, size: int, end: str
) -> None:
    first = LOGGED.replace(b"}", b', "page": "' + b"x" * size + b'"}')

    delivery, _ = staged(tmp_path, end.encode().join((b"", first, LOGGED, b"")), "a.jsonl")

    assert (delivery.record_count, delivery.layout_name) == (2, "search_log")


@pytest.mark.parametrize(
    "before",
    [b"\n" * 70_000, b"".join(b"%d %s," % (place, b"x" * 200) for place in range(400))],
    ids=["blank lines", "long names"],
)
def test_the_header_may_end_far_from_the_start(tmp_path: Path, before: bytes) -> None:
    delivery, _ = staged(tmp_path, before + HEADER + b"x," * before.count(b",") + b"7,11,2021,laptop\n")

    assert (delivery.record_count, delivery.layout_name) == (1, "origin")


def test_a_search_for_a_number_is_one_in_the_events_of_google_analytics(tmp_path: Path) -> None:
    values: list[dict[str, object]] = [
        {"string_value": "tv"},
        {"string_value": None, "int_value": "42"},
        {"double_value": 5.5},
    ]
    params = [
        [{"key": "page", "value": {"int_value": "7"}}, {"key": "search_term", "value": value}] for value in values
    ]
    events = [{"event_date": "20240301", "event_name": "view_search_results", "event_params": each} for each in params]

    delivery, lines = staged(tmp_path, "\n".join(map(json.dumps, events)).encode(), "a.jsonl")

    assert delivery.layout_name == "ga4_bigquery"
    assert [line.split("\x1f")[1] for line in lines.decode().splitlines()] == ["tv", "42", "5.5"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
@pytest.mark.parametrize("size", [1, 2**10])
def test_a_file_of_events_is_told_by_its_first_search_however_many_events_stand_before_it(
    tmp_path: Path, name: str, size: int
) -> None:
    """Of the events of a shop few are searches, and no export sorts them."""
    params = [{"key": "page_location", "value": {"string_value": "x" * size}}]
    event = {"event_date": "20240301", "event_name": "page_view", "event_params": params}
    term = {"key": "search_term", "value": {"string_value": "tv"}}
    events = [event] * 500 + [event | {"event_name": "view_search_results", "event_params": [*params, term]}]
    if name == "a.parquet":
        parquet.write_table(pa.Table.from_pylist(events), tmp_path / name)
    else:
        delivered(tmp_path, "\n".join(map(json.dumps, events)).encode(), name)

    delivery = landing.stage(Part(tmp_path / name), tmp_path)

    assert (delivery.layout_name, delivery.record_count) == ("ga4_bigquery", 501)


def test_a_path_is_looked_up_in_a_record_without_going_through_its_keys() -> None:
    """Each layout looks for each of its paths: of a record of a thousand keys that took longer than to read it."""

    class Record(dict[str, object]):
        def __iter__(self) -> Iterator[str]:
            pytest.fail("went through all keys")

    record = Record({"a.b": Record({"c": [{"key": "x.y", "value": 1}]}), "a": 2})

    paths = ("a.b.c[key=x.y].value", "a", "a.b.d", "a.c", "b", "a.b.c[key=z].value")
    assert [objects._nested(record, path) for path in paths] == [1, 2, None, None, None, None]


def test_a_file_that_is_gone_is_refused_like_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        landing.stage(Part(tmp_path / "gone.csv"), tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.csv.gz"])
def test_a_file_of_which_the_disk_gives_no_byte_is_refused_like_one_that_cannot_be_read(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).symlink_to("/proc/self/mem")  # as from a disk that fails: it opens, and to read it is an error

    with pytest.raises(DataError, match="Input/output error"):
        landing.stage(Part(tmp_path / name), tmp_path)
    assert landing.content_id(Part(tmp_path / name)) is None


@pytest.mark.parametrize("is_last", [False, True])
def test_a_line_over_the_limit_is_refused_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_last: bool
) -> None:
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 64)
    monkeypatch.setattr(records, "BLOCK_BYTES", 16)

    with pytest.raises(DataError, match="line 4 is over 64 bytes long"):
        staged(tmp_path, HEADER + RECORDS + b"x" * 65 + (b"" if is_last else b"\n" + RECORDS))


def test_a_line_just_under_the_limit_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 64)
    monkeypatch.setattr(records, "BLOCK_BYTES", 16)

    _, lines = staged(tmp_path, HEADER + b"x" * 62 + b"\n" + b"y" * 62)

    assert lines == b"x" * 62 + b"\n" + b"y" * 62 + b"\n"


def test_a_large_file_is_hashed_and_counted_whole(tmp_path: Path) -> None:
    content = HEADER + RECORDS * 150_000

    delivery, lines = staged(tmp_path, content)

    assert (delivery.record_count, lines) == (300_000, RECORDS * 150_000)
    assert delivery.delivery_id == hashlib.sha256(content).hexdigest()


def test_every_fixture_is_staged_or_refused_as_the_reference_does(tmp_path: Path) -> None:
    found, expected = {}, {}
    for path in sorted(
        path for folder in ("landing", "layouts", "unreadable") for path in (FIXTURES / folder).iterdir()
    ):
        try:
            found[path.name] = landing.stage(Part(path), tmp_path).record_count
        except DataError:
            found[path.name] = None
        try:
            expected[path.name] = len(reference.read_delivery(path))
        except reference.UnreadableError:
            expected[path.name] = None

    assert found == expected
    assert sum(count is not None for count in found.values()) >= 7
    assert None in found.values()


def test_a_record_nested_too_deeply_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "write", mock.Mock(side_effect=RecursionError))  # how deep depends on the caller

    with pytest.raises(DataError, match="a record is nested too deeply"):
        landing.stage(Part(delivered(tmp_path, HEADER + RECORDS)), tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**61], pa.timestamp("us")),
        pa.array([2**30], pa.date32()),
        pa.array([1], pa.timestamp("us", tz="Mars/Base")),
        pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xff")),
    ],
    ids=["year 75,000", "day 2^30", "no time zone", "no UTF-8"],
)
def test_a_value_of_a_parquet_file_that_python_has_none_of_is_one_line(tmp_path: Path, values: pa.Array) -> None:
    columns = {name: [1] for name in ("day", "month", "year", "searchterm")} | {"more": values}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")

    with pytest.raises(DataError, match="no Parquet file that can be read"):
        landing.stage(Part(tmp_path / "a.parquet"), tmp_path)


@pytest.mark.parametrize(
    ("count", "names", "reason"),
    [
        (0, ("day", "month", "year", "searchterm"), "it has no row"),
        (1, ("day", "month", "year", "searchterm", "searchterm"), "its column searchterm is there twice"),
    ],
)
def test_a_parquet_file_without_rows_or_with_a_column_twice_is_refused_for_that(
    tmp_path: Path, count: int, names: tuple[str, ...], reason: str
) -> None:
    columns = [pa.array([str(place)] * count, pa.string()) for place, _ in enumerate(names)]
    parquet.write_table(pa.table(columns, names=list(names)), tmp_path / "a.parquet")

    with pytest.raises(DataError, match=f"^{reason}"):
        landing.stage(Part(tmp_path / "a.parquet"), tmp_path)


@pytest.mark.parametrize(
    ("header", "records_in_it"),
    [
        (b'day,month,year,searchterm,"page\nviews",clicks', 1),
        (b'"day\r\n(of month)";month;year;searchterm;"a\r\n\r\nb"', 1),  # no name of ours, and two that go on
        (b'day,month,year,searchterm,"page\n1,1,2024,tv,\n2,1,2024,hat,"x",', 3),  # never closed
    ],
)
def test_a_name_in_the_header_may_go_on_in_the_next_line(tmp_path: Path, header: bytes, records_in_it: int) -> None:
    delimiter = b";" if b";" in header else b","
    (tmp_path / "a.csv").write_bytes(header + b"\n" + delimiter.join([b"1", b"1", b"2024", b"mop", b"3", b"4"]) + b"\n")
    if header.startswith(b'"'):
        with pytest.raises(DataError, match=r"missing day in .*\(of month\)"):
            landing.stage(Part(tmp_path / "a.csv"), tmp_path)
        return

    delivery = landing.stage(Part(tmp_path / "a.csv"), tmp_path)

    assert delivery.record_count == records_in_it
    if records_in_it == 1:
        [row] = parquet.read_table(tmp_path / f"{delivery.delivery_id}.parquet").to_pylist()
        assert (row["searchterm"], row["extra_fields"]) == ("mop", [("page views", "3"), ("clicks", "4")])


@pytest.mark.parametrize(("header", "spelled"), [(b"Event Type", "Event Type"), (b"event_type", "event_type")])
def test_a_column_that_says_what_a_search_is_may_be_spelled_as_the_file_likes(
    tmp_path: Path, header: bytes, spelled: str
) -> None:
    text = "description: x\nterm: q\ndate: {column: d, formats: [iso]}\nonly: {column: event_type, equals: [search]}\n"
    (tmp_path / "mine.yml").write_text(text, encoding="utf-8")
    path = delivered(tmp_path, b"d,q," + header + b"\n2024-03-01,tv,search\n2024-03-01,tv,click\n")

    delivery = landing.stage(Part(path), tmp_path, Choice(path, "mine", layouts=layouts.load(tmp_path)))

    [extra, _] = parquet.read_table(tmp_path / f"{delivery.delivery_id}.parquet")["extra_fields"].to_pylist()
    assert reading.parse(delivery.reading).only_column == spelled
    assert extra == [(spelled, "search")]
