from __future__ import annotations

from pathlib import Path

from search_forecast.lakehouse import scratch


def test_what_another_run_removed_since_it_was_listed_is_not_stale(tmp_path: Path) -> None:
    assert not scratch.is_stale(tmp_path / "gone")
    scratch.remove_stale([tmp_path / "gone"])
