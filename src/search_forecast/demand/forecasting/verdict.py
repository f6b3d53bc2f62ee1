"""Whether a series can be forecast: something beats the mean and the seasonal naive by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search_forecast.demand.forecasting.candidates import MEAN, SEASONAL_NAIVE
from search_forecast.demand.forecasting.history import Floats
from search_forecast.parameters import BASELINES

FORECASTABLE = "forecastable"
NO_BETTER_THAN_MEAN = "no better than the mean"
NO_BETTER_THAN_SEASONAL_NAIVE = "no better than the seasonal naive"
TOO_SHORT = "too short to tell"
LEAST_WINDOWS = 3
ENOUGH_HORIZONS = 2.5  # that windows must reach over: less far, and the best candidate is luck


@dataclass(frozen=True)
class Verdict:
    """What the backtest says about a series, and the p-value behind it (NaN: not tested)."""

    text: str
    p_value: float


def is_enough(window_count: int, overlap: int) -> bool:
    """Whether windows reach far enough to learn from: three of them, over two and a half horizons."""
    return window_count >= LEAST_WINDOWS and (window_count - 1) / overlap + 1 >= ENOUGH_HORIZONS


def verdict(losses: Mapping[str, Floats], overlap: int, alpha: float) -> Verdict:
    """Judge whether a series can be forecast better than by repeating the past.

    The best candidate that is no baseline must beat both the mean and the seasonal naive in a one-sided Diebold-Mariano
    test over the windows at level alpha (both must be beaten, so no correction for two tests is due). So that the
    comparison does not flatter itself, in each window the loss compared is that of the candidate which is best in the
    windows that share no period with it (all others, where there is none).

    Args:
        losses: mean absolute error in each window, by candidate in order of preference; the baselines are there.
        overlap: how many windows a period can lie in: ceil(horizon / step).
        alpha: level of the test.
    """
    window_count = len(losses.get(MEAN, ()))
    challengers = [name for name in losses if name not in BASELINES]
    if window_count < LEAST_WINDOWS:
        return Verdict(TOO_SHORT, float("nan"))
    if not challengers:
        return Verdict(NO_BETTER_THAN_MEAN, float("nan"))
    own = np.array(
        [losses[_best_elsewhere(losses, challengers, window, overlap)][window] for window in range(window_count)]
    )
    p_mean = p_better(losses[MEAN] - own, overlap)
    p_seasonal = p_better(losses[SEASONAL_NAIVE] - own, overlap) if SEASONAL_NAIVE in losses else 0.0
    if p_mean >= alpha:
        return Verdict(NO_BETTER_THAN_MEAN, p_mean)
    if p_seasonal >= alpha:
        return Verdict(NO_BETTER_THAN_SEASONAL_NAIVE, p_seasonal)
    return Verdict(FORECASTABLE, max(p_mean, p_seasonal))


def simplest_of_the_best(losses: Mapping[str, Floats], names: Sequence[str], windows: NDArray[np.generic]) -> str:
    """The first of `names` whose mean loss is within one standard error (of the difference) of the least mean loss.

    Source: the one-standard-error rule of Breiman, Friedman, Olshen and Stone (1984).
    """
    best = min(names, key=lambda name: losses[name][windows].mean())
    for name in names:
        excess = losses[name][windows] - losses[best][windows]
        if excess.mean() <= (excess.std(ddof=1) / np.sqrt(len(excess)) if len(excess) > 1 else 0.0):
            return name
    return best


def _best_elsewhere(losses: Mapping[str, Floats], names: Sequence[str], window: int, overlap: int) -> str:
    return simplest_of_the_best(losses, names, windows_apart(len(losses[names[0]]), window, overlap))


def windows_apart(count: int, window: int, overlap: int) -> NDArray[np.bool_]:
    """Which windows share no period with one of them; all others, where there is none."""
    distance = np.abs(np.arange(count) - window)
    apart = distance >= overlap
    return np.asarray(apart if apart.any() else distance > 0)


def p_better(gains: Floats, overlap: int) -> float:
    """How likely chance gives gains of this mean or more where there is none to be had.

    Args:
        gains: loss of the baseline - loss of the other, in each window.
        overlap: windows further apart than this share no period.

    Returns:
        The p-value of the one-sided Diebold-Mariano test with the small-sample correction of Harvey, Leybourne and
        Newbold (1997), Testing the equality of prediction mean squared errors.
    """
    count = len(gains)
    mean = float(gains.mean())
    centred = gains - mean
    lag = min(overlap, count) - 1
    covariances = [float(centred[k:] @ centred[: count - k]) / count for k in range(lag + 1)]
    variance = covariances[0] + 2 * sum(covariances[1:])
    variance = max(variance, covariances[0])  # of a few windows negative autocovariances are luck
    tiny = (1e-12 * max(1.0, float(np.abs(gains).max()))) ** 2
    if variance <= tiny:
        return 0.0 if mean > np.sqrt(tiny) else 1.0
    ahead = lag + 1
    correction = (count + 1 - 2 * ahead + ahead * (ahead - 1) / count) / count
    statistic = mean / np.sqrt(variance / count) * np.sqrt(max(correction, 0.0))
    return float(stats.t.sf(statistic, count - 1))
