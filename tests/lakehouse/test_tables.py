from __future__ import annotations

import shutil
import uuid
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import types as T

from search_forecast.cli.call import reader
from search_forecast.errors import ContractError
from search_forecast.lakehouse import delta_log
from search_forecast.lakehouse.contracts import TABLES, Table, TableColumn
from search_forecast.lakehouse.tables import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

STRING, LONG = T.StringType(), T.LongType()
COLUMNS = (
    TableColumn("term", STRING, 'What the visitor\'s search was, `so` to say: 100 % \\ "it"'),
    TableColumn("search_count", LONG, "Number of searches"),
    TableColumn("reasons", T.ArrayType(STRING), "Reasons; null where none", nullable=True),
)


def pairs(name: str, *, has_change_feed: bool = False) -> Table:
    """A contract of a table that no other test uses."""
    checks = {"counted": "search_count > 0", "known": "coalesce(term, '') <> 'it\\'s'"}
    return Table("gold", name, "pair of the visitor's", COLUMNS, checks, ("term",), has_change_feed)


def lakehouse_at(spark: SparkSession, root: Path) -> Lakehouse:
    """A lakehouse with schemas that no other test of this session uses."""
    schemas = {layer: f"t{uuid.uuid4().hex[:8]}_{layer}" for layer in ("bronze", "silver", "gold")}
    return Lakehouse(spark, root, root / "_staging", schemas=schemas)


