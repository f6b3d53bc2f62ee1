"""What one call of the command line opens."""

import os
from pathlib import Path

import pytest

from search_forecast.cli.call import LARGE_BYTES, TINY_BYTES, Call
from search_forecast.lakehouse import notes, session
from search_forecast.medallion.reconcile import unproven_bytes


@pytest.mark.parametrize(
    ("command", "file_bytes", "size"),
    [
        ("clean", {"lake/search_bronze/raw_search_terms/a.parquet": LARGE_BYTES // 10 + 1}, "large"),
        ("clean", {"lake/search_silver/search_events/a.parquet": LARGE_BYTES, "in/a.csv": LARGE_BYTES + 1}, "tiny"),
        ("aggregate", {"lake/search_gold/term_summary/a.parquet": TINY_BYTES}, "small"),
        ("maintain", {"lake/search_silver/search_events/a.parquet": LARGE_BYTES}, "large"),
        ("ingest", {"lake/search_bronze/raw_search_terms/a.parquet": LARGE_BYTES, "in/a.csv": 1}, "tiny"),
        ("ingest", {"in/a.csv": LARGE_BYTES + 1}, "large"),
        ("ingest", {"in/a.csv": TINY_BYTES, "in/known.csv": LARGE_BYTES}, "tiny"),
        ("ingest", {"in/a.csv.gz": 1, "lake/_staging/batches/batch-000001-x/1.parquet": LARGE_BYTES // 5 + 1}, "large"),
        ("run", {"lake/search_bronze/raw_search_terms/a.parquet": TINY_BYTES // 10, "in/a.csv": TINY_BYTES}, "small"),
    ],
)
def test_spark_is_as_large_as_what_a_command_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, file_bytes: dict[str, int], size: str
) -> None:
    lake, source = tmp_path / "lake", tmp_path / "in"
    source.mkdir()
    notes.write(lake / "_staging", "content_ids", {str(source / "known.csv"): []})
    for name, length in file_bytes.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, length)  # no byte of it is on the disk
    monkeypatch.setattr(session, "session", lambda **settings: settings["size"])

    has_source = command in ("ingest", "run")
    with Call(command=command, lakehouse=lake).opened(writes=False, source=source if has_source else None) as house:
        assert house.spark == size


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
