"""Layouts: what may stand in one, how one is chosen, and what becomes of odd files by them. Without Spark."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from search_forecast.errors import DataError, UsageError
from search_forecast.medallion import landing, layouts, records
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.reading import ORIGIN, Reading, parse
from support.places import PROJECT

REFUSING = [name for name, export in layouts.load().items() if export.refuse]
PLAIN = "description: x\nterm: query\ndate: {column: date, formats: [YYYY-MM-DD]}\n"
HEADER = "date,query,count\n"
RECORDS = "2024-03-01,laptop,3\n2024-03-02,tv,1\n"


def layout(directory: Path, text: str, name: str = "mine") -> layouts.ExportLayout:
    path = directory / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    return layouts.read(path)


def lines(content: bytes, export: layouts.ExportLayout) -> list[str]:
    """The staged records of a file with this content, read in small blocks."""
    file = io.BytesIO(content)
    _, blocks = records.read(lambda _: file.read(7), export)
    return b"".join(blocks).decode().split("\n")[:-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected keys with values, such as term: query"),
        ("- a", "expected keys with values"),
        ("a: [", "no YAML: while parsing"),
        (PLAIN.replace("term: query", "trem: query"), "there is no key trem; did you mean term?"),
        (PLAIN.replace("formats", "formatz"), "there is no key date.formatz; did you mean formats?"),
        (PLAIN.replace("term: query\n", ""), "term: is missing"),
        (PLAIN.replace("term: query", "term: []"), "term: value should have at least 1 item"),
        (PLAIN.replace("description: x\n", ""), "description: is missing"),
        (
            PLAIN.replace("YYYY-MM-DD", "yyyy-mm-dd"),
            "date.formats: expected iso, epoch_s, epoch_ms, epoch_us, or a text",
        ),
        (PLAIN.replace("YYYY-MM-DD", "YYYY-MM"), "date.formats: expected iso"),
        (PLAIN.replace("YYYY-MM-DD", "MM/MM/DD YYYY"), "date.formats: expected iso"),
        (PLAIN.replace("[YYYY-MM-DD]", "[]"), "date: expected formats beside column"),
        (
            PLAIN.replace("{column: date, formats: [YYYY-MM-DD]}", "{day: d, month: m}"),
            "date: expected day, month and year",
        ),
        (PLAIN.replace("}", ", zone: Mars/Olympus}"), "date.zone: expected a time zone such as Europe/Zurich or UTC"),
        (PLAIN.replace("date:", "#"), "layout: expected date, or refuse with the reason"),
        (PLAIN + "count: {column: n, decimals: up}", "count.decimals: expected 'refuse', 'round' or 'floor', got 'up'"),
        (
            PLAIN + "count: {column: n, thousands: '.'}",
            "count: expected thousands and decimal (. unless said) to differ",
        ),
        (PLAIN + "encoding: utf-9", "encoding: expected an encoding that Python knows, such as utf-8, utf-16"),
        (PLAIN + "encoding: [cp1252]", "encoding: expected a valid string, got ['cp1252']"),
        (PLAIN + "delimiters: [',,']", "delimiters: string should have at most 1 character, got ',,'"),
        (PLAIN + "delimiters: ['\"']", "delimiters: string should match pattern"),
        (PLAIN + "skip_lines: -1", "skip_lines: expected greater than or equal to 0, got -1"),
        (PLAIN + "quoting: single", "quoting: expected 'standard', 'backslash' or 'none', got 'single'"),
        (PLAIN + "totals: {pattern: '('}", "totals.pattern: expected a regular expression"),
        (PLAIN + "totals: {pattern: 5}", "totals.pattern: expected a valid string, got 5"),
        (PLAIN.replace("YYYY-MM-DD", "[iso]"), "date.formats: expected a valid string, got ['iso']"),
        (PLAIN + "columns: [date, term]", "layout: expected columns to name query"),
        (PLAIN + "refuse: no day", "layout: expected needs beside refuse"),
    ],
)
def test_what_is_wrong_with_a_layout_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        layout(tmp_path, text)

    assert f"{tmp_path}/mine.yml: {message}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_encoding_may_be_a_number_as_yaml_reads_it(tmp_path: Path) -> None:
    record = "2024-03-01,café,1"
    assert lines((HEADER + record).encode("cp1252"), layout(tmp_path, PLAIN + "encoding: 1252")) == [record]


def test_a_layouts_name_is_its_files(tmp_path: Path) -> None:
    assert layout(tmp_path, PLAIN, "my_shop-2").name == "my_shop-2"
    with pytest.raises(UsageError, match=r"My Shop\.yml: a layout's file is called by small letters"):
        layout(tmp_path, PLAIN, "My Shop")


def test_more_layouts_replace_those_of_their_name(tmp_path: Path) -> None:
    layout(tmp_path, PLAIN.replace("query", "q"), "plain")
    (tmp_path / "notes.txt").write_text("no layout", encoding="utf-8")

    loaded = layouts.load(tmp_path)

    assert loaded["plain"].term == ["q"]
    assert loaded["origin"] == layouts.origin()
    assert len(loaded) == len(layouts.load())


def test_every_layout_says_where_it_was_documented_or_that_it_was_not() -> None:
    for name, export in layouts.load().items():
        text = (PROJECT / "layouts" / f"{name}.yml").read_text(encoding="utf-8")
        assert export.documentation or name == "origin" or "No vendor's" in text or "nor any documentation" in text


@pytest.mark.parametrize(
    "reading",
    [
        ORIGIN,
        Reading(("iso", "MM/DD/YYYY"), "Asia/Tokyo", "Europe/Zurich", True, "'", ",", "round", "é", ("a", "b"), "c"),
    ],
)
def test_a_reading_is_what_it_was_when_it_is_read_again(reading: Reading) -> None:
    assert parse(reading.text) == reading
    assert parse(None) == ORIGIN
    assert parse('{"has_count": true, "of_a_later_release": 1}') == Reading(has_count=True)


@pytest.mark.parametrize(
    ("keys", "content"),
    [
        pytest.param("", HEADER + RECORDS, id="as it is"),
        pytest.param("skip_lines: 2\n", "Report\nof, a, day\n" + HEADER + RECORDS, id="lines before the header"),
        pytest.param("comment: '#'\n", "\ufeff# a\n#\n\n# b\n" + HEADER + RECORDS, id="lines of comment before it"),
        pytest.param("comment: '//'\nskip_lines: 1\n", "x\n// a\n" + HEADER + RECORDS, id="both"),
        pytest.param("columns: [date, query, count]\n", RECORDS, id="no header"),
        pytest.param(
            "columns: [date, query, count]\n", "Date,QUERY,count\n" + RECORDS, id="a header where none was expected"
        ),
        pytest.param("", "\ufeff\n" + HEADER + RECORDS, id="an empty line behind a byte order mark"),
    ],
)
def test_what_stands_around_the_records_is_no_record(tmp_path: Path, keys: str, content: str) -> None:
    assert lines(content.encode(), layout(tmp_path, PLAIN + keys)) == RECORDS.splitlines()


def test_what_looks_like_a_comment_behind_the_header_is_a_record(tmp_path: Path) -> None:
    export = layout(tmp_path, "description: x\nterm: q\ndate: {column: d, formats: [iso]}\ncomment: '#'\n")

    assert lines(b"# a\nq,d\n# 10 screws,2024-03-01\n", export) == ["# 10 screws,2024-03-01"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "punycode", "idna"])
def test_a_layout_of_another_encoding_leaves_other_files_to_the_others(tmp_path: Path, encoding: str) -> None:
    """Some of Python's decoders raise where they were asked to replace: UTF-16's where there is no byte order mark."""
    layout(tmp_path, PLAIN.replace("query", "q") + f"encoding: {encoding}\n")
    path = tmp_path / "a.csv"
    path.write_bytes((HEADER + "2024-03-01,k\u00e4se,1\n").encode())
    choice = Choice(path, layouts=layouts.load(tmp_path))

    assert landing.stage(Part(path), tmp_path, choice).layout_name == "plain"
    with pytest.raises(DataError, match=f"^the file is not in {encoding}, as its layout says"):
        landing.stage(Part(path), tmp_path, Choice(path, "mine", layouts=choice.layouts))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "latin-1", "utf-8-sig", "mac_roman"])
def test_a_file_in_another_encoding_is_read_as_if_it_were_utf_8(tmp_path: Path, encoding: str) -> None:
    export = layout(tmp_path, PLAIN + f"encoding: {encoding}\n")
    records_there = '2024-03-01,größe café,3\n2024-03-02,"a, «b»",1\n'

    actual = lines((HEADER + records_there).encode(encoding), export)

    assert actual == records_there.splitlines()


def test_what_an_encoding_has_no_character_for_shows_in_the_record(tmp_path: Path) -> None:
    export = layout(tmp_path, PLAIN + "encoding: cp1252\n")

    assert lines(HEADER.encode() + b"2024-03-01,a\x81b,1\n", export) == ["2024-03-01,a\ufffdb,1"]


@pytest.mark.parametrize(
    ("quoting", "content", "expected"),
    [
        ("backslash", r'2024-03-01,"55\" wide",1', '2024-03-01,"55"" wide",1'),
        ("backslash", r'2024-03-01,"a\\",1', r'2024-03-01,"a\",1'),
        ("backslash", r"2024-03-01,a\b,1", r"2024-03-01,a\b,1"),
        ("backslash", '2024-03-01,"a\nb \\"c\\"",1', '2024-03-01,"a\rb ""c""",1'),
        ("none", '2024-03-01,"tv,1', '2024-03-01,"tv,1'),
        ("standard", '2024-03-01,"tv ""4k""",1', '2024-03-01,"tv ""4k""",1'),
    ],
)
def test_quotes_are_read_as_the_layout_says(tmp_path: Path, quoting: str, content: str, expected: str) -> None:
    export = layout(tmp_path, PLAIN + f"quoting: {quoting}\n")

    assert lines((HEADER + content + "\n").encode(), export) == [expected]


