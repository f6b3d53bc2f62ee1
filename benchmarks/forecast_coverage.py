"""What intervals hold of what came, for series backtested in plain Python: as `train` makes them, without Spark."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from search_forecast.demand.forecasting import calibration, intervals, weights
from search_forecast.demand.forecasting.assessment import assessed
from search_forecast.demand.forecasting.backtest import Backtest
from search_forecast.demand.forecasting.history import Floats


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
