"""A day's delivery costs what it brings: the same on a history that is ten times as long, by Delta's own metrics."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from unittest import mock

from deltalake import DeltaTable
from pyspark.sql.classic.dataframe import DataFrame

from search_forecast.cli.call import reader
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import terms
from search_forecast.medallion.aggregate import aggregate
from search_forecast.medallion.clean import clean
from search_forecast.medallion.ingest import ingest
from search_forecast.medallion.reconcile import reconcile
from search_forecast.parameters import CleanParameters, IngestParameters
from support import lakes
from support.flow import HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyspark.sql import SparkSession

FIRST, NOW = date(2022, 1, 1), datetime(2024, 3, 2, tzinfo=timezone.utc)
TERMS = [f"term {number}" for number in range(20)]
BATCH_DAYS = 10


def history(root: Path, batch_count: int) -> Path:
    """A lakehouse that took in so many batches of ten days each, every term once on every day."""
    for number in range(batch_count):
        days = [FIRST + timedelta(days=number * BATCH_DAYS + day) for day in range(BATCH_DAYS)]
        name = f"batch-{number + 1:06d}"
        known = {"delivery_id": f"{number:064x}", "batch_id": name}
        source = {**known, "source_file": f"/in/{number}.csv"}
        pairs = [(day, term) for day in days for term in TERMS]
        n = len(pairs)
        raw = [{**source, "day": str(day.day), "searchterm": term, "ingested_at": lakes.AT} for day, term in pairs]
        count = {"search_count": 1}
        events = [{**known, "event_date": d, "term": t, "searched_as": t, **count} for d, t in pairs]
        totals = {"search_count": len(TERMS), "distinct_term_count": len(TERMS), "is_complete_day": True}
        counts = ("delivered_count", "raw_count", "event_count", "search_count", "aggregated_count")
        proof = {**dict.fromkeys(counts, n), "rejected_count": 0, "reconciled": True}
        rows: Mapping[str, list[dict[str, Any]]] = {
            "deliveries": [{**source, "bytes": 9, "record_count": n, "status": "ingested", "received_at": lakes.AT}],
            "raw_search_terms": raw,
            "search_events": events,
            "daily_term_counts": [{"event_date": day, "term": term, **count} for day, term in pairs],
            "daily_totals": [{"event_date": day, **totals} for day in days],
            "batches": [{"batch_id": name, **proof, "started_at": lakes.AT, "finished_at": lakes.AT}],
        }
        lakes.add(root, rows)
    day_count, shown = batch_count * BATCH_DAYS, f"search_events@{batch_count}"
    seen = {"first_seen_date": FIRST, "last_seen_date": FIRST + timedelta(days=day_count - 1)}
    summary = {"search_count": day_count, "share_ratio": 1 / len(TERMS), "rank": 1, "active_day_count": day_count}
    lakes.append(root, "term_summary", [{"term": term, **summary, **seen} for term in TERMS], shown)
    variants = [{"term": t, "searched_as": t, "search_count": day_count, "rule": "exact"} for t in TERMS]
    lakes.append(root, "term_variants", variants, shown)
    return root


def rows_read(spark: SparkSession) -> dict[int, int]:
    """Rows that the tasks of each stage have read of files, as far as Spark remembers.

    Bytes would be those of the logs above all: this history was written without checkpoints.
    """
    store = spark.sparkContext._jsc.sc().statusStore()
    no_quantiles = getattr(store, "stageList$default$4")()
    stages = store.stageList(None, False, False, no_quantiles, None)
    each = (stages.apply(place) for place in range(stages.size()))
    return {stage.stageId(): stage.inputRecords() for stage in each}


def cost(spark: SparkSession, root: Path, batch_count: int) -> Counter[str]:
    """What the delivery of the day after a history reads, writes, replaces and collects."""
    house = Lakehouse(spark, root, root / "_staging", reader=reader(root))
    day = FIRST + timedelta(days=batch_count * BATCH_DAYS)
    lines = [f"{day.day},{day.month},{day.year},{TERMS[n % 17].title()} \n" for n in range(2000)]
    (root / "day.csv").write_text(HEADER + "".join(lines) + f"{day.day},{day.month},{day.year},\n", encoding="utf-8")
    before = {path: DeltaTable(str(path)).version() for path in root.glob("search_*/*")}
    found, stages_before = Counter[str](), rows_read(spark)
    collect = DataFrame.collect

    def collecting(df: DataFrame) -> list[Any]:
        found["rows collected"] += len(rows := collect(df))
        return rows

    plain_terms = mock.patch.object(terms, "_judge", side_effect=AssertionError("a process of Python"))
    with mock.patch.object(DataFrame, "collect", collecting), plain_terms:
        ingest(house, IngestParameters(root / "day.csv"), NOW)
        clean(house, CleanParameters(), NOW)
        assert aggregate(house) == {"is_full": False, "days": 1, "silver_version": batch_count + 1}
        counted = reconcile(house, NOW)
    assert (counted["checked"], counted["search_count"]) == (1, batch_count * BATCH_DAYS * len(TERMS) + 2000)
    found["rows read"] = sum(count for stage, count in rows_read(spark).items() if stage not in stages_before)
    for path in root.glob("search_*/*"):
        for commit in DeltaTable(str(path)).history():
            if commit["version"] > before.get(path, -1):
                metrics = commit.get("operationMetrics", {})
                for name in ("numFiles", "numOutputRows", "numOutputBytes", "numRemovedFiles", "numRemovedBytes"):
                    found[name] += int(metrics.get(name, 0))
    return found


def test_a_days_delivery_costs_the_same_on_a_history_ten_times_as_long(spark: SparkSession, tmp_path: Path) -> None:
    short, long = (cost(spark, history(tmp_path / str(count), count), count) for count in (3, 30))

    assert short["numOutputRows"] > 4000
    assert all(short[name] for name in ("rows collected", "rows read", "numOutputBytes", "numFiles")), short
    assert {name: (short[name], long[name]) for name in short if long[name] > 1.1 * short[name]} == {}
