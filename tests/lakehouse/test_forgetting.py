"""What must not be kept is found in whatever file holds it."""

from pathlib import Path

import pytest

from search_forecast.lakehouse.forgetting import Sought


@pytest.mark.parametrize("depth", [900, 200_000])
def test_json_that_is_nested_too_deeply_is_looked_through_as_text(tmp_path: Path, depth: int) -> None:
    file = tmp_path / "note.json"
    file.write_text("[" * depth + '"pen drive"' + "]" * depth, encoding="utf-8")

    assert Sought(frozenset({"pen drive"})).is_in_file(file)
    assert not Sought(frozenset({"hat"})).is_in_file(file)
