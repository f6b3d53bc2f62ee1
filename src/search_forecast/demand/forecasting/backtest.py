"""The rolling-origin backtest of one series: all candidates, all windows, and the choice that follows."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import choice, intervals, metrics
from search_forecast.demand.forecasting.forecasts import Forecaster
from search_forecast.demand.forecasting.history import Floats, History, mended
from search_forecast.parameters import ForecastParameters

SELECTION = "selection"  # the candidate that is what the choice among the others gives
# One row per (term, candidate); `backtest_metrics` has what this row says, without what only the next steps need.
ROW = (
    "term string, candidate string, mase double, smape double, rmsse double, "
    "absolute_error double, error double, actual double, poisson_floor double, share_ratio double, loss_ratio double, "
    "window_count bigint, is_champion boolean, p_value double, verdict string, reason string, "
    "typical_error double, is_small boolean, scores array<double>, inside array<bigint>, score_count bigint"
)


@dataclass(frozen=True)
class Windows:
    """The cutoffs of a series, oldest first: how many periods are known at each."""

    cutoffs: tuple[int, ...]

    @classmethod
    def of(cls, length: int, parameters: ForecastParameters) -> "Windows":
        """As many windows as fit, the last one ending with the series."""
        last = length - parameters.horizon
        all_of_them = [last - parameters.step * number for number in range(parameters.windows)]
        return cls(tuple(sorted(cutoff for cutoff in all_of_them if cutoff >= parameters.least_training)))


def backtest(
    term: str,
    share_ratio: float,
    history: History,
    candidates: Mapping[str, c.Candidate | c.Combination],
    parameters: ForecastParameters,
) -> list[dict[str, Any]]:
    """Backtest a series.

    Args:
        term: whose series it is.
        share_ratio: its share of all searches, 0..1.
        history: counts up to the last period; values that are no counts are interpolated.
        candidates: in order of preference.
        parameters: horizon, step, windows, level of the test.

    Returns:
        A row of `ROW` per candidate and one for `selection`; those that could not be measured say why.
    """
    values, mending = mended(history.values)
    history = History(values, history.last_date, history.frequency)
    cutoffs = Windows.of(len(values), parameters).cutoffs
    if not cutoffs:
        needed = parameters.least_training + parameters.horizon
        why = f"{len(values)} periods, a backtest needs {needed}"
        return [_fallback(term, share_ratio, history, _joined(mending, why))]
    by_name, failures = _windows(history, cutoffs, candidates, parameters)
    errors = {name: _errors(history, cutoffs, forecast) for name, forecast in by_name.items()}
    is_small = intervals.is_count_based(history.recent())
    losses = {name: _losses(item, is_small=is_small) for name, item in errors.items()}
    overlap = math.ceil(parameters.horizon / parameters.step)
    chosen = choice.choose(losses, overlap, parameters.alpha)
    elsewhere = choice.choose_without_each_window(losses, overlap, parameters.alpha)
    errors[SELECTION] = _errors(history, cutoffs, np.stack([by_name[name][i] for i, name in enumerate(elsewhere)]))
    losses[SELECTION] = _losses(errors[SELECTION], is_small=is_small)
    rows = []
    for name, item in errors.items():
        row = {"term": term, "candidate": name, "share_ratio": share_ratio, "is_small": is_small}
        row |= _measured(item, history, cutoffs, overlap, is_small=is_small)
        row["loss_ratio"] = _loss_ratio(losses[name], losses[c.MEAN], is_small=is_small)
        if name == chosen.champion:
            row |= {
                "is_champion": True,
                "verdict": chosen.verdict,
                "p_value": _or_none(chosen.p_value),
                "reason": mending,
            }
        rows.append({**_EMPTY, **row})
    return rows + [{**_EMPTY, "term": term, "candidate": name, "reason": why} for name, why in failures.items()]


def _windows(
    history: History,
    cutoffs: tuple[int, ...],
    candidates: Mapping[str, c.Candidate | c.Combination],
    parameters: ForecastParameters,
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Forecasts of the candidates that gave one in every window, windows x horizon; why the others did not."""
    by_window: list[dict[str, Floats]] = []
    failures: dict[str, str] = {}
    for cutoff in cutoffs:
        by_name, failed = c.forecasts(history.until(cutoff), parameters.horizon, candidates)
        by_window.append(by_name)
        failures |= failed
    complete = {
        name: np.stack([window[name] for window in by_window])
        for name in candidates
        if all(name in window for window in by_window)
    }
    return complete, {name: why for name, why in failures.items() if name not in complete}


