from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from search_forecast.errors import DataError
from search_forecast.lakehouse import delta_log


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two commits, with a checkpoint at the second one."""
    for n in (1, 2):
        write_deltalake(str(tmp_path), pa.table({"n": [n]}), mode="append")
    DeltaTable(str(tmp_path)).create_checkpoint()
    return tmp_path


def test_a_log_says_version_files_and_commits(table: Path) -> None:
    log, opened = delta_log.read(table), delta_log.opened(table)

    assert (log.version, {path.name for path in log.files}) == (1, {path.name for path in table.glob("*.parquet")})
    assert opened is not None
    assert [commit["version"] for commit in delta_log.history(opened) or []] == [1, 0]


def test_a_commit_before_the_checkpoint_that_can_not_be_read_leaves_history_to_spark(table: Path) -> None:
    first = table / "_delta_log" / f"{0:020d}.json"
    first.write_text(first.read_text()[:80])

    opened = delta_log.opened(table)

    assert opened is not None
    assert delta_log.history(opened) is None


def test_an_empty_entry_is_said_and_not_taken_for_no_change(table: Path) -> None:
    (table / "_delta_log" / f"{1:020d}.json").write_bytes(b"")

    for reading in (delta_log.read, delta_log.opened):
        with pytest.raises(DataError, match="is empty, a commit that was cut off"):
            reading(table)
