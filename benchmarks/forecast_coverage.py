"""What intervals hold of what came; and intervals as `train` makes them, in plain Python, without Spark."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from search_forecast.demand.forecasting import calibration, intervals, weights
from search_forecast.demand.forecasting.assessment import assessed
from search_forecast.demand.forecasting.backtest import Backtest
from search_forecast.demand.forecasting.history import Floats


def inside(rows: pd.DataFrame, level: float) -> np.ndarray:
    """Which actual counts are in their interval, ends included."""
    lower, upper = rows[f"lower_{level * 100:.0f}"], rows[f"upper_{level * 100:.0f}"]
    return ((lower <= rows["actual"]) & (rows["actual"] <= upper)).to_numpy(float)


def inside_shared(rows: pd.DataFrame, level: float) -> np.ndarray:
    """How much of each actual count is in its interval: of small ones the part of its probability that is.

    So a law that is right has its level even of counts of 0 and 1: its probability integral transform, spread over each
    count's step, is uniform (Czado, Gneiting and Held 2009, Predictive model assessment for count data).
    """
    count, tail = rows["actual"].to_numpy(), (1 - level) / 2

    def below(law: intervals.CountLaw, probability: float) -> np.ndarray:
        before, until = at_most(law, count - 1), at_most(law, count)
        step = until - before
        part = np.divide(probability - before, step, out=(until <= probability) * 1.0, where=step > 0)
        return np.clip(part, 0, 1)

    lower, upper = intervals.count_laws(rows["forecast"].to_numpy(), rows["typical_error"].to_numpy())
    shared = np.maximum(below(upper, 1 - tail) - below(lower, tail), 0)
    return np.where(rows["is_small"].to_numpy(bool), shared, inside(rows, level))


def at_most(law: intervals.CountLaw, count: np.ndarray) -> np.ndarray:
    """With which probability a count of a law is no larger."""
    normal = stats.norm.cdf(count + 0.5, law.mean, law.deviation) * (count >= 0)
    return np.where(law.is_steady, normal, stats.nbinom.cdf(count, *law.shape))


def multipliers(scores: Sequence[Floats]) -> intervals.Multipliers:
    """As `calibration.multipliers` of all windows.

    Args:
        scores: normalised errors, windows x horizon, of each series that has any.
    """
    means = [np.nanmean(item) for item in scores]
    alike = [item for item, mean in zip(scores, means, strict=True) if mean <= calibration.ODD * np.median(means)]
    if not alike:
        return {}
    whole = np.concatenate(alike)
    parts = {0: whole.ravel(), **{step + 1: column for step, column in enumerate(whole.T)}}
    known = {step: part[np.isfinite(part)] for step, part in parts.items()}
    return {step: (len(part), tuple(np.quantile(part, intervals.LEVELS))) for step, part in known.items()}


def forecast_rows(
    tests: Sequence[Backtest], everyone: weights.Pooled, answers: Sequence[Floats], came: Sequence[Floats]
) -> pd.DataFrame:
    """A row per (series, step): forecast, typical_error, is_small, actual and the ends of both intervals."""
    horizon = len(answers[0])
    selections = [assessed("", 0.0, test, everyone)[0] for test in tests]
    scores = [np.asarray(row["scores"], dtype=float).reshape(-1, horizon) for row in selections]
    known = multipliers([item for item in scores if item.size])
    parts = []
    for row, own, answer, actual in zip(selections, scores, answers, came, strict=True):
        widths = intervals.half_width(known, horizon, intervals.widening(known, own))
        ends = intervals.interval(answer, widths, row["typical_error"], is_small=row["is_small"])
        sides = {
            f"{side}_{level * 100:.0f}": end
            for level, both in ends.items()
            for side, end in zip(("lower", "upper"), both, strict=True)
        }
        fixed = {"typical_error": row["typical_error"], "is_small": row["is_small"]}
        parts.append(pd.DataFrame({"forecast": answer, "actual": actual, **fixed, **sides}))
    return pd.concat(parts, ignore_index=True)
