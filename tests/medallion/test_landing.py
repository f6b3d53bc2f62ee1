from __future__ import annotations

import errno
import gzip
import hashlib
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from pyarrow import parquet

from search_forecast.errors import DataError
from search_forecast.medallion import batches, containers, landing, layouts, reading, records, splitting
from search_forecast.medallion.batches import Batch, Delivery
from search_forecast.medallion.bronze import Layout
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.landing import Opened
from search_forecast.medallion.new_files import stage_new_files
from support import reference
from support.places import FIXTURES

HEADER = b"day,month,year,searchterm\n"
RECORDS = b"7,11,2021,laptop\n8,11,2021,mobile 5g\n"
LOGGED = b'{"timestamp": "2021-11-07T12:00:00Z", "query": "laptop"}'
NOW = datetime(2021, 12, 25, 12, 30, 0, 123456, tzinfo=timezone.utc)


def delivered(directory: Path, content: bytes, name: str = "terms.csv") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def staged(directory: Path, content: bytes, name: str = "terms.csv") -> tuple[Delivery, bytes]:
    """Stages a file with this content; returns its delivery and the lines that were split."""
    batch = directory / "batch"
    batch.mkdir()
    part = Part(delivered(directory, content, name))
    delivery = landing.stage(part, batch)
    opened, lines = lines_of(part)
    expected = splitting.raw_records(lines, opened.layout)
    assert parquet.read_table(batch / f"{delivery.delivery_id}.parquet") == expected
    return delivery, lines


def lines_of(part: Part) -> tuple[Opened, bytes]:
    with containers.opened(part) as file:
        opened = landing.open_records(part, file, part.path.parent, Choice(part.path))
        return opened, b"".join(opened.blocks)


def stage_new(directory: Path) -> tuple[Batch, list[Delivery]]:
    """Stages what lies in `in`, of which nothing was seen before."""
    source = directory / "in"
    return stage_new_files(directory / "staging", landing.survey(source), Choice(source), [], NOW)


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
        pytest.param("a.csv", HEADER.decode().encode("utf-16-le"), "not text", id="UTF-16 without BOM"),
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


def test_a_file_that_is_gone_is_refused_like_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        landing.stage(Part(tmp_path / "gone.csv"), tmp_path)


def test_a_file_after_a_refused_one_is_staged_clean(tmp_path: Path) -> None:
    broken = delivered(tmp_path, gzip.compress(HEADER + RECORDS * 5000)[:-9], "broken.csv.gz")
    with pytest.raises(DataError):
        landing.stage(Part(broken), tmp_path)

    delivery = landing.stage(Part(delivered(tmp_path, HEADER + RECORDS)), tmp_path)

    assert parquet.read_metadata(tmp_path / f"{delivery.delivery_id}.parquet").num_rows == 2


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


def test_csv_files_are_found_by_any_spelling_of_their_ending_and_dot_files_left(tmp_path: Path) -> None:
    wanted = [
        "A.CSV",
        "B.csv.GZ",
        "_x [1].csv",
        "a b/c d.csv",
        "größe 'ö' \"q\" ${x} %20 #1.csv",
        "x{a,b}*?.csv",
        "deep/er/still.csv",
    ]
    others = [".hidden.csv", "deep/.upload.csv.gz", ".csv", "terms.csv.part", "terms.xlsx", "csv", "truth.json"]
    for name in (*wanted, *others):
        delivered(tmp_path, HEADER, name)
    (tmp_path / "directory.csv").mkdir()
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere.csv")

    survey = landing.survey(tmp_path)

    assert [part.path for part in survey.parts] == sorted(tmp_path / name for name in wanted)
    assert set(survey.passed_over) == {str(tmp_path / name) for name in (*others, "dangling.csv")}


def test_whatever_is_not_read_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, elsewhere, scan, look = tmp_path / "in", tmp_path / "elsewhere", os.scandir, os.stat
    delivered(source, HEADER, "shop/a.csv")
    delivered(source, HEADER, "locked/b.csv")
    delivered(source, HEADER, "listed/d.csv")
    (source / "listed" / "e.csv").symlink_to(source / "shop" / "a.csv")
    delivered(elsewhere, HEADER, "c.csv")
    (source / "linked").symlink_to(elsewhere)
    (source / "gone").symlink_to(tmp_path / "nowhere")
    (source / "led out.csv").symlink_to(elsewhere / "c.csv")
    (source / "within.csv").symlink_to(source / "shop" / "a.csv")
    os.mkfifo(source / "pipe.csv")

    def refusing(place: Any) -> Any:
        if Path(place).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return scan(place)

    def hiding(place: Any, *args: Any, **names: Any) -> Any:
        if "listed" in Path(place).parts[:-1]:  # that may be listed, and not looked into
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return look(place, *args, **names)

    monkeypatch.setattr(os, "scandir", refusing)
    monkeypatch.setattr(os, "stat", hiding)
    survey = landing.survey(source)

    assert [part.path for part in survey.parts] == [source / "shop" / "a.csv", source / "within.csv"]
    (tmp_path / "link.csv").symlink_to(elsewhere / "c.csv")
    assert len(landing.survey(tmp_path / "link.csv").parts) == 1  # the operator's word
    assert survey.passed_over == {
        str(source / "gone"): "a link to what is not there",
        str(source / "led out.csv"): "a link that leads out of the source: name what it leads to as --source",
        str(source / "linked"): "a link to a folder: name that one as --source",
        str(source / "listed" / "d.csv"): "it can't be looked at (Permission denied)",
        str(source / "listed" / "e.csv"): "it can't be looked at (Permission denied)",
        str(source / "locked"): "a folder that can't be read",
        str(source / "pipe.csv"): "neither a file nor a folder",
    }


