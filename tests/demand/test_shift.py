"""Demand shifts: the alarm comes, the retrained champion recovers. All of it through the command line, day by day."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from search_forecast.cli.call import Call
from search_forecast.demand.replay import COLUMNS, replay
from search_forecast.models.registry import Version
from search_forecast.parameters import ForecastParameters
from support.delta import write_counts
from support.forecasting import FIRST, QUICK, command, day, table

SHIFT = 126  # days of steady demand
LEVELS = {"laptop": 60, "tv": 45, "phone": 30, "radio": 25, "camera": 20}


def searches(days_after: int) -> dict[str, list[int]]:
    """Steady noise; then laptop triples and tv nearly vanishes."""
    random = np.random.default_rng(5)
    factors = {"laptop": 3.0, "tv": 0.1}
    return {
        term: [
            *random.poisson(level, SHIFT).tolist(),
            *random.poisson(level * factors.get(term, 1.0), days_after).tolist(),
        ]
        for term, level in LEVELS.items()
    }


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shift") / "lake"
    write_counts(root, FIRST, searches(60))
    first, last = day(SHIFT - 1), day(SHIFT + 5)  # one week: the next would begin the day after
    (week,) = command(root, "replay", "--from", first.isoformat(), "--to", last.isoformat(), *QUICK)
    assert (week["as_of"], week["champion"], week["is_trained"], week["is_promoted"]) == (str(first), 1, True, True)
    assert week["added"] == 14 * 2 * (len(LEVELS) + 1)
    assert "no champion yet" in week["reason"]
    assert command(root, "models", "search_demand", "1")["tags"]["trained_to"] == str(first)
    return root


def wape(lake: Path, version: int, made_on: date) -> float:
    (row,) = [
        row
        for row in table(lake, "forecast_accuracy")
        if (row["model_version"], row["made_on_date"], row["window"]) == (version, made_on, "1-7")
    ]
    return float(row["wape"])


def weekly(lake: Path, last: date) -> Any:
    """What the jobs do in a week: the champion's forecast, then a look at what came."""
    command(lake, "score", "--as-of", last.isoformat())
    return command(lake, "monitor", "--as-of", last.isoformat())


@pytest.mark.long
def test_a_shift_sets_off_the_alarm_and_the_retrained_champion_recovers(lake: Path) -> None:
    assert command(lake, "monitor", "--as-of", day(SHIFT - 1).isoformat())["needs_retrain"] == "false"
    (known,) = {row["mean_forecast"] for row in table(lake, "term_forecasts") if row["term"] == "tv"}
    assert known == pytest.approx(np.mean(searches(60)["tv"][:SHIFT]))  # nothing of the days to come

    first_week = weekly(lake, day(SHIFT + 6))

    assert first_week["is_drifted"] is True
    assert first_week["needs_retrain"] == "true"
    assert "psi" in first_week["reason"].lower()

    # Four weeks of the new demand are in: enough for the backtest to see that the mean of old days is no good any more.
    later = day(SHIFT + 27)
    trained = command(lake, "train", *QUICK, "--as-of", later.isoformat())
    promoted = command(lake, "promote", "search_demand")
    assert trained["gate"].startswith("passed: better than version 1")
    assert (promoted["is_promoted"], promoted["holder"]) == (True, 2)
    command(lake, "score", "--as-of", later.isoformat())

    after = command(lake, "monitor", "--as-of", day(SHIFT + 34).isoformat())

    floor = poisson_floor()
    assert wape(lake, 1, day(SHIFT - 1)) > 2 * floor  # the forecast that the shift made worthless
    assert wape(lake, 2, later) < 1.6 * floor
    assert (after["model_version"], after["needs_retrain"]) == (2, "false")


def test_replay_trains_each_nth_week_and_where_monitoring_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[Any, ...]] = []
    seen = {day(21): "true"}
    fakes = {
        "monitor_champion": lambda *_: {"needs_retrain": seen.get(_[-1], "false"), "reason": "", "skill_ratio": 0.1},
        "train": lambda *_, as_of, **__: done.append(("train", as_of)),
        "promote_latest": lambda *_: {"is_promoted": True},
        "score": lambda _house, _models, _version, as_of, _now: done.append(("score", as_of)) or {"added": 3},
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(f"search_forecast.demand.replay.{name}", fake)
    champion = Version("search_demand", 1, (), {}, 0, "")
    models = SimpleNamespace(versions=lambda _: [], find=lambda *_, **__: champion)

    weeks = list(
        replay(None, models, "search_demand", first=day(0), last=day(30), parameters=ForecastParameters(),  # type: ignore[arg-type]
               train_every=2, now=Call.now)
    )  # fmt: skip

    assert [week["is_trained"] for week in weeks] == [True, False, True, True, True]
    assert [day_ for what, day_ in done if what == "score"] == [day(0), day(7), day(14), day(21), day(28)]
    assert [day_ for what, day_ in done if what == "train"] == [day(0), day(14), day(21), day(28)]
    assert all(set(week) == set(COLUMNS) for week in weeks)


def poisson_floor() -> float:
    """Mean absolute deviation of such counts from their own mean, by simulation."""
    random = np.random.default_rng(1)
    levels = np.array([180.0, 4.5, 30, 25, 20])
    counts = random.poisson(levels, (20_000, 5))
    return float(np.abs(counts - levels).sum() / counts.sum())
