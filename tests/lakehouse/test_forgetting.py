"""What must not be kept is found in whatever file holds it."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from search_forecast.lakehouse.forgetting import Sought


@pytest.mark.parametrize("depth", [900, 200_000])
def test_json_that_is_nested_too_deeply_is_looked_through_as_text(tmp_path: Path, depth: int) -> None:
    file = tmp_path / "note.json"
    file.write_text("[" * depth + '"pen drive"' + "]" * depth, encoding="utf-8")

    assert Sought(frozenset({"pen drive"})).is_in_file(file)
    assert not Sought(frozenset({"hat"})).is_in_file(file)


@pytest.mark.parametrize(
    ("events", "is_found"),
    [
        ([None, "campaign Pen Drive days: x 2.41 (1.92 to 3.03)"], True),
        ([None, "holiday Pen Drive Day: x 1.10 (1.01 to 1.20)"], False),
        ([3, 4], False),  # another program's column of that name
    ],
)
def test_what_a_file_says_of_events_is_looked_through_but_for_holidays(
    tmp_path: Path, events: list[object], is_found: bool
) -> None:
    parquet.write_table(pa.table({"term": ["hat", "coat"], "events": events}), tmp_path / "points.parquet")

    assert Sought(frozenset({"pen drive"})).is_in_file(tmp_path / "points.parquet") is is_found
