"""Dates in one column, time zones, counts, totals, other events: one Spark job, against plain Python."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from search_forecast.lakehouse import contracts
from search_forecast.medallion import clean, layouts, silver
from search_forecast.medallion.reading import ORIGIN, Reading

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TODAY, NOON = date(2024, 12, 31), datetime(2024, 12, 31, 12, tzinfo=timezone.utc)
ISO, COUNTED = Reading(("iso",)), Reading(("YYYY-MM-DD",), has_count=True)
TOKYO = Reading(("iso", "epoch_ms"), "UTC", "Asia/Tokyo")
ZURICH = Reading(("iso",), "America/New_York", "Europe/Zurich")
SWISS = Reading(("YYYY-MM-DD",), has_count=True, thousands="'", decimal=",", decimals="round")
FRENCH = Reading(("YYYY-MM-DD",), has_count=True, thousands=" ")
FLOOR = Reading(("YYYY-MM-DD",), has_count=True, decimals="floor")
SOME = Reading(("YYYY-MM-DD",), only_column="kind", only_values=("search", "find"), total_pattern="^Total$")
NAMED = Reading(
    ("YYYY-MM-DD",), only_column="searchterm", total_pattern="(?i)grand total", total_columns=("date", "kind")
)
PLAIN = Reading(layouts.load()["plain"].reading("UTC").formats)
PLAIN_COUNTED = layouts.load()["plain"].reading("UTC")
GOOGLE = layouts.load()["ga4_exploration"].reading("UTC")
MARCH = date(2024, 3, 1)
# Reading, text, and the day or why there is none.
DATES: list[tuple[Reading, str | None, date | str]] = [
    *[(Reading((form,)), text, MARCH) for form, text in (
        ("YYYY-MM-DD", "2024-03-01"), ("YYYY-MM-DD", "2024-3-1"), ("YYYY-MM-DD", " 2024-03-01\t"),
        ("YYYYMMDD", "20240301"), ("DD.MM.YYYY", "01.03.2024"), ("DD.MM.YYYY", "1.3.2024"),
        ("MM/DD/YYYY", "03/01/2024"),
        ("MM/DD/YYYY", "3/1/2024"), ("MMM DD, YYYY", "Mar 1, 2024"), ("DD MMM YYYY", "1 march 2024"),
        ("YYYY/MM/DD hh:mm", "2024/03/01 23:59"), ("DD.MM.YYYY hh:mm:ss", "01.03.2024 7:05:09"),
        ("iso", "2024-03-01"), ("iso", "2024-03-01T23:59:59.123Z"), ("iso", "2024-03-01 23:59:59 UTC"),
        ("iso", "2024-03-01T10:00"), ("iso", "2024-03-01T23:30:00-0000"), ("iso", "2024-03-01T12:00:00,123+00:00"),
        ("epoch_s", "1709251200"), ("epoch_ms", "1709337599999"), ("epoch_us", "1709251200000000"),
        ("epoch_s", "1709251200.0"), ("epoch_s", "1709337599.999"), ("epoch_ms", "1709251200000.5"),
    )],
    *[(PLAIN, text, MARCH) for text in ("2024-03-01", "20240301", "2024-03-01 00:00:00", "2024-03-01T00:00:00")],
    (PLAIN, "2024-03-01 00:00:01", "unknown_date_format"),  # in which zone?
    (Reading(("DD/MM/YYYY", "MM/DD/YYYY")), "03/13/2024", date(2024, 3, 13)),
    (Reading(("DD/MM/YYYY", "MM/DD/YYYY")), "03/12/2024", date(2024, 12, 3)),
    (Reading(("DDMMYYYY",)), "1112024", "unknown_date_format"),  # the first of November, or the eleventh of January
    (Reading(("YYYYMMDD",)), "2024111", "unknown_date_format"),
    (Reading(("DDMMMYYYY",)), "1Mar2024", MARCH),
    (Reading(("DD MMM YYYY",)), "2 Sept 2024", date(2024, 9, 2)),
    (Reading(("DD MMM YYYY",)), "1 marraskuu 2024", "unknown_date_format"),  # November, in Finnish
    (Reading(("YYYYMMDDhhmm",)), "202403012359", MARCH),
    (ISO, "2024-02-29", date(2024, 2, 29)),
    (ISO, "2023-02-29", "impossible_date"),
    (ISO, "2024-13-01T00:00:00Z", "impossible_date"),
    (ISO, "0000-01-01", "impossible_date"),
    (Reading(("YYYYMMDD",)), "20240230", "impossible_date"),
    (ISO, "2024-3-1", "unknown_date_format"),
    (ISO, "2024-03-01T25:00:00Z", "unknown_date_format"),
    (ISO, "2024-03-01T10:61:00Z", "unknown_date_format"),
    (ISO, "2024-03-01T10:00:00+99:00", "unknown_date_format"),
    (ISO, "2024-03-01\n", "unknown_date_format"),
    (ISO, "２０２４-03-01", "unknown_date_format"),
    (ISO, "yesterday", "unknown_date_format"),
    (Reading(("epoch_s",)), "-5", "unknown_date_format"),
    (Reading(("epoch_s",)), "123456789012", "unknown_date_format"),
    (Reading(("epoch_us",)), "9" * 17, "date_in_future"),
    (ISO, "", "missing_date"),
    (ISO, " \t", "missing_date"),
    (ISO, None, "missing_date"),
    (ISO, "2025-01-01", "date_in_future"),
    (ISO, "1994-12-31T23:59:59Z", "date_too_early"),
    (Reading(("epoch_s",)), "0", "date_too_early"),
    (TOKYO, "2024-02-29T15:00:00Z", MARCH),
    (TOKYO, "2024-02-29T14:59:59Z", date(2024, 2, 29)),
    (TOKYO, "2024-02-29T15:00:00", MARCH),
    (TOKYO, "2024-03-01T00:00:00+09:00", MARCH),
    (TOKYO, "2024-03-01 00:00:00 +0900", MARCH),
    (TOKYO, "2024-03-01", MARCH),  # a day without a time is the shop's
    (TOKYO, "1709218800000", MARCH),
    (TOKYO, "1709218799999", date(2024, 2, 29)),
    (TOKYO, "2024-12-31T15:00:00Z", "date_in_future"),
    (ZURICH, "2024-03-01T17:59:59", MARCH),
    (ZURICH, "2024-03-01T18:00:00", date(2024, 3, 2)),
    (ZURICH, "2024-03-10T02:30:00", date(2024, 3, 10)),  # an hour that New York left out
    (ZURICH, "2024-11-03T01:30:00", date(2024, 11, 3)),  # one that it had twice
]  # fmt: skip
COUNTS: list[tuple[Reading, str | None, int | str]] = [
    *[(COUNTED, text, count) for text, count in (
        ("1", 1), (" 12\t", 12), ("007", 7), ("+3", 3), ("3.0", 3), ("12.00", 12), ("1000000000000", 10**12),
        ("12.000", "bad_count"), ("-1.000", "bad_count"), ("1200.000", 1200), ("12.0000", 12), ("012.000", 12),
        ("1000000000001", "bad_count"), ("9" * 18, "bad_count"), ("9" * 400, "bad_count"), ("1.5", "bad_count"),
        ("187.396445676", "bad_count"), ("1,200", "bad_count"), ("1e3", "bad_count"), ("x", "bad_count"),
        ("１", "bad_count"), ("NaN", "bad_count"), ("3.", "bad_count"), ("0", "count_not_positive"),
        ("0.0", "count_not_positive"), ("0.000", "count_not_positive"),
        ("-3", "count_not_positive"), ("", "missing_count"), (" ", "missing_count"), (None, "missing_count"),
    )],
    *[(SWISS, text, count) for text, count in (
        ("1'200", 1200), ("1’200", 1200), ("1'234'567,5", 1234568), ("12'34", "bad_count"), ("1.5", "bad_count"),
        ("0,4", "count_not_positive"), ("0,5", 1), ("187,396445676", 187), ("2,5", 3), ("-0,5", "count_not_positive"),
        ("12,000", 12),
    )],
    *[(FRENCH, text, 1200) for text in ("1 200", "1\u00a0200", "1\u202f200", "1200")],
    (FRENCH, "1\u00a020", "bad_count"),
    (PLAIN_COUNTED, "12,000", 12000), (PLAIN_COUNTED, "1,200.000", 1200), (PLAIN_COUNTED, "200.000", "bad_count"),
    *[(FLOOR, text, count) for text, count in (("1.99", 1), ("187.9", 187), ("0.99", "count_not_positive"))],
]  # fmt: skip
# Reading, date, term, extra fields, malformed record, and the reasons.
LINES: list[tuple[Reading, str | None, str | None, dict[str, str] | None, str | None, list[str]]] = [
    (SOME, "2024-03-01", "tv", {"kind": "search"}, None, []),
    (SOME, "2024-03-01", "tv", {"kind": "find", "a": ""}, None, []),
    (SOME, "x", "", {"kind": "click"}, None, ["other_event"]),
    (SOME, "2024-03-01", "tv", {"other": "search"}, None, ["other_event"]),
    (SOME, "2024-03-01", "tv", None, None, ["other_event"]),
    (SOME, "2024-03-01", "Total", {"kind": "search"}, None, ["total_line"]),
    (SOME, "", "Totals", {"kind": "search"}, None, ["missing_date"]),
    (SOME, None, None, None, "Total", ["total_line"]),
    (SOME, None, None, None, "noise", ["malformed_record"]),
    (NAMED, "2024-03-01", "grand total war", {"kind": ""}, None, []),
    (NAMED, "Grand total", "", {"kind": "9"}, None, ["total_line"]),
    (NAMED, "2024-03-01", "tv", {"kind": "GRAND TOTAL"}, None, ["total_line"]),
    (NAMED, "2024-03-01", " \t", None, None, ["other_event"]),
    (NAMED, None, None, None, ",,5,Grand total", ["total_line"]),
    (GOOGLE, "20240301", "(not set)", None, None, ["total_line"]),
    (GOOGLE, "20240301", "(other)", None, None, ["total_line"]),
    (GOOGLE, "20240301", "lamp (other)", None, None, ["missing_count"]),
    (COUNTED, "2024-03-01\ufffd", "tv", None, None, ["bad_encoding", "missing_count", "unknown_date_format"]),
]


def stamps() -> list[tuple[Reading, str, date]]:
    """Times at random, with the day by Python's own calendar."""
    chance, actual = random.Random(5), []
    for _ in range(300):
        zone, shop = (chance.choice(["UTC", "America/New_York", "Europe/Zurich", "Asia/Kathmandu"]) for _ in range(2))
        moment = datetime(2000, 1, 1) + timedelta(seconds=chance.randrange(24 * 365 * 86400))
        there = moment.replace(tzinfo=ZoneInfo(zone))
        offset = chance.choice(["", there.strftime("%z"), "Z"])
        aware = moment.replace(tzinfo=timezone.utc) if offset == "Z" else there
        actual.append(
            (
                Reading(("iso",), zone, shop),
                f"{moment:%Y-%m-%dT%H:%M:%S}{offset}",
                aware.astimezone(ZoneInfo(shop)).date(),
            )
        )
    return actual


