"""The whole flow when something goes wrong: killed, or records lost. Killed at every point by `make torture`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import kills, lakes
from support.flow import HEADER, assert_gold_is, delivered, rows

pytestmark = pytest.mark.usefixtures("spark")


def write(path: Path, records: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + records, encoding="utf-8")
    return path


@pytest.mark.parametrize("seed", [1])
def test_a_run_killed_and_run_again_gives_the_same_tables(run: Callable[..., Any], tmp_path: Path, seed: int) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    lakes.taken_in(lake, write(source / "a.csv", "1,3,2024,hat\n3,3,2024,hat\n1,3,2024,\n"))
    # The second delivery repeats a term and a day of the first, so that anything counted twice or lost shows.
    write(source / "b.csv", "1,3,2024,Hat\n2,3,2024,shoes\n2,3,2024,\n")

    points = kills.sampled(seed)
    for command in ("ingest", "clean", "aggregate", "reconcile"):
        words = [command, *(["--source", str(source)] if command == "ingest" else [])]
        assert kills.killed_at(run, words, points[command]) == 1
        run(*words)

    assert_gold_is(lake, delivered(source))
    assert [(r["raw_count"], r["reconciled"]) for r in rows(lake, "search_gold/batches")] == [(3, True), (3, True)]


def test_clean_finds_the_first_day_of_the_future_again_where_its_note_is_lost(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    lakes.taken_in(lake, write(tmp_path / "in" / "a.csv", "1,3,2024,hat\n2,1,2999,hat\n1,1,2999,hat\n"))

    assert run("clean")["batches"] == []

    note = json.loads((lake / "_staging" / "early_days.json").read_text(encoding="utf-8"))
    assert note["days"] == {"batch-000001": "2999-01-01"}


def test_lost_records_fail_reconcile_which_names_batch_and_layer(
    run: Callable[..., Any], tmp_path: Path, spark: Any
) -> None:
    lake = lakes.taken_in(tmp_path / "lake", write(tmp_path / "a.csv", "1,3,2024,hat\n2,3,2024,shoes\n"))
    losses = {
        "gold": "search_gold/daily_term_counts` where term = 'hat'",
        "silver": "search_silver/search_events` where term = 'hat'",
        "bronze": "search_bronze/raw_search_terms` where searchterm = 'hat'",
    }

    for layer, loss in losses.items():
        spark.sql(f"delete from delta.`{lake}/{loss}")
        code, line = run("reconcile", "--all")

        assert code == 1
        assert f"batch-000001: {layer} holds 1 of its records, expected 2" in line
        assert [r["reconciled"] for r in rows(lake, "search_gold/batches")] == [False]
