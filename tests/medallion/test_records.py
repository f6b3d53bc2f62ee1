"""Odd but real files: what becomes of their records, without Spark."""

from __future__ import annotations

import csv
import io
import os
from datetime import datetime, timezone
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_forecast.errors import DataError
from search_forecast.medallion import ingest, landing, records
from search_forecast.medallion.bronze import Layout
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.new_files import stage_new_files
from search_forecast.parameters import IngestParameters

NAMES = ("day", "month", "year", "searchterm")
HEADER = "day,month,year,searchterm\n"
RECORDS = "7,11,2021,laptop\n8,11,2021,mobile 5g\n"
BOM = "\ufeff"
TERM = st.text(st.sampled_from('ab" \n\r'), min_size=1, max_size=8)


def staged(content: str, block_bytes: int = records.BLOCK_BYTES) -> tuple[Layout, list[str]]:
    """The layout and the records of a file with this content, read in blocks of some size."""
    file = io.BytesIO(content.encode())
    layout, blocks = records.read(lambda _: file.read(block_bytes))
    return layout, b"".join(blocks).decode().split("\n")[:-1]


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("sep=,\n" + HEADER, id="the line that Excel wants"),
        pytest.param('\ufeff"SEP=;"\r\n\n' + HEADER, id="the same, quoted, after a mark, before a blank line"),
        pytest.param(BOM + "sep=\t\n" + HEADER, id="with another delimiter than the file has"),
        pytest.param(BOM + BOM + HEADER, id="two marks"),
        pytest.param(BOM + "\n" + BOM + HEADER, id="a mark on a line of its own"),
        pytest.param(f'"{BOM}day",month,year,searchterm\n', id="a mark inside quotes"),
        pytest.param('day, "month" ,\tyear , "search term"\n', id="blanks around"),
    ],
)
def test_what_programs_put_before_or_around_the_names_is_no_part_of_them(header: str) -> None:
    assert staged(header + RECORDS) == (Layout(",", NAMES), RECORDS.splitlines())


def test_a_header_that_ends_in_a_delimiter_makes_the_last_column_optional() -> None:
    layout, _ = staged(HEADER.replace("\n", ",\n") + RECORDS)

    assert layout == Layout(",", (*NAMES, "column_5"), is_last_optional=True)


@pytest.mark.parametrize("block_bytes", [7, 64, 1024])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param('1,3,2024,"red\nshoes"\n', ['1,3,2024,"red\rshoes"'], id="a line break in a term"),
        pytest.param('1,3,2024,"red\r\n\r\nshoes"\r\n', ['1,3,2024,"red\r\rshoes"'], id="CRLF, and a blank line"),
        pytest.param('1,3,2024,"a\nb\nc, d"\n', ['1,3,2024,"a\rb\rc, d"'], id="two of them, and a comma"),
        pytest.param('1,3,2024,"a ""b""\n""c"""\n', ['1,3,2024,"a ""b""\r""c"""'], id="with doubled quotes"),
        pytest.param('1,3,2024,"mobile\n', ['1,3,2024,"mobile'], id="a quote never closed, at the end"),
        pytest.param(
            '1,3,2024,"mobile\n2,3,2024,tv\n3,3,2024,tv 55"\n',
            ['1,3,2024,"mobile', "2,3,2024,tv", '3,3,2024,tv 55"'],
            id="a stray quote, and an inch mark that could close it",
        ),
        pytest.param(
            '1,3,2024,"mobile\n2,3,2024,"tv"\n3,3,2024,"a\nb"\n',
            ['1,3,2024,"mobile', '2,3,2024,"tv"', '3,3,2024,"a\rb"'],
            id="a stray quote, then good ones",
        ),
        pytest.param(
            '1,3,2024,"wide 55\\""\n2,3,2024,"55\\" wide"\n3,3,2024,"x"\n',
            ['1,3,2024,"wide 55\\""', '2,3,2024,"55\\" wide"', '3,3,2024,"x"'],
            id="quotes escaped as Spark writes them",
        ),
        pytest.param('1,3,2024,tv 55"\n2,3,2024,tv 42"\n', ['1,3,2024,tv 55"', '2,3,2024,tv 42"'], id="inch marks"),
    ],
)
def test_a_quoted_line_break_is_part_of_its_record_and_a_stray_quote_costs_one(
    content: str, expected: list[str], block_bytes: int
) -> None:
    assert staged(HEADER + content, block_bytes)[1] == expected


def test_what_stands_first_may_hold_line_breaks_too() -> None:
    content = 'searchterm;day;month;year\n"red\nshoes";1;3;2024\n"a\nb;c";2;3;2024\n'

    assert staged(content)[1] == ['"red\rshoes";1;3;2024', '"a\rb;c";2;3;2024']