def test_files_whose_names_differ_in_bytes_that_are_no_text_are_told_apart(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for place, name in enumerate((b"caf\xe8.csv", b"caf\xe9.csv", b"caf\xe9 %.csv")):
        Path(os.fsdecode(bytes(source) + b"/" + name)).write_bytes(HEADER + b"%d,1,2021,tv\n" % (place + 1))

    batch, _ = stage_new(tmp_path)

    names = [Path(delivery.source_file).name for delivery in batch.deliveries]
    assert names == [r"caf\xe8.csv", r"caf\xe9 %.csv", r"caf\xe9.csv"]
    assert [delivery.status for delivery in batch.deliveries] == ["ingested"] * 3


@pytest.mark.parametrize("is_judged", [False, True])
@pytest.mark.parametrize("what", ["shop/a.csv", "shop/a.csv.gz", "shop", "a pipe", "a circle"])
def test_what_was_put_in_a_files_place_since_it_was_listed_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, *, is_judged: bool
) -> None:
    """By the one who delivers, between the listing and the opening, or as late as after it was judged once more."""
    source, secret, open_one = tmp_path / "in", tmp_path / "secret", os.open
    for folder, content in ((secret, HEADER + RECORDS), (source, HEADER)):
        delivered(folder, content, "shop/a.csv")
        delivered(folder, gzip.compress(content), "shop/a.csv.gz")
    swapped = source / (what if what.startswith("shop") else "shop/a.csv")

    def swap() -> None:
        swapped.rename(tmp_path / "before")
        if what == "a pipe":
            os.mkfifo(swapped)
        else:
            swapped.symlink_to(swapped if what == "a circle" else secret / what)

    def late(path: Any, *arguments: Any, **options: Any) -> int:
        if path == source.resolve() and not (tmp_path / "before").exists():
            swap()
        return open_one(path, *arguments, **options)

    survey = landing.survey(source)
    if is_judged:
        monkeypatch.setattr(os, "open", late)
    else:
        swap()
    batch, _ = stage_new_files(tmp_path / "staging", survey, Choice(source), [], NOW)

    refused = [delivery for delivery in batch.deliveries if "the file cannot be opened" in str(delivery.reason)]
    assert len(refused) == (2 if what == "shop" else 1)
    assert all((delivery.status, delivery.delivery_id) == ("rejected", None) for delivery in refused)
    assert not any(delivery.record_count for delivery in batch.deliveries)


def test_a_layout_that_is_a_link_out_of_the_source_is_not_read(tmp_path: Path) -> None:
    source, secret = tmp_path / "in", tmp_path / "secret.yml"
    (source / "_layouts").mkdir(parents=True)
    secret.write_text("password: 1", encoding="utf-8")
    (source / "_layouts" / "shop.yml").symlink_to(secret)

    with pytest.raises(DataError, match=r"shop\.yml is a link that leads out of the source: name .* as --layouts"):
        landing.more_layouts(source)


def test_the_files_of_a_delta_table_are_no_deliveries(tmp_path: Path) -> None:
    delivered(tmp_path, b"PAR1", "lake/search_gold/x/part-0.parquet")
    delivered(tmp_path, b"{}", "lake/search_gold/x/_delta_log/0.json")
    delivered(tmp_path, b"PAR1", "other/part-0.parquet")

    survey = landing.survey(tmp_path)

    assert [part.path.parent.name for part in survey.parts] == ["other"]
    assert survey.passed_over[str(tmp_path / "lake/search_gold/x/part-0.parquet")] == "a Delta table's own"


def test_a_source_may_be_one_file_and_its_path_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(tmp_path, HEADER)
    monkeypatch.chdir(tmp_path)

    assert landing.survey(Path("terms.csv")).parts == (Part(tmp_path / "terms.csv"),)


def test_the_id_of_a_file_is_that_of_its_content_packed_or_not(tmp_path: Path) -> None:
    plain = delivered(tmp_path, HEADER + RECORDS)
    packed = delivered(tmp_path, gzip.compress(HEADER + RECORDS), "terms.csv.gz")

    assert (
        landing.content_id(Part(plain))
        == landing.content_id(Part(packed))
        == hashlib.sha256(HEADER + RECORDS).hexdigest()
    )


