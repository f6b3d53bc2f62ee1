import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from search_forecast.errors import DataError
from search_forecast.lakehouse import delta_log


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two commits, with a checkpoint at the second one, below a directory that no URL can name as it is."""
    place = tmp_path / "shop #1"
    for n in (1, 2):
        write_deltalake(place.as_uri(), pa.table({"n": [n]}), mode="append")
    DeltaTable(place.as_uri()).create_checkpoint()
    return place


def test_a_log_says_version_files_and_commits(table: Path) -> None:
    log = delta_log.read(table)

    assert (log.version, {path.name for path in log.files}) == (1, {path.name for path in table.glob("*.parquet")})
    commits = [(commit["version"], commit["operation"]) for commit in delta_log.history(table)]
    assert commits == [(1, "WRITE"), (0, "WRITE")]


@pytest.mark.parametrize("text", ["", '{"commitInfo"', "[]", '{"commitInfo": 1}', '{"add": {}}'])
def test_a_commit_that_can_not_be_read_says_its_version_only(table: Path, text: str) -> None:
    first = table / "_delta_log" / f"{0:020d}.json"
    first.write_text(text)

    newest, oldest = delta_log.history(table)

    assert (newest["operation"], oldest) == ("WRITE", {"version": 0})


def test_a_table_that_is_not_there_is_none_and_one_made_anew_another(table: Path) -> None:
    before = delta_log.opened(table)
    assert delta_log.opened(table) is before  # not read again

    shutil.rmtree(table)
    assert delta_log.opened(table) is None
    assert delta_log.row_count(table) is None

    write_deltalake(table.as_uri(), pa.table({"n": [7, 8]}))
    assert delta_log.row_count(table) == 2


def test_what_cannot_be_looked_at_in_a_log_leaves_nobody_with_an_old_table(table: Path) -> None:
    (table / "_delta_log" / "_last_checkpoint").unlink()
    (table / "_delta_log" / "_last_checkpoint").symlink_to("nowhere")
    before = delta_log.row_count(table)

    write_deltalake(table.as_uri(), pa.table({"n": [3]}), mode="append")

    assert (before, delta_log.row_count(table)) == (2, 3)


def test_an_empty_entry_is_said_and_not_taken_for_no_change(table: Path) -> None:
    (table / "_delta_log" / f"{1:020d}.json").write_bytes(b"")

    for reading in (delta_log.read, delta_log.opened):
        with pytest.raises(DataError, match="is empty, a commit that was cut off"):
            reading(table)
