"""Measures of forecast errors, over backtest windows of one series.

Source of the formulas: Hyndman and Koehler (2006), Another look at measures of forecast accuracy (MASE, sMAPE);
Makridakis, Spiliotis, Assimakopoulos (2022), The M5 competition (RMSSE). A test holds them to utilsforecast's.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from search_forecast.demand.forecasting.history import Floats


@dataclass(frozen=True)
class Errors:
    """Errors of one candidate on one series.

    Attributes:
        actual: counts that came, windows x horizon; NaN where that is not known, no window without any.
        forecast: counts that were expected, windows x horizon.
        absolute_scale: mean absolute error of the seasonal naive in each window's training part; NaN where that is 0.
        squared_scale: its mean squared error.
    """

    actual: Floats
    forecast: Floats
    absolute_scale: Floats
    squared_scale: Floats

    @property
    def absolute(self) -> Floats:
        """Absolute errors, windows x horizon."""
        return np.abs(self.forecast - self.actual)

    @property
    def wape(self) -> float:
        """Sum of absolute errors / sum of actual counts."""
        return _ratio(np.nansum(self.absolute), np.nansum(self.actual))

    @property
    def bias(self) -> float:
        """Sum of errors (forecast - actual) / sum of actual counts."""
        return _ratio(np.nansum(self.forecast - self.actual), np.nansum(self.actual))

    @property
    def smape(self) -> float:
        """Mean of |error| / (|actual| + |forecast|), 0 where both are 0."""
        whole = np.abs(self.actual) + np.abs(self.forecast)
        return float(np.nanmean(np.divide(self.absolute, whole, out=np.zeros_like(whole), where=whole != 0)))

    @property
    def mase(self) -> float:
        """Mean over the windows of: mean absolute error / scale."""
        return _mean(np.nanmean(self.absolute, axis=1) / self.absolute_scale)

    @property
    def rmsse(self) -> float:
        """Mean over the windows of: root of (mean squared error / squared scale)."""
        return _mean(np.sqrt(np.nanmean(self.absolute**2, axis=1) / self.squared_scale))


def scales(training: Floats, season_length: int) -> tuple[float, float]:
    """Mean absolute and mean squared error of the seasonal naive within a training part; NaN where they are 0.

    A training part that is not longer than a season is measured by the plain naive.
    """
    lag = season_length if len(training) > season_length else 1
    differences = training[lag:] - training[:-lag]
    if not differences.any():
        return float("nan"), float("nan")
    return float(np.abs(differences).mean()), float((differences**2).mean())


def poisson_floor(expected: Floats) -> Floats:
    """Mean absolute deviation of Poisson counts from their mean: the error of a forecast that is exactly right.

    Source: 2 exp(-m) m^(floor(m) + 1) / floor(m)!, Crow (1958), The mean deviation of the Poisson distribution.
    """
    whole = np.floor(expected)
    return np.asarray(2 * expected * stats.poisson.pmf(whole, expected), dtype=np.float64)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
