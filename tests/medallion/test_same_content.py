"""What makes two files the same; content that comes twice in a batch, changes meanwhile, or follows a refused one."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from search_forecast.errors import DataError
from search_forecast.medallion import landing, layouts, records
from search_forecast.medallion.batches import Delivery
from search_forecast.medallion.bronze import Layout
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.new_files import stage_new_files
from support.staging import HEADER, NOW, RECORDS, delivered, stage_new


def test_a_file_after_a_refused_one_is_staged_clean(tmp_path: Path) -> None:
    broken = delivered(tmp_path, gzip.compress(HEADER + RECORDS * 5000)[:-9], "broken.csv.gz")
    with pytest.raises(DataError):
        landing.stage(Part(broken), tmp_path)

    delivery = landing.stage(Part(delivered(tmp_path, HEADER + RECORDS)), tmp_path)

    assert parquet.read_metadata(tmp_path / f"{delivery.delivery_id}.parquet").num_rows == 2


def test_the_id_of_a_file_is_that_of_its_content_packed_or_not(tmp_path: Path) -> None:
    plain = delivered(tmp_path, HEADER + RECORDS)
    packed = delivered(tmp_path, gzip.compress(HEADER + RECORDS), "terms.csv.gz")

    assert (
        landing.content_id(Part(plain))
        == landing.content_id(Part(packed))
        == hashlib.sha256(HEADER + RECORDS).hexdigest()
    )


def test_the_id_of_a_broken_gzip_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    broken = gzip.compress(HEADER + RECORDS)[:-9]

    assert landing.content_id(Part(delivered(tmp_path, broken, "a.csv.gz"))) == hashlib.sha256(broken).hexdigest()


def test_a_file_that_is_gone_has_no_id(tmp_path: Path) -> None:
    assert landing.content_id(Part(tmp_path / "gone.csv")) is None


def test_a_file_that_changes_while_it_is_read_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = delivered(tmp_path / "in", HEADER + RECORDS)
    read = records.read

    def read_late(*arguments: Any) -> tuple[Layout, Iterator[bytes]]:
        with path.open("ab") as file:
            file.write(RECORDS)
        return read(*arguments)

    monkeypatch.setattr(records, "read", read_late)

    batch, known = stage_new(tmp_path)

    assert known == []
    assert [(d.source_file, d.status, d.record_count, d.layout_name) for d in batch.deliveries] == [
        (str(path), "rejected", None, None)
    ]
    assert "changed while it was read" in str(batch.deliveries[0].reason)


def test_of_files_with_the_same_content_the_first_is_staged(tmp_path: Path) -> None:
    for name, content in (("a.csv", HEADER), ("b.csv.gz", gzip.compress(HEADER)), ("c.csv", HEADER + RECORDS)):
        delivered(tmp_path / "in", content, name)

    batch, _ = stage_new(tmp_path)

    assert [(Path(d.source_file).name, d.status) for d in batch.deliveries] == [
        ("a.csv", "ingested"),
        ("b.csv.gz", "duplicate"),
        ("c.csv", "ingested"),
    ]
    assert str(batch.deliveries[1].reason).endswith("in/a.csv")


def test_a_duplicate_of_another_layout_leaves_what_is_staged_of_the_first(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for folder, term in (("aa", "query"), ("bb", "product")):
        layout = f"description: d\nterm: {term}\ndate: {{day: day, month: month, year: year}}\n"
        delivered(source / "_layouts", layout.encode(), f"{folder}.yml")
        delivered(source / folder, b"day,month,year,query,product\n1,2,2021,alpha,P1\n", "a.csv")
    choice = Choice(source, layouts=layouts.load(source / "_layouts"))

    batch, _ = stage_new_files(tmp_path / "staging", landing.survey(source), choice, [], NOW)

    assert [(each.status, each.layout_name) for each in batch.deliveries] == [("ingested", "aa"), ("duplicate", None)]
    assert parquet.read_table(batch.staged_file(batch.deliveries[0]))["searchterm"].to_pylist() == ["alpha"]
    assert not list(batch.directory.glob("partial*"))


def test_what_was_staged_of_a_refused_file_is_not_taken_for_that_of_another_layout(tmp_path: Path) -> None:
    source, content = tmp_path / "in", b"day,month,year,query,product\n1,2,2021,alpha,P1\n"
    for folder, term in (("aa", "query"), ("bb", "product")):
        layout = f"description: d\nterm: {term}\ndate: {{day: day, month: month, year: year}}\n"
        delivered(source / "_layouts", layout.encode(), f"{folder}.yml")
        delivered(source / folder, content, "a.csv")
    choice = Choice(source, layouts=layouts.load(source / "_layouts"))
    other = Delivery("0" * 64, str(source / "aa" / "a.csv"), 1, 1, "ingested", None)

    batch, _ = stage_new_files(
        tmp_path / "staging", landing.survey(source), choice, [{**vars(other), "batch_id": "batch-000001"}], NOW
    )

    assert [(each.status, each.layout_name) for each in batch.deliveries] == [("rejected", None), ("ingested", "bb")]
    assert parquet.read_table(batch.staged_file(batch.deliveries[1]))["searchterm"].to_pylist() == ["P1"]
