from __future__ import annotations

from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from chispa import assert_df_equality

from search_forecast.errors import UsageError
from search_forecast.lakehouse import contracts
from search_forecast.medallion import silver
from search_forecast.parameters import CleanParameters, Personal
from support import reference

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NOON = datetime(2021, 12, 25, 12, tzinfo=timezone.utc)
TODAY = date(2021, 12, 25)
SOURCE = ("d1", "/in/a.csv", "batch-000001")
# day, month, year, searchterm, extra_fields, malformed_record
FIELDS = [
    ("7", "11", "2021", "laptop", None, None),
    ("7", "11", "2021", "laptop", None, None),
    ("07", " 11 ", "2021", " Gaming  LAPTOP", {"device": "mobile"}, None),
    ("8", "11", "2021", "Cafe\u0301", None, None),
    ("25", "12", "2021", "on the day it was judged", None, None),
    ("26", "12", "2021", "on the day after", None, None),
    ("31", "12", "1994", "early", None, None),
    ("30", "2", "2021", "", {"device": "\ufffd"}, None),
    ("x", "", "2021", "laptop", None, None),
    ("7", "11", "2021", "\u200b", None, None),
    ("7", "11", "2021", "x" * 257, None, None),
    (None, None, None, None, None, '7,11,2021,"laptop'),
]


def with_date_and_count(day: object, month: object, year: object, term: object, *rest: object) -> tuple[object, ...]:
    """The raw columns of a record whose date is three columns and that stands for one search."""
    return day, month, year, None, term, None, *rest


@pytest.fixture(scope="module")
def classified(spark: SparkSession) -> DataFrame:
    rows = [(*with_date_and_count(*fields), *SOURCE, NOON) for fields in FIELDS]
    return silver.classified(spark.createDataFrame(rows, contracts.RAW_SEARCH_TERMS.schema), TODAY).cache()


def test_searches_have_their_date_and_their_normalised_term(spark: SparkSession, classified: DataFrame) -> None:
    expected = spark.createDataFrame(
        [
            (date(2021, 11, 7), "laptop", "laptop", 1, "d1", "batch-000001"),
            (date(2021, 11, 7), "laptop", "laptop", 1, "d1", "batch-000001"),
            (date(2021, 11, 7), "gaming laptop", " Gaming  LAPTOP", 1, "d1", "batch-000001"),
            (date(2021, 11, 8), "café", "Cafe\u0301", 1, "d1", "batch-000001"),
            (date(2021, 12, 25), "on the day it was judged", "on the day it was judged", 1, "d1", "batch-000001"),
        ],
        contracts.SEARCH_EVENTS.schema,
    )

    actual = silver.search_events(classified)

    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True, ignore_metadata=True)


def test_rejected_records_keep_what_was_delivered_and_say_why(spark: SparkSession, classified: DataFrame) -> None:
    expected = spark.createDataFrame(
        [
            (*with_date_and_count(*fields), reasons, "d1", "/in/a.csv", "batch-000001")
            for fields, reasons in [
                (FIELDS[5], ["date_in_future"]),
                (FIELDS[6], ["date_too_early"]),
                (FIELDS[7], ["bad_encoding", "empty_term", "impossible_date"]),
                (FIELDS[8], ["missing_date", "not_a_number"]),
                (FIELDS[9], ["empty_term"]),
                (FIELDS[10], ["term_too_long"]),
                (FIELDS[11], ["malformed_record"]),
            ]
        ],
        contracts.REJECTED_RECORDS.schema,
    )

    actual = silver.rejected_records(classified).orderBy("reject_reasons")

    # A map can't be sorted by, so both sides are sorted by the reasons, which differ from row to row.
    assert_df_equality(actual, expected.orderBy("reject_reasons"), ignore_nullable=True, ignore_metadata=True)


def test_every_record_is_judged_as_by_the_reference(classified: DataFrame) -> None:
    records = [reference.RawRecord(*fields[:4], fields[4] or {}, fields[5]) for fields in FIELDS]
    expected = reference.expected(records, NOON.date())

    judged = classified.select("reject_reasons", "is_search").collect()
    reasons = [tuple(row["reject_reasons"]) for row in judged]
    assert [row["is_search"] for row in judged] == [not each for each in reasons]

    assert sorted(filter(None, reasons)) == sorted(expected.rejected_by_reasons.elements())
    assert reasons.count(()) == expected.event_count


def test_every_record_becomes_either_a_search_or_a_rejected_record(classified: DataFrame) -> None:
    counts = silver.search_events(classified).count(), silver.rejected_records(classified).count()

    assert counts == (5, 7)
    assert sum(counts) == len(FIELDS) == classified.count()


@pytest.mark.parametrize(
    ("time_zone", "time", "today"),
    [
        ("UTC", "2021-12-25T23:59:59", date(2021, 12, 25)),
        ("Pacific/Auckland", "2021-12-25T10:59:59", date(2021, 12, 25)),
        ("Pacific/Auckland", "2021-12-25T11:00:00", date(2021, 12, 26)),
        ("America/Adak", "2021-12-25T09:59:59", date(2021, 12, 24)),
    ],
)
def test_the_shops_clock_says_what_day_it_is(time_zone: str, time: str, today: date) -> None:
    assert CleanParameters(time_zone).today(datetime.fromisoformat(f"{time}+00:00")) == today


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../UTC", "/etc", "Pacific"])
def test_a_time_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"clean: --time-zone {name} is none, such as"):
        CleanParameters(name)


def test_records_of_one_branch_alone_are_classified_too(spark: SparkSession) -> None:
    for term in ("laptop", "Café"):
        raw = spark.createDataFrame(
            [(*with_date_and_count("7", "11", "2021", term, None, None), *SOURCE, NOON)],
            contracts.RAW_SEARCH_TERMS.schema,
        )

        assert [row["term"] for row in silver.search_events(silver.classified(raw, TODAY)).collect()] == [term.lower()]


def test_no_records_give_empty_tables_of_the_right_columns(spark: SparkSession) -> None:
    records = silver.classified(spark.createDataFrame([], contracts.RAW_SEARCH_TERMS.schema), TODAY)

    for table, rows in (
        (contracts.SEARCH_EVENTS, silver.search_events(records)),
        (contracts.REJECTED_RECORDS, silver.rejected_records(records)),
    ):
        table.check(rows)
        assert rows.columns == table.schema.names
        assert rows.collect() == []


@pytest.mark.parametrize("policy", ["keep", "mask", "reject"])
def test_plain_records_are_the_same_where_it_is_known_that_they_are(spark: SparkSession, policy: Any) -> None:
    plain = [fields for fields in FIELDS if (fields[3] or "").isascii()]
    rows = [(*with_date_and_count(*fields), *SOURCE, NOON) for fields in plain]
    raw = spark.createDataFrame(rows, contracts.RAW_SEARCH_TERMS.schema)

    known, unknown = (
        silver.classified(raw, TODAY, personal=Personal(policy), are_plain=are_plain) for are_plain in (True, False)
    )

    assert sorted(known.collect(), key=repr) == sorted(unknown.collect(), key=repr)
    assert "EvalPython" not in known._jdf.queryExecution().toString()
