"""What one call of the command line opens."""

import os
from pathlib import Path

import pytest

from search_forecast.cli.call import LARGE_BYTES, Call
from search_forecast.lakehouse import session


@pytest.mark.parametrize(
    ("command", "stored_and_source_bytes", "size"),
    [
        ("clean", (1, 0), "small"),
        ("clean", (LARGE_BYTES // 10 + 1, 0), "large"),
        ("ingest", (10 * LARGE_BYTES, LARGE_BYTES), "small"),  # it reads what is delivered, not what there is
        ("ingest", (1, LARGE_BYTES + 1), "large"),
    ],
)
def test_spark_is_as_large_as_what_a_command_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, stored_and_source_bytes: tuple[int, int], size: str
) -> None:
    lake, source = tmp_path / "lake", tmp_path / "a.csv"
    lake.mkdir()
    for file, length in zip((lake / "part.parquet", source), stored_and_source_bytes, strict=True):
        file.touch()
        os.truncate(file, length)  # no byte of it is on the disk
    monkeypatch.setattr(session, "session", lambda **settings: settings["size"])

    with Call(command=command, lakehouse=lake).opened(writes=False, source=source) as house:
        assert house.spark == size
