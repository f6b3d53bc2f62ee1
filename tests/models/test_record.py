"""A version's record as a damaged disk gives it."""

import json
from pathlib import Path

import pytest

from search_forecast.errors import DataError
from search_forecast.models.registry import record
from search_forecast.models.registry.mlflow_model import RECORD, SPARK_FILES


@pytest.mark.parametrize(
    "text", ["[]", "[1]", "1", "null", "{}", "", "[" * 200_000, '{"fimes": {}}', '{"files": null}', "{"]
)
def test_a_record_that_is_damaged_is_said_in_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / SPARK_FILES).mkdir()
    (tmp_path / SPARK_FILES / "part").write_text("1")
    (tmp_path / RECORD).write_text(text)

    with pytest.raises(DataError, match="damaged"):
        record.checked(tmp_path, "hat version 1")


def test_files_that_are_what_a_record_says_are_right(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps({"files": {}, "files_directory": "forecast"}))

    assert record.checked(tmp_path, "hat version 1") == tmp_path / "forecast"


def test_what_a_record_does_not_say_is_told_in_a_line_also_of_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps({"files": {}, "tables": [{"table": "t"}], "ranges": None}))

    content = record.read(tmp_path, "hat version 1")

    assert (content["tables"][0]["table"], content["ranges"], content.get("seed")) == ("t", None, None)
    for part, key in ((content, "inputs"), (content["tables"][0], "delta_version")):
        with pytest.raises(DataError, match=f"^hat version 1: its record has no {key}: damaged or edited; use another"):
            part[key]
