"""An autoregression that all terms share: one linear map from a series' own last periods to its coming ones.

One term has too few windows to learn a hundred coefficients from, all terms together have enough (Montero-Manso and
Hyndman 2021, Principles and algorithms for forecasting groups of time series). It is fitted to what lies before the
first window of the backtest and kept, so that what was measured is what forecasts.
Least squares need sums over the terms only: every Spark task adds up its own, and no place holds all terms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting.candidates import SHARED
from search_forecast.demand.forecasting.events import NO_EVENTS, Calendar, counted
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.mending import completed
from search_forecast.demand.periods import Frequency

_ORIGINS = 100  # of a series to learn from, the latest ones
_SPACING = 5  # periods between them
_EXAMPLES_A_LAG = 10  # at least
_SHRINKAGE = 0.01  # of the coefficients toward 0, as a share of the inputs' mean square (ridge)
_FARTHEST = 20.0  # standard deviations from the level: more is a bad edit


@dataclass(frozen=True)
class SharedAutoregression:
    """The fitted model: a candidate like the others.

    Attributes:
        coefficients: a row per step ahead; a constant, then one per period back, the last period first.
    """

    coefficients: tuple[tuple[float, ...], ...]
    name: str = SHARED

    def suits(self, history: History) -> bool:
        """With two of the frequency's windows."""
        return len(history.values) >= 2 * history.frequency.window

    def forecast(self, history: History, horizon: int) -> Floats:
        """The level, and so many standard deviations above it."""
        level, scale, inputs = features(history)
        return np.asarray(level + scale * (np.array(self.coefficients)[:horizon] @ inputs), dtype=np.float64)


def lags(frequency: Frequency) -> int:
    """Periods back that count: four weeks of days, two years of weeks."""
    return max(frequency.window, 2 * frequency.season_length)


def features(history: History) -> tuple[float, float, Floats]:
    """The mean of the last window, the standard deviation of the periods that count; a 1, and these by both."""
    frequency = history.frequency
    recent = history.values[-lags(frequency) :][::-1]
    level, scale = float(history.values[-frequency.window :].mean()), float(recent.std())
    inputs = np.zeros(1 + lags(frequency))  # what is not there counts as the level
    inputs[0] = 1.0
    inputs[1 : 1 + len(recent)] = np.clip((recent - level) / max(scale, 1e-9), -_FARTHEST, _FARTHEST)
    return level, scale, inputs


def sums_of(history: History, is_good: NDArray[np.bool_], horizon: int) -> Floats:
    """What one series adds to the sums of least squares.

    Args:
        history: what may be learnt from.
        is_good: which periods are counts to go by; an example with another among its coming ones is none.
        horizon: periods ahead.

    Returns:
        Inputs x (inputs and steps): of the products over all examples. The first is the number of examples.
    """
    values, width = history.values, 1 + lags(history.frequency)
    rows = []
    for cutoff in list(range(len(values) - horizon, 2 * history.frequency.window - 1, -_SPACING))[:_ORIGINS]:
        level, scale, inputs = features(history.until(cutoff))
        if scale > 0 and is_good[cutoff : cutoff + horizon].all():
            came = (values[cutoff : cutoff + horizon] - level) / scale
            rows.append(np.concatenate([inputs, np.clip(came, -_FARTHEST, _FARTHEST)]))
    examples = np.array(rows).reshape(-1, width + horizon)
    return np.asarray(examples[:, :width].T @ examples)


def fit(sums: Floats) -> SharedAutoregression | None:
    """Solve for the coefficients; None where there are too few examples.

    Args:
        sums: of `sums_of`, of all series together.
    """
    width = len(sums)
    if sums[0, 0] < least_examples(width - 1):
        return None
    ridge = np.eye(width) * _SHRINKAGE * np.trace(sums[:, :width]) / width
    solved = np.linalg.solve(sums[:, :width] + ridge, sums[:, width:])
    return SharedAutoregression(tuple(tuple(row) for row in solved.T.tolist()))


def least_examples(lag_count: int) -> int:
    """How many examples so many coefficients need."""
    return _EXAMPLES_A_LAG * lag_count


def sums(
    packed: DataFrame,
    last_date: date,
    frequency: Frequency,
    horizon: int,
    leave_out: int,
    *,
    calendar: Calendar = NO_EVENTS,
) -> Floats:
    """The sums of all series.

    Args:
        packed: of `series.packed`, dealt out.
        last_date: of the series.
        frequency: day or week.
        horizon: periods ahead.
        leave_out: periods at the end that are not to be known: those of the backtest.
        calendar: what is known of the days; their events are taken out.

    Returns:
        As `sums_of`.
    """
    width = 1 + lags(frequency)

    def add(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        total = np.zeros((width, width + horizon))
        for batch in batches:
            for term, counts in batch[["term", "counts"]].itertuples(index=False):
                total += of_counts(counts, term)
        yield pd.DataFrame({"place": np.arange(total.size), "value": total.ravel()})

    def of_counts(counts: Sequence[float], term: str) -> Floats:
        history = History(np.asarray(counts, dtype=np.float64), last_date, frequency, calendar.of(term))
        known, is_good, _ = completed(history.until(max(len(counts) - leave_out, 0)))
        without = counted(known, horizon)
        return sums_of(known if without is None else without.history, is_good, horizon)

    partial = packed.select("term", "counts").mapInPandas(add, "place int, value double")
    # As many rows as there are products, whatever the number of series.
    rows = partial.groupBy("place").agg(F.sum("value").alias("value")).orderBy("place").collect()
    total = np.array([row["value"] for row in rows]) if rows else np.zeros(width * (width + horizon))
    return total.reshape(width, width + horizon)
