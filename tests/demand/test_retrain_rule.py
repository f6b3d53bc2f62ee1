"""When to train again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from search_forecast.demand.monitoring.drift import Drift, reference
from search_forecast.demand.monitoring.rule import ForecastWindow, apart, needs_retrain
from search_forecast.errors import UsageError
from search_forecast.parameters import MonitorParameters
from support.monitored import PARAMETERS, day
from support.places import PROJECT

if TYPE_CHECKING:
    pass


def forecasts_with(*skills: float | None, terms: int = 10) -> list[ForecastWindow]:
    """Weekly forecasts, the latest last."""
    return [
        ForecastWindow(day(7 * i), day(7 * i + 1), day(7 * i + 7), terms, skill, 0.95) for i, skill in enumerate(skills)
    ]


def covering(*coverages: float) -> list[ForecastWindow]:
    return [
        replace(row, interval_coverage=c)
        for row, c in zip(forecasts_with(*[0.0] * len(coverages)), coverages, strict=True)
    ]


def drift_row(first: int, *, is_drifted: bool) -> Drift:
    ends = (day(first), day(first + 6))
    return Drift(1, f"{ends[0]}/{ends[1]}", *ends, 100, 900, 5, 0.3, 0.2, 50.0, 1e-5, is_drifted)


AS_OF = 60
RULE = {
    "nothing yet": ([], [], False, "nothing to compare yet"),
    "one bad forecast is chance": (forecasts_with(-0.4), [], False, "1 of the last 1 forecasts worse"),
    "two of two": (forecasts_with(-0.1, -0.2), [], True, "2 of the last 2 forecasts were worse"),
    "two of the last five": (forecasts_with(0.1, -0.4, 0.1, 0.1, -0.4), [], True, "error 10% larger over all"),
    "two bad among good ones": (forecasts_with(0.1, -0.1, 0.1, 0.1, -0.1), [], False, "skill +2%"),
    "the sixth back is forgotten": (forecasts_with(-0.9, 0, 0, 0, 0, -0.9), [], False, "1 of the last 5"),
    "as bad as allowed": (forecasts_with(-0.05, -0.05), [], False, "0 of the last 2"),
    "a single term swings more": (forecasts_with(-0.15, -0.15, terms=1), [], False, "0 of the last 2"),
    "even for a single term": (forecasts_with(-0.2, -0.2, terms=1), [], True, "worse than the mean by more than 16%"),
    "many terms": (forecasts_with(-0.06, -0.06, terms=2000), [], True, "worse than the mean by more than 5%"),
    "the mean against itself": (forecasts_with(0.0, 0.0, 0.0), [], False, "0 of the last 3"),
    "no skill known": (forecasts_with(None, None), [], False, "0 of the last 2"),
    "intervals too narrow": (covering(0.95, 0.79, 0.95, 0.5), [], True, "in 2 of the last 4 forecasts the 95 %"),
    "one interval too narrow": (covering(0.95, 0.95, 0.1), [], False, "1 with too narrow an interval"),
    "intervals just wide enough": (covering(0.8, 0.8), [], False, "0 with too narrow an interval"),
    "drift": ([], [drift_row(7, is_drifted=True)], True, "drifted in 2026-01-12/2026-01-18 (psi 0.30, p-value 1e-05)"),
    "drift that is over": ([], [drift_row(i, is_drifted=i == 7) for i in (14, 7)], False, "no drift in 2026-01-19"),
    "both": (forecasts_with(-0.1, -0.2), [drift_row(7, is_drifted=True)], True, "all of them); the mix of terms"),
}


@pytest.mark.parametrize(("forecasts", "drift", "is_needed", "reason"), RULE.values(), ids=RULE.keys())
def test_the_rule_for_training_again(
    forecasts: list[ForecastWindow], drift: list[Drift], is_needed: bool, reason: str
) -> None:
    verdict, sentence = needs_retrain(forecasts, drift, day(0), day(AS_OF), PARAMETERS)

    assert verdict is is_needed
    assert reason in sentence


@pytest.mark.parametrize(
    ("trained_to", "is_needed"),
    [(AS_OF - 3, True), (AS_OF - 2, False), (AS_OF, False), (None, True)],
)
def test_nothing_is_trained_again_on_nearly_the_same_data(trained_to: int | None, is_needed: bool) -> None:
    trained = None if trained_to is None else day(trained_to)

    verdict, reason = needs_retrain(forecasts_with(-0.9, -0.9), [], trained, day(AS_OF), PARAMETERS)

    assert verdict is is_needed
    assert reason.startswith("2 of the last 2 forecasts were worse than the mean by more than 5%")
    assert (f"trained on data up to {trained}, less than 3 days before {day(AS_OF)}" in reason) is not is_needed


def test_the_rule_can_fire_between_two_weekly_trainings() -> None:
    # demand_forecast trains on Mondays, monitoring looks every day: a longer cooldown would silence it for good.
    monday = day(AS_OF)

    fires = [
        needs_retrain(forecasts_with(-0.9, -0.9), [], monday, monday + timedelta(days=n), PARAMETERS)[0]
        for n in range(7)
    ]

    assert fires == [False, False, False, True, True, True, True]
    resources = PROJECT / "databricks.yml"
    assert "default: 0 0 4 ? * MON" in resources.read_text()
    assert "default: 0 0 5 * * ?" in resources.read_text()


def test_the_mix_is_compared_with_the_last_thirteen_weeks_of_training() -> None:
    assert reference(day(0), day(181)) == (day(91), day(181))
    assert reference(day(100), day(181)) == (day(100), day(181))


def test_forecasts_made_daily_count_once_a_week() -> None:
    daily = [ForecastWindow(day(i), day(i + 1), day(i + 7), 10, -0.9, 0.95) for i in range(20)]

    assert [row.made_on_date for row in apart(daily, 5)] == [day(19), day(12), day(5)]
    # Seven forecasts of one bad week are one bad forecast.
    assert needs_retrain(daily[:7], [], None, day(AS_OF), PARAMETERS)[0] is False
    assert needs_retrain(daily[:8], [], None, day(AS_OF), PARAMETERS)[0] is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"worse_windows": 0},
        {"worse_windows": 6},
        {"accuracy_windows": 1},
        {"worse_by_ratio": -0.1},
        {"worse_by_ratio": float("nan")},
        {"least_coverage_ratio": 1.1},
        {"drift_alpha": 0.0},
        {"drift_alpha": 1.0},
        {"drift_psi": -1.0},
        {"cooldown_days": -1},
    ],
)
def test_impossible_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^monitor: --"):
        MonitorParameters(**wrong)
