"""Files that somebody else removed, odd paths, and days that come."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from deltalake import DeltaTable

from search_forecast.cli.call import reader
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import (
    BATCHES,
    DAILY_TERM_COUNTS,
    RAW_SEARCH_TERMS,
    REJECTED_RECORDS,
    SEARCH_EVENTS,
    TERM_SUMMARY,
    Table,
)
from search_forecast.lakehouse.spark_errors import spark_complaint
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion.aggregate import aggregate
from search_forecast.medallion.clean import clean
from search_forecast.medallion.ingest import ingest
from search_forecast.medallion.publish_trends import publish_trends
from search_forecast.medallion.reconcile import reconcile
from search_forecast.parameters import CleanParameters, IngestParameters, local_directory
from support import lakes
from support.flow import KilledError, killed_writing

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOW = datetime(2024, 3, 4, 10, tzinfo=timezone.utc)
HEADER = "day,month,year,searchterm\n"
LOG = '{"timestamp": "2024-03-05T01:00:00Z", "query": "logged"}\n'


def deliver(house: Lakehouse, name: str, records: str, now: datetime = NOW, time_zone: str = "UTC") -> None:
    """Deliver a file into a folder whose name is a pattern, and bring it to silver."""
    assert house.root is not None
    source = house.root / "in {1,2} [*]?"
    source.mkdir(parents=True, exist_ok=True)
    (source / "log.jsonl").write_text(LOG, encoding="utf-8")
    (source / name).write_text(HEADER + records, encoding="utf-8")
    ingest(house, IngestParameters(source), now)
    clean(house, CleanParameters(time_zone), now)


def no_spark() -> SparkSession:
    raise AssertionError("Spark was started")


def terms(house: Lakehouse) -> list[str]:
    return sorted(row["term"] for row in house.read(SEARCH_EVENTS).collect())


def totals(house: Lakehouse) -> dict[str, int]:
    return {row["term"]: row["search_count"] for row in house.read(TERM_SUMMARY).collect()}


def rejected(house: Lakehouse) -> dict[str, list[str]]:
    return {row["searchterm"]: row["reject_reasons"] for row in house.read(REJECTED_RECORDS).collect()}


def lose(house: Lakehouse, table: Table) -> None:
    for file in house.read(table).inputFiles():
        Path(unquote(urlsplit(file).path)).unlink()


@pytest.fixture(scope="module")
def house(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """One for all, at a path that Spark would take for a pattern: a delivery in silver, with a quoted line break."""
    root = tmp_path_factory.mktemp("damage") / "shop [old] {a,b}"
    house = Lakehouse(spark, root, root / "_staging", reader=reader(root))
    deliver(house, "a[1].csv", '1,3,2024,hat\n2,3,2024,"red\nshoes"\n5,3,2024,late\n6,3,2024,later\n6,3,2024,\n')
    return house


def test_a_path_that_looks_like_a_pattern_is_a_path(house: Lakehouse) -> None:
    assert terms(house) == ["hat", "red shoes"]
    assert "red\nshoes" in [row["searchterm"] for row in house.read(RAW_SEARCH_TERMS).collect()]


def test_a_day_that_has_come_is_judged_again_and_the_shop_says_which_day_it_is(
    house: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert house.root is not None
    searches = {(date(2024, 3, 1), "hat"): 1, (date(2024, 3, 2), "red shoes"): 1}
    variants = {("hat", "hat"): 1, ("red shoes", "red\nshoes"): 1}
    lakes.shown(house.root, searches, variants, house.version(SEARCH_EVENTS))
    assert reconcile(house, NOW)["rejected_count"] == 4  # a batch that is done
    with monkeypatch.context() as patch:
        patch.setattr(Lakehouse, "write", killed_writing("search_events"))
        with pytest.raises(KilledError):
            clean(house, CleanParameters("Pacific/Kiritimati"), NOW)

    assert clean(house, CleanParameters("Pacific/Kiritimati"), NOW)["batches"] == ["batch-000001"]
    without_spark = Lakehouse(no_spark, house.root, house.staging, reader=reader(house.root))
    assert clean(without_spark, CleanParameters("Pacific/Kiritimati"), NOW)["batches"] == []
    assert terms(house) == ["hat", "late", "logged", "red shoes"]

    assert clean(house, CleanParameters(), NOW + timedelta(days=2))["event_count"] == 5
    assert rejected(house) == {"": ["empty_term"]}  # of the two reasons that it had
    aggregate(house)
    assert totals(house) == dict.fromkeys(("hat", "late", "later", "logged", "red shoes"), 1)
    counts = reconcile(house, NOW)
    assert (counts["raw_count"], counts["event_count"], counts["rejected_count"]) == (6, 5, 1)
    assert [row["reconciled"] for row in house.read(BATCHES).collect()] == [True]


def test_gold_is_rebuilt_where_its_files_or_the_changes_since_are_gone(
    house: Lakehouse, caplog: pytest.LogCaptureFixture
) -> None:
    aggregate(house)
    before = totals(house)
    lose(house, TERM_SUMMARY)
    with pytest.raises(Exception, match="NOT_EXIST") as raised:
        totals(house)
    assert "term_summary/part-" in str(spark_complaint(raised.value))
    assert "is gone; if aggregate wrote it, run aggregate --full" in str(spark_complaint(raised.value))
    lose(house, DAILY_TERM_COUNTS)

    assert aggregate(house)["is_full"]

    assert totals(house) == before
    assert "a data file of search_gold.daily_term_counts, search_gold.term_summary is gone" in caplog.text
    more = house.create([(NOW.date(), "hat", "hat", 1, "d", "batch-000002")], SEARCH_EVENTS)
    house.write(more, SEARCH_EVENTS, where="batch_id = 'batch-000002'")
    name = house.open(SEARCH_EVENTS)
    house.spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    house.spark.sql(f"optimize {name} full")
    house.spark.sql(f"vacuum {name} retain 0 hours")

    assert aggregate(house)["is_full"]

    assert totals(house) == before | {"hat": 2}
    assert aggregate(house)["days"] == 0


@pytest.mark.parametrize(
    "text", ["s3a://bucket/lake", "dbfs:/lake", "file:///lake", "abfss://c@a.dfs.core.windows.net/"]
)
def test_an_address_is_no_directory_of_this_machine(text: str) -> None:
    with pytest.raises(UsageError, match=r"--lakehouse .* is no directory of this machine"):
        local_directory(Path(text))


@pytest.mark.parametrize("text", ["my%41lake", "my\\lake", "which?/lake", "my\nlake", "my\x7flake"])
def test_a_path_that_is_read_as_another_one_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="in a path is read as another character: call it otherwise"):
        local_directory(Path(text))


def test_a_tilde_that_no_shell_replaced_is_no_directory() -> None:
    with pytest.raises(UsageError, match="no shell put the home directory in the place of ~"):
        local_directory(Path("~/lake"))
    assert local_directory(Path("lake~/~")) == Path.cwd() / "lake~" / "~"


def test_a_path_with_a_colon_is_one() -> None:
    assert local_directory(Path("a:b/c")) == Path.cwd() / "a:b" / "c"


def test_a_table_of_gold_that_is_gone_as_a_whole_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}1,3,2024,hat\n", encoding="utf-8")
    lake = lakes.taken_in(tmp_path / "lake", tmp_path / "a.csv")
    house = Lakehouse(no_spark, lake, lake / "_staging", reader=reader(lake))
    assert aggregate(house) == {"is_full": False, "days": 0, "silver_version": 1}

    shutil.rmtree(lake / "search_gold" / "daily_totals")

    with pytest.raises(AssertionError, match="Spark was started"):
        aggregate(house)


def test_gold_is_rebuilt_where_of_the_log_of_silver_a_checkpoint_alone_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}1,3,2024,hat\n", encoding="utf-8")
    lake = lakes.taken_in(tmp_path / "lake", tmp_path / "a.csv")
    house = Lakehouse(no_spark, lake, lake / "_staging", reader=reader(lake))
    DeltaTable(lake / "search_silver" / "search_events").create_checkpoint()
    for entry in lake.glob("search_silver/search_events/_delta_log/*.json"):
        entry.unlink()

    with pytest.raises(AssertionError, match="Spark was started"):
        aggregate(house)


@pytest.mark.parametrize("table", [SEARCH_EVENTS, REJECTED_RECORDS])
def test_clean_notices_that_a_table_of_silver_is_gone_and_aggregate_does_not_empty_gold_for_it(
    tmp_path: Path, table: Table
) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}1,3,2024,hat\n1,3,2024,\n", encoding="utf-8")
    lake = lakes.taken_in(tmp_path / "lake", tmp_path / "a.csv")
    house = Lakehouse(no_spark, lake, lake / "_staging", reader=reader(lake))
    assert clean(house, CleanParameters(), NOW)["batches"] == []

    shutil.rmtree(lake / "search_silver" / table.name)

    if table is SEARCH_EVENTS:
        with pytest.raises(DataError, match=r"aggregate: search_silver\.search_events is gone; run clean first"):
            aggregate(house, is_full=True)
    with pytest.raises(AssertionError, match="Spark was started"):
        clean(house, CleanParameters(), NOW)


def test_trends_notice_that_a_table_of_theirs_is_gone_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}1,3,2024,hat\n", encoding="utf-8")
    lake = lakes.taken_in(tmp_path / "lake", tmp_path / "a.csv")
    lakes.append(lake, "term_profile", [])
    lakes.append(lake, "term_trends", [], "daily_term_counts@1")
    house = Lakehouse(no_spark, lake, lake / "_staging", reader=reader(lake))
    assert publish_trends(house) == {"is_up_to_date": True, "counts_version": 1}

    shutil.rmtree(lake / "search_gold" / "term_profile")

    with pytest.raises(AssertionError, match="Spark was started"):
        publish_trends(house)
