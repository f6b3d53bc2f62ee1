from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from chispa import assert_column_equality
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from search_forecast.medallion import quality, terms
from search_forecast.medallion.reading import ORIGIN
from support import reference

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.usefixtures("compiled")

RECEIVED = date(2024, 3, 1)
RECORD = (
    "day string, month string, year string, searchterm string, extra_fields map<string,string>, malformed_record string"
)
DATES = [
    ("1", "2", "2021", date(2021, 2, 1)),
    ("01", "02", "2021", date(2021, 2, 1)),
    ("007", "0012", "2021", date(2021, 12, 7)),
    (" 7 ", "\t7\t", " \t2021\t ", date(2021, 7, 7)),
    ("31", "12", "9999", date(9999, 12, 31)),
    ("1", "1", "0001", date(1, 1, 1)),
    ("29", "2", "2024", date(2024, 2, 29)),
    ("29", "2", "2023", None),
    ("29", "2", "1900", None),
    ("29", "2", "2000", date(2000, 2, 29)),
    ("30", "2", "2024", None),
    ("31", "4", "2021", None),
    ("31", "1", "2021", date(2021, 1, 31)),
    ("32", "1", "2021", None),
    ("0", "1", "2021", None),
    ("00", "1", "2021", None),
    ("100", "1", "2021", None),
    ("1", "0", "2021", None),
    ("1", "13", "2021", None),
    ("1", "1", "0000", None),
    ("1.0", "3.0", "2024.0", date(2024, 3, 1)),
    (" 1.00 ", "3", "2024.", None),
    ("1", ".0", "2024", None),
    ("1.0.0", "3", "2024", None),
    ("1", "1", "21", None),
    ("1", "1", "021", None),
    ("1", "1", "12021", None),
    ("1", "1", "02021", None),
    ("9" * 40, "1", "2021", None),
    ("1", "1", "9" * 40, None),
    ("", "1", "2021", None),
    ("1", " ", "2021", None),
    ("1", "1", "\t", None),
    (None, "1", "2021", None),
    ("1", None, "2021", None),
    ("1", "1", None, None),
    (None, None, None, None),
    ("5", None, "2021-11", None),
    (None, "11-5", "2021", None),
    ("+7", "1", "2021", None),
    ("-7", "1", "2021", None),
    ("1.5", "1", "2021", None),
    ("1e1", "1", "2021", None),
    ("1 2", "1", "2021", None),
    ("７", "1", "2021", None),
    ("1", "1", "２０２１", None),
    ("1", "Nov", "2021", None),
    ("1\u00a0", "1", "2021", None),
    ("1\n", "1", "2021", None),
    ("1", "1", "2021\n", None),
]


def classified(spark: SparkSession, records: list[tuple[object, ...]]) -> DataFrame:
    """Adds what the rules make of raw records, each followed by what is expected, if anything."""
    width = 7 if len(records[0]) == 7 else 6
    schema = RECORD + (", expected array<string>" if width == 7 else "")
    raw = spark.createDataFrame([(number, *record) for number, record in enumerate(records)], f"id int, {schema}")
    columns = {name: F.col(name) for name in raw.columns}
    dated = raw.withColumn("event_date", quality.read_date(columns, ORIGIN))
    dated = dated.withColumn("search_count", quality.read_count(columns, ORIGIN))
    named = terms.with_normalised(dated, "searchterm", "term")
    record = {name: F.col(name) for name in named.columns}
    judged = named.withColumn("reject_reasons", quality.reject_reasons(record, RECEIVED))
    return judged.withColumn("is_search", quality.is_search(record, RECEIVED)).orderBy("id")


def dated(day: str, month: str, year: str, *reasons: str) -> tuple[object, ...]:
    """A record whose date is all that could be wrong."""
    return (day, month, year, "laptop", None, None, list(reasons))


def named(searchterm: str | None, *reasons: str) -> tuple[object, ...]:
    """A record whose term is all that could be wrong."""
    return ("1", "2", "2021", searchterm, None, None, list(reasons))


def test_a_date_is_a_calendar_day_of_a_four_digit_year(spark: SparkSession) -> None:
    fields = spark.createDataFrame(DATES, "day string, month string, year string, expected date")

    actual = fields.withColumn("event_date", quality.event_date(F.col("day"), F.col("month"), F.col("year")))

    assert_column_equality(actual, "event_date", "expected")