def _errors(history: History, cutoffs: tuple[int, ...], forecast: Floats) -> metrics.Errors:
    horizon = forecast.shape[1]
    actual = np.stack([history.values[cutoff : cutoff + horizon] for cutoff in cutoffs])
    scaled = [metrics.scales(history.values[:cutoff], history.frequency.season_length) for cutoff in cutoffs]
    absolute, squared = np.array(scaled).T
    return metrics.Errors(actual, forecast, absolute, squared)


def _losses(errors: metrics.Errors, *, is_small: bool) -> Floats:
    """What the choice goes by, in each window.

    A forecast is an expected count, and squared errors are least there. Absolute errors are least at the median: about
    the same for large counts, and less sensitive to a single day; but of small counts it is often 0, and whatever
    forecasts too little would win (Gneiting 2011, Making and evaluating point forecasts).
    """
    return np.asarray((errors.absolute ** (2 if is_small else 1)).mean(axis=1), dtype=np.float64)


def _loss_ratio(losses: Floats, of_the_mean: Floats, *, is_small: bool) -> float:
    """What the choice goes by, as a share of what it is for the mean; in the unit of an error, not of its square."""
    whole = of_the_mean.mean()
    ratio = float(losses.mean() / whole) if whole > 0 else 1.0 + float(losses.mean() > 0)
    return math.sqrt(ratio) if is_small else ratio


def _measured(
    errors: metrics.Errors, history: History, cutoffs: tuple[int, ...], overlap: int, *, is_small: bool
) -> dict[str, Any]:
    squared = (errors.absolute**2).mean(axis=1)
    priors = np.array([intervals.prior_variance(history.values[:cutoff], history.frequency) for cutoff in cutoffs])
    # Each window is measured with what was known at its cutoff: the errors of the windows that were over by then.
    scales = np.array([intervals.scale(prior, squared[: max(i - overlap + 1, 0)]) for i, prior in enumerate(priors)])
    scores = errors.absolute / scales[:, None]
    # Multipliers are learnt, and coverage is measured, where the scale is made of errors as it is in use. That of the
    # first windows is little but the prior, one step's error, which is too small for a level that wanders.
    learnt_from = len(cutoffs) // 2
    return {
        **{name: _or_none(getattr(errors, name)) for name in ("mase", "smape", "rmsse")},
        "absolute_error": float(errors.absolute.sum()),
        "error": float((errors.forecast - errors.actual).sum()),
        "actual": float(errors.actual.sum()),
        "poisson_floor": float(metrics.poisson_floor(errors.forecast).sum()),
        "window_count": len(cutoffs),
        "typical_error": intervals.scale(float(priors[-1]), squared),
        "scores": [] if is_small else scores[learnt_from:].ravel().tolist(),
        "inside": _inside(errors, scales, learnt_from) if is_small else None,
        "score_count": scores[learnt_from:].size,
    }


def _inside(errors: metrics.Errors, scales: Floats, first: int) -> list[int]:
    """How many actual counts the count-based intervals hold from window `first` on, for each level."""
    windows = range(first, len(scales))
    counts = []
    for level in intervals.LEVELS:
        ends = [(i, *intervals.count_interval(errors.forecast[i], scales[i], level)) for i in windows]
        counts.append(int(np.sum([(low <= errors.actual[i]) & (errors.actual[i] <= up) for i, low, up in ends])))
    return counts


def _fallback(term: str, share_ratio: float, history: History, reason: str | None) -> dict[str, Any]:
    error = intervals.scale(intervals.prior_variance(history.values, history.frequency), np.array([]))
    row = {"term": term, "candidate": c.MEAN, "share_ratio": share_ratio, "typical_error": error, "reason": reason}
    is_small = intervals.is_count_based(history.recent())
    return {**_EMPTY, **row, "is_small": is_small, "is_champion": True, "verdict": choice.TOO_SHORT}


_EMPTY: dict[str, Any] = {
    **dict.fromkeys(part.split()[0] for part in ROW.split(", ")),
    "window_count": 0,
    "score_count": 0,
    "is_champion": False,
    "scores": [],
}


def _or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _joined(*sentences: str | None) -> str | None:
    return "; ".join(sentence for sentence in sentences if sentence) or None


def backtests(packed: DataFrame, forecaster: Forecaster, parameters: ForecastParameters) -> DataFrame:
    """Backtest every series.

    Args:
        packed: of `series.packed`, dealt out.
        forecaster: with the candidates to try.
        parameters: of the backtest.

    Returns:
        One row per (term, candidate): the columns of `ROW`.
    """

    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        names = [part.split()[0] for part in ROW.split(", ")]
        for batch in batches:
            for term, share, counts in batch[["term", "share_ratio", "counts"]].itertuples(index=False):
                rows = backtest(term, share, forecaster.history(counts), forecaster.candidates, parameters)
                yield pd.DataFrame(rows, columns=names).astype(object)

    return packed.mapInPandas(run, ROW)