# By Spark 4.2's own writer, of the queries behind it.
BY_SPARK = r"""2024-03-01,"tv 55\" oled",3
2024-03-01,"a, b",1
2024-03-02,"say \"hi\", you",2
2024-03-02,back\slash,1
2024-03-02,ends\,1
2024-03-02,"x\\, y",1
2024-03-03,"q\\\" q",1
2024-03-03,"line
\"break\"",1
2024-03-03,"\"full\"",1
2024-03-03,"",1
"""
QUERIES = [
    'tv 55" oled',
    "a, b",
    'say "hi", you',
    r"back\slash",
    "ends\\",
    r"x\, y",
    r"q\" q",
    'line\r"break"',
    '"full"',
    "",
]


@pytest.mark.parametrize("header", ["", "date,query,count\n"])
def test_what_spark_writes_is_what_it_was(header: str) -> None:
    actual = lines((header + BY_SPARK).encode(), layouts.load()["spark_csv"])

    assert [next(csv.reader([line], strict=True))[1] for line in actual] == QUERIES


def test_what_pandas_writes_is_what_it_was(tmp_path: Path) -> None:
    queries = [*QUERIES[:-1], "ends\\", "tv\t4k"]
    frame = pd.DataFrame({"date": "2024-03-01", "query": queries, "count": [1.0] * len(queries)})
    frame.to_csv(tmp_path / "a.csv.zst", compression=None)
    frame.to_csv(tmp_path / "b.csv", index=False, quoting=csv.QUOTE_ALL)
    for name, place in (("a.csv.zst", 2), ("b.csv", 1)):
        actual = lines((tmp_path / name).read_bytes(), layouts.load()["plain"])

        assert [next(csv.reader([line], strict=True))[place] for line in actual] == queries


