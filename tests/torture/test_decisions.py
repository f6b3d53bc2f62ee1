"""Withdrawn, replaced, restored, erased: each killed at every point in turn and run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import erasing, kills, lakes, reference
from support.flow import HEADER, assert_gold_is, rows

pytestmark = [pytest.mark.usefixtures("spark"), pytest.mark.timeout(3600)]


def write(path: Path, *records: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "".join(f"{record}\n" for record in records), encoding="utf-8")
    return path


def test_corrections_killed_at_every_point_in_turn_and_said_again_give_what_plain_python_counts(
    run: Callable[..., Any], tmp_path: Path, note: Callable[[str, str, str], None]
) -> None:
    lake = tmp_path / "lake"
    a = write(tmp_path / "in" / "a.csv", "1,3,2024,hat", "2,3,2024,Hat", "2,3,2024,")
    b = write(tmp_path / "in" / "b.csv", "2,3,2024,hat", "3,3,2024,shoes")
    mended = write(tmp_path / "mended" / "b.csv", "2,3,2024,hat", "3,3,2024,boots", "4,3,2024,boots")
    lakes.taken_in(lake, a, b)
    decisions = (
        ("correct", ("correct", "a.csv", "--withdraw", "--why", "test data"), (b,)),
        ("correct --by", ("correct", "b.csv", "--by", str(mended), "--why", "they are boots"), (mended,)),
        ("correct", ("correct", str(b), "--restore"), (b,)),
        ("correct", ("correct", "a.csv", "--restore"), (a, b)),
    )

    killed = 0
    for points, words, files in decisions:
        killed += kills.killed_at(run, words, kills.POINTS[points])
        run(*words)
        assert_gold_is(lake, reference.of_files(*files))
        assert all(row["reconciled"] for row in rows(lake, "search_gold/batches"))

    noted = sorted(rows(lake, "search_gold/corrections"), key=lambda r: (r["corrected_at"], r["record_count"]))
    assert [(r["what"], r["record_count"]) for r in noted] == [
        ("withdrawn", 3), ("replaced", 2), ("restored", 2), ("replaced", 3), ("restored", 3),
    ]  # fmt: skip
    assert killed >= len(kills.FOLLOWING) * 2
    note("killed at every commit: withdraw, replace, restore", f"{killed} points", "gold as plain Python counts")


def test_erasing_killed_at_every_point_in_turn_leaves_no_byte(
    run: Callable[..., Any], tmp_path: Path, note: Callable[[str, str, str], None]
) -> None:
    lake = tmp_path / "lake"
    files = erasing.delivered(tmp_path / "in")
    run("ingest", "--source", str(tmp_path / "in"))
    for step in ("clean", "aggregate"):
        run(step)
    erasing.seed_what_other_jobs_wrote(lake)
    assert len(erasing.holding(lake, "zebra")) > 15

    killed = kills.killed_at(run, erasing.WORDS, kills.POINTS["erase"])
    erased = run(*erasing.WORDS)

    erasing.assert_erased(lake, erased, files)
    assert {r["term"] for r in rows(lake, "search_gold/calendar_events")} == {"hat", None}
    assert {r["term"] for r in rows(lake, "search_gold/term_trends")} == {"hat", "ibex boots"}
    assert sorted(path.name for path in (lake / "_runs" / "medallion").iterdir()) == ["20240304-2"]
    assert [path.name for path in (lake / "_mlflow" / "artifacts").iterdir()] == ["other"]
    erasing.erase_a_delivery(run, lake, tmp_path / "in")
    note("killed at every commit: erase", f"{killed} points", "no byte left, in Parquet and gzip neither")
