"""The whole flow through the command line, against plain Python's answer, read back with other Delta readers."""

import gzip
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from search_forecast.cli.call import reader
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import corrections, gold, landing, silver
from search_forecast.medallion.clean import early_batches, silver_counts
from search_forecast.medallion.containers import Part
from search_forecast.medallion.reconcile import LAYERS, checked_batches
from support import lakes
from support.flow import HEADER, assert_gold_is, delivered, gold_rows, pipeline, rows, versions
from support.origin import TERM_COUNTS
from support.places import PROJECT as REPOSITORY

pytestmark = pytest.mark.usefixtures("spark")

JULY = {"first": date(2024, 7, 1), "last": date(2024, 7, 31)}
ORIGINAL = REPOSITORY.parent / "shared" / "data" / "searchterms.csv"


def assert_spark_and_duckdb_answer_what_tasks_ask_alike(spark: SparkSession, lake: Path) -> None:
    by_spark = Lakehouse(spark, lake, lake / "_staging")
    by_duckdb = replace(by_spark, reader=reader(lake))
    questions: list[Callable[[Lakehouse], Any]] = [
        corrections.deliveries,
        lambda house: sorted(house.ask(checked_batches(), *LAYERS), key=repr),
        lambda house: sorted(house.ask(checked_batches(["batch-000001"], JULY), *LAYERS), key=repr),
        lambda house: silver_counts(house, ["batch-000001"]),
        early_batches,
    ]
    expected = [question(by_spark) for question in questions]
    with mock.patch.object(SparkSession, "sql", side_effect=AssertionError("Spark was asked")):
        assert [question(by_duckdb) for question in questions] == expected
    assert all(expected)


def test_generated_deliveries_with_dirt_come_out_as_their_truth_says(
    run: Callable[..., Any], tmp_path: Path, spark: SparkSession
) -> None:
    run("generate", "--rows", "1500", "--seed", "7", "--dirty", "0.05", "--out", str(tmp_path / "in"))
    truth = json.loads((tmp_path / "in" / "truth.json").read_text(encoding="utf-8"))

    ingested, cleaned, _, checked = pipeline(run, tmp_path / "in")

    assert ingested["record_count"] == truth["record_count"] == 1500
    assert (cleaned["event_count"], cleaned["rejected_count"]) == (truth["event_count"], truth["rejected_count"])
    assert checked["search_count"] == checked["event_count"] == truth["event_count"]
    lake = tmp_path / "lake"
    reasons = Counter(reason for r in rows(lake, "search_silver/rejected_records") for reason in r["reject_reasons"])
    assert reasons == truth["rejected_by_reason"]
    daily: dict[str, dict[str, int]] = {}
    for row in rows(lake, "search_gold/daily_term_counts"):
        daily.setdefault(row["event_date"].isoformat(), {})[row["term"]] = row["search_count"]
    assert daily == truth["daily_term_counts"]
    variants: dict[str, dict[str, int]] = {}
    for row in rows(lake, "search_gold/term_variants"):
        variants.setdefault(row["term"], {})[row["searched_as"]] = row["search_count"]
    assert variants == truth["variants"]
    # The oracle written for the Spark code agrees with the generator's own count.
    assert_gold_is(lake, delivered(tmp_path / "in"))
    assert_spark_and_duckdb_answer_what_tasks_ask_alike(spark, lake)

    (lake / "search_bronze" / "deliveries").rename(tmp_path / "moved away")
    before = versions(lake)
    code, line = run("ingest", "--source", str(tmp_path / "in"))
    assert (code, versions(lake)) == (1, before)
    assert "holds batch-000001, of which search_bronze.deliveries has no row: bring that table back" in line