def test_the_id_of_a_broken_gzip_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    broken = gzip.compress(HEADER + RECORDS)[:-9]

    assert landing.content_id(Part(delivered(tmp_path, broken, "a.csv.gz"))) == hashlib.sha256(broken).hexdigest()


def test_a_file_that_is_gone_has_no_id(tmp_path: Path) -> None:
    assert landing.content_id(Part(tmp_path / "gone.csv")) is None


def test_a_file_that_changes_while_it_is_read_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = delivered(tmp_path / "in", HEADER + RECORDS)
    read = records.read

    def read_late(*arguments: Any) -> tuple[Layout, Iterator[bytes]]:
        with path.open("ab") as file:
            file.write(RECORDS)
        return read(*arguments)

    monkeypatch.setattr(records, "read", read_late)

    batch, known = stage_new(tmp_path)

    assert known == []
    assert [(d.source_file, d.status, d.record_count, d.layout_name) for d in batch.deliveries] == [
        (str(path), "rejected", None, None)
    ]
    assert "changed while it was read" in str(batch.deliveries[0].reason)


def test_of_files_with_the_same_content_the_first_is_staged(tmp_path: Path) -> None:
    for name, content in (("a.csv", HEADER), ("b.csv.gz", gzip.compress(HEADER)), ("c.csv", HEADER + RECORDS)):
        delivered(tmp_path / "in", content, name)

    batch, _ = stage_new(tmp_path)

    assert [(Path(d.source_file).name, d.status) for d in batch.deliveries] == [
        ("a.csv", "ingested"),
        ("b.csv.gz", "duplicate"),
        ("c.csv", "ingested"),
    ]
    assert str(batch.deliveries[1].reason).endswith("in/a.csv")


def test_a_duplicate_of_another_layout_leaves_what_is_staged_of_the_first(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for folder, term in (("aa", "query"), ("bb", "product")):
        layout = f"description: d\nterm: {term}\ndate: {{day: day, month: month, year: year}}\n"
        delivered(source / "_layouts", layout.encode(), f"{folder}.yml")
        delivered(source / folder, b"day,month,year,query,product\n1,2,2021,alpha,P1\n", "a.csv")
    choice = Choice(source, layouts=layouts.load(source / "_layouts"))

    batch, _ = stage_new_files(tmp_path / "staging", landing.survey(source), choice, [], NOW)

    assert [(each.status, each.layout_name) for each in batch.deliveries] == [("ingested", "aa"), ("duplicate", None)]
    assert parquet.read_table(batch.staged_file(batch.deliveries[0]))["searchterm"].to_pylist() == ["alpha"]
    assert not list(batch.directory.glob("partial*"))


def test_a_record_nested_too_deeply_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "write", mock.Mock(side_effect=RecursionError))  # how deep depends on the caller

    with pytest.raises(DataError, match="a record is nested too deeply"):
        landing.stage(Part(delivered(tmp_path, HEADER + RECORDS)), tmp_path)


def test_what_was_staged_of_a_refused_file_is_not_taken_for_that_of_another_layout(tmp_path: Path) -> None:
    source, content = tmp_path / "in", b"day,month,year,query,product\n1,2,2021,alpha,P1\n"
    for folder, term in (("aa", "query"), ("bb", "product")):
        layout = f"description: d\nterm: {term}\ndate: {{day: day, month: month, year: year}}\n"
        delivered(source / "_layouts", layout.encode(), f"{folder}.yml")
        delivered(source / folder, content, "a.csv")
    choice = Choice(source, layouts=layouts.load(source / "_layouts"))
    other = Delivery("0" * 64, str(source / "aa" / "a.csv"), 1, 1, "ingested", None)

    batch, _ = stage_new_files(
        tmp_path / "staging", landing.survey(source), choice, [{**vars(other), "batch_id": "batch-000001"}], NOW
    )

    assert [(each.status, each.layout_name) for each in batch.deliveries] == [("rejected", None), ("ingested", "bb")]
    assert parquet.read_table(batch.staged_file(batch.deliveries[1]))["searchterm"].to_pylist() == ["P1"]


def test_the_files_of_a_delta_tables_partitions_are_no_deliveries(tmp_path: Path) -> None:
    table = tmp_path / "shop" / "sales"
    for name in ("_delta_log/00000000000000000000.json", "day=1/a.parquet", "day=1/hour=2/b.parquet"):
        delivered((table / name).parent, b"", Path(name).name)
    delivered(tmp_path / "shop", HEADER, "a.csv")

    survey = landing.survey(tmp_path)

    assert [part.path.name for part in survey.parts] == ["a.csv"]
    assert {why for name, why in survey.passed_over.items() if name.endswith(".parquet")} == {"a Delta table's own"}


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


def test_a_file_that_goes_while_it_is_asked_for_its_size_has_none(tmp_path: Path) -> None:
    assert landing.file_size(tmp_path / "gone") == 0


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
