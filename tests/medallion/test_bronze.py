from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest
from chispa import assert_column_equality, assert_df_equality
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from search_forecast.errors import DataError
from search_forecast.medallion import bronze
from search_forecast.medallion.bronze import Layout, layout_of
from support import reference

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLAIN = ("day", "month", "year", "searchterm")
RAW = (
    "day string, month string, year string, date string, searchterm string, count string, "
    "extra_fields map<string,string>, malformed_record string, delivery_id string"
)
# What may stand in a line: no line break. Python 3.10's csv module refuses NUL, ours takes it.
LINE_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)
CSV_TEXT = st.text(st.sampled_from("\",;\t ab7é💻'\\"), max_size=10)
BATCH = settings(max_examples=8, deadline=None)  # an example is a Spark action


def layout_with(delimiter: str, count: int, *, is_last_optional: bool = False) -> Layout:
    return Layout(delimiter, tuple(f"column_{number}" for number in range(count)), is_last_optional)


def split(spark: SparkSession, lines: list[str], delimiter: str, count: int) -> list[list[str] | None]:
    """What `split_record` makes of each line, in order: one Spark action."""
    numbered = spark.createDataFrame(list(enumerate(lines)), "id int, line string")
    fields = bronze.split_record(F.col("line"), layout_with(delimiter, count)).alias("fields")
    return [row["fields"] for row in numbered.select("id", fields).orderBy("id").collect()]


def split_by_python(line: str, delimiter: str, count: int) -> list[str] | None:
    """The same by Python's csv module, and where that knows no blanks around quotes, by the reference."""
    fields = reference.split(line, delimiter)
    if not re.search('[ \\t]"|"[ \\t]', line):
        try:
            assert fields == (next(csv.reader([line], delimiter=delimiter, strict=True)) or [""])
        except csv.Error:
            assert fields is None
    return (
        fields
        if fields is not None and (len(fields) == count or (len(fields) == count + 1 and not fields[-1]))
        else None
    )


def written_by_python(fields: list[str], delimiter: str, *, is_all_quoted: bool) -> str:
    """A line of a file by Python's csv module."""
    file = io.StringIO()
    quoting = csv.QUOTE_ALL if is_all_quoted else csv.QUOTE_MINIMAL
    csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator="").writerow(fields)
    return file.getvalue()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("day,month,year,searchterm", Layout(",", PLAIN)),
        ("day;month;year;searchterm", Layout(";", PLAIN)),
        ("day\tmonth\tyear\tsearchterm", Layout("\t", PLAIN)),
        ("Day,MONTH,Year,SearchTerm", Layout(",", PLAIN)),
        ("day,month,year,Search Term", Layout(",", PLAIN)),
        ("day,month,year,SEARCH_TERM", Layout(",", PLAIN)),
        ("day,month,year,search-term", Layout(",", PLAIN)),
        (" day , month\t, year ,  search  term ", Layout(",", PLAIN)),
        ('"day","month","year","Search Term"', Layout(",", PLAIN)),
        ("searchterm,year,month,day", Layout(",", ("searchterm", "year", "month", "day"))),
        ("shop,day,month,year,searchterm,Device ", Layout(",", ("shop", *PLAIN, "Device"))),
        ("day;month;year;searchterm;a,b", Layout(";", (*PLAIN, "a,b"))),
        ('day,month,year,searchterm,"a,b"', Layout(",", (*PLAIN, "a,b"))),
        ("day,month,year,searchterm,,", Layout(",", (*PLAIN, "column_5", "column_6"), is_last_optional=True)),
        ("day,month,year,searchterm,a,a,a", Layout(",", (*PLAIN, "a", "a_6", "a_7"))),
        ("day,month,year,searchterm,column_6,", Layout(",", (*PLAIN, "column_6", "column_6_6"), is_last_optional=True)),
        ("day,month,year,searchterm,a_6,a,a", Layout(",", (*PLAIN, "a_6", "a", "a_7"))),
        ("day,month,year,searchterm,a_7,a,a", Layout(",", (*PLAIN, "a_7", "a", "a_7_7"))),
        ("day,month,year,searchterm,Größe 'x' `y`", Layout(",", (*PLAIN, "Größe 'x' `y`"))),
    ],
)
def test_a_header_gives_delimiter_and_names_in_order(header: str, expected: Layout) -> None:
    assert layout_of(header) == expected


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "missing day, month, year, searchterm in ''"),
        ("day,month,year", "missing searchterm in 'day,month,year'"),
        ("day,month,year,term", "missing searchterm"),
        ("day|month|year|searchterm", "missing day, month, year, searchterm"),
        ("day,month;year,searchterm", "missing month, year"),
        ("12,11,2021,mobile 5g", "missing day, month, year, searchterm"),
        ("day,month,year,searchterm,Search Term", "column searchterm appears twice"),
        ("day,day,month,month,year,searchterm", "column day, month appears twice"),
        ("x" * 1000, f"'{'x' * 80}…'"),
    ],
)
def test_a_header_without_each_column_once_is_refused_by_name(header: str, message: str) -> None:
    with pytest.raises(DataError) as raised:
        layout_of(header)

    assert message in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_first_line_that_is_too_long_for_the_csv_module_is_refused_too() -> None:
    with pytest.raises(DataError, match="missing day, month, year, searchterm"):
        layout_of("x" * 200_000)


