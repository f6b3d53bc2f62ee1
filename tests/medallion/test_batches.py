"""Staged batches: sealed, found again, removed."""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from pyarrow import parquet

from search_forecast.errors import DataError
from search_forecast.lakehouse import scratch
from search_forecast.medallion import batches
from search_forecast.medallion.batches import Batch, Delivery

NOW = datetime(2021, 12, 25, 12, 30, 0, 123456, tzinfo=timezone.utc)


def sealed(staging: Path, name: str, *deliveries: Delivery) -> Batch:
    batch = Batch(name, NOW, deliveries, batches.new_directory(staging, name))
    for delivery in deliveries:
        if delivery.status == "ingested":
            batch.staged_file(delivery).touch()
    batches.seal(batch)
    return batch


def test_a_sealed_batch_is_found_as_it_was(tmp_path: Path) -> None:
    batch = sealed(
        tmp_path,
        "batch-000002",
        Delivery("ab" * 32, "/in/größe [1].csv", 120, 0, "ingested", None, "shop_ö", "{}"),
        Delivery("ab" * 32, "/in/b.csv", 120, None, "duplicate", "same content as /in/größe [1].csv"),
        Delivery(None, "/in/c.csv", 0, None, "rejected", "the file cannot be opened"),
    )

    assert batches.sealed(tmp_path) == [batch]
    assert batch.staged_file(batch.deliveries[0]) == batch.directory / f"{'ab' * 32}.parquet"


def test_a_batch_that_an_earlier_release_sealed_as_lines_is_finished(tmp_path: Path) -> None:
    batch = sealed(tmp_path, "batch-000002", Delivery("ab" * 32, "/in/a.csv", 120, 1, "ingested", None))
    manifest, staged = batch.directory / "manifest.json", batch.staged_file(batch.deliveries[0])
    document = json.loads(manifest.read_text())
    (row,) = document["deliveries"]
    columns = ["day", "month", "year", "searchterm"]
    row["layout"] = {"delimiter": ",", "columns": columns, "is_last_optional": False}
    del row["layout_name"], row["reading"]
    manifest.write_text(json.dumps(document))
    staged.unlink()
    staged.with_suffix(".lines").write_bytes(b'7,11,2021,"a\rb"\n')

    assert batches.sealed(tmp_path, is_read_only=True) == [batch]
    assert not staged.exists()
    assert batches.sealed(tmp_path) == [batch]
    [record] = parquet.read_table(staged).to_pylist()
    assert [record[name] for name in columns] == ["7", "11", "2021", "a\nb"]


def test_sealed_batches_come_oldest_first(tmp_path: Path) -> None:
    tenth, ninth = (sealed(tmp_path, f"batch-{number:06d}") for number in (10, 9))
    batches.new_directory(tmp_path, "batch-000011")

    assert batches.sealed(tmp_path) == [ninth, tenth]


def test_before_the_first_run_there_is_no_sealed_batch(tmp_path: Path) -> None:
    assert batches.sealed(tmp_path / "staging") == []


def aged(directory: Path) -> Path:
    os.utime(directory, (0, time.time() - scratch.STALE_SECONDS - 1))
    return directory


def test_only_what_is_old_and_not_sealed_is_removed(tmp_path: Path) -> None:
    """Another writer may be staging, `reproduce` may be at work: their directories are young, or not a batch's."""
    batch = sealed(tmp_path, "batch-000001")
    under_way, killed = (batches.new_directory(tmp_path, "batch-000002") for _ in range(2))
    with scratch.scratch(tmp_path) as working, scratch.scratch(tmp_path) as left_over:
        for directory in (batch.directory, killed, working):
            aged(directory)

        batches.remove_stale(tmp_path)

        assert (batch.directory.exists(), under_way.exists(), killed.exists()) == (True, True, False)
        assert working.exists()
        aged(left_over)
        aged(under_way)
        os.utime(working)
        with scratch.scratch(tmp_path) as directory:
            assert sorted(directory.parent.iterdir()) == sorted([working, directory])
        assert under_way.exists()


def test_a_batch_whose_removal_was_interrupted_is_not_taken_for_a_sealed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sealed(tmp_path, "batch-000001")
    (batch.directory / "abc.parquet").write_bytes(b"1")

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            batches.discard(batch)

    assert (batch.directory / "abc.parquet").exists()
    assert batches.sealed(tmp_path) == []


def test_a_discarded_batch_is_gone_sealed_or_not(tmp_path: Path) -> None:
    batch = sealed(tmp_path, "batch-000001")
    unsealed = Batch("batch-000002", NOW, (), batches.new_directory(tmp_path, "batch-000002"))

    batches.discard(batch)
    batches.discard(unsealed)

    assert not batch.directory.exists()
    assert not unsealed.directory.exists()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"deliveries": [{}], "received_at": "x", "batch_id": "b"}', "\xff"])
def test_a_damaged_manifest_is_said_with_what_to_do(tmp_path: Path, text: str) -> None:
    batch = batches.new_directory(tmp_path, "batch-000001")
    (batch / batches.MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"manifest\.json can't be read .*; remove its directory, then ingest"):
        batches.sealed(tmp_path)


def test_a_sealed_batch_without_its_records_is_damaged_too(tmp_path: Path) -> None:
    batch = sealed(tmp_path, "batch-000002", Delivery("ab" * 32, "/in/a.csv", 120, 1, "ingested", None))
    batch.staged_file(batch.deliveries[0]).unlink()
    with pytest.raises(DataError, match=r"manifest\.json can't be read \(abab.*\.parquet, which it names, is gone\)"):
        batches.sealed(tmp_path)
