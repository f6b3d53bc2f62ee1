"""The catalogue of queries, those on counts against plain Python, and what is said of values that can't be."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import TABLES
from search_forecast.queries import catalogue
from search_forecast.queries.answers import Answer, answer
from search_forecast.queries.catalogue import Parameter
from search_forecast.queries.local import LocalEngine
from support.delta import write

NAMES = ["daily_counts", "first_rows", "new_terms", "row_count", "share_of_search", "term_count", "top_terms"]
# (day of November 2021, term) -> searches; the 3rd has none
COUNTS = {
    (1, "laptop"): 4,
    (1, "tv"): 2,
    (1, "x' or '1'='1"): 1,
    (2, "laptop"): 3,
    (2, "pen"): 3,
    (4, "tv"): 5,
    (5, "ink"): 2,
    (5, "café"): 2,
    (5, "laptop"): 1,
}


def day(number: int) -> date:
    return date(2021, 11, number)


def top(first: int = 1, last: int = 5) -> list[tuple[str, int]]:
    """Terms of some days with their searches, most searched first."""
    totals: dict[str, int] = {}
    for (number, term), count in COUNTS.items():
        if first <= number <= last:
            totals[term] = totals.get(term, 0) + count
    return sorted(totals.items(), key=lambda item: (-item[1], item[0]))


def shares(first: int = 1, last: int = 5) -> list[tuple[str, int, float]]:
    total = sum(count for _, count in top(first, last))
    return [(term, count, count / total) for term, count in top(first, last)]


def first_rows() -> list[tuple[date, str, int]]:
    return sorted(((day(n), term, count) for (n, term), count in COUNTS.items()), key=lambda r: (r[0], -r[2], r[1]))


def daily(term: str) -> list[tuple[date, int, bool]]:
    return [(day(number), COUNTS.get((number, term), 0), True) for number in range(1, 6)]


def summary(term: str, count: int) -> dict[str, Any]:
    days = [number for number, searched in COUNTS if searched == term]
    seen = {"first_seen_date": day(min(days)), "last_seen_date": day(max(days)), "active_day_count": len(days)}
    return {"term": term, "search_count": count, "share_ratio": count / 23, "rank": 1, **seen}


def delivery(status: str, reason: str | None, hour: int, count: int | None = None) -> dict[str, Any]:
    received = {"received_at": datetime(2021, 11, 6, hour), "batch_id": "batch-000001"}
    return {
        "source_file": f"{hour}.csv",
        "bytes": 9,
        "record_count": count,
        "status": status,
        "reason": reason,
    } | received


def rejected(*reasons: str, file: str = "a.csv", **fields: str) -> dict[str, Any]:
    ids = {"delivery_id": "d", "source_file": file, "batch_id": "batch-000001"}
    return {"day": "1", "month": "11", "year": "2021", "searchterm": "tv", **fields, "reject_reasons": reasons, **ids}


TABLES_OF_COUNTS = {
    "daily_term_counts": [
        {"event_date": day(number), "term": term, "search_count": count} for (number, term), count in COUNTS.items()
    ],
    "daily_totals": [
        {
            "event_date": day(number),
            "search_count": sum(count for (counted, _), count in COUNTS.items() if counted == number),
            "distinct_term_count": 1,
            "is_complete_day": True,
        }
        for number in range(1, 6)
    ],
    "term_summary": [summary(term, count) for term, count in top()],
    "deliveries": [
        delivery("ingested", None, 1, 20),
        delivery("ingested", None, 3, 3),
        delivery("rejected", "not text", 2),
        delivery("duplicate", "delivered before", 4),
        delivery("rejected", "not text", 5),
    ],
    "rejected_records": [
        rejected("impossible_date", day="31"),
        rejected("impossible_date", day="31", file="b.csv"),
        rejected("impossible_date", day="32"),
        rejected("empty_term", "impossible_date", day="33", searchterm=""),
        rejected("malformed_record", day=None, month=None, year=None, searchterm=None, malformed_record='1,"'),
    ],
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("queries"), TABLES_OF_COUNTS)


def ask(root: Path, name: str, **values: str) -> Answer:
    return answer(LocalEngine(root, lambda: pytest.fail("needs Spark")), catalogue.load(name), values)


@pytest.mark.parametrize(
    ("name", "values", "columns", "rows"),
    [
        ("first_rows", {}, "event_date term search_count", first_rows()[:5]),
        ("first_rows", {"limit": "100"}, "event_date term search_count", first_rows()),
        ("row_count", {}, "search_count term_count day_count row_count", [(23, 6, 4, 9)]),
        ("term_count", {"term": "laptop"}, "term search_count", [("laptop", 8)]),
        ("term_count", {"term": "  CAFE\u0301\t"}, "term search_count", [("café", 2)]),
        ("term_count", {"term": "x' or '1'='1"}, "term search_count", [("x' or '1'='1", 1)]),
        ("top_terms", {}, "term search_count", top()),
        ("top_terms", {"limit": "2"}, "term search_count", top()[:2]),
        ("top_terms", {"limit": "0"}, "term search_count", []),
        ("top_terms", {"from": "2021-11-02"}, "term search_count", top(first=2)),
        ("top_terms", {"to": "2021-11-02"}, "term search_count", top(last=2)),
        ("top_terms", {"from": "2021-11-02", "to": "2021-11-04"}, "term search_count", top(2, 4)),
        ("daily_counts", {"term": "laptop"}, "event_date search_count is_complete_day", daily("laptop")),
        ("share_of_search", {}, "term search_count share_ratio", shares()),
        ("share_of_search", {"limit": "1", "from": "2021-11-04"}, "term search_count share_ratio", shares(first=4)[:1]),
        ("share_of_search", {"to": "2021-11-01"}, "term search_count share_ratio", shares(last=1)),
        (
            "new_terms",
            {"days": "3"},  # pen came on the day before
            "term first_seen_date search_count",
            [("café", day(5), 2), ("ink", day(5), 2)],
        ),
        (
            "new_terms",
            {"days": "4", "limit": "3"},
            "term first_seen_date search_count",
            [("café", day(5), 2), ("ink", day(5), 2), ("pen", day(2), 3)],
        ),
        (
            "new_terms",
            {},
            "term first_seen_date search_count",
            [
                ("café", day(5), 2),
                ("ink", day(5), 2),
                ("pen", day(2), 3),
                ("laptop", day(1), 8),
                ("tv", day(1), 7),
                ("x' or '1'='1", day(1), 1),
            ],
        ),
    ],
)
def test_a_query_answers_as_plain_python_does(
    lake: Path, name: str, values: dict[str, str], columns: str, rows: list[tuple[Any, ...]]
) -> None:
    assert ask(lake, name, **values) == Answer(columns.split(), rows)


def test_rejected_records_are_counted_by_reason_with_the_most_frequent_examples(lake: Path) -> None:
    rows = ask(lake, "rejected_by_reason", examples="2").rows

    assert rows == [
        ("impossible_date", 4, 2, "31", "11", "2021", None, "tv", None, None, "b.csv"),
        ("impossible_date", 4, 1, "33", "11", "2021", None, "", None, None, "a.csv"),
        ("empty_term", 1, 1, "33", "11", "2021", None, "", None, None, "a.csv"),
        ("malformed_record", 1, 1, *[None] * 6, '1,"', "a.csv"),
    ]
    assert [row[:2] for row in ask(lake, "rejected_by_reason", examples="1").rows] == [row[:2] for row in rows[1:]]


def test_deliveries_are_counted_by_what_became_of_them(lake: Path) -> None:
    at = [datetime(2021, 11, 6, hour) for hour in range(6)]

    assert ask(lake, "deliveries_by_status").rows == [
        ("duplicate", "delivered before", 1, 0, at[4], at[4], "4.csv"),
        ("ingested", None, 2, 23, at[1], at[3], "3.csv"),
        ("rejected", "not text", 2, 0, at[2], at[5], "5.csv"),
    ]


def test_a_query_on_a_table_that_was_not_written_yet_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="query row_count: no daily_term_counts yet; run aggregate first"):
        ask(tmp_path, "row_count")


@pytest.mark.parametrize(
    ("name", "term", "said"),
    [
        ("daily_counts", "lapptop", '"lapptop" was never searched; the nearest: laptop'),
        ("term_count", " Lap\ttop ", '"lap top" was never searched; the nearest: laptop'),
        ("forecast", "pne", '"pne" was never searched; the nearest: pen'),
        ("term_count", "zzz", '"zzz" was never searched; most often: laptop, tv, pen'),
        ("term_count", "", '"" was never searched; most often: laptop, tv, pen'),
        ("term_count", "(total)", '"(total)" was never searched; most often: laptop, tv, pen'),
        ("term_count", ":term' or '1'='1", "\":term' or '1'='1\" was never searched; the nearest: x' or '1'='1"),
    ],
)
def test_an_unknown_term_is_answered_with_the_nearest(lake: Path, name: str, term: str, said: str) -> None:
    write(lake, {"term_forecasts": []})

    with pytest.raises(DataError) as raised:
        ask(lake, name, term=term)

    assert str(raised.value).startswith(f"query {name}: {said}")


@pytest.mark.parametrize(
    ("name", "days", "said"),
    [
        ("top_terms", {"from": "2021-11-06", "to": "2021-11-09"}, "from 2021-11-06 to 2021-11-09"),
        ("top_terms", {"from": "2021-11-06"}, "from 2021-11-06 on"),
        ("share_of_search", {"to": "2021-10-31"}, "up to 2021-10-31"),
        ("breakouts", {"day": "2021-11-06"}, "on 2021-11-06"),
    ],
)
def test_a_period_outside_of_the_data_is_said_as_it_was_asked(
    lake: Path, name: str, days: dict[str, str], said: str
) -> None:
    with pytest.raises(DataError) as raised:
        ask(lake, name, **days)

    assert str(raised.value) == f"query {name}: no data {said}; the data runs from 2021-11-01 to 2021-11-05"


def test_a_period_partly_outside_of_the_data_is_said(lake: Path) -> None:
    partly = ask(lake, "top_terms", **{"from": "2021-11-05", "to": "2021-11-09"})
    assert partly.rows == top(first=5)
    assert partly.note == "the data runs from 2021-11-01 to 2021-11-05"


def test_the_queries_are_those_that_people_know() -> None:
    assert set(NAMES) <= set(catalogue.names())
    assert catalogue.names() == sorted(catalogue.names())


@pytest.mark.parametrize("name", catalogue.names())
def test_the_header_of_a_query_says_what_the_query_does(name: str) -> None:
    query = catalogue.load(name)
    code = re.sub(r"--.*", "", query.sql)
    names = {table.name for table in TABLES}

    assert query.name == name
    assert re.fullmatch(r"[A-Z].+\.", query.summary)
    assert re.search(r"^-- grain: one row", query.sql, re.MULTILINE)
    assert set(query.inputs) == {table for table in names if re.search(rf"\b{table}\b", code)}
    assert {parameter.name for parameter in query.parameters} == set(re.findall(r":(\w+)", code))
    assert len(re.findall(r"^--   ", query.sql, re.MULTILINE)) == len(query.parameters)
    assert all(parameter.comment for parameter in query.parameters)


@pytest.mark.parametrize("name", catalogue.names())
def test_a_query_is_lower_case_and_names_its_columns_and_no_schema(name: str) -> None:
    code = re.sub(r"--.*|'[^']*'", "", catalogue.load(name).sql)

    assert code == code.lower()
    assert "select *" not in re.sub(r"\s+", " ", code)
    assert not re.search(r"\b(from|join)\s+\w+\.\w+", code)


def test_parameters_have_type_default_and_meaning() -> None:
    assert catalogue.load("top_terms").parameters == (
        Parameter("limit", "INT", is_required=False, default="10", comment="how many terms"),
        Parameter("from", "DATE", is_required=False, default=None, comment="first day; null for the first there is"),
        Parameter("to", "DATE", is_required=False, default=None, comment="last day; null for the last there is"),
    )
    [term] = catalogue.load("term_count").parameters
    assert (term.name, term.type, term.is_required, term.default) == ("term", "TERM", True, None)


def test_values_are_converted_and_defaults_filled_in() -> None:
    assert catalogue.load("top_terms").arguments({"limit": "3", "from": "2021-11-12"}) == {
        "limit": 3,
        "from": date(2021, 11, 12),
        "to": None,
    }
    assert catalogue.load("term_count").arguments({"term": " É 5"}) == {"term": "é 5"}
    assert catalogue.load("row_count").arguments({}) == {}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("top_terms", {"n": "5"}, "query top_terms: no parameter n; its parameters: limit, from, to"),
        ("row_count", {"n": "5"}, "query row_count: no parameter n; its parameters: none"),
        (
            "term_count",
            {},
            "query term_count: missing parameter term; say: query term_count term=...",
        ),
        ("top_terms", {"limit": "five"}, "query: limit=five is not a whole number from 0 to 2147483647"),
        ("top_terms", {"limit": "1.5"}, "query: limit=1.5 is not a whole number from 0 to 2147483647"),
        ("trending_terms", {"grain": "year"}, "query: grain=year is not week or month"),
        ("top_terms", {"limit": ""}, "query: limit= is not a whole number from 0 to 2147483647"),
        ("top_terms", {"from": "12.11.2021"}, "query: from=12.11.2021 is not a date like 2021-11-12"),
        ("top_terms", {"to": "2021-02-30"}, "query: to=2021-02-30 is not a date like 2021-11-12"),
        ("top_terms", {"to": "null"}, "query: to=null is not a date like 2021-11-12"),
        (
            "top_terms",
            {"from": "2021-11-05", "to": "2021-11-04"},
            "query top_terms: from=2021-11-05 is after to=2021-11-04",
        ),
    ],
)
def test_an_argument_that_cannot_be_is_refused_by_name(name: str, values: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        catalogue.load(name).arguments(values)

    assert str(raised.value) == message


@pytest.mark.parametrize("value", ["-1", "2147483648", "99999999999999999999"])
def test_a_number_that_spark_does_not_take_for_a_limit_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=f"limit={value}"):
        catalogue.load("top_terms").arguments({"limit": value})
