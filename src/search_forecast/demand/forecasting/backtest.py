"""The rolling-origin backtest of one series: what all candidates forecast in all windows, and what came."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import intervals, verdict, weights
from search_forecast.demand.forecasting.events import unheard_of, without_events
from search_forecast.demand.forecasting.forecasts import Forecaster
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.mending import completed
from search_forecast.parameters import ForecastParameters

# One row per series. `log_ratios` is what the terms tell each other of the candidates, null where there are too few
# windows.
ROW = (
    "term string, share_ratio double, counts array<double>, names array<string>, forecasts array<double>, "
    "failures map<string,string>, log_ratios map<string,double>"
)


@dataclass(frozen=True)
class Windows:
    """The cutoffs of a series, oldest first: how many periods are known at each."""

    cutoffs: tuple[int, ...]

    @classmethod
    def of(cls, is_known: NDArray[np.bool_], parameters: ForecastParameters) -> "Windows":
        """As many windows as fit, the last one ending with the series; none in which nothing is known."""
        last = len(is_known) - parameters.horizon
        steps = [last - parameters.step * number for number in range(parameters.windows)]
        fit = [cutoff for cutoff in steps if cutoff >= parameters.least_training]
        return cls(tuple(sorted(cutoff for cutoff in fit if is_known[cutoff : cutoff + parameters.horizon].any())))


@dataclass(frozen=True)
class Backtest:
    """A backtested series.

    Attributes:
        history: complete, see `completed`.
        is_known: which of its values errors may be measured by.
        mending: what was done to it.
        cutoffs: of the windows.
        forecasts: windows x horizon by candidate, of those that gave one in every window.
        failures: why the others did not.
        parameters: of the backtest.
    """

    history: History
    is_known: NDArray[np.bool_]
    mending: str | None
    cutoffs: tuple[int, ...]
    forecasts: Mapping[str, Floats]
    failures: Mapping[str, str]
    parameters: ForecastParameters

    @classmethod
    def prepared(cls, history: History, parameters: ForecastParameters) -> "Backtest":
        """A series with its windows, nothing forecast yet."""
        complete, is_known, mending = completed(history)
        cutoffs = Windows.of(is_known, parameters).cutoffs
        return cls(complete, is_known, mending, cutoffs, {}, {}, parameters)

    @property
    def overlap(self) -> int:
        """How many windows a period can lie in."""
        return math.ceil(self.parameters.horizon / self.parameters.step)

    @cached_property
    def plain(self) -> History:
        """The history as if there were no events."""
        return without_events(self.history)

    @cached_property
    def is_small(self) -> bool:
        """Whether its counts are too small for absolute errors and conformal intervals."""
        return intervals.is_count_based(self.plain.recent())

    @cached_property
    def actual(self) -> Floats:
        """What came, windows x horizon; NaN where it is not known, or was an event that nothing could be known of.

        Such an event says how odd its day was, and nothing of the errors on others. A window of nothing else stays.
        """
        values = np.where(self.is_known, self.history.values, np.nan)
        windows = []
        for cutoff in self.cutoffs:
            came = values[cutoff : cutoff + self.parameters.horizon]
            ordinary = np.where(unheard_of(self.history, cutoff, self.parameters.horizon), np.nan, came)
            windows.append(ordinary if np.isfinite(ordinary).any() else came)
        return np.stack(windows)

    def loss(self, forecast: Floats) -> Floats:
        """What weights and verdict go by, in each window.

        A forecast is an expected count, and squared errors are least there. Absolute errors are least at the median:
        about the same for large counts, and less sensitive to a single day; but of small counts it is often 0, and
        whatever forecasts too little would win (Gneiting 2011, Making and evaluating point forecasts).
        """
        errors = np.abs(forecast - self.actual)
        return np.asarray(np.nanmean(errors ** (2 if self.is_small else 1), axis=1), dtype=np.float64)

    @cached_property
    def losses(self) -> dict[str, Floats]:
        """Of every candidate in every window."""
        return {name: self.loss(forecast) for name, forecast in self.forecasts.items()}

    @property
    def is_enough(self) -> bool:
        """Whether its windows are enough to learn from."""
        return verdict.is_enough(len(self.cutoffs), self.overlap)


def backtested(
    history: History, candidates: Mapping[str, c.Candidate | c.Combination], parameters: ForecastParameters
) -> Backtest:
    """Ask all candidates in all windows; each sees what was known at the cutoff and no more.

    A candidate that chooses among forms chooses once, by what was known at the first cutoff; it is fitted at each.
    """
    test = Backtest.prepared(history, parameters)
    # Each mended on its own: a day that is filled in must not tell of days after the cutoff.
    known = [completed(part)[0] for part in map(history.until, test.cutoffs)]
    if len(known) > 1:
        candidates = c.settled(known[0], parameters.horizon, candidates)
    by_window: list[dict[str, Floats]] = []
    failures: dict[str, str] = {}
    for part in known:
        by_name, failed = c.forecasts(part, parameters.horizon, candidates)
        by_window.append(by_name)
        failures |= failed
    complete = {
        name: np.stack([window[name] for window in by_window])
        for name in candidates
        if by_window and all(name in window for window in by_window)
    }
    failures = {name: why for name, why in failures.items() if name not in complete}
    return Backtest(test.history, test.is_known, test.mending, test.cutoffs, complete, failures, parameters)


def backtests(packed: DataFrame, forecaster: Forecaster, parameters: ForecastParameters) -> DataFrame:
    """Backtest every series.

    Args:
        packed: of `series.packed`, dealt out.
        forecaster: with the candidates to try.
        parameters: of the backtest.

    Returns:
        One row per term: the columns of `ROW`.
    """

    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for term, share, counts in batch[["term", "share_ratio", "counts"]].itertuples(index=False):
                test = backtested(forecaster.history(counts, term), forecaster.candidates, parameters)
                yield pd.DataFrame([_row(term, share, counts, test)], columns=_COLUMNS)

    return packed.mapInPandas(run, ROW)


_COLUMNS = ["term", "share_ratio", "counts", "names", "forecasts", "failures", "log_ratios"]


def _row(term: str, share: float, counts: Any, test: Backtest) -> tuple[Any, ...]:
    flat = [value for forecast in test.forecasts.values() for value in forecast.ravel().tolist()]
    ratios = weights.log_ratios(test.losses, is_small=test.is_small) if test.is_enough else None
    return term, share, counts, list(test.forecasts), flat, dict(test.failures), ratios


def of_row(row: Mapping[Any, Any], forecaster: Forecaster, parameters: ForecastParameters) -> Backtest:
    """The backtest that a row of `ROW` was made from."""
    test = Backtest.prepared(forecaster.history(row["counts"], row["term"]), parameters)
    shape = (len(row["names"]), len(test.cutoffs), parameters.horizon)
    forecasts = dict(zip(row["names"], np.asarray(row["forecasts"], dtype=np.float64).reshape(shape), strict=True))
    failures = dict(row["failures"] or {})
    return Backtest(test.history, test.is_known, test.mending, test.cutoffs, forecasts, failures, parameters)