def test_a_record_over_several_lines_has_an_end() -> None:
    endless = '1,3,2024,"' + "a\n" * records.MAX_QUOTED_BYTES + 'b"\n'

    _, lines = staged(HEADER + endless)

    assert lines == endless.splitlines()


@given(st.lists(TERM, min_size=1, max_size=8), st.integers(1, 40), st.booleans())
def test_records_written_by_python_are_a_line_each_however_the_file_is_read(
    terms: list[str], block_bytes: int, is_all_quoted: bool
) -> None:
    file = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if is_all_quoted else csv.QUOTE_MINIMAL
    csv.writer(file, quoting=quoting).writerows([1, 3, 2024, term] for term in terms)

    _, lines = staged(HEADER + file.getvalue(), block_bytes)

    # Line breaks of all kinds become one kind.
    expected = [term.replace("\r\n", "\n").replace("\r", "\n") for term in terms]
    assert [next(csv.reader([line]))[3].replace("\r", "\n") for line in lines] == expected


@given(st.lists(st.sampled_from(["1,3,2024,tv\n", '2,3,2024,"a, b"\n', '3,3,2024,"tv ""4k"""\n'])), st.data())
def test_a_stray_quote_anywhere_costs_no_other_record(good: list[str], data: st.DataObject) -> None:
    good.insert(data.draw(st.integers(0, len(good))), '9,3,2024,"mobile\n')

    assert staged(HEADER + "".join(good), 50)[1] == "".join(good).splitlines()


def files(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(HEADER + RECORDS, encoding="utf-8")


def test_what_programs_keep_in_hidden_folders_is_not_read(tmp_path: Path) -> None:
    files(tmp_path, "a.csv", ".ipynb_checkpoints/a-checkpoint.csv", "_delta/b.csv", ".git/x/c.csv", "d/_e/f.csv.gz")
    files(tmp_path, "_kept.csv", "g/h.csv")

    assert [part.path.name for part in landing.survey(tmp_path).parts] == ["_kept.csv", "a.csv", "h.csv"]
    assert [part.path.name for part in landing.survey(tmp_path / "_delta").parts] == ["b.csv"]


@pytest.mark.parametrize(
    ("names", "source", "message"),
    [
        (["x.xlsx"], "x.xlsx", "and .zip are read; passed over 1: {}/x.xlsx (its ending is none that is read)"),
        (["in/a.xml", "in/.git/b.csv"], "in", "passed over 2: {0}/in/.git/b.csv, {0}/in/a.xml (a program's own"),
        ([f"in/{n}.xls" for n in range(5)], "in", "passed over 5: {0}/in/0.xls, {0}/in/1.xls, {0}/in/2.xls, …"),
        (["a/b.csv"], "c", "nothing to read at {}/c: files that end in .csv, .tsv, .txt, .json, .jsonl, .ndjson"),
    ],
)
def test_a_source_with_nothing_to_read_says_what_is_read_and_what_was_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, names: list[str], source: str, message: str
) -> None:
    files(tmp_path, *names)
    (tmp_path / "c").mkdir()
    caplog.set_level("WARNING", logger="search_forecast")

    passed_over = landing.survey(tmp_path / source).passed_over
    ingest.complain(IngestParameters(tmp_path / source), [], passed_over)
    with pytest.raises(DataError, match=r"ingest --strict: nothing to read at"):
        ingest.complain(IngestParameters(tmp_path / source, is_strict=True), [], passed_over)

    assert message.format(tmp_path) in caplog.messages[0]


def test_a_known_file_is_told_by_its_name_and_content_a_new_one_by_its_content(tmp_path: Path) -> None:
    files(tmp_path / "in", "a.csv", "b.csv", "c.csv")
    (tmp_path / "in" / "c.csv").write_text(HEADER + "9,3,2024,other\n", encoding="utf-8")
    content_id, names = (
        landing.content_id(Part(tmp_path / "in" / "a.csv")),
        [str(tmp_path / "in" / n) for n in ("a.csv", "c.csv")],
    )
    row = {"delivery_id": content_id, "bytes": 1, "batch_id": "batch-000007", "status": "ingested", "reason": None}

    batch, known = stage_new_files(
        tmp_path / "staging",
        landing.survey(tmp_path / "in"),
        Choice(tmp_path / "in"),
        [{**row, "source_file": name} for name in names],
        datetime.now(timezone.utc),
    )

    assert [os.path.basename(d.source_file) for d in known] == ["a.csv"]
    assert [(os.path.basename(d.source_file), d.status) for d in batch.deliveries] == [
        ("b.csv", "duplicate"),
        ("c.csv", "rejected"),
    ]
    assert batch.batch_id == "batch-000008"


def test_many_blank_lines_in_a_row_cost_little() -> None:
    start = process_time()
    assert staged(HEADER + RECORDS + " \t\n\n" * 2**22 + RECORDS)[1] == 2 * RECORDS.splitlines()
    assert process_time() - start < 1
