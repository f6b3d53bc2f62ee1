"""Killed at every point in turn, in this process: where each commit lies between the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import kills
from support.flow import HEADER, STEPS, assert_gold_is, delivered, gold_rows, pipeline, rows

pytestmark = [pytest.mark.usefixtures("spark"), pytest.mark.timeout(3600)]
# A commit that the run before was killed right after is not made again.
NOT_AGAIN = {"rejected_records", "term_variants", "batches"}


def test_a_run_killed_at_every_point_in_turn_and_run_again_gives_the_same_tables(
    run: Callable[..., Any], tmp_path: Path, note: Callable[[str, str, str], None]
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    (source / "a.csv").write_text(HEADER + "1,3,2024,hat\n3,3,2024,hat\n1,3,2024,\n", encoding="utf-8")
    pipeline(run, source)
    (source / "b.csv").write_text(HEADER + "1,3,2024,Hat\n2,3,2024,shoes\n2,3,2024,\n", encoding="utf-8")

    killed = 0
    for command in ("ingest", *STEPS):
        words = [command, *(["--source", str(source)] if command == "ingest" else [])]
        for point in kills.POINTS[command]:
            is_killed = kills.kill(run, words, point)
            assert is_killed or point[0] in NOT_AGAIN, f"{command} never came to {point}"
            killed += is_killed
        run(*words)

    assert_gold_is(lake, delivered(source))
    assert [(r["raw_count"], r["reconciled"]) for r in rows(lake, "search_gold/batches")] == [(3, True), (3, True)]
    # What was cut off before its seal lies there for a day: it could be another writer's, still under way.
    assert not list((lake / "_staging" / "batches").glob("*/manifest.json"))
    before = gold_rows(lake)
    run("aggregate", "--full")
    assert gold_rows(lake) == before
    note("killed at every commit: ingest to reconcile", f"{killed} points", "gold as plain Python counts")
