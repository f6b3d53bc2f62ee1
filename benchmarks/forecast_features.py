"""Weights from what a series is like, as FFORMA has them, to be compared with one pooled evidence for all series.

Each candidate's loss is predicted from features of a series by a ridge regression on the other series' backtests, and
takes the place of the mean over all series; the rest is as in `train`. Montero-Manso et al. 2020, FFORMA: feature-based
forecast model averaging, learn it by gradient boosting from a hundred thousand series, which a shop does not have.
"""

from collections.abc import Sequence

import numpy as np

from search_forecast.demand.forecasting import weights
from search_forecast.demand.forecasting.backtest import Backtest
from search_forecast.demand.forecasting.history import Floats, History


def features(history: History) -> Floats:
    """Length, level, zeros, spread; strength of trend and season, spectral entropy, autocorrelation; of logarithms."""
    values, season = history.values, history.frequency.season_length
    logs, count = np.log1p(np.maximum(values, 0)), len(values)
    trend = np.polyval(np.polyfit(np.arange(count) / count, logs, 1), np.arange(count) / count)
    rest = logs - trend
    means = [rest[day::season].mean() for day in range(season)] if count > season else [0.0]
    power = np.abs(np.fft.rfft(logs - logs.mean()))[1:] ** 2 + 1e-12
    power /= power.sum()
    return np.array(
        [
            *(np.log(count), np.log1p(values.mean()), (values == 0).mean(), values.std() / (values.mean() + 1e-9)),
            *(trend.var() / (logs.var() + 1e-9), np.var(np.resize(means, count)) / (rest.var() + 1e-9)),
            *(-(power * np.log(power)).sum() / np.log(len(power)), _autocorrelation(logs)),
            _autocorrelation(np.diff(logs)),
        ]
    )


def _autocorrelation(values: Floats) -> float:
    off = values - values.mean()
    return float((off[1:] * off[:-1]).sum() / ((off**2).sum() + 1e-9))


def pooled_by_features(tests: Sequence[Backtest], everyone: weights.Pooled, ridge: float) -> list[weights.Pooled]:
    """For each series, what the others say of the candidates, by how alike they are."""
    known = [test.history.until(test.cutoffs[0]) if test.cutoffs else test.history for test in tests]
    inputs = np.array([features(history) for history in known])
    inputs = np.clip((inputs - inputs.mean(axis=0)) / (inputs.std(axis=0) + 1e-9), -3, 3)
    ratios = [weights.log_ratios(test.losses, is_small=test.is_small) if test.is_enough else {} for test in tests]
    by_series: list[dict[str, float]] = [{} for _ in tests]
    for name in {name for ratio in ratios for name in ratio}:
        rows = [number for number, ratio in enumerate(ratios) if name in ratio]
        found = np.array([ratios[number][name] for number in rows])
        centre = inputs[rows].mean(axis=0)
        own = inputs[rows] - centre
        inverse = np.linalg.inv(own.T @ own + ridge * np.eye(own.shape[1]))
        predicted = found.mean() + (inputs - centre) @ inverse @ own.T @ (found - found.mean())
        # Without the series itself: of a linear smoother, from its leverage.
        leverage = np.einsum("ij,jk,ik->i", own, inverse, own) + 1 / len(rows)
        predicted[rows] = (predicted[rows] - leverage * found) / np.maximum(1 - leverage, 0.01)
        for number, value in enumerate(predicted):
            by_series[number][name] = float(value)
    return [weights.Pooled(item, everyone.gain_deviation) for item in by_series]
