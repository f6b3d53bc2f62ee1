"""A lakehouse of the last release, brought up to today's contracts and to tomorrow's."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import types as T

from search_forecast.errors import ContractError
from search_forecast.lakehouse import evolution
from search_forecast.lakehouse.contracts import (
    BACKTEST_METRICS,
    BATCHES,
    DELIVERIES,
    RAW_SEARCH_TERMS,
    SEARCH_EVENTS,
    TERM_VARIANTS,
    Table,
    TableColumn,
)
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion.aggregate import aggregate
from search_forecast.medallion.reconcile import reconcile
from support.places import FIXTURES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

VISITOR_COUNT = TableColumn("visitor_count", T.LongType(), "Visitors it stands for", backfill="1")
SHOP = TableColumn("shop", T.StringType(), "It's the shop's", nullable=True)
EVOLVED = replace(
    SEARCH_EVENTS,
    grain="search, or record of several",
    columns=(
        SEARCH_EVENTS.columns[0],
        VISITOR_COUNT,
        replace(SEARCH_EVENTS.columns[1], nullable=True),
        *SEARCH_EVENTS.columns[2:],
        SHOP,
    ),
    checks={"term_length": "char_length(term) < 512", "counted": "visitor_count > 0"},
    cluster_by=("event_date", "term"),
    stats_columns=("event_date", "term"),
)


@pytest.fixture(scope="module")
def old(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    root = tmp_path_factory.mktemp("old")
    with tarfile.open(FIXTURES / "lakehouse_of_last_release.tar.gz") as archive:
        archive.extractall(root)
    return Lakehouse(spark, root, root / "_staging")


def renewed(house: Lakehouse, *, is_writable: bool = True) -> Lakehouse:
    """The same lakehouse, as the next command opens it."""
    return Lakehouse(house.spark, house.root, house.staging, is_writable=is_writable)


def assert_follows(house: Lakehouse, table: Table, late: tuple[str, ...] = ()) -> None:
    """That a table is as its contract says; only a check keeps `late` columns from null."""
    name = house.open(table)
    fields = {field.name: field for field in table.schema.fields}
    for field in house.spark.table(name).schema.fields:
        expected = fields.pop(field.name)
        assert (field.dataType, field.metadata) == (expected.dataType, expected.metadata)
        assert field.nullable == (expected.nullable or field.name in late)
    assert fields == {}
    detail = house.spark.sql(f"describe detail {name}").collect()[0]
    properties = table.properties | {f"delta.constraints.{c}_is_set": f"{c} is not null" for c in late}
    assert _unspaced(detail["properties"]) == _unspaced(properties)
    assert detail["description"] == f"One row per {table.grain}."
    assert detail["clusteringColumns"] == list(table.cluster_by)


def _unspaced(properties: dict[str, str]) -> dict[str, str]:
    return {key: value.replace(" ", "") for key, value in properties.items()}


def test_tables_of_the_last_release_follow_todays_contracts_and_gold_keeps_its_place(old: Lakehouse) -> None:
    tables = (RAW_SEARCH_TERMS, SEARCH_EVENTS, TERM_VARIANTS, BACKTEST_METRICS, BATCHES, DELIVERIES)
    late = {SEARCH_EVENTS.name: ("search_count",), BATCHES.name: ("search_count",)}
    for table in tables:
        assert_follows(old, table, late.get(table.name, ()))

    versions = [old.version(table) for table in tables]
    again = renewed(old)
    assert [again.version(table) for table in tables] == versions
    variants = sorted(tuple(row) for row in again.read(TERM_VARIANTS).collect())
    # Every record came to stand for one search: its day is rebuilt, to what it was.
    assert aggregate(again) == {"is_full": False, "days": 2, "silver_version": versions[1]}
    assert sorted(tuple(row) for row in again.read(TERM_VARIANTS).collect()) == variants
    assert len(variants) == 3
    assert reconcile(again, datetime(2026, 11, 27, tzinfo=timezone.utc))["search_count"] == 3


def test_columns_comments_checks_and_clustering_of_the_next_release_are_added_in_place(old: Lakehouse) -> None:
    rows = {tuple(row) for row in old.read(SEARCH_EVENTS).collect()}
    with pytest.raises(ContractError, match=r"missing column visitor_count bigint.*run a command that writes"):
        renewed(old, is_writable=False).open(EVOLVED)

    next_release = renewed(old)

    assert_follows(next_release, EVOLVED, late=("search_count", "visitor_count"))
    assert {tuple(row) for row in next_release.read(EVOLVED).drop("visitor_count", "shop").collect()} == rows
    assert [tuple(r) for r in next_release.read(EVOLVED).select("visitor_count", "shop").distinct().collect()] == [
        (1, None)
    ]
    assert next_release.read(EVOLVED).columns == EVOLVED.schema.names
    assert evolution.statements(old.spark, EVOLVED, next_release.open(EVOLVED))[:-1] == []


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (TableColumn("delivery_id", T.LongType(), "Number"), "column delivery_id is string, expected bigint"),
        (TableColumn("renamed", T.StringType(), "Delivery", nullable=True), "unknown column delivery_id string"),
        (TableColumn("batch_id", T.StringType(), "Batch"), "unknown column delivery_id string"),
    ],
)
def test_a_changed_type_or_a_column_taken_away_is_refused_by_name(
    old: Lakehouse, column: TableColumn, message: str
) -> None:
    columns = {c.name: c for c in EVOLVED.columns if c.name != "delivery_id"} | {column.name: column}
    house = renewed(old)
    house.open(EVOLVED)
    before = house.version(EVOLVED)

    with pytest.raises(ContractError, match=message):
        renewed(old).open(replace(EVOLVED, columns=tuple(columns.values())))

    assert house.version(EVOLVED) == before


def test_a_new_column_that_may_not_be_null_says_what_it_is_in_old_rows(old: Lakehouse) -> None:
    late = TableColumn("late", T.StringType(), "Late")

    with pytest.raises(ContractError, match="the new column late needs a backfill, or may be null"):
        renewed(old).open(replace(EVOLVED, columns=(*EVOLVED.columns, late)))


def test_another_contract_has_another_fingerprint() -> None:
    contracts = [
        SEARCH_EVENTS,
        EVOLVED,
        replace(EVOLVED, checks={}),
        replace(EVOLVED, cluster_by=()),
        replace(EVOLVED, has_change_feed=False),
        replace(EVOLVED, columns=(*EVOLVED.columns[:-1], replace(SHOP, comment="Shop"))),
    ]

    assert len({contract.fingerprint for contract in contracts}) == len(contracts)
