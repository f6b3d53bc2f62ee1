"""Small batches, aged by months, compacted and vacuumed: what readers, `aggregate` and `reproduce` need stays."""

from __future__ import annotations

import os
import shutil
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

from search_forecast.bundle import runs
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse import scratch
from search_forecast.lakehouse.contracts import INFANT_GROWTH, SEARCH_EVENTS, TERM_VARIANTS
from search_forecast.lakehouse.spark_errors import is_gone
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion.aggregate import aggregate
from search_forecast.medallion.reconcile import reconcile
from search_forecast.parameters import MaintainParameters
from search_forecast.upkeep import maintain as task
from search_forecast.upkeep import retention
from search_forecast.upkeep.check import check
from search_forecast.upkeep.maintain import maintain
from support import lakes
from support.flow import KilledError, rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOW = datetime.now(timezone.utc)
AGE_DAYS = 100
OFTEN = MaintainParameters(least_files=2)
EVENTS = "search_silver/search_events"


def registry(**versions: int) -> Any:
    """A registry of one version, trained on these versions of gold's tables."""
    tables = [{"table": f"search_gold.{name}", "delta_version": number} for name, number in versions.items()]
    return SimpleNamespace(versions=lambda: [SimpleNamespace(aliases=())], record=lambda _: {"tables": tables})


def content(lake: Path) -> dict[str, list[str]]:
    return {
        str(path.relative_to(lake)): sorted(map(repr, rows(lake, str(path.relative_to(lake)))))
        for path in lake.glob("search_*/*")
    }


def file_count(lake: Path, name: str) -> int:
    return len(DeltaTable(str(lake / name)).file_uris())


