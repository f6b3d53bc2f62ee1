"""`runs` lists what came of past runs, from their records alone."""

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search_forecast.bundle import runs
from search_forecast.bundle.graph import State
from search_forecast.bundle.runs import TaskRun
from search_forecast.errors import DataError
from search_forecast.lakehouse.forgetting import Sought
from search_forecast.lakehouse.lock import exclusive
from search_forecast.medallion import erase


def recorded(lake: Path, job: str, hour: int, state: str, **tasks: TaskRun) -> None:
    run = runs.new(lake, job, None, datetime(2026, 11, 26, hour, tzinfo=timezone.utc), {})
    run.tasks, run.state, run.seconds = dict(tasks), state, 12.345
    run.save()


def test_past_runs_are_listed_with_what_came_of_them(run: Callable[..., Any], tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    done = TaskRun(State.SUCCESS, values={"event_count": 1234})
    broken = TaskRun(State.FAILED, error="reconcile: batch-000002 lost 2 records")
    recorded(lake, "medallion", 6, "SUCCESS", clean=done)
    recorded(lake, "medallion", 7, "FAILED", clean=done, reconcile=broken)
    recorded(lake, "monitoring", 8, "RUNNING", monitor=TaskRun(State.RUNNING))
    saved = (next((lake / "_runs" / "monitoring").iterdir()) / "run.json").read_text()
    oddities = (
        '"seconds": "x"',
        '"state": 7',
        '"tasks": []',
        '"tasks": {"a": {"state": "FAILED", "values": null}}',
        '"started_at": 5',
    )
    odd = [f"{saved.rstrip().removesuffix('}')}, {oddity}}}" for oddity in oddities]
    for number, text in enumerate(['{"job": "med', "[]", "[" * 200_000, *odd]):
        place = lake / "_runs" / "medallion" / f"odd-{number}"
        place.mkdir()
        (place / "run.json").write_text(text)

    listed = run("runs")
    assert [(row["started_at"], row["job"], row["state"], row["seconds"], row["result"]) for row in listed] == [
        ("2026-11-26 08:00:00", "monitoring", "KILLED", 12.3, ""),
        ("2026-11-26 07:00:00", "medallion", "FAILED", 12.3, "reconcile: reconcile: batch-000002 lost 2 records"),
        ("2026-11-26 06:00:00", "medallion", "SUCCESS", 12.3, "1,234 events"),
    ]
    assert [row["state"] for row in run("runs", "medallion", "--limit", "1")] == ["FAILED"]
    with exclusive(lake, "run"):
        assert run("runs", "monitoring")[0]["state"] == "RUNNING"
    code, said = run("runs", "medalion")
    assert (code, "did you mean medallion" in said) == (2, True)
    for no_job in (str(lake), "a**", "*"):
        code, said = run("runs", no_job)
        assert (code, f"no run of {no_job}" in said) == (2, True)


def test_the_last_run_is_the_last_one_though_the_clock_was_set_back(tmp_path: Path) -> None:
    recorded(tmp_path, "medallion", 9, "FAILED")
    for number in range(9):
        recorded(tmp_path, "medallion", 8, str(number))
    recorded(tmp_path, "monitoring", 8, "SUCCESS")
    recorded(tmp_path, "medallion", 8, "SUCCESS")

    last = runs.last(tmp_path, "medallion", None)
    assert (last.state, last.run_id, last.started_at[11:16]) == ("SUCCESS", "20261126-090000-12", "08:00")
    listed = runs.listed(tmp_path, None)
    assert [run.job for run in listed[:3]] == ["medallion", "monitoring", "medallion"]
    assert [run.state for run in listed[2:]] == [*"876543210", "FAILED"]
    assert runs.trim(tmp_path, 2) == 9
    assert [run.state for run in runs.listed(tmp_path, "medallion")] == ["SUCCESS", "8"]
    recorded(tmp_path, "medallion", 10, "later")
    assert runs.last(tmp_path, "medallion", None).run_id == "20261126-100000"


def test_a_run_whose_record_is_damaged_is_not_gone_on_with(tmp_path: Path) -> None:
    recorded(tmp_path, "medallion", 7, "FAILED", clean=TaskRun(State.FAILED, error="no"))
    (record,) = tmp_path.rglob("run.json")
    record.write_bytes(record.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"run\.json can't be read: .*; run the job without --from-failed"):
        runs.last(tmp_path, "medallion", None)


@pytest.mark.parametrize("term", ["señal", 'tv 55"', "a\\b"])
def test_a_run_whose_record_holds_what_is_erased_goes(tmp_path: Path, term: str) -> None:
    for hour, text in ((6, f"{term} von gestern"), (7, f"{term}en")):
        run = runs.new(tmp_path, "flow", None, datetime(2026, 11, 26, hour, tzinfo=timezone.utc), {"what": text})
        run.save()
        record = run.directory / "run.json"
        record.write_text(json.dumps(json.loads(record.read_text())))  # as an earlier release wrote it, in ASCII

    assert runs.remove_with(tmp_path, Sought(frozenset({term})).is_in) == 1
    assert [run.parameters["what"] for run in runs.listed(tmp_path, "flow")] == [f"{term}en"]


def test_a_run_is_removed_whose_log_holds_a_term_that_a_pattern_finds_at_its_ends(tmp_path: Path) -> None:
    house: Any = SimpleNamespace(
        exists=lambda _: True, ask=lambda *_: [{"term": "zebra lamp"}, {"term": "red hat"}, {"term": "lamp"}]
    )
    for hour, line in ((1, "rejected: Zebra  lamp, twice"), (2, "rejected: zebra, lamp")):
        recorded(tmp_path, "flow", hour, "SUCCESS", clean=TaskRun(State.SUCCESS, error=line))

    what = erase.in_lines(house, Sought(pattern="^zebra lamp$"))

    assert runs.remove_with(tmp_path, what.is_in) == 1
    assert [run.tasks["clean"].error for run in runs.listed(tmp_path, "flow")] == ["rejected: zebra, lamp"]


def test_a_failed_run_is_followed_by_what_to_do(tmp_path: Path, capsys: Any) -> None:
    from search_forecast import cli

    recorded(tmp_path, "medallion", 7, "FAILED", clean=TaskRun(State.FAILED, error="no"))
    assert cli.main(["--lakehouse", str(tmp_path), "runs"]) == 0
    assert "run medallion --from-failed" in capsys.readouterr().err