def test_a_line_is_split_as_rfc_4180_says(spark: SparkSession) -> None:
    lines = spark.createDataFrame(
        [
            ("1,2,x", ["1", "2", "x"]),
            (" 1 ,\t2,x ", [" 1 ", "\t2", "x "]),
            (",,", ["", "", ""]),
            ('"","",""', ["", "", ""]),
            ('1,2,"a, b"', ["1", "2", "a, b"]),
            ('1,2,"say ""hi"""', ["1", "2", 'say "hi"']),
            ('"""",2,""""""', ['"', "2", '""']),
            ('"1","2","x"', ["1", "2", "x"]),
            ('1,2,tv 55"', ["1", "2", 'tv 55"']),
            ('1,2,5"" x', ["1", "2", '5"" x']),
            ("1,2,it's \\, fine", None),
            ("1,2,\\\\", ["1", "2", "\\\\"]),
            ("1,2,a\u0085b\u2028c", ["1", "2", "a\u0085b\u2028c"]),
            ('1,2,"a\u2028,b"', ["1", "2", "a\u2028,b"]),
            ("1,2,a\x00b", ["1", "2", "a\x00b"]),
            ("1;2;x", None),
            ("1,2", None),
            ("1,2,x,", ["1", "2", "x", ""]),
            ("1,2,,", ["1", "2", "", ""]),
            ('1,2,"x",', ["1", "2", "x", ""]),
            ("1,2,x,,", None),
            ("1,2,x, ", None),
            ('1,2,"x",,', None),
            ("", None),
            (None, None),
            ('1,2,"mobile', None),
            ('1,2,"', None),
            ('"1,2,x', None),
            ('1,2,"mobile" ', ["1", "2", "mobile"]),
            ('1,2,"mobile"5g', None),
            ('1,2, "mobile"', ["1", "2", "mobile"]),
            (' "1",\t"2" , "a,b" ', ["1", "2", "a,b"]),
            ('1,2, " a ""b"" "', ["1", "2", ' a "b" ']),
            ('1, 2, tv 55"', ["1", " 2", ' tv 55"']),
            ('1,2, "a" b', None),
            ('1,2,"55\\" wide"', None),
            ('1,2,"55\\", wide"', None),
            ('1,2,"a\nb, c"', ["1", "2", "a\nb, c"]),
            ('1,2,"a""', None),
            ('1,2,"a"""b"', None),
        ],
        "line string, expected array<string>",
    )

    fields = bronze.split_record(F.col("line"), layout_with(",", 3))
    assert_column_equality(lines.withColumn("fields", fields), "fields", "expected")


def test_where_the_header_ends_in_a_delimiter_records_do_so_or_not(spark: SparkSession) -> None:
    lines = spark.createDataFrame(
        [
            ("1,x,", ["1", "x", ""]),
            ("1,x", ["1", "x"]),
            ("1,x,y", ["1", "x", "y"]),
            ('1,"x"', ["1", "x"]),
            ('1,"x",', ["1", "x", ""]),
            ("1", None),
            ("1,x,y,z", None),
            ('"1"', None),
        ],
        "line string, expected array<string>",
    )

    fields = bronze.split_record(F.col("line"), layout_with(",", 3, is_last_optional=True))
    assert_column_equality(lines.withColumn("fields", fields), "fields", "expected")


@pytest.mark.parametrize("delimiter", bronze.DELIMITERS)
def test_only_its_own_delimiter_splits_a_line(spark: SparkSession, delimiter: str) -> None:
    others = "".join(other for other in bronze.DELIMITERS if other != delimiter)

    found = split(spark, [f"1{others}{delimiter}x", f'"1{others}{delimiter}"{delimiter}x', f"1{others}x"], delimiter, 2)

    assert found == [[f"1{others}", "x"], [f"1{others}{delimiter}", "x"], None]


@BATCH
@given(
    st.sampled_from(bronze.DELIMITERS),
    st.lists(st.tuples(st.lists(LINE_TEXT | CSV_TEXT, min_size=4, max_size=4), st.booleans()), min_size=1, max_size=60),
)
def test_what_python_writes_is_split_into_the_same_fields(
    spark: SparkSession, delimiter: str, records: list[tuple[list[str], bool]]
) -> None:
    lines = [written_by_python(fields, delimiter, is_all_quoted=is_quoted) for fields, is_quoted in records]

    assert split(spark, lines, delimiter, 4) == [fields for fields, _ in records]


