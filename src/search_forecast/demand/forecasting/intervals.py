"""Intervals around a forecast: conformal where counts are large, negative binomial where they are small.

Conformal: errors of the backtest, each divided by a scale of its series, are pooled over the series by candidate and
step; the share `level` of them lies below the multiplier, and so will later errors if they are like these (split
conformal prediction with normalised scores, Lei et al. 2018, Distribution-free predictive inference for regression).
Counts of a few a period are no such continuum: there the quantiles of a negative binomial with the forecast as its mean
and the scale's square as its variance (at least the mean: Poisson) are taken.
"""

from collections.abc import Mapping

import numpy as np
from scipy import stats

from search_forecast.demand.forecasting.history import Floats
from search_forecast.demand.periods import Frequency

LEVELS = (0.8, 0.95)
SMALL_COUNT = 5.0  # searches a period: below it, the count-based interval
LEAST_SCORES = 100  # of one candidate and step; with fewer, those of all its steps together
_NORMAL = {level: float(stats.norm.ppf((1 + level) / 2)) for level in LEVELS}

# (candidate, step from 1 or 0 for all steps together) -> (number of scores, multiplier at each of LEVELS)
Multipliers = Mapping[tuple[str, int], tuple[int, tuple[float, ...]]]


def prior_variance(training: Floats, frequency: Frequency) -> float:
    """A first guess at the squared error of a good forecast, from the training part alone.

    The smaller of the variance of the recent values and half the mean squared change from period to period: the one
    fits noise around a level, the other a level that wanders.
    """
    recent = training[-4 * frequency.window :]
    if len(recent) < 2:
        return max(float(recent.sum()), 1.0)
    return float(min(recent.var(), (np.diff(recent) ** 2).mean()))


def scale(prior: float, squared_errors: Floats) -> float:
    """The typical error of a series: the root of the mean of its windows' mean squared errors and the prior."""
    everything = np.append(squared_errors, prior)
    floor = 1e-9 * max(1.0, float(everything.max()))  # a constant series has no errors; nothing may divide by 0
    return float(np.sqrt(max(everything.mean(), floor)))


def half_width(multipliers: Multipliers, candidate: str, horizon: int, typical_error: float) -> Floats:
    """How far the conformal interval reaches to either side, steps x levels."""
    rows = []
    for step in range(1, horizon + 1):
        for key in ((candidate, step), (candidate, 0), ("", 0)):
            count, found = multipliers.get(key, (0, ()))
            if count >= LEAST_SCORES:
                rows.append(found)
                break
        else:
            rows.append(tuple(_NORMAL[level] for level in LEVELS))
    return np.array(rows) * typical_error


def count_interval(expected: Floats, typical_error: float, level: float) -> tuple[Floats, Floats]:
    """Lower and upper quantile of a negative binomial (Poisson where the variance is not above the mean)."""
    tail = (1 - level) / 2
    # Of a small mean and a large variance the law puts nearly all on 0. So for the upper end the mean is taken to be no
    # less than the errors say it may be: as large as they are, or as their variance where that is smaller (Poisson).
    highest = np.maximum(expected, min(typical_error, typical_error**2))
    return _quantile(tail, expected, typical_error), _quantile(1 - tail, highest, typical_error)


def _quantile(probability: float, mean: Floats, typical_error: float) -> Floats:
    mean = np.maximum(mean, 1e-9)
    variance = np.maximum(typical_error**2, mean * (1 + 1e-6))
    size = mean**2 / (variance - mean)
    return np.asarray(stats.nbinom.ppf(probability, size, size / (size + mean)), dtype=np.float64)


def interval(
    expected: Floats, multipliers: Multipliers, candidate: str, typical_error: float, *, is_small: bool
) -> dict[float, Floats]:
    """Lower and upper end for each level, never below zero and never without the forecast.

    Args:
        expected: the forecasts, one a step.
        multipliers: for the conformal interval.
        candidate: that made them.
        typical_error: of the series, see `scale`.
        is_small: whether to take the count-based interval.

    Returns:
        By level, an array 2 x steps.
    """
    widths = None if is_small else half_width(multipliers, candidate, len(expected), typical_error)
    found = {}
    for position, level in enumerate(LEVELS):
        if widths is None:
            lower, upper = count_interval(expected, typical_error, level)
        else:
            lower, upper = expected - widths[:, position], expected + widths[:, position]
        found[level] = np.stack([np.clip(lower, 0.0, expected), np.maximum(upper, expected)])
    return found


def is_count_based(counts: Floats) -> bool:
    """Whether a series' counts are too small for a conformal interval."""
    return bool(counts.mean() < SMALL_COUNT) if len(counts) else True
