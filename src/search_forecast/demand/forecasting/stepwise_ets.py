"""Exponential smoothing whose form is chosen in two steps: half the fits of trying all forms, and the cheaper half.

As Hyndman and Khandakar (2008, Automatic time series forecasting) do for ARIMA: not all forms are looked at, only
neighbours of the best so far.
"""

from collections.abc import Mapping
from typing import Any

from statsforecast import models

from search_forecast.demand.forecasting.history import Floats

LONGEST_SEASON = 24  # periods: each has a state of its own to be found


class StepwiseETS:
    """statsforecast's AutoETS; error and season are chosen of forms without a trend, then whether there is one.

    Attributes:
        model_: what was fitted, as AutoETS has it.
    """

    model_: Mapping[str, Any]

    def __init__(self, season_length: int) -> None:
        self._season = season_length if season_length <= LONGEST_SEASON else 1

    def fit(self, y: Floats) -> "StepwiseETS":
        """Choose the form by the corrected Akaike criterion, and keep it as it was fitted."""
        self._best = self._fitted(y, "ZNZ")
        error, _, season, _ = self._best.model_["components"]
        try:
            trending = self._fitted(y, f"{error}A{season}")
        except Exception:  # it may fail in any way on an odd series, and one form is there
            trending = self._best
        self._best = min(self._best, trending, key=lambda fitted: float(fitted.model_["aicc"]))
        self.model_ = self._best.model_
        return self

    def forecast(self, y: Floats, h: int) -> Mapping[str, Floats]:
        """Fit and forecast."""
        forecast: Mapping[str, Floats] = self.fit(y)._best.predict(h)
        return forecast

    def _fitted(self, y: Floats, form: str) -> Any:
        return models.AutoETS(season_length=self._season, model=form).fit(y)
