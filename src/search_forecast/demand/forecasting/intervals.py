"""Intervals around a forecast: conformal where counts are large, negative binomial where they are small.

Conformal: errors of the backtest, each divided by a scale of its series, are pooled over the terms by step; the share
`level` of them lies below the multiplier, and so will later errors if they are like these (split conformal prediction
with normalised scores, Lei et al. 2018, Distribution-free predictive inference for regression). A term's own errors
then make its interval wider or narrower, by the share of the evidence that they are.
Counts of a few a period are no such continuum: there the quantiles of a negative binomial with the forecast as its mean
and the scale's square as its variance (at least the mean: Poisson) are taken; or, where the variance is far below the
mean, as of counts that keep to a schedule, those of a normal law rounded to whole numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search_forecast.demand.forecasting.history import Floats
from search_forecast.demand.periods import Frequency

LEVELS = (0.8, 0.95)
SMALL_COUNT = 5.0  # searches a period: below it, the count-based interval
LEAST_SCORES = 100  # of one step; with fewer, those of all steps together
STEADY = 0.5  # variance over mean: below it counts keep to a schedule, one train a day
BORROWED = 12  # windows of a term that count as much as all other terms do
_NORMAL = {level: float(stats.norm.ppf((1 + level) / 2)) for level in LEVELS}

# step from 1, or 0 for all steps together -> (number of scores, multiplier at each of LEVELS)
Multipliers = Mapping[int, tuple[int, tuple[float, ...]]]


def prior_variance(training: Floats, frequency: Frequency) -> float:
    """A first guess at the squared error of a good forecast, from the training part alone.

    The smaller of the variance of the recent values and the mean squared change from period to period: the one
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


def unmeasured_error(training: Floats, frequency: Frequency) -> float:
    """The typical error of the mean of a series that no backtest measured.

    The prior, made larger by what so few values leave unknown of their mean and their variance: the variance of the
    prediction of Student's t, s^2 (1 + 1/n) (n - 1) / (n - 3), with s^2 = prior n / (n - 1); there is none for fewer
    than four values, which count as four.
    """
    count = max(len(training[-4 * frequency.window :]), 4)
    unsure = (count + 1) / (count - 3)
    return scale(unsure * prior_variance(training, frequency), np.array([]))


def half_width(multipliers: Multipliers, horizon: int, widening: Floats) -> Floats:
    """How far the conformal interval reaches to either side, in typical errors, steps x levels."""
    widths = np.array([_multiplier(multipliers, step) for step in range(1, horizon + 1)]) * widening
    # Each level is widened by its own quantile: where errors are alike the lower one could overtake the higher.
    return np.asarray(np.maximum.accumulate(widths, axis=1), dtype=np.float64)


def _multiplier(multipliers: Multipliers, step: int) -> tuple[float, ...]:
    for key in (step, 0):
        count, values = multipliers.get(key, (0, ()))
        if count >= LEAST_SCORES:
            return values
    return tuple(_NORMAL.values())


def widening(multipliers: Multipliers, scores: Floats) -> Floats:
    """How much wider than the others' a term's intervals are, by level: its own quantiles, shrunk toward theirs.

    Args:
        multipliers: of all terms.
        scores: normalised errors of the term, windows x horizon; NaN where not known.
    """
    ratios = np.ones(len(LEVELS))
    if not np.isfinite(scores).any():
        return ratios
    own = np.maximum(np.nanquantile(scores, LEVELS), 1e-9) / np.maximum(_multiplier(multipliers, 0), 1e-9)
    return np.asarray(own ** (len(scores) / (len(scores) + BORROWED)), dtype=np.float64)


@dataclass(frozen=True)
class CountLaw:
    """How counts spread: by their mean and their variance, at least Poisson's but for those that keep to a schedule."""

    mean: Floats
    typical_error: float | Floats

    def quantile(self, probability: float) -> Floats:
        """The least count that such counts do not exceed with this probability."""
        normal = np.ceil(stats.norm.ppf(probability, self.mean, self.deviation) - 0.5)
        spread = stats.nbinom.ppf(probability, *self.shape)
        return np.asarray(np.where(self.is_steady, np.maximum(normal, 0), spread), dtype=np.float64)

    @property
    def is_steady(self) -> NDArray[np.bool_]:
        """Which keep to a schedule: their law is normal, rounded; that of the others is negative binomial."""
        return np.asarray(np.square(self.typical_error) < STEADY * self.mean)

    @property
    def deviation(self) -> Floats:
        """Of the normal law."""
        return np.maximum(self.typical_error, 1e-9)

    @property
    def shape(self) -> tuple[Floats, Floats]:
        """Size and probability of the negative binomial law."""
        mean = np.maximum(self.mean, 1e-9)
        variance = np.maximum(np.square(self.typical_error), mean * (1 + 1e-6))
        size = mean**2 / (variance - mean)
        return size, size / (size + mean)


def count_laws(expected: Floats, typical_error: float | Floats) -> tuple[CountLaw, CountLaw]:
    """The laws that the lower and the upper end of an interval are taken from."""
    # Of a small mean and a large variance the law puts nearly all on 0. So for the upper end the mean is taken to be no
    # less than the errors say it may be: as large as they are, or as their variance where that is smaller (Poisson).
    highest = np.maximum(expected, np.minimum(typical_error, np.square(typical_error)))
    return CountLaw(expected, typical_error), CountLaw(highest, typical_error)


def count_interval(expected: Floats, typical_error: float | Floats, level: float) -> tuple[Floats, Floats]:
    """The ends of an interval for small counts: the quantiles of `count_laws`."""
    tail = (1 - level) / 2
    lower, upper = count_laws(expected, typical_error)
    return lower.quantile(tail), upper.quantile(1 - tail)


def interval(
    expected: Floats, half_widths: Floats, typical_error: float | Floats, *, is_small: bool
) -> dict[float, Floats]:
    """Lower and upper end for each level, never below zero and never without the forecast.

    Args:
        expected: the forecasts, one a step.
        half_widths: of the conformal interval in typical errors, see `half_width`.
        typical_error: of the series, see `scale`; or of each step.
        is_small: whether to take the count-based interval.

    Returns:
        By level, an array 2 x steps.
    """
    ends = {}
    for position, level in enumerate(LEVELS):
        if is_small:
            lower, upper = count_interval(expected, typical_error, level)
        else:
            width = half_widths[:, position] * typical_error
            lower, upper = expected - width, expected + width
        ends[level] = np.stack([np.clip(lower, 0.0, expected), np.maximum(upper, expected)])
    return ends


def is_count_based(counts: Floats) -> bool:
    """Whether a series' counts are too small for a conformal interval."""
    return bool(counts.mean() < SMALL_COUNT) if len(counts) else True