@pytest.fixture(scope="module")
def delivered(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """Two batches, of which gold does not show the second yet, and measurements that were replaced: long ago."""
    lake = tmp_path_factory.mktemp("maintained") / "lake"
    lakes.add(lake, lakes.batch(1))
    second = lakes.batch(2)
    lakes.add(lake, {name: second[name] for name in second if name not in ("daily_term_counts", "batches")})
    variants = [{"term": t, "searched_as": t, "search_count": 1, "rule": "exact"} for t in ("hat", "tv")]
    counts = {(lakes.DAY.replace(day=1), term): 1 for term in ("hat", "tv")}
    lakes.append(lake, "daily_totals", lakes.totals(counts))
    lakes.append(lake, "term_summary", lakes.summaries(counts), "search_events@1")
    lakes.append(lake, "term_variants", variants, "search_events@1")
    then = NOW.timestamp() - AGE_DAYS * 86_400
    for height, replaced in ((50.0, {}), (60.0, {"part-00001.parquet": int(then * 1000)})):
        row = {"height_cm": height, "weight_kg": 5.0, "delivery_id": "d"}
        lakes.append(lake, "infant_growth", [row], replacing=replaced)
    made = lake / "search_gold/infant_growth/_delta_log" / f"{0:020d}.json"
    made.write_text(made.read_text().replace("delta.constraints.possible_height", "dropped"))  # which check minds
    for path in lake.rglob("*"):
        os.utime(path, (then, then))
    return Lakehouse(spark, lake, lake / "_staging")


def heights(house: Lakehouse, version: int) -> list[float]:
    return [row["height_cm"] for row in house.read(INFANT_GROWTH, version=version).collect()]


def test_maintained_tables_hold_the_same_in_fewer_files_and_stay_in_step(
    delivered: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, lake, trained_on = delivered, delivered.root, 1
    assert lake is not None
    before = content(lake)
    files = file_count(lake, EVENTS)
    left = scratch.new_directory(lake / "_staging" / "scratch")
    os.utime(left, (0, 0))
    with pytest.raises(Exception, match="TIME_TRAVEL_BEYOND") as raised:  # a week is Delta's default
        heights(house, trained_on)
    assert is_gone(raised.value)

    # Each table costs seconds: those of which there are many files, positions or versions.
    monkeypatch.setattr(task, "TABLES", (SEARCH_EVENTS, TERM_VARIANTS, INFANT_GROWTH))
    open_table = Lakehouse.open

    def killed(self: Lakehouse, table: Any) -> str:
        if table.name == TERM_VARIANTS.name:
            raise KilledError
        return open_table(self, table)

    with monkeypatch.context() as patch:
        patch.setattr(Lakehouse, "open", killed)
        with pytest.raises(KilledError):
            list(maintain(house, registry(infant_growth=trained_on), OFTEN, NOW))
    done = {row["table"]: row for row in maintain(house, registry(infant_growth=trained_on), OFTEN, NOW)}

    assert content(lake) == before
    assert (files, file_count(lake, EVENTS)) == (2, 1)
    assert not left.exists()
    protecting = {name for name, row in done.items() if row["kept_days"] > 30}
    assert protecting == {INFANT_GROWTH.full_name, SEARCH_EVENTS.full_name}
    assert heights(house, trained_on) == [50.0]  # from a file that the latest version does not have

    gold = aggregate(house)
    assert (gold["is_full"], gold["days"]) == (False, 1)
    assert reconcile(house, NOW)["aggregated_count"] == 4

    # Without that version nothing but the days asked for protects what it was trained on.
    monkeypatch.setattr(task, "TABLES", (INFANT_GROWTH,))
    [row] = maintain(house, None, OFTEN, NOW)
    assert row["kept_days"] == 30
    assert len(list(lake.glob("search_gold/infant_growth/part-*"))) == 1  # that of the latest version
    report = check(house_without_spark(lake), lake, None, is_full=True)
    assert ([f for f in report.findings if not f.is_harmless], report.batch_count) == ([], 2)


def house_without_spark(lake: Path) -> Lakehouse:
    from search_forecast.cli.call import reader

    def none() -> Any:
        raise DataError("needs Spark")

    return Lakehouse(none, lake, lake / "_staging", is_writable=False, reader=reader(lake))


def test_a_flipped_bit_in_what_spark_wrote_is_found(delivered: Lakehouse, tmp_path: Path) -> None:
    assert delivered.root is not None
    lake = Path(shutil.copytree(delivered.root, tmp_path / "lake"))
    file = next((lake / EVENTS).glob("part-*.parquet"))
    for path in (lake / EVENTS).glob("part-*.parquet"):
        changed = bytearray(path.read_bytes())
        changed[60] ^= 4
        path.write_bytes(changed)

    found = check(house_without_spark(lake), lake, None, is_full=True).findings

    assert any("is damaged" in finding.what for finding in found), (file, found)


@pytest.mark.parametrize(
    ("ages", "protected", "expected"),
    [
        ({0: 400.0, 1: 3.0}, [], (30, 30)),
        ({0: 400.0, 1: 3.0}, [1], (30, 30)),  # young enough to be kept anyway
        ({0: 400.0, 1: 20.0}, [1], (60, 420)),  # it may be the next run but one that vacuums
        ({0: 400.0, 1: 100.0, 2: 50.0}, [1, 2], (120, 420)),
        ({5: 100.0}, [1], (30, 30)),  # the log lost it: nothing can be kept
        ({}, [], (30, 30)),
    ],
)
def test_what_a_version_needs_is_kept_longer(ages: Any, protected: list[int], expected: tuple[int, int]) -> None:
    files, properties = retention.properties(30, ages, protected)

    assert files == expected[0]
    assert properties == {
        "delta.deletedFileRetentionDuration": f"interval {expected[0]} days",
        "delta.logRetentionDuration": f"interval {expected[1]} days",
    }


def test_fewer_days_than_positions_need_in_the_log_are_for_files_only() -> None:
    assert retention.properties(7, {0: 1.0}, []) == (
        7,
        {"delta.deletedFileRetentionDuration": "interval 7 days", "delta.logRetentionDuration": "interval 30 days"},
    )


@pytest.mark.parametrize("values", [{"retention_days": 6}, {"retention_days": -1}, {"least_files": 1}])
def test_what_would_harm_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"^maintain: --"):
        MaintainParameters(**values)


def test_only_aliased_versions_are_protected_where_that_is_asked_for() -> None:
    from search_forecast.upkeep.maintain import protected_versions

    held, free = SimpleNamespace(aliases=("champion",), n=4), SimpleNamespace(aliases=(), n=2)
    models: Any = SimpleNamespace(
        versions=lambda: [held, free],
        record=lambda v: {"tables": [{"table": "search_gold.infant_growth", "delta_version": v.n}]},
    )
    house: Any = SimpleNamespace(position=lambda _: "search_events@9")

    gold = {"search_silver.search_events": {9}}
    assert protected_versions(house, models, only_aliased=False) == gold | {"search_gold.infant_growth": {2, 4}}
    assert protected_versions(house, models, only_aliased=True) == gold | {"search_gold.infant_growth": {4}}
    assert protected_versions(house, None, only_aliased=False) == gold


def test_the_latest_fifty_records_of_a_jobs_runs_stay(tmp_path: Path) -> None:
    for job, count in (("medallion", 53), ("monitoring", 2)):
        for number in range(count):
            (tmp_path / "_runs" / job / f"20240301-{number:06d}" / "logs").mkdir(parents=True)

    assert runs.trim(tmp_path) == 3

    left = sorted(path.name for path in (tmp_path / "_runs" / "medallion").iterdir())
    assert (left[0], left[-1], len(left)) == ("20240301-000003", "20240301-000052", 50)
    assert len(list((tmp_path / "_runs" / "monitoring").iterdir())) == 2
    assert runs.trim(tmp_path) == 0
