from __future__ import annotations

import re
import uuid
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import DAILY_TERM_COUNTS, DAILY_TOTALS, TABLES, TERM_SUMMARY
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import gold
from search_forecast.queries import catalogue
from search_forecast.queries.answers import query
from search_forecast.queries.catalogue import Parameter

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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
    # 7, 6, 0, 5 and 5 searches a day: both ends have at least as many as the quietest day between them that has any.
    return [(day(number), COUNTS.get((number, term), 0), True) for number in range(1, 6)]


@pytest.fixture(scope="module")
def house(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    root = tmp_path_factory.mktemp("queries")
    schemas = {layer: f"q{uuid.uuid4().hex[:8]}_{layer}" for layer in ("bronze", "silver", "gold")}
    house = Lakehouse(spark, root, root / "_staging", schemas=schemas)
    house.write(
        house.create([(day(number), term, count) for (number, term), count in COUNTS.items()], DAILY_TERM_COUNTS),
        DAILY_TERM_COUNTS,
    )
    counts = house.read(DAILY_TERM_COUNTS)
    house.write(gold.daily_totals(counts), DAILY_TOTALS)
    house.write(gold.term_summary(counts), TERM_SUMMARY)
    return house


def answer(house: Lakehouse, name: str, **given: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    wanted = catalogue.load(name)
    return query(house, wanted, wanted.arguments(given))


@pytest.mark.parametrize(
    ("name", "given", "columns", "rows"),
    [
        ("first_rows", {}, "event_date term search_count", first_rows()[:5]),
        ("first_rows", {"limit": "100"}, "event_date term search_count", first_rows()),
        ("row_count", {}, "search_count term_count day_count row_count", [(23, 6, 4, 9)]),
        ("term_count", {"term": "laptop"}, "term search_count", [("laptop", 8)]),
        ("term_count", {"term": "café"}, "term search_count", [("café", 2)]),
        ("term_count", {"term": "x' or '1'='1"}, "term search_count", [("x' or '1'='1", 1)]),
        ("term_count", {"term": "y' or '1'='1"}, "term search_count", [("y' or '1'='1", 0)]),
        ("term_count", {"term": ":term"}, "term search_count", [(":term", 0)]),
        ("term_count", {"term": ""}, "term search_count", [("", 0)]),
        ("top_terms", {}, "term search_count", top()),
        ("top_terms", {"limit": "2"}, "term search_count", top()[:2]),
        ("top_terms", {"limit": "0"}, "term search_count", []),
        ("top_terms", {"from": "2021-11-02"}, "term search_count", top(first=2)),
        ("top_terms", {"to": "2021-11-02"}, "term search_count", top(last=2)),
        ("top_terms", {"from": "2021-11-02", "to": "2021-11-04"}, "term search_count", top(2, 4)),
        ("top_terms", {"from": "2021-11-05", "to": "2021-11-04"}, "term search_count", []),
        ("daily_counts", {"term": "laptop"}, "event_date search_count is_complete_day", daily("laptop")),
        ("daily_counts", {"term": "no' --"}, "event_date search_count is_complete_day", daily("")),
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
    house: Lakehouse, name: str, given: dict[str, str], columns: str, rows: list[tuple[Any, ...]]
) -> None:
    assert answer(house, name, **given) == (columns.split(), rows)


def test_a_query_on_a_table_that_was_not_written_yet_says_so(house: Lakehouse, tmp_path: Path) -> None:
    empty = Lakehouse(house.spark, tmp_path, tmp_path / "_staging", schemas=house.schemas)

    with pytest.raises(DataError, match=r"query row_count: search_gold.daily_term_counts is not there yet; run aggr"):
        answer(empty, "row_count")


def test_the_queries_are_those_that_people_know() -> None:
    assert set(NAMES) <= set(catalogue.names())
    assert catalogue.names() == sorted(catalogue.names())


@pytest.mark.parametrize("name", catalogue.names())
def test_the_header_of_a_query_says_what_the_query_does(name: str) -> None:
    wanted = catalogue.load(name)
    code = re.sub(r"--.*", "", wanted.sql)
    gold_names = {table.name for table in TABLES if table.layer == "gold"}

    assert wanted.name == name
    assert re.fullmatch(r"[A-Z].+\.", wanted.summary)
    assert re.search(r"^-- grain: one row", wanted.sql, re.MULTILINE)
    assert set(wanted.inputs) == {table for table in gold_names if re.search(rf"\b{table}\b", code)}
    assert {parameter.name for parameter in wanted.parameters} == set(re.findall(r":(\w+)", code))
    assert len(re.findall(r"^--   ", wanted.sql, re.MULTILINE)) == len(wanted.parameters)
    assert all(parameter.comment for parameter in wanted.parameters)


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
    assert (term.name, term.type, term.is_required, term.default) == ("term", "STRING", True, None)


def test_values_are_converted_and_defaults_filled_in() -> None:
    assert catalogue.load("top_terms").arguments({"limit": "3", "from": "2021-11-12"}) == {
        "limit": 3,
        "from": date(2021, 11, 12),
        "to": None,
    }
    assert catalogue.load("term_count").arguments({"term": "5"}) == {"term": "5"}
    assert catalogue.load("row_count").arguments({}) == {}


@pytest.mark.parametrize(
    ("name", "given", "message"),
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
        ("top_terms", {"limit": ""}, "query: limit= is not a whole number from 0 to 2147483647"),
        ("top_terms", {"from": "12.11.2021"}, "query: from=12.11.2021 is not a date like 2021-11-12"),
        ("top_terms", {"to": "2021-02-30"}, "query: to=2021-02-30 is not a date like 2021-11-12"),
        ("top_terms", {"to": "null"}, "query: to=null is not a date like 2021-11-12"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_by_name(name: str, given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        catalogue.load(name).arguments(given)

    assert str(raised.value) == message


@pytest.mark.parametrize("value", ["-1", "2147483648", "99999999999999999999"])
def test_a_number_that_spark_does_not_take_for_a_limit_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=f"limit={value}"):
        catalogue.load("top_terms").arguments({"limit": value})


def test_an_unknown_query_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(UsageError) as raised:
        catalogue.load("top_term")

    assert str(raised.value) == f"query: no query top_term; there are: {', '.join(catalogue.names())}"