def chosen(directory: Path, name: str, content: str | bytes, layout_name: str | None = None) -> str:
    """The layout by which a file below a directory is taken."""
    path = directory / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (directory / "staging").mkdir(exist_ok=True)
    choice = Choice(directory / "in", layout_name)
    return str(landing.stage(Part(path), directory / "staging", choice).layout_name)


def test_a_layout_is_chosen_by_name_by_folder_or_by_the_columns_that_fit_no_other(tmp_path: Path) -> None:
    assert chosen(tmp_path, "a.csv", HEADER + RECORDS) == "plain"
    assert chosen(tmp_path, "spark_csv/a.csv", HEADER + RECORDS) == "spark_csv"
    assert chosen(tmp_path, "spark_csv/old/a.csv", HEADER + RECORDS) == "spark_csv"
    assert chosen(tmp_path, "shop 1/a.csv", HEADER + RECORDS) == "plain"
    assert chosen(tmp_path, "ubi/a.csv", HEADER + RECORDS, "plain") == "plain"
    assert chosen(tmp_path, "a.csv", "day;month;year;searchterm;date;count\n1;3;2024;tv;x;y\n") == "origin"
    assert chosen(tmp_path, "a.jsonl", '{"a": 1}\n{"user_query": "tv", "timestamp": "2024-03-01"}\n') == "ubi"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "day,month,year,query\n", r"columns day, month, year, searchterm .* missing searchterm in 'day,"),
        ("a.csv", "date,Query,query ,count\n", r"^column searchterm appears twice in .*\(layout plain, the nearest of"),
        ("a.csv", "date,query,count" + ",x" * 100_000, r"^the first line names 100,003 columns, over 100,000"),
        ("a.csv", "a,b\n", r"^the first line must name the columns day, month, year, searchterm .* in 'a,b'$"),
        ("a.csv", "Searches\n\na,b\n", r"in 'Searches'; a layout's skip_lines passes over titles above them"),
        ("a.csv", "Date,Search term,n\n", r"Date, Search term, Event count .* missing Event count.*\(layout ga4_expl"),
        (
            "a.csv",
            "date,query,count,impressions\n",
            r"fit several layouts, plain, search_console; say --layout NAME, or",
        ),
        (
            "ubi/a.csv",
            HEADER,
            r"the first line must name the columns timestamp, user_query .* missing timestamp, user_query",
        ),
        ("a.csv", "date,gr\xf6\xdfe caf\xe9,count\n".encode("latin-1") * 9, r"a layout can say encoding: \w+$"),
        ("a.csv", "Tag;B\xfcrostuhl\n02.03.2024;12\n".encode("latin-1"), r"a layout can say encoding: cp1252$"),
        ("a.csv", HEADER.encode("utf-16"), r"is UTF-16; save it as UTF-8 .*; a layout can say encoding: utf-16$"),
        ("a.json", "[{}]", r"one JSON array; write each of its objects on a line, as `jq -c '.\[\]'` does"),
        ("a.jsonl", "no\nJSON\n1\n", r"no line at its start is a JSON object"),
        ("a.jsonl", "", r"the file is empty; expected one JSON object a line"),
        (
            "a.jsonl",
            '{"a": 1}\n',
            r"must have the fields day, month, year, searchterm; missing day, month, year, searchterm",
        ),
        (
            "a.jsonl",
            '{"user_query": 1}\n',
            r"fields timestamp, user_query; missing timestamp .*\(layout ubi, the nearest of",
        ),
        ("a.parquet", "PAR1", r"no Parquet file that can be read"),
        ("adobe_commerce/a.csv", HEADER, r"adobe_commerce: the report on search terms holds totals without a day"),
    ],
)
def test_a_file_that_fits_none_or_several_says_which_and_what_it_lacks(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        chosen(tmp_path, name, content)


def test_a_layout_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ingest: no layout plan; did you mean plain\?"):
        Choice(tmp_path, "plan")


def test_of_several_names_the_first_is_taken_and_the_other_column_stays(tmp_path: Path) -> None:
    export = layout(tmp_path, PLAIN.replace("term: query", "term: [query, keyword]"))
    actual, _ = records.read(io.BytesIO(b"keyword,date,Query,searchterm\n").read, export)

    assert actual.columns == ("keyword", "date", "searchterm", "searchterm_4")
    assert actual.roles == ("date", "searchterm")


def test_the_page_explains_every_key_and_its_example_is_read_as_it_says(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "bring-your-own-export.md").read_text(encoding="utf-8")
    file, text = (block for block in re.findall(r"```\w*\n(.*?)```", page, re.DOTALL) if "Suchbegriff" in block)
    (tmp_path / "march.csv").write_bytes(file.encode("cp1252"))
    (tmp_path / "more").mkdir()
    export = layout(tmp_path / "more", text, "my_shop")

    delivery = landing.stage(
        Part(tmp_path / "march.csv"), tmp_path, Choice(tmp_path, layouts=layouts.load(tmp_path / "more"))
    )

    assert (delivery.layout_name, delivery.record_count) == ("my_shop", 2)
    staged = parquet.read_table(tmp_path / f"{delivery.delivery_id}.parquet", columns=["date", "searchterm", "count"])
    assert staged.to_pydict() == {
        "date": ["01.03.2024", "Summe"],
        "searchterm": ["Schreibtisch", ""],
        "count": ["1'200", "1'200"],
    }
    assert parse(delivery.reading) == export.reading("UTC")
    for key in type(export).model_fields.keys() - {"name"}:
        assert f"`{key}`" in page
    for name in layouts.load().keys() - set(REFUSING):
        assert f"| `{name}` |" in page


def test_a_file_that_fits_no_layout_says_so_where_the_origins_is_chosen_by_name_only(tmp_path: Path) -> None:
    own = layouts.load()
    own["origin"] = own["origin"].model_copy(update={"choose": "by_name"})
    (tmp_path / "a.csv").write_text("foo,bar\n1,2\n")
    with pytest.raises(DataError, match="the first line must name the columns"):
        landing.stage(Part(tmp_path / "a.csv"), tmp_path, Choice(tmp_path, layouts=own))