def test_a_number_loses_spaces_and_tabs_around_it_and_nothing_else(spark: SparkSession) -> None:
    fields = spark.createDataFrame(
        [(" \t7\t ", "7"), ("1 2", "1 2"), ("\u00a07", "\u00a07"), ("7\n", "7\n"), (" ", ""), ("", ""), (None, None)],
        "field string, expected string",
    )

    assert_column_equality(fields.withColumn("text", quality.number_text(F.col("field"))), "text", "expected")


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(
            [
                dated("1", "1", "1995"),
                dated("31", "12", "1994", "date_too_early"),
                dated("1", "1", "0001", "date_too_early"),
                dated("29", "2", "2024"),
                dated("1", "3", "2024"),  # the day it was received
                dated("2", "3", "2024", "date_in_future"),
                dated("31", "12", "9999", "date_in_future"),
                dated(" 07 ", "\t7", "2021"),
                dated("29", "2", "2023", "impossible_date"),
                dated("0", "1", "2021", "impossible_date"),
                dated("32", "1", "2021", "impossible_date"),
                dated("1", "13", "2021", "impossible_date"),
                dated("1", "1", "0000", "impossible_date"),
                dated("1", "1", "21", "impossible_date"),
                dated("1", "1", "12021", "impossible_date"),
                dated("1", "1", "9" * 30, "impossible_date"),
                dated("", "1", "2021", "missing_date"),
                dated("1", " \t", "2021", "missing_date"),
                dated("1", "1", "", "missing_date"),
                dated("", "", "", "missing_date"),
                dated("+7", "1", "2021", "not_a_number"),
                dated("-7", "1", "2021", "not_a_number"),
                dated("1.5", "1", "2021", "not_a_number"),
                dated("７", "1", "2021", "not_a_number"),
                dated("1", "Nov", "2021", "not_a_number"),
                dated("1", "1", "2021\u00a0", "not_a_number"),
                dated("", "x", "2021", "missing_date", "not_a_number"),
                dated("x", "1", "", "missing_date", "not_a_number"),
                dated("1\ufffd", "1", "2021", "bad_encoding", "not_a_number"),
                dated("1", "\ufffd", "2021", "bad_encoding", "not_a_number"),
                dated("1", "1", "202\ufffd", "bad_encoding", "not_a_number"),
            ],
            id="dates",
        ),
        pytest.param(
            [
                named("laptop"),
                named("", "empty_term"),
                named(" \t\u00a0\u3000", "empty_term"),
                named("\x00\u200b", "empty_term"),
                named("lap\ufffdtop", "bad_encoding"),
                named("\ufffd", "bad_encoding"),
                named("x" * 256),
                named("x" * 257, "term_too_long"),
                named("💻" * 256),
                named("💻" * 257, "term_too_long"),
                named("ß" * 128),  # grows to 256
                named("ß" * 129, "term_too_long"),
                named("ﷺ" * 14),  # 14 x 18 characters, with 3 spaces in each
                named("ﷺ" * 15, "term_too_long"),
                named(" " * 300 + "x" * 256 + "\t" * 300),
                named("x" + " " * 300 + "y"),
                named("e\u0301" * 256),  # shrinks to 256
                named("e\u0301" * 257, "term_too_long"),
                named("\u200b" * 300 + "x"),
                named("\ufffd" * 257, "bad_encoding", "term_too_long"),
            ],
            id="terms",
        ),
        pytest.param(
            [
                ("1", "2", "2021", "laptop", {}, None, []),
                ("1", "2", "2021", "laptop", {"device": "mobile", "shop": ""}, None, []),
                ("1", "2", "2021", "laptop", {"device": "mob\ufffdle"}, None, ["bad_encoding"]),
                ("1", "2", "2021", "laptop", {"a": "", "b": None, "c": "\ufffd"}, None, ["bad_encoding"]),
                ("1", "2", "2021", "laptop", {"\ufffd": "mobile"}, None, []),
                ("30", "2", "2021", "\ufffd" * 257, None, None, ["bad_encoding", "impossible_date", "term_too_long"]),
                ("31", "12", "1994", " ", {"a": "\ufffd"}, None, ["bad_encoding", "date_too_early", "empty_term"]),
                ("2", "3", "2024", "", None, None, ["date_in_future", "empty_term"]),
                ("x", "", "2021", "", None, None, ["empty_term", "missing_date", "not_a_number"]),
                (None, None, None, None, None, None, ["empty_term", "missing_date"]),
                (None, None, None, None, None, '1,2,"2021', ["malformed_record"]),
                (None, None, None, None, None, "\ufffd", ["malformed_record"]),
                (None, None, None, None, None, "", ["malformed_record"]),
            ],
            id="combinations",
        ),
    ],
)
def test_a_record_is_rejected_for_every_rule_that_it_breaks(
    spark: SparkSession, records: list[tuple[object, ...]]
) -> None:
    judged = classified(spark, records).withColumn("is_flawless", F.size("expected") == 0)
    assert_column_equality(judged, "reject_reasons", "expected")
    assert_column_equality(judged, "is_search", "is_flawless")


NUMBERS = (
    st.integers(-1, 40).map(str)
    | st.integers(0, 3000).map("{:04}".format)
    | st.sampled_from(
        ["", " ", "29", "30", "31", "2", "02", " 7\t", "0", "00", "1995", "1994", "2024", "3", "1.0", "٣"]
    )
    | st.text(st.sampled_from("0123456789 \t-+x\ufffd"), max_size=6)
)
CALENDAR_DAYS = st.dates(date(1990, 1, 1), date(2030, 1, 1)).map(lambda d: (str(d.day), str(d.month), f"{d.year:04}"))
WORDS = st.sampled_from(["laptop", "", " ", "Café", "\ufffd", "x" * 257, "ß" * 128])
RECORDS = st.tuples(st.tuples(NUMBERS, NUMBERS, NUMBERS) | CALENDAR_DAYS, WORDS, st.none() | st.just({"a": "\ufffd"}))


@settings(max_examples=10, deadline=None)  # an example is a Spark action
@given(st.lists(RECORDS, min_size=1, max_size=80))
def test_any_record_is_judged_as_by_the_calendar_of_python(
    spark: SparkSession, records: list[tuple[tuple[str, str, str], str, dict[str, str] | None]]
) -> None:
    rows = classified(spark, [(*fields, term, extra, None) for fields, term, extra in records]).collect()

    expected = [
        reference.classify(reference.RawRecord(*fields, term, extra or {}), RECEIVED) for fields, term, extra in records
    ]
    assert [tuple(row["reject_reasons"]) for row in rows] == [getattr(e, "reasons", ()) for e in expected]
    good = [(row["event_date"], row["term"]) for row in rows if row["is_search"]]
    assert good == [(e.event_date, e.term) for e in expected if isinstance(e, reference.Event)]