@pytest.fixture(scope="module")
def judged(spark: SparkSession) -> dict[str, tuple[date | None, int | None, list[str]]]:
    """Day, count and reasons of every record above, by the number of its case."""
    cases = [
        *[
            (f"date {n}", reading, text, "tv", None, None, None)
            for n, (reading, text, _) in enumerate([*DATES, *stamps()])
        ],
        *[(f"count {n}", reading, "2024-03-01", "tv", text, None, None) for n, (reading, text, _) in enumerate(COUNTS)],
        *[(f"line {n}", *case[:3], None, *case[3:5]) for n, case in enumerate(LINES)],
    ]
    rows = [
        (None, None, None, day, term, count, extra, malformed, name, "", "", NOON)
        for name, _, day, term, count, extra, malformed in cases
    ]
    origin = ("1", "3", "2024", None, "tv", None, None, None, "origin", "", "", NOON)
    readings = {name: reading for name, reading, *_ in cases} | {"origin": ORIGIN}
    raw = spark.createDataFrame([*rows, origin], contracts.RAW_SEARCH_TERMS.schema)
    actual = silver.classified(raw, TODAY, readings).collect()
    assert [row["is_search"] for row in actual] == [not row["reject_reasons"] for row in actual]
    assert len(actual) == len(rows) + 1
    return {row["delivery_id"]: (row["event_date"], row["search_count"], row["reject_reasons"]) for row in actual}


