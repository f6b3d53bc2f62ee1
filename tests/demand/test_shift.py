"""Demand shifts: the alarm comes, the retrained champion recovers. All of it through the command line, day by day."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_demand import FIRST, QUICK, command, day, table

from support.delta import write_counts

pytestmark = pytest.mark.usefixtures("spark")

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
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shift") / "lake"
    write_counts(root, FIRST, searches(60))
    trained = command(root, "train", *QUICK, "--as-of", day(SHIFT - 1).isoformat())
    assert (trained["trained_to"], trained["forecastable"]) == (day(SHIFT - 1).isoformat(), 0)
    assert command(root, "promote", "search_demand")["is_promoted"] is True
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


def test_a_shift_sets_off_the_alarm_and_the_retrained_champion_recovers(lake: Path) -> None:
    assert weekly(lake, day(SHIFT - 1))["needs_retrain"] == "false"
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


def poisson_floor() -> float:
    """Mean absolute deviation of such counts from their own mean, by simulation."""
    random = np.random.default_rng(1)
    levels = np.array([180.0, 4.5, 30, 25, 20])
    counts = random.poisson(levels, (20_000, 5))
    return float(np.abs(counts - levels).sum() / counts.sum())
