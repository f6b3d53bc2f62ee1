"""The whole flow when something goes wrong: killed at any point, or records lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search_forecast.lakehouse import tables
from search_forecast.medallion import batches
from support.flow import HEADER, KilledError, assert_gold_is, delivered, gold_rows, pipeline, rows

pytestmark = pytest.mark.usefixtures("spark")


# What each command does, in order: its commits and steps of staging, before or after which it is killed.
CRASH_POINTS = {
    "ingest": [("seal", "before"), ("seal", "after"), ("raw_search_terms", "after"), ("deliveries", "after")],
    "clean": [("search_events", "after"), ("rejected_records", "after")],
    "aggregate": [(name, "after") for name in ("daily_term_counts", "term_summary", "term_variants")],
    "reconcile": [("batches", "after")],
}


def killing(work: Callable[..., Any], point: str, when: str) -> Callable[..., Any]:
    """`work`, but the process dies before or after it where it does what `point` says."""

    def killed(*args: Any, **options: Any) -> Any:
        name = getattr(args[2], "name", None) if work is WRITE else work.__name__
        if name == point and when == "before":
            raise KilledError
        result = work(*args, **options)
        if name == point:
            raise KilledError
        return result

    return killed


WRITE, SEAL = tables.Lakehouse.write, batches.seal


def test_a_run_killed_at_every_point_in_turn_and_run_again_gives_the_same_tables(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    (source / "a.csv").write_text(HEADER + "1,3,2024,hat\n3,3,2024,hat\n1,3,2024,\n", encoding="utf-8")
    pipeline(run, source)
    # The second delivery repeats a term and a day of the first, so that anything counted twice or lost shows.
    (source / "b.csv").write_text(HEADER + "1,3,2024,Hat\n2,3,2024,shoes\n2,3,2024,\n", encoding="utf-8")

    for command, points in CRASH_POINTS.items():
        words = [command, *(["--source", str(source)] if command == "ingest" else [])]
        for point, when in points:
            with monkeypatch.context() as patch:
                patch.setattr(tables.Lakehouse, "write", killing(WRITE, point, when))
                patch.setattr(batches, "seal", killing(SEAL, point, when))
                try:
                    run(*words)
                except KilledError:
                    continue
            # Only a commit that the run before was killed right after is not made again.
            assert point in {"rejected_records", "term_variants", "batches"}, f"{command} never came to {point}"
        run(*words)

    assert_gold_is(lake, delivered(source))
    assert [(r["raw_count"], r["reconciled"]) for r in rows(lake, "search_gold/batches")] == [(3, True), (3, True)]
    # What was cut off before its seal lies there for a day: it could be another writer's, still under way.
    assert not list((lake / "_staging" / "batches").glob("*/manifest.json"))
    before = gold_rows(lake)
    run("aggregate", "--full")
    assert gold_rows(lake) == before


def test_lost_records_fail_reconcile_which_names_batch_and_layer(
    run: Callable[..., Any], tmp_path: Path, spark: Any
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    (source / "a.csv").write_text(HEADER + "1,3,2024,hat\n2,3,2024,shoes\n", encoding="utf-8")
    pipeline(run, source)
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
