"""What one call of the command line opens."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet

from search_forecast.cli import output
from search_forecast.cli.call import LARGE_BYTES, ROW_BYTES, TINY_BYTES, Call
from search_forecast.errors import DataError
from search_forecast.lakehouse import notes, session
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion.reconcile import unproven_bytes


@pytest.mark.parametrize(
    ("command", "file_bytes", "size"),
    [
        ("clean", {"lake/search_bronze/raw_search_terms/a.parquet": LARGE_BYTES // 10 + 1}, "large"),
        ("clean", {"lake/search_silver/search_events/a.parquet": LARGE_BYTES, "in/a.csv": LARGE_BYTES + 1}, "tiny"),
        ("aggregate", {"lake/search_gold/term_summary/a.parquet": TINY_BYTES}, "small"),
        ("aggregate", {"lake/search_gold/daily_term_counts/a.parquet": LARGE_BYTES}, "tiny"),
        ("run", {"lake/search_gold/daily_term_counts/a.parquet": LARGE_BYTES}, "large"),
        ("trends", {"lake/search_gold/daily_term_counts/a.parquet": LARGE_BYTES}, "large"),
        ("trends", {"lake/search_silver/search_events/a.parquet": LARGE_BYTES}, "tiny"),
        ("maintain", {"lake/search_silver/search_events/a.parquet": LARGE_BYTES}, "large"),
        ("maintain", {"other disk/search_events/a.parquet": LARGE_BYTES}, "large"),
        ("ingest", {"lake/search_bronze/raw_search_terms/a.parquet": LARGE_BYTES, "in/a.csv": 1}, "tiny"),
        ("ingest", {"in/a.csv": LARGE_BYTES + 1}, "large"),
        ("ingest", {"in/a.csv": TINY_BYTES, "in/known.csv": LARGE_BYTES}, "tiny"),
        ("run", {"lake/search_bronze/raw_search_terms/a.parquet": TINY_BYTES // 10, "in/a.csv": TINY_BYTES}, "small"),
    ],
)
def test_spark_is_as_large_as_what_a_command_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, file_bytes: dict[str, int], size: str
) -> None:
    lake, source = tmp_path / "lake", tmp_path / "in"
    source.mkdir()
    if any(name.startswith("other disk") for name in file_bytes):
        lake.mkdir()
        (lake / "search_silver").symlink_to(tmp_path / "other disk")
    notes.write(lake / "_staging", "content_ids", {str(source / "known.csv"): []})
    for name, length in file_bytes.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, length)  # no byte of it is on the disk
    monkeypatch.setattr(session, "session", lambda **settings: settings["size"])

    has_source = command in ("ingest", "run")
    with Call(command=command, lakehouse=lake).opened(writes=False, source=source if has_source else None) as house:
        assert house.spark == size


@pytest.mark.parametrize("ends_with", ["result", "table", "error"])
def test_on_a_terminal_a_command_says_that_it_works_until_it_has_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends_with: str
) -> None:
    turning: list[str] = []

    @contextmanager
    def status(text: str) -> Iterator[None]:
        turning.append(text)
        yield
        turning.remove(text)

    monkeypatch.setattr(output, "errors", SimpleNamespace(is_terminal=True, status=status))
    monkeypatch.setattr(session, "session", lambda **_: list(turning))

    with suppress(DataError), Call(command="clean", lakehouse=tmp_path).opened(writes=False) as house:
        assert (house.spark, turning) == (["clean: starting Spark"], ["clean: working"])
        if ends_with == "error":
            raise DataError("no such column")
        if ends_with == "result":
            output.result({"event_count": 1}, is_json=True)
        else:
            output.table(["term"], [["tv"]])
        assert turning == []

    assert turning == []


def test_a_task_has_the_session_of_its_job_at_the_size_of_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = tmp_path / "search_gold/daily_term_counts/a.parquet"
    days.parent.mkdir(parents=True)
    days.touch()
    os.truncate(days, LARGE_BYTES)
    monkeypatch.setattr(session, "session", lambda **settings: settings["size"])
    job_lakehouse = Lakehouse(lambda: "of the job", tmp_path, tmp_path / "_staging")

    def size(command: str, **flags: str) -> object:
        call = Call(command=command, lakehouse=Path("elsewhere"), task_lakehouse=job_lakehouse, **flags)
        with call.opened(writes=True) as house:
            return house.spark

    assert [size("clean"), size("trends")] == ["tiny", "large"]
    assert size("clean", spark="spark://a:7077") == "of the job"


def test_a_packed_delivery_is_as_large_as_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staged, source = tmp_path / "_staging/batches/batch-000001-x", tmp_path / "a.csv.gz"
    staged.mkdir(parents=True)
    source.write_bytes(b"1")
    (staged / "0.parquet").write_bytes(b"PAR1")  # a killed run's
    parquet.write_table(pa.table({"day": pa.nulls(LARGE_BYTES // ROW_BYTES + 1, pa.string())}), staged / "1.parquet")
    monkeypatch.setattr(session, "session", lambda **settings: settings["size"])

    with Call(command="ingest", lakehouse=tmp_path).opened(writes=False, source=source) as house:
        assert house.spark == "large"


def test_what_gold_was_before_makes_no_large_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "search_gold/term_summary"
    for _ in range(2):
        write_deltalake(table, pa.table({"term": [str(number) for number in range(40_000)]}), mode="overwrite")
    monkeypatch.setattr(session, "session", lambda **settings: settings["size"])

    def size() -> object:
        with Call(command="aggregate", lakehouse=tmp_path).opened(writes=False) as house:
            return house.spark

    assert size() == "small"  # 40,000 rows
    write_deltalake(table, pa.table({"term": ["a", "b"]}), mode="overwrite")
    assert size() == "tiny"
    next(table.glob("_delta_log/*2.json")).write_text("")  # `check` says what to do about it, not this
    assert size() == "small"


def test_gold_that_is_rebuilt_is_made_from_all_of_silver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silver = tmp_path / "search_silver/search_events/a.parquet"
    loaded, counted = (
        tmp_path / "search_gold" / table / "_delta_log" / "1.json" for table in ("accepted_spellings", "term_variants")
    )
    for file in (silver, loaded, counted):
        file.parent.mkdir(parents=True)
        file.touch()
    os.truncate(silver, LARGE_BYTES)
    monkeypatch.setattr(session, "session", lambda **settings: settings["size"])

    def size(loaded_at: int, *, is_full: bool) -> object:
        os.utime(loaded, (loaded_at, loaded_at))
        os.utime(counted, (2, 2))
        with Call(command="aggregate", lakehouse=tmp_path).opened(writes=False, reads_all=is_full) as house:
            return house.spark

    assert [size(1, is_full=False), size(1, is_full=True), size(3, is_full=False)] == ["tiny", "large", "large"]


def test_raw_records_that_were_proven_are_not_read_again(tmp_path: Path) -> None:
    raw, proof = tmp_path / "search_bronze/raw_search_terms", tmp_path / "search_gold/batches/_delta_log/1.json"
    for file in (raw / "old.parquet", proof, raw / "x" / "new.parquet"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"12345")
    os.utime(raw / "old.parquet", (0, 0))
    os.utime(proof, (1, 1))

    assert unproven_bytes(tmp_path) == 5
