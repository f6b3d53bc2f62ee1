"""Which candidate forecasts a series: the best of the backtest, if it beats the baselines by more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search_forecast.demand.forecasting.candidates import BASELINES, MEAN, SEASONAL_NAIVE
from search_forecast.demand.forecasting.history import Floats

FORECASTABLE = "forecastable"
NO_BETTER_THAN_MEAN = "no better than the mean"
NO_BETTER_THAN_SEASONAL_NAIVE = "no better than the seasonal naive"
TOO_SHORT = "too short to tell"
LEAST_WINDOWS = 3
ENOUGH_HORIZONS = 2.5  # that the windows reach over; where they reach less far the best baseline is luck: the mean


@dataclass(frozen=True)
class Choice:
    """The candidate that forecasts a series, how that is to be read, and the p-value behind it (NaN: not tested)."""

    champion: str
    verdict: str
    p_value: float


def choose(losses: Mapping[str, Floats], overlap: int, alpha: float) -> Choice:
    """Choose a series' champion.

    The best candidate that is no baseline must beat both the mean and the seasonal naive in a one-sided Diebold-Mariano
    test over the windows at level alpha (both must be beaten, so no correction for two tests is due). So that the
    choice does not flatter itself, in each window the loss compared is that of the candidate which is best in the
    windows that share no period with it (all others, where there is none). Otherwise the best baseline is kept.

    Args:
        losses: mean absolute error in each window, by candidate in order of preference; the baselines are there.
        overlap: how many windows a period can lie in: ceil(horizon / step).
        alpha: level of the test.
    """
    window_count = len(next(iter(losses.values())))
    challengers = [name for name in losses if name not in BASELINES]
    baselines = [name for name in BASELINES if name in losses]
    if window_count < LEAST_WINDOWS:
        return Choice(MEAN, TOO_SHORT, float("nan"))
    is_enough = (window_count - 1) / overlap + 1 >= ENOUGH_HORIZONS
    fallback = simplest_of_the_best(losses, baselines, np.arange(window_count)) if is_enough else MEAN
    if not challengers:
        return Choice(fallback, NO_BETTER_THAN_MEAN, float("nan"))
    own = np.array(
        [losses[_best_elsewhere(losses, challengers, window, overlap)][window] for window in range(window_count)]
    )
    p_mean = p_better(losses[MEAN] - own, overlap)
    p_seasonal = p_better(losses[SEASONAL_NAIVE] - own, overlap) if SEASONAL_NAIVE in losses else 0.0
    if p_mean >= alpha:
        return Choice(fallback, NO_BETTER_THAN_MEAN, p_mean)
    if p_seasonal >= alpha:
        return Choice(fallback, NO_BETTER_THAN_SEASONAL_NAIVE, p_seasonal)
    champion = simplest_of_the_best(losses, [*challengers, *baselines], np.arange(window_count))
    return Choice(champion, FORECASTABLE, max(p_mean, p_seasonal))


def choose_without_each_window(losses: Mapping[str, Floats], overlap: int, alpha: float) -> list[str]:
    """For each window the champion that the others would give (their periods may overlap with its own).

    What the choice is worth where it can't peek.
    """
    count = len(next(iter(losses.values())))
    rest = [np.arange(count) != window for window in range(count)]
    return [
        choose({name: values[kept] for name, values in losses.items()}, overlap, alpha).champion if count > 1 else MEAN
        for kept in rest
    ]


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
    distance = np.abs(np.arange(len(losses[names[0]])) - window)
    apart = distance >= overlap
    return simplest_of_the_best(losses, names, apart if apart.any() else distance > 0)


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