@BATCH
@example(",", 2, ['""', '"",', ',""', '"a"b,', 'a"b",c', '"a\u2028b",c'])
@given(
    st.sampled_from(bronze.DELIMITERS),
    st.integers(2, 5),
    st.lists(
        CSV_TEXT | st.lists(st.sampled_from(['"', ",", "a", '"a"', '""', '"a,"']), max_size=8).map("".join) | LINE_TEXT,
        min_size=1,
        max_size=150,
    ),
)
def test_any_line_is_malformed_exactly_where_python_says_so(
    spark: SparkSession, delimiter: str, count: int, lines: list[str]
) -> None:
    assert split(spark, lines, delimiter, count) == [split_by_python(line, delimiter, count) for line in lines]


def test_a_very_long_line_is_split_without_overflowing_the_stack(spark: SparkSession) -> None:
    quotes = 'x""' * 350_000
    lines = [f'a,"{quotes}"', f'a,"{quotes}', f'"{quotes}","{quotes}"', "a," + 'x"' * 500_000, '"' * 1_000_001]

    found = split(spark, lines, ",", 2)

    whole = 'x"' * 350_000
    assert [None if fields is None else [len(field) for field in fields] for fields in found] == [
        [1, len(whole)],
        None,
        [len(whole), len(whole)],
        [1, 1_000_000],
        None,
    ]
    assert found[0] == ["a", whole]


def test_lines_become_raw_records_and_a_malformed_one_is_kept_whole(spark: SparkSession) -> None:
    lines = spark.createDataFrame(
        [
            ('"a, b",mobile,2021,11, 07,', "d1"),
            (",,,,,", "d1"),
            ("laptop,mobile,2021,11", "d2"),
            ('"laptop,mobile,2021,11,7,x', "d2"),
            ("lap\ufffdtop,m\ufffd,2021,11,7,x", "d3"),
            ('"red\rshoes", "m",2021,11,7', "d4"),
        ],
        "value string, delivery_id string",
    )
    expected = spark.createDataFrame(
        [
            (" 07", "11", "2021", None, "a, b", None, {"Device": "mobile", "column_6": ""}, None, "d1"),
            ("", "", "", None, "", None, {"Device": "", "column_6": ""}, None, "d1"),
            (*[None] * 7, "laptop,mobile,2021,11", "d2"),
            (*[None] * 7, '"laptop,mobile,2021,11,7,x', "d2"),
            ("7", "11", "2021", None, "lap\ufffdtop", None, {"Device": "m\ufffd", "column_6": "x"}, None, "d3"),
            ("7", "11", "2021", None, "red\nshoes", None, {"Device": "m", "column_6": None}, None, "d4"),
        ],
        RAW,
    )

    actual = bronze.raw_records(lines, layout_of("Search Term,Device,Year,Month,Day,"))

    assert_df_equality(actual, expected, ignore_nullable=True)


def test_records_of_a_file_without_other_columns_have_no_extra_fields(spark: SparkSession) -> None:
    lines = spark.createDataFrame([("7,11,2021,laptop", "d1"), ("laptop", "d1")], "value string, delivery_id string")
    expected = spark.createDataFrame(
        [("7", "11", "2021", None, "laptop", None, None, None, "d1"), (*[None] * 7, "laptop", "d1")], RAW
    )

    actual = bronze.raw_records(lines, Layout(",", PLAIN))

    assert_df_equality(actual, expected, ignore_nullable=True)


@BATCH
@example([b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x92", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"a\x80b"])
@example(
    [b"\xe2\x82\xac\xe2\x82", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xe0\x9f\xbf", b"\xc3\xc3\xa9", b"\xfe\xff"]
)
@given(
    st.lists(
        st.binary(max_size=8) | st.lists(st.sampled_from([b"\xe2", b"\x82", b"\xf0\x9f", b"\xc3", b"a"])).map(b"".join),
        min_size=1,
        max_size=60,
    )
)
def test_bytes_that_are_no_utf_8_are_replaced_as_by_python(spark: SparkSession, terms: list[bytes]) -> None:
    terms = [term.translate(None, delete=b'\n\r,"') for term in terms]
    content = spark.createDataFrame(
        [(number, b"7,11,2021," + term) for number, term in enumerate(terms)], "id int, content binary"
    )

    raw = bronze.raw_records(content.select(F.col("content").cast("string").alias("value"), "id"), Layout(",", PLAIN))

    found = [row["searchterm"] for row in raw.orderBy("id").collect()]
    assert found == [term.decode("utf-8", errors="replace") for term in terms]
