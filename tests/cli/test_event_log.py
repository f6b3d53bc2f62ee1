"""`--event-log` appends a JSON line for each command that ended: what a watcher learns of it and of its tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from deltalake import DeltaTable

from search_forecast import cli
from search_forecast.cli.call import Call
from search_forecast.cli.events import recorded
from search_forecast.errors import DataError
from support.places import FIXTURES


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_command_that_failed_says_why(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "events"
    assert run("clean", "--event-log", str(file))[0] == 1
    assert run("check", "--event-log", str(file))[0] == 1

    first, second = lines(file)
    assert (first["command"], first["ok"], first["tables"]) == ("clean", False, {})
    assert first["error"].startswith("DataError: clean: no lakehouse at ")
    assert second["command"] == "check"
    assert second["lakehouse"] == str(tmp_path / "lake")


def test_a_line_that_can_t_be_written_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nowhere" / "events"
    words = ["generate", "--rows", "1", "--seed", "1", "--out", str(tmp_path / "x"), "--event-log", str(file)]
    assert cli.main(words) == 0
    assert f"generate: no line in {file}: No such file" in capsys.readouterr().err


def test_tables_that_can_t_be_read_hide_neither_the_error_nor_the_line(tmp_path: Path) -> None:
    broken = Mock(root=tmp_path, commits={"search_gold.batches": 1})
    broken.history.side_effect = DataError("00000000000000000001.json is empty, a commit that was cut off")
    call = Call("reconcile", event_log=tmp_path / "events", used=broken)

    with pytest.raises(OSError, match="disk full"), recorded(call):
        raise OSError("disk full")
    with recorded(call):
        pass

    first, second = lines(tmp_path / "events")
    assert (first["error"], first["tables"]) == ("OSError: disk full", {})
    assert (second["ok"], second["tables"]) == (True, {})


@pytest.mark.usefixtures("spark")
def test_the_tables_of_a_command_have_their_versions_rows_and_bytes(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "events"
    source = str(FIXTURES / "infant_growth.csv")
    answers = [run("load-measurements", "--source", source, "--event-log", str(file)) for _ in range(2)]

    first, second = lines(file)
    table = DeltaTable(str(tmp_path / "lake" / "search_gold" / "infant_growth"))
    assert [first["result"], second["result"]] == answers
    assert first["tables"] == {
        "search_gold.infant_growth": {
            "version": table.version(),
            "rows": table.to_pyarrow_table().num_rows,
            "bytes": sum(table.get_add_actions().column("size_bytes").to_pylist()),
        }
    }
    assert second["tables"] == {}  # the same measurements were there
    assert first["seconds"] > 0
