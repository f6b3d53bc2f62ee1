"""Files staged by tasks of Spark come out as the driver's do."""

from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import parquet
from pyspark.errors import PySparkException

from search_forecast.medallion import landing, layouts, staging_tasks
from search_forecast.medallion.batches import Batch, Delivery
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.new_files import stage_new_files
from support.staging import HEADER, NOW, RECORDS, delivered

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TWO_TERMS = b"day,month,year,query,product\n1,2,2021,alpha,P1\n"


def contents(batch: Batch) -> dict[str, list[dict[str, Any]]]:
    """What is staged, by the name of its file."""
    files = (file for file in batch.directory.rglob("*") if file.is_file())
    return {str(file.relative_to(batch.directory)): parquet.read_table(file).to_pylist() for file in files}


def staged_by_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there are many bytes, and executors."""
    monkeypatch.setattr(staging_tasks, "_LEAST_BYTES", 1)
    monkeypatch.setattr(staging_tasks, "_has_executors", lambda _: True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Files that are taken, twice the same, packed, broken, without a layout; two layouts of one content."""
    place = tmp_path / "in"
    delivered(place, HEADER + RECORDS, "a.csv")
    delivered(place, HEADER + RECORDS, "again.csv")
    delivered(place, gzip.compress(HEADER + b"1,1,2021,caf\xc3\xa9\n"), "b.csv.gz")
    delivered(place, gzip.compress(HEADER + RECORDS)[:40], "broken.csv.gz")
    delivered(place, b"no,header\n1,2\n", "c.csv")
    with zipfile.ZipFile(place / "d.zip", "w") as archive:
        archive.writestr("one.csv", HEADER + b"2,1,2021,tv\n")
        archive.writestr("two.csv", HEADER + b"3,1,2021,tv\n3,1,2021,\n")
    for folder, term in (("aa", "query"), ("bb", "product")):
        layout = f"description: d\nterm: {term}\ndate: {{day: day, month: month, year: year}}\n"
        delivered(place / "_layouts", layout.encode(), f"{folder}.yml")
        delivered(place / folder, TWO_TERMS, "e.csv")
    return place


@pytest.mark.parametrize("refused", ["aa", "none"])
def test_tasks_stage_files_as_the_driver_does(
    spark: SparkSession, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """Also where the first of two files of one content is refused, and the second is taken by another layout."""
    survey, choice = landing.survey(source), Choice(source, layouts=layouts.load(source / "_layouts"))
    before = Delivery("0" * 64, str(source / refused / "e.csv"), 1, 1, "ingested", None)
    seen = [{**vars(before), "batch_id": "batch-000001"}]
    expected, _ = stage_new_files(tmp_path / "driver", survey, choice, seen, NOW)

    staged_by_tasks(monkeypatch)
    stage, staged_here = landing.stage, list[str]()
    with monkeypatch.context() as patch:
        patch.setattr(landing, "stage", lambda part, *rest: (staged_here.append(part.name), stage(part, *rest))[1])
        actual, _ = stage_new_files(tmp_path / "tasks", survey, choice, seen, NOW, spark=lambda: spark)

    assert staged_here == [row["source_file"] for row in seen if refused == "aa"]
    assert actual.deliveries == expected.deliveries
    assert {delivery.status for delivery in actual.deliveries} == {"ingested", "duplicate", "rejected"}
    assert contents(actual) == contents(expected)


def test_what_a_task_does_not_see_is_left_to_the_driver(tmp_path: Path) -> None:
    part = Part(delivered(tmp_path, HEADER + RECORDS))

    staged = staging_tasks._staged([part, Part(tmp_path / "gone.csv")], tmp_path, Choice(tmp_path), 0)

    assert staged is not None
    assert json.loads(staged)["delivery"] == asdict(landing.stage(part, tmp_path, Choice(tmp_path)))
    assert staging_tasks._staged([part, Part(tmp_path / "gone.csv")], tmp_path, Choice(tmp_path), 1) is None
    assert staging_tasks._staged([part], tmp_path / "elsewhere", Choice(tmp_path), 0) is None


def test_where_tasks_fail_the_driver_stages(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lost(*_: Any) -> None:
        raise PySparkException("Job aborted: worker lost\nat org.apache")

    staged_by_tasks(monkeypatch)
    monkeypatch.setattr(type(spark), "range", lost)
    for name in ("a.csv", "b.csv"):
        delivered(tmp_path / "in", HEADER + RECORDS + name.encode(), name)

    survey, choice = landing.survey(tmp_path / "in"), Choice(tmp_path / "in")
    batch, _ = stage_new_files(tmp_path / "staging", survey, choice, [], NOW, spark=lambda: spark)

    assert [delivery.status for delivery in batch.deliveries] == ["ingested", "ingested"]
    assert "staging by tasks failed, the driver does it: Job aborted: worker lost" in caplog.messages[0]


def test_where_tasks_would_run_in_the_driver_it_stages(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging_tasks, "_LEAST_BYTES", 1)
    monkeypatch.setattr(staging_tasks, "_outcomes", lambda *_: pytest.fail("staged by tasks"))
    parts = [Part(delivered(tmp_path, HEADER + RECORDS, name)) for name in ("a.csv", "b.csv")]

    stage = staging_tasks.stager(lambda: spark, parts, tmp_path, Choice(tmp_path))

    assert stage(parts[0]).record_count == 2


def test_few_bytes_are_staged_by_the_driver_without_spark(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        delivered(tmp_path / "in", HEADER + RECORDS + name.encode(), name)

    survey, choice = landing.survey(tmp_path / "in"), Choice(tmp_path / "in")
    batch, _ = stage_new_files(tmp_path / "staging", survey, choice, [], NOW, spark=lambda: pytest.fail("asked"))

    assert len(batch.deliveries) == 2
