"""Whether a series can be forecast."""

import math

import numpy as np
import pytest
from scipy import stats

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import verdict
from search_forecast.demand.forecasting.history import Floats
from search_forecast.parameters import ForecastParameters
from support.series import QUICK, backtest, champion, history, weekly_pattern


def test_without_overlap_the_test_is_a_paired_t_test_with_the_small_sample_correction() -> None:
    gains = np.array([0.5, 1.5, -0.2, 0.9, 0.4, 1.1])
    # (n + 1 - 2h + h(h - 1)/n) / n with h = 1, and the variance divided by n: together those of the t-test.
    assert verdict.p_better(gains, 1) == pytest.approx(stats.ttest_1samp(gains, 0.0, alternative="greater").pvalue)


def test_a_gain_that_is_always_the_same_is_no_chance_and_none_is_none() -> None:
    assert verdict.p_better(np.full(5, 0.3), 2) == 0.0
    assert verdict.p_better(np.zeros(5), 2) == 1.0
    assert verdict.p_better(np.full(5, -0.3), 2) == 1.0


def test_overlapping_windows_weaken_the_evidence() -> None:
    gains = np.array([0.5, 1.5, 0.2, 0.9, 0.4, 1.1])

    assert verdict.p_better(gains, 2) > verdict.p_better(gains, 1)


LOSSES = {name: np.full(6, 10.0) for name in c.BASELINES}


def test_a_candidate_that_clearly_beats_the_baselines_is_forecastable() -> None:
    judged = verdict.verdict({**LOSSES, "theta": np.array([5, 6, 5, 6, 5, 6.0])}, 2, 0.05)

    assert judged.text == "forecastable"
    assert judged.p_value < 0.05


def test_a_candidate_must_beat_the_mean_and_the_seasonal_naive() -> None:
    noisy = np.array([9, 12, 9, 11, 8, 12.0])
    seasonal = {**LOSSES, "seasonal_naive": np.full(6, 5.0), "theta": np.array([5, 5.2, 4.9, 5, 5.1, 4.8])}

    assert verdict.verdict({**LOSSES, "theta": noisy}, 2, 0.05).text == "no better than the mean"
    assert verdict.verdict(seasonal, 2, 0.05).text == "no better than the seasonal naive"


@pytest.mark.parametrize("count", [1, 2])
def test_two_windows_tell_nothing(count: int) -> None:
    losses = {**{k: v[:count] for k, v in LOSSES.items()}, "theta": np.full(count, 0.1)}
    judged = verdict.verdict(losses, 2, 0.05)

    assert judged.text == "too short to tell"
    assert math.isnan(judged.p_value)


def _verdicts(series: list[Floats]) -> list[str]:
    parameters = ForecastParameters()
    return [champion(backtest("t", 0.1, history(values), QUICK, parameters))["verdict"] for values in series]


def test_pure_noise_is_called_forecastable_no_more_often_than_the_level_of_the_test_allows() -> None:
    noise = [np.random.default_rng(seed).poisson(20, 120).astype(np.float64) for seed in range(40)]

    # 2 in 40 are expected at most; more than 5 in 40 has a probability below 1.4 % then.
    assert _verdicts(noise).count("forecastable") <= 5


def test_a_weekly_pattern_is_found() -> None:
    seasonal = [weekly_pattern(100, 120, seed) for seed in range(10)]
    verdicts = _verdicts(seasonal)

    assert verdicts.count("forecastable") >= 6
    assert "no better than the mean" not in verdicts
