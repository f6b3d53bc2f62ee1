"""Linear and Poisson regression with calendar features, fitted by Spark ML to all terms at once.

What is predicted is the ratio of a count to the term's recent level, so that terms of every size share one model. It is
fitted to what lies before the first window of the backtest and kept, so that what was measured is what forecasts.
The features are plain numbers and so is the fitted model: it forecasts anywhere, without Spark.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import GeneralizedLinearRegression, LinearRegression
from pyspark.sql import DataFrame

from search_forecast.demand.forecasting.candidates import REGRESSIONS
from search_forecast.demand.forecasting.events import NO_EVENTS, Calendar, counted
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.mending import mended
from search_forecast.demand.periods import Frequency

FEATURES = (
    *("recent_log_ratio", "seasonal_log_ratio", "step_ratio"),
    *(f"is_weekday_{day}" for day in range(2, 8)),  # Monday, 1, is what the others are compared with
    *("year_sin_1", "year_cos_1", "year_sin_2", "year_cos_2"),
)
LEAST_EXAMPLES = 50
_REG_PARAM = 0.01
_ORIGINS = 36  # cutoffs to learn from, the latest ones: half a year of days
_SPACING = 5  # periods between them; seven would make a step ahead and a weekday the same thing
_LARGEST_LEVEL = 10_000.0  # that still adds to the weight of a series
_LARGEST_RATIO = 20.0  # of a count to its level; more is a bad edit, and one would bend the fit for all terms
_LARGEST_EXPONENT = 5.0  # exp(5) is 148 times the level: nothing real


@dataclass(frozen=True)
class CalendarRegression:
    """A fitted regression: a candidate like the others."""

    name: str
    intercept: float
    coefficients: tuple[float, ...]
    is_log: bool

    def suits(self, history: History) -> bool:
        """With two seasons of days, or a moving average's worth of weeks."""
        return len(history.values) >= least_periods(history.frequency)

    def forecast(self, history: History, horizon: int) -> Floats:
        """The level, times the predicted ratio."""
        level, x = features(history, horizon)
        predicted = self.intercept + x @ np.array(self.coefficients)
        ratio = np.exp(np.minimum(predicted, _LARGEST_EXPONENT)) if self.is_log else predicted
        return np.asarray(level * np.maximum(ratio, 0.0), dtype=np.float64)


def least_periods(frequency: Frequency) -> int:
    """Periods that features can be made from."""
    return 14 if frequency.days == 1 else frequency.window


def features(history: History, horizon: int) -> tuple[float, Floats]:
    """What is known at the end of a history about each of the next periods.

    Returns:
        The level (mean of the frequency's window); steps x `FEATURES`.
    """
    window, season = history.frequency.window, history.frequency.season_length
    values = history.values
    level = float(values[-window:].mean())
    recent = float(values[-window // 4 :].mean())
    steps = np.arange(horizon)
    lags = [
        values[len(values) - season * back + steps % season] for back in range(1, min(4, len(values) // season) + 1)
    ]
    seasonal = np.mean(lags, axis=0) if lags else np.full(horizon, level)
    dates = history.target_dates(horizon)
    angle = 2 * np.pi * np.array([day.timetuple().tm_yday for day in dates]) / 365.25
    weekdays = np.array([[day.isoweekday() == number for number in range(2, 8)] for day in dates], dtype=np.float64)
    if history.frequency.days > 1:
        weekdays[:] = 0.0
    columns = [
        np.full(horizon, _log_ratio(np.array(recent), level)),
        _log_ratio(seasonal, level),
        steps / max(horizon - 1, 1),
        *weekdays.T,
        *(wave(number * angle) for number in (1, 2) for wave in (np.sin, np.cos)),
    ]
    return level, np.stack(columns, axis=1)


def _log_ratio(value: Floats, level: float) -> Floats:
    return np.asarray(np.log((value + 0.5) / (level + 0.5)), dtype=np.float64)


def examples(
    packed: DataFrame,
    last_date: date,
    frequency: Frequency,
    horizon: int,
    leave_out: int,
    *,
    calendar: Calendar = NO_EVENTS,
) -> DataFrame:
    """What the regressions learn from: for past cutoffs of every series, the features and what came.

    Args:
        packed: of `series.packed`.
        last_date: of the series.
        frequency: day or week.
        horizon: periods ahead.
        leave_out: periods at the end that are not to be known: those of the backtest.
        calendar: what is known of the days; their events are taken out.

    Returns:
        One row per (series, cutoff, step): label (count / level), weight (the level's root, so that no huge series
        outweighs all others), and `FEATURES`.
    """
    columns = ["label", "weight", *FEATURES]

    def learn(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for term, counts in batch[["term", "counts"]].itertuples(index=False):
                history = History(np.asarray(counts, dtype=np.float64), last_date, frequency, calendar.of(term))
                values, is_good, _ = mended(history)
                known = replace(history, values=values).until(max(len(counts) - leave_out, 0))
                without = counted(known, horizon)
                rows = _examples_of(known if without is None else without.history, is_good, horizon)
                yield pd.DataFrame(rows, columns=columns)

    schema = ", ".join(f"{name} double" for name in columns)
    return packed.select("term", "counts").mapInPandas(learn, schema)


def _examples_of(history: History, is_good: NDArray[np.bool_], horizon: int) -> Floats:
    length = len(history.values)
    cutoffs = list(range(length - horizon, least_periods(history.frequency) - 1, -_SPACING))[:_ORIGINS]
    blocks = []
    for cutoff in cutoffs:
        level, x = features(history.until(cutoff), horizon)
        if level > 0:
            came = history.values[cutoff : cutoff + horizon]
            ratios = np.minimum(came / level, _LARGEST_RATIO)
            block = np.column_stack([ratios, np.full(horizon, np.sqrt(min(level, _LARGEST_LEVEL))), x])
            blocks.append(block[is_good[cutoff : cutoff + horizon]])
    return np.concatenate(blocks) if blocks else np.empty((0, 2 + len(FEATURES)))


def fit(learnt_from: DataFrame) -> tuple[list[CalendarRegression], dict[str, str]]:
    """Fit both regressions.

    Args:
        learnt_from: of `examples`.

    Returns:
        Those that could be fitted, and by name why the others could not.
    """
    rows = VectorAssembler(inputCols=list(FEATURES), outputCol="features").transform(learnt_from)
    rows = rows.select("label", "weight", "features")
    if rows.limit(LEAST_EXAMPLES).count() < LEAST_EXAMPLES:
        return [], dict.fromkeys(REGRESSIONS, f"fewer than {LEAST_EXAMPLES} examples to learn from")
    settings: dict[str, Any] = {"weightCol": "weight", "regParam": _REG_PARAM}
    linear: Any = LinearRegression(**settings)
    poisson: Any = GeneralizedLinearRegression(family="poisson", link="log", maxIter=10, **settings)
    fitted, failures = [], {}
    for name, estimator in zip(REGRESSIONS, (linear, poisson), strict=True):
        try:
            model: Any = estimator.fit(rows)
            numbers = [float(model.intercept), *map(float, model.coefficients.toArray())]
        except Exception as error:  # Spark may fail in any way on odd data; the other candidates go on
            failures[name] = f"Spark could not fit it: {str(error).strip().partition(chr(10))[0][:200]}"
            continue
        if np.isfinite(numbers).all():
            fitted.append(CalendarRegression(name, numbers[0], tuple(numbers[1:]), is_log=estimator is poisson))
        else:
            failures[name] = "a coefficient is no number"
    return fitted, failures
