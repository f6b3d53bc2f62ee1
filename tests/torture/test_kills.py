"""Killed, or failed, at every point in turn, in this process: where each commit lies between the others."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search_forecast.medallion import overlap
from support import kills, lakes
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


def test_an_error_while_twins_are_looked_for_leaves_a_batch_that_the_next_ingest_takes_up(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: Callable[[str, str, str], None]
) -> None:
    source, lake, twins = tmp_path / "in", tmp_path / "lake", overlap.twins
    records = "".join(f"{day},3,2024,hat\n" * day for day in range(1, 9))
    source.mkdir()
    (source / "a.csv").write_text(HEADER + records, encoding="utf-8")
    lakes.taken_in(lake, source / "a.csv")
    (source / "b.csv").write_text(HEADER + records.replace("8,3", "9,3"), encoding="utf-8")
    expected = delivered(source)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(overlap, "twins", full)
    for _ in range(2):
        code, said = run("ingest", "--source", str(source))
        assert (code, said.count("search-forecast: "), "No space left" in said) == (3, 1, True)
    assert len(rows(lake, "search_bronze/deliveries")) == 1
    monkeypatch.setattr(overlap, "twins", twins)
    (source / "b.csv").unlink()  # it is staged
    run("ingest", "--source", str(source))
    for step in STEPS:
        run(step)

    assert_gold_is(lake, expected)
    warnings = {Path(row["source_file"]).name: row["warning"] for row in rows(lake, "search_bronze/deliveries")}
    assert warnings["a.csv"] is None
    assert "7 days have as many searches as in" in str(warnings["b.csv"])
    assert not list((lake / "_staging" / "batches").iterdir())
    note("an error while twins are looked for", "2 commands stopped", "one line; taken up by the next run, warning too")