def test_a_date_in_one_column_is_read_in_the_first_format_that_it_has(judged: dict[str, tuple[object, ...]]) -> None:
    for number, (reading, text, expected) in enumerate(DATES):
        day, count, reasons = judged[f"date {number}"]
        if isinstance(expected, date):
            assert (day, reasons, count) == (expected, [], 1), (reading.formats, text)
        else:
            assert reasons == [expected], (reading.formats, text)


def test_a_time_is_of_the_day_that_it_was_in_the_shop(judged: dict[str, tuple[object, ...]]) -> None:
    for number, (reading, text, expected) in enumerate(stamps(), start=len(DATES)):
        assert judged[f"date {number}"][0] == expected, (reading, text)


def test_a_count_is_a_whole_number_as_the_layout_writes_it(judged: dict[str, tuple[object, ...]]) -> None:
    for number, (reading, text, expected) in enumerate(COUNTS):
        _, count, reasons = judged[f"count {number}"]
        if isinstance(expected, int):
            assert (count, reasons) == (expected, []), (reading, text)
        else:
            assert reasons == [expected], (reading, text)
    half_up = {
        text: int(Decimal(text.replace(",", ".")).to_integral_value(ROUND_HALF_UP))
        for text in ("0,5", "2,5", "187,396445676")
    }
    assert half_up == {text: count for reading, text, count in COUNTS if reading is SWISS and text in half_up}
    assert int(Decimal("187.9").to_integral_value(ROUND_FLOOR)) == 187


def test_lines_that_are_no_search_are_rejected_for_that_alone(judged: dict[str, tuple[object, ...]]) -> None:
    assert [judged[f"line {number}"][2] for number in range(len(LINES))] == [case[-1] for case in LINES]


def test_records_of_the_origin_beside_them_are_read_as_ever(judged: dict[str, tuple[object, ...]]) -> None:
    assert judged["origin"] == (MARCH, 1, [])


def test_a_day_after_the_last_that_python_has_is_waited_for_until_that_one(spark: SparkSession) -> None:
    """At half past eleven on the last evening of 9999 it is 10000 in Tokyo."""
    values = {"date": "9999-12-31T23:30:00Z", "batch_id": "b", "delivery_id": "d", "reject_reasons": ["date_in_future"]}
    row = tuple(values.get(name) for name in contracts.REJECTED_RECORDS.schema.names)
    schema = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in contracts.REJECTED_RECORDS.schema)
    house: Any = SimpleNamespace(read=lambda _table: spark.createDataFrame([row], schema))
    delivery = {"delivery_id": "d", "batch_id": "b", "status": "ingested", "reading": TOKYO.text}

    assert clean._found_early_days(house, [delivery], {"b"}) == {"b": "9999-12-31"}
