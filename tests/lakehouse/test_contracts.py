from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import types as T

from search_forecast.errors import ContractError
from search_forecast.lakehouse import contracts
from search_forecast.lakehouse.contracts import TABLES, Table, TableColumn

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = [
    pytest.param(table, column, id=f"{table.name}.{column.name}") for table in TABLES for column in table.columns
]
TYPE_OF_SUFFIX = {
    "_count": T.LongType(),
    "_ratio": T.DoubleType(),
    "_date": T.DateType(),
    "_at": T.TimestampType(),
    "_id": T.StringType(),
}
SUFFIX_OF_TYPE = {
    T.DateType(): re.compile(r"\w+_date"),
    T.TimestampType(): re.compile(r"\w+_at"),
    T.DoubleType(): re.compile(
        r"\w+_(ratio|cm|kg)|prediction|(\w+_)?forecast|lower|upper|interval_\w+|(\w+_)?wape|mase|smape|rmsse|bias|p_value|"
        r"psi|js_distance|chi_square"
    ),
    T.BooleanType(): re.compile(r"is_\w+|reconciled"),  # the design names search_gold.batches.reconciled
}
SINGULAR = ("term_summary", "infant_growth", "forecast_accuracy", "demand_drift", "term_profile")  # the design's names
UNBOUNDED = ("skill_ratio", "growth_ratio")  # as far below 0 as a forecast is bad, above 1 as a term grows
NULLABLE = (
    contracts.CALENDAR_EVENTS,
    contracts.TERM_FORECASTS,
    contracts.REJECTED_RECORDS,
    contracts.MODEL_SCORES,
    contracts.BACKTEST_METRICS,
    contracts.FORECAST_ACCURACY,
    contracts.TERM_TRENDS,
    contracts.TERM_VARIANTS,
)
PAIR = Table(
    "gold",
    "pairs",
    "pair",
    (
        TableColumn("term", T.StringType(), "The term"),
        TableColumn("search_count", T.LongType(), "Searches", nullable=True),
    ),
)


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_column_is_snake_case_and_says_what_it_means(table: Table, column: TableColumn) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", column.name)
    assert len(column.comment) >= 8
    assert column.comment == column.comment.strip()
    assert "|" not in column.comment  # it is a cell of a Markdown table
    assert "\n" not in column.comment


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_the_ending_of_a_name_and_its_type_belong_together(table: Table, column: TableColumn) -> None:
    for suffix, type_ in TYPE_OF_SUFFIX.items():
        assert not column.name.endswith(suffix) or column.type == type_
    assert not column.name.startswith("is_") or column.type == T.BooleanType()
    pattern = SUFFIX_OF_TYPE.get(column.type)
    assert pattern is None or pattern.fullmatch(column.name)


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_only_bronze_what_silver_rejected_and_what_could_not_be_measured_may_hold_nulls(
    table: Table, column: TableColumn
) -> None:
    may = table.layer == "bronze" or table in NULLABLE
    assert may or not column.nullable
    assert not column.nullable or "null" in column.comment


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_a_plural_snake_case_name_and_a_grain(table: Table) -> None:
    assert re.fullmatch(r"search_(bronze|silver|gold)\.[a-z]+(_[a-z]+)*", table.full_name)
    assert table.name.endswith(("s", "es")) or table.name in SINGULAR
    assert table.grain == table.grain.strip(". ")
    assert table.grain


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_checks_and_clusters_by_columns_that_it_has(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    assert set(table.cluster_by) <= set(table.stats_columns or names) <= set(names)
    for name, check in table.checks.items():
        assert re.fullmatch(r"[a-z_]+", name)
        assert any(re.search(rf"\b{column}\b", check) for column in names), check


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_ratio_is_checked_to_lie_between_0_and_1(table: Table) -> None:
    for column in table.columns:
        if column.name.endswith("_ratio") and column.name not in UNBOUNDED:
            assert any(column.name in check and "0" in check and "1" in check for check in table.checks.values())
            assert "0..1" in column.comment


def test_tables_are_declared_once_and_in_the_order_of_the_layers() -> None:
    names = [table.full_name for table in TABLES]
    assert len(set(names)) == len(names)
    layers = [table.layer for table in TABLES]
    assert layers == sorted(layers, key=("bronze", "silver", "gold").index)


def test_every_declared_table_is_listed() -> None:
    declared = [value for value in vars(contracts).values() if isinstance(value, Table)]

    assert sorted(table.full_name for table in declared) == sorted(table.full_name for table in TABLES)


def test_search_count_means_the_same_everywhere() -> None:
    columns = [column for table in TABLES for column in table.columns if column.name == "search_count"]

    assert len(columns) >= 4
    assert {replace(column, backfill=None) for column in columns} == {
        TableColumn("search_count", T.LongType(), "Number of searches")
    }


def test_the_schema_carries_types_nullability_and_comments() -> None:
    assert PAIR.schema == T.StructType(
        [
            T.StructField("term", T.StringType(), nullable=False, metadata={"comment": "The term"}),
            T.StructField("search_count", T.LongType(), nullable=True, metadata={"comment": "Searches"}),
        ]
    )


def test_constraints_the_change_feed_and_what_has_statistics_are_table_properties() -> None:
    checks, stats = {"counted": "search_count > 0"}, ("term", "day")
    table = Table("silver", "events", "event", PAIR.columns, checks, has_change_feed=True, stats_columns=stats)

    fingerprints = [contract.properties.pop("search_forecast.contract") for contract in (table, PAIR)]
    assert fingerprints[0] != fingerprints[1]
    assert {key: value for key, value in table.properties.items() if key.startswith("delta.")} == {
        "delta.enableChangeDataFeed": "true",
        "delta.dataSkippingStatsColumns": "term,day",
        "delta.constraints.counted": "search_count > 0",
    }
    assert set(PAIR.properties) == {"search_forecast.contract"}


@pytest.mark.parametrize("schema", ["term string, search_count bigint", "search_count bigint not null, term string"])
def test_order_and_nullability_are_free(spark: SparkSession, schema: str) -> None:
    PAIR.check(spark.createDataFrame([], schema))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("term string", "search_gold.pairs: missing column search_count bigint"),
        ("search_count bigint", "search_gold.pairs: missing column term string"),
        ("term string, search_count bigint, shop string", "search_gold.pairs: unknown column shop string"),
        ("term string, search_count int", "search_gold.pairs: column search_count is int, expected bigint"),
        (
            "Term string, search_count bigint",
            "search_gold.pairs: missing column term string; unknown column Term string",
        ),
        ("term string, search_count bigint, term string", "search_gold.pairs: a column name appears twice"),
        (
            "shop array<int>, search_count double",
            "search_gold.pairs: missing column term string; unknown column shop array<int>; "
            "column search_count is double, expected bigint",
        ),
    ],
)
def test_the_error_of_a_check_says_all_that_differs_and_how(spark: SparkSession, schema: str, message: str) -> None:
    with pytest.raises(ContractError) as raised:
        PAIR.check(spark.createDataFrame([], schema))

    assert str(raised.value) == message


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_documentation_says_all_about_every_table(table: Table) -> None:
    sections = contracts.documentation().split("\n## ")
    [section] = [section for section in sections if section.startswith(f"{table.full_name}\n")]
    lines = section.splitlines()

    assert f"One row per {table.grain}." in lines
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]
    assert rows == [
        [c.name, c.type.simpleString().upper(), "yes" if c.nullable else "no", c.comment] for c in table.columns
    ]
    for check in table.checks.values():
        assert f"`{check}`" in section
    assert not table.cluster_by or f"Clustered by {', '.join(table.cluster_by)}." in lines


def test_the_documentation_is_of_the_tables_given() -> None:
    text = contracts.documentation((PAIR,))

    assert text.count("\n## ") == 1
    assert text.endswith("| search_count | BIGINT | yes | Searches |\n")