@pytest.fixture(scope="module")
def house(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """One for all tests of this file, at a path that must be quoted; each test has its own tables."""
    return lakehouse_at(spark, tmp_path_factory.mktemp("tables") / "it's a \\ lake `house`")


def rows(house: Lakehouse, *values: tuple[str | None, int]) -> DataFrame:
    return house.spark.createDataFrame(list(values), "term string, search_count bigint").selectExpr(
        "search_count", "array(term) as reasons", "term"
    )


def content(house: Lakehouse, table: Table) -> list[tuple[str, int]]:
    return sorted((row["term"], row["search_count"]) for row in house.read(table).collect())


def test_every_table_is_created_as_its_contract_says(house: Lakehouse) -> None:
    for table in TABLES:
        name = house.open(table)

        assert house.spark.table(name).schema == table.schema
        detail = house.spark.sql(f"describe detail {name}").collect()[0]
        assert detail["clusteringColumns"] == list(table.cluster_by)
        assert detail["description"] == f"One row per {table.grain}."
        assert detail["properties"].items() >= table.properties.items()
        location = house.location(table)
        assert location is not None
        assert (location / "_delta_log").is_dir()


def test_what_is_written_is_read_back_with_the_schema_of_the_contract(house: Lakehouse) -> None:
    table = pairs("round_trip")

    house.write(rows(house, ("laptop", 2), ("tv", 1)), table)

    again = Lakehouse(house.spark, house.root, house.staging, schemas=house.schemas)
    assert again.read(table).schema == table.schema
    assert content(again, table) == [("laptop", 2), ("tv", 1)]


def test_a_full_write_keeps_clustering_comment_and_constraints(house: Lakehouse) -> None:
    table = pairs("overwritten")

    house.write(rows(house, ("laptop", 2)), table)

    detail = house.spark.sql(f"describe detail {house.name(table)}").collect()[0]
    assert detail["clusteringColumns"] == ["term"]
    assert detail["description"] == "One row per pair of the visitor's."
    assert detail["properties"] == table.properties


def test_rows_that_break_the_contract_are_not_written(house: Lakehouse) -> None:
    table = pairs("checked")
    house.open(table)

    for value, message in (
        (("laptop", 0), "CHECK constraint counted"),
        (("it's", 2), "CHECK constraint known"),
        ((None, 2), "NOT NULL constraint violated for column: term"),
    ):
        with pytest.raises((PySparkException, Py4JJavaError), match=message):
            house.write(rows(house, ("good", 1), value), table)

    assert next(house.history(table))["version"] == 0
    assert content(house, table) == []


def test_a_write_replaces_the_rows_that_match_and_doing_it_again_changes_nothing(house: Lakehouse) -> None:
    table = pairs("replaced")
    house.write(rows(house, ("a", 1), ("b", 1), ("c", 1)), table)

    for _ in range(2):
        house.write(rows(house, ("a", 7), ("b", 8), ("b", 8)), table, where="term in ('a', 'b')")

        assert content(house, table) == [("a", 7), ("b", 8), ("b", 8), ("c", 1)]

    house.write(rows(house, ("d", 4)).where("false"), table, where="term = 'b'")
    assert content(house, table) == [("a", 7), ("c", 1)]
    assert sorted(row["term"] for row in house.read(table, version=1).collect()) == ["a", "b", "c"]


def test_rows_that_are_there_are_not_added_again_and_files_of_other_days_are_not_opened(house: Lakehouse) -> None:
    columns = (TableColumn("made_on_date", T.DateType(), "Day"), TableColumn("term", STRING, "Term"))
    table, keys = Table("gold", "added", "day and term", columns), ("made_on_date", "term")

    def add(day: date, *terms: str) -> int:
        return house.add(
            house.create([(day, term) for term in terms], table), table, keys, shared={"made_on_date": day}
        )

    first, second = date(2024, 3, 1), date(2024, 3, 2)
    assert add(first, "a", "b") == 2
    (file,) = house.read(table).inputFiles()
    Path(url2pathname(urlsplit(file).path)).unlink()

    assert [add(second, "a"), add(second, "a", "b"), add(second, "b")] == [1, 1, 0]


def test_rows_outside_of_what_they_replace_are_not_written(house: Lakehouse) -> None:
    table = pairs("outside")
    house.write(rows(house, ("a", 1)), table)

    with pytest.raises((PySparkException, Py4JJavaError), match="REPLACE_WHERE"):
        house.write(rows(house, ("b", 2)), table, where="term = 'a'")

    assert content(house, table) == [("a", 1)]


def test_what_replaces_nothing_is_appended_and_checked_all_the_same(spark: SparkSession, tmp_path: Path) -> None:
    house, table = Lakehouse(spark, tmp_path, tmp_path, reader=reader(tmp_path)), pairs("appended")
    for value in (("laptop", 2), ("tv", 1), ("tv", 1)):
        house.write(rows(house, value), table, where=f"term = '{value[0]}'")
    with pytest.raises((PySparkException, Py4JJavaError), match="not of those that it replaces: term = 'phone'"):
        house.write(rows(house, ("tv", 3)), table, where="term = 'phone'")

    modes = spark.sql(f"describe history {house.name(table)}").orderBy("version").select("operationParameters.mode")
    assert [row["mode"] for row in modes.collect()] == [None, "Append", "Append", "Overwrite"]
    assert content(house, table) == [("laptop", 2), ("tv", 1)]


def test_a_data_frame_with_other_names_or_types_makes_no_table(house: Lakehouse) -> None:
    table = pairs("refused")
    wrong = rows(house, ("a", 1)).selectExpr("term", "cast(search_count as int) as search_count", "1 as shop")

    with pytest.raises(ContractError) as raised:
        house.write(wrong, table)

    assert str(raised.value) == (
        "search_gold.refused: missing column reasons array<string>; unknown column shop int; "
        "column search_count is int, expected bigint"
    )
    assert not house.exists(table)


def test_a_position_outlives_optimize_but_no_foreign_write(house: Lakehouse) -> None:
    table = pairs("positioned")
    house.open(table)
    assert house.position(table) is None

    house.write(rows(house, ("a", 1), ("b", 1)), table, position="search_events@7")
    assert house.position(table) == "search_events@7"

    house.spark.sql(f"optimize {house.name(table)}")
    house.spark.sql(f"alter table {house.name(table)} set tblproperties ('delta.logRetentionDuration' = '40 days')")
    assert house.position(table) == "search_events@7"
    assert next(house.history(table))["version"] == house.version(table)

    house.spark.sql(f"delete from {house.name(table)} where term = 'b'")
    assert house.position(table) is None


def test_a_position_is_kept_where_the_first_write_has_no_rows(house: Lakehouse) -> None:
    table = pairs("positioned_without_rows")

    house.write(rows(house, ("a", 1)).where("false"), table, position="search_events@7")

    assert house.position(table) == "search_events@7"


def test_changes_are_what_came_and_what_went(house: Lakehouse) -> None:
    table = pairs("changed", has_change_feed=True)
    house.write(rows(house, ("a", 1), ("b", 1), ("c", 1)), table)
    start = house.version(table)
    house.write(rows(house, ("b", 5)), table, where="term = 'b'")
    house.spark.sql(f"update {house.name(table)} set search_count = 9 where term = 'c'")
    end = house.version(table)
    house.write(rows(house, ("later", 1)), table)

    changes = house.changes(table, start, end)

    assert changes.columns == [*table.schema.names, "change"]
    assert sorted((row["term"], row["search_count"], row["change"]) for row in changes.collect()) == [
        ("b", 1, -1),
        ("b", 5, 1),
        ("c", 1, -1),
        ("c", 9, 1),
    ]


def test_a_foreign_table_in_the_place_is_refused_and_left_alone(house: Lakehouse) -> None:
    table = pairs("foreign_pairs")
    location = house.location(table)
    house.spark.range(3).write.format("delta").save(str(location))

    with pytest.raises(ContractError, match=r"missing column term string.*unknown column id bigint.*move it away"):
        house.write(rows(house, ("a", 1)), table)

    assert house.spark.read.format("delta").load(str(location)).count() == 3


def test_two_lakehouses_in_one_session_do_not_share_their_tables(house: Lakehouse, tmp_path: Path) -> None:
    table = pairs("shared")
    house.write(rows(house, ("here", 1)), table)
    other = Lakehouse(house.spark, tmp_path / "other", tmp_path / "staging", schemas=house.schemas)

    other.write(rows(house, ("there", 1)), table)

    assert content(other, table) == [("there", 1)]
    assert content(house, table) == [("here", 1)]


def test_a_table_whose_directory_was_removed_meanwhile_is_made_anew(house: Lakehouse) -> None:
    table = pairs("removed")
    house.write(rows(house, ("tv", 1)), table)
    shutil.rmtree(str(house.location(table)))
    # The session knows it still, as that of a notebook whose lakehouse was removed, and the next command opens its own.
    again = replace(house, commits=Counter(), _opened=set(), _empty=set())

    again.write(rows(again, ("pen", 2)), table)

    assert content(again, table) == [("pen", 2)]


def test_a_table_that_was_killed_before_its_first_commit_was_never_there(house: Lakehouse) -> None:
    table = pairs("killed")
    location = house.location(table)
    assert location is not None
    (location / "_delta_log" / "_staged_commits").mkdir(parents=True)
    (location / "_delta_log" / ".00000000000000000000.json.aef1.tmp").write_text("{")
    assert not house.exists(table)

    house.write(rows(house, ("tv", 3)), table)

    assert content(house, table) == [("tv", 3)]


@pytest.mark.parametrize("place", ["part-00000.parquet", "_change_data/cdc-00000.parquet"])
def test_a_table_whose_log_was_emptied_is_not_taken_for_a_new_one(tmp_path: Path, place: str) -> None:
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).touch()

    assert delta_log.is_there(tmp_path)


def test_a_frame_of_the_contract_is_made_from_rows(house: Lakehouse) -> None:
    frame = house.create([("a", 1, None), ("b", 2, ["x"])], pairs("made"))

    assert [tuple(row) for row in frame.collect()] == [("a", 1, None), ("b", 2, ["x"])]
    assert frame.schema == pairs("made").schema


def test_names_on_databricks_are_of_its_catalog_and_schemas(spark: SparkSession) -> None:
    schemas = {"bronze": "b", "silver": "s", "gold": "dev_ann_search_gold"}
    house = Lakehouse(spark, None, Path("/Volumes/x"), "main", schemas)

    assert house.name(pairs("named")) == "`main`.`dev_ann_search_gold`.`named`"
    assert house.location(pairs("named")) is None
