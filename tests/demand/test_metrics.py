"""Measures of errors, against utilsforecast."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from utilsforecast import losses as utils

from search_forecast.demand.forecasting import metrics


def test_metrics_are_those_of_utilsforecast() -> None:
    random = np.random.default_rng(3)
    values = random.poisson(8, 60).astype(np.float64)
    cutoffs, horizon = (30, 37, 44), 14
    forecast = random.uniform(2, 14, (3, horizon))
    actual = np.stack([values[cutoff : cutoff + horizon] for cutoff in cutoffs])
    absolute, squared = np.array([metrics.scales(values[:cutoff], 7) for cutoff in cutoffs]).T
    found = metrics.Errors(actual, forecast, absolute, squared)

    days = pd.date_range("2025-01-01", periods=60)
    train = pd.DataFrame({"unique_id": "a", "ds": days, "y": values})
    frames = [
        pd.DataFrame({
            "unique_id": "a", "cutoff": days[cutoff - 1], "ds": days[cutoff : cutoff + horizon],
            "y": actual[i], "m": forecast[i],
        })
        for i, cutoff in enumerate(cutoffs)
    ]  # fmt: skip
    windows = pd.concat(frames)
    whole = windows.drop(columns="cutoff")

    assert found.smape == pytest.approx(utils.smape(whole, ["m"])["m"].item())
    mase = [
        utils.mase(f.drop(columns="cutoff"), ["m"], 7, train[train["ds"] <= f["cutoff"].iloc[0]])["m"].item()
        for f in frames
    ]
    rmsse = [
        utils.rmsse(f.drop(columns="cutoff"), ["m"], 7, train[train["ds"] <= f["cutoff"].iloc[0]])["m"].item()
        for f in frames
    ]
    assert found.mase == pytest.approx(np.mean(mase))
    assert found.rmsse == pytest.approx(np.mean(rmsse))
    assert found.wape == pytest.approx(utils.nd(whole, ["m"])["m"].item())
    assert found.bias == pytest.approx(utils.bias(whole, ["m"])["m"].item() / values_mean(whole))


def values_mean(frame: pd.DataFrame) -> float:
    return float(frame["y"].mean())


def test_nothing_to_divide_by_gives_no_number() -> None:
    nothing = metrics.Errors(np.zeros((1, 3)), np.ones((1, 3)), np.array([math.nan]), np.array([math.nan]))

    assert math.isnan(nothing.wape)
    assert math.isnan(nothing.mase)
    assert nothing.smape == 1.0


@pytest.mark.parametrize("mean", [0.2, 1.0, 3.7, 20.0, 400.0])
def test_the_poisson_floor_is_the_error_of_a_forecast_that_is_right(mean: float) -> None:
    counts = np.arange(0, int(mean * 3 + 40))
    expected = float((np.abs(counts - mean) * stats.poisson.pmf(counts, mean)).sum())

    assert metrics.poisson_floor(np.array([mean]))[0] == pytest.approx(expected, rel=1e-9)
