"""A table without its past, with deletion vectors too, and by the SQL that a workspace takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable
from pyarrow import parquet

from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts.base import STRING, Table, TableColumn
from search_forecast.lakehouse.purge import purge
from search_forecast.lakehouse.tables import Lakehouse

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

WORDS = Table("gold", "words", "word", (TableColumn("word", STRING, "The word itself"),))


def texts(directory: Path) -> str:
    """All that can be read below a directory."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    values = [str(parquet.read_table(path).to_pylist()) for path in files if path.suffix == ".parquet"]
    return "".join([*values, *(path.read_bytes().decode("utf-8", "replace") for path in files)])


def test_where_the_log_cannot_be_read_no_file_is_removed(tmp_path: Path) -> None:
    house: Any = SimpleNamespace(open=lambda _: "words", location=lambda _: tmp_path, spark=None)
    log = tmp_path / "_delta_log"
    log.mkdir()
    (log / f"{0:020d}.json").write_text("no JSON", encoding="utf-8")
    (tmp_path / "part-0.parquet").write_bytes(b"PAR1")

    with pytest.raises(DataError, match=f"^the log of {tmp_path} can't be read"):
        purge(house, WORDS)

    assert (tmp_path / "part-0.parquet").exists()
    assert [path.name for path in log.iterdir()] == [f"{0:020d}.json"]


def test_rows_that_were_deleted_are_in_no_file_and_no_log(spark: SparkSession, tmp_path: Path) -> None:
    house = Lakehouse(spark, tmp_path, tmp_path / "_staging")
    words: list[tuple[object, ...]] = [("aardvark",), ("badger",), ("zebra",)]
    house.write(house.create(words, WORDS).coalesce(1), WORDS)  # one file, of which a row is marked
    spark.sql(f"alter table {house.name(WORDS)} set tblproperties ('delta.enableDeletionVectors' = 'true')")
    spark.sql(f"delete from {house.name(WORDS)} where word = 'aardvark'")
    directory = house.location(WORDS)
    assert directory is not None
    added = house.create([("cat",)], WORDS).write.format("delta").mode("append")
    added.option("userMetadata", "animals@3").save(str(directory))
    assert list(directory.glob("*.bin"))  # the row is still in its file

    purge(house, WORDS)

    assert "aardvark" not in texts(directory)
    assert sorted(row["word"] for row in house.read(WORDS).collect()) == ["badger", "cat", "zebra"]
    assert house.position(WORDS) == "animals@3"  # REORG changes nothing, and what is purged is said anew
    assert "delta.checkpointInterval" not in DeltaTable(str(directory)).metadata().configuration

    # In a workspace, whose storage nobody looks into, the same files go by SQL alone.
    words = [("badger",)]
    house.write(house.create(words, WORDS), WORDS)
    workspace: Any = SimpleNamespace(open=house.open, location=lambda _: None, position=lambda _: None, spark=spark)
    purge(workspace, WORDS)

    data = [path for path in directory.glob("*.parquet") if "zebra" in str(parquet.read_table(path).to_pylist())]
    assert data == []
    assert [row["word"] for row in house.read(WORDS).collect()] == ["badger"]