def test_late_repeated_and_deleted_records_rebuild_their_days_to_what_a_full_rebuild_gives(
    run: Callable[..., Any], tmp_path: Path, spark: Any
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    (source / "a.csv").write_text(HEADER + "1,3,2024,red shoes\n5,3,2024,Red  Shoes\n5,3,2024,\n", encoding="utf-8")
    lakes.taken_in(lake, source / "a.csv")
    (source / "late.csv").write_text(
        "Search Term;DAY;month;Year;shop\nRED SHOES;5;3;2024;x\nblue hat;2;3;2024;y\n", encoding="utf-8"
    )
    (source / "again.csv").write_bytes((source / "a.csv").read_bytes())
    (source / "packed.csv.gz").write_bytes(gzip.compress((source / "a.csv").read_bytes()))

    ingested, cleaned, aggregated, _ = pipeline(run, source)

    assert (ingested["ingested"], ingested["duplicate"], ingested["known"]) == (1, 2, 1)
    assert cleaned["batches"] == ["batch-000002"]
    assert (aggregated["is_full"], aggregated["days"]) == (False, 2)
    assert_gold_is(lake, delivered(source))

    before_again = versions(lake)
    again = pipeline(run, source)

    assert [again[0]["batch_id"], again[1]["batches"], again[2]["days"]] == [None, [], 0]
    assert versions(lake) == before_again

    spark.sql(f"delete from delta.`{lake}/search_silver/search_events` where term = 'blue hat'")

    assert run("aggregate")["days"] == 1
    assert {r["term"]: r["search_count"] for r in rows(lake, "search_gold/term_summary")} == {"red shoes": 3}
    assert {r["searched_as"] for r in rows(lake, "search_gold/term_variants")} == {
        "red shoes",
        "Red  Shoes",
        "RED SHOES",
    }
    before = gold_rows(lake)
    assert run("aggregate", "--full")["is_full"]
    assert gold_rows(lake) == before


def test_unreadable_files_are_rejected_until_mended_and_the_others_go_on(
    run: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    shutil.copytree(REPOSITORY / "fixtures" / "unreadable", source)
    (source / "grown.csv").write_text(HEADER + "1,3,2024,hat\n", encoding="utf-8")

    first = run("ingest", "--source", str(source))
    strict = run("ingest", "--source", str(source), "--strict")

    assert (first["ingested"], first["rejected"]) == (1, 7)
    deliveries = {Path(r["source_file"]).name: r for r in rows(lake, "search_bronze/deliveries")}
    bad = {name for name, row in deliveries.items() if row["status"] == "rejected"}
    assert bad == {path.name for path in (REPOSITORY / "fixtures" / "unreadable").iterdir()}
    assert all(deliveries[name]["reason"] for name in bad)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert all(any(name in message for message in warned) for name in bad)
    assert strict[0] == 1
    assert "binary.csv" in strict[1]

    (source / "binary.csv").write_text(HEADER + "1,3,2024,shoes\n", encoding="utf-8")
    (source / "grown.csv").write_text(HEADER + "1,3,2024,hats\n1,3,2024,hat\n", encoding="utf-8")
    second = run("ingest", "--source", str(source))
    run("clean")

    assert (second["ingested"], second["rejected"]) == (1, 1)
    assert sorted(r["term"] for r in rows(lake, "search_silver/search_events")) == ["hat", "shoes"]

    # grown.csv is another content under a known name: rejected, so it stays.
    os.utime(source / "binary.csv", (0, 0))
    assert run("ingest", "--source", str(source), "--processed", str(tmp_path / "done"))["moved"] == 1
    assert [path.name for path in (tmp_path / "done").iterdir()] == ["binary.csv"]
    assert (source / "grown.csv").exists()


def test_the_fixtures_give_the_answers_of_the_readme(run: Callable[..., Any], tmp_path: Path) -> None:
    answers = run("demo", "--fixtures", str(REPOSITORY / "fixtures" / "landing"))

    assert [(f["record_count"], f["column_count"]) for f in answers["files"]] == [(10000, 4), (40, 5)]
    assert (answers["term"], answers["term_count"]) == ("gaming laptop", 499)
    assert [row["search_count"] for row in answers["top_terms"]] == [2312, 2301, 1327, 935, 896]
    assert len(answers["first_rows"]) == 5
    expected = delivered(REPOSITORY / "fixtures" / "landing")
    assert answers["rejected_by_reason"] == expected.rejected_by_reason
    assert {row["term"]: row["verdict"] for row in answers["generated_shop"]} == {
        **dict.fromkeys(("garden chairs", "running shoes"), "forecastable"),
        **dict.fromkeys(("gift card", "usb cable"), "no better than the mean"),
    }
    assert_gold_is(tmp_path / "lake", expected)
    flagged = [r for r in rows(tmp_path / "lake", "search_gold/daily_totals") if not r["is_complete_day"]]
    assert sorted(r["event_date"] for r in flagged) == [date(2021, 11, 12), date(2021, 12, 25)]
    files = DeltaTable(str(tmp_path / "lake" / "search_gold" / "term_summary")).file_uris()
    assert '"search_count":10016,' in Path(answers["report"]).read_text(encoding="utf-8")
    with duckdb.connect() as connection:
        counted = connection.execute("select sum(search_count), max(search_count) from read_parquet(?)", [files])
        assert counted.fetchone() == (10016, 2312)


@pytest.mark.skipif(not ORIGINAL.exists(), reason="../shared/data/searchterms.csv is not on this machine")
def test_the_original_file_gives_its_known_counts(spark: SparkSession, tmp_path: Path) -> None:
    """The rules alone, without tables: the other tests of this file are about those."""
    delivery = landing.stage(Part(ORIGINAL), tmp_path)
    staged = spark.read.parquet(str(tmp_path / f"{delivery.delivery_id}.parquet")).withColumn("delivery_id", F.lit("d"))
    raw = staged.withColumn("ingested_at", F.current_timestamp())
    raw = raw.withColumn("source_file", F.lit("searchterms.csv")).withColumn("batch_id", F.lit("batch-000001"))
    counts = gold.daily_term_counts(silver.search_events(silver.classified(raw, date(2021, 12, 25))))

    summary = {row["term"]: row["search_count"] for row in gold.term_summary(counts).orderBy("rank").collect()}

    assert summary == TERM_COUNTS
