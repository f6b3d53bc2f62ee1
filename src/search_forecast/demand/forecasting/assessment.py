"""What a backtest says: the weights of a term's candidates; what the weighted forecast and each alone are worth."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import intervals, metrics, weights
from search_forecast.demand.forecasting import verdict as v
from search_forecast.demand.forecasting.backtest import Backtest, of_row
from search_forecast.demand.forecasting.events import without_events
from search_forecast.demand.forecasting.forecasts import Forecaster
from search_forecast.demand.forecasting.history import Floats
from search_forecast.demand.forecasting.mending import fresh_jump, jump
from search_forecast.errors import counted
from search_forecast.parameters import ForecastParameters

SELECTION = "selection"  # the weighted mean of the others: what forecasts the term
# One row per (term, candidate); `backtest_metrics` has what this row says, without what only the next steps need.
# Of `selection` alone: weights, the losses that the gate compares, and what intervals are made from.
ROW = (
    "term string, candidate string, mase double, smape double, rmsse double, "
    "absolute_error double, error double, actual double, poisson_floor double, share_ratio double, loss_ratio double, "
    "window_count bigint, is_champion boolean, p_value double, verdict string, reason string, weight_ratio double, "
    "weights map<string,double>, chosen_loss_ratio double, champion_loss_ratio double, is_untried boolean, "
    "typical_error double, is_small boolean, scores array<double>, inside array<bigint>, score_count bigint"
)
_COLUMNS = [part.split()[0] for part in ROW.split(", ")]


def pooled(backtests: DataFrame) -> weights.Pooled:
    """What all terms together say of the candidates.

    Args:
        backtests: of `backtest.backtests`.
    """
    ratios = backtests.select(F.explode("log_ratios").alias("candidate", "ratio")).groupBy("candidate")
    rows = ratios.agg(F.avg("ratio").alias("ratio"), F.stddev(1 - F.exp(-F.col("ratio"))).alias("deviation")).collect()
    deviations = {row["candidate"]: row["deviation"] for row in rows}
    return weights.Pooled({row["candidate"]: row["ratio"] for row in rows}, deviations.get(c.MEAN) or 0.0)


def assessments(
    backtests: DataFrame,
    champions: DataFrame | None,
    forecaster: Forecaster,
    parameters: ForecastParameters,
    all_terms: weights.Pooled,
) -> DataFrame:
    """Weigh and measure every series.

    Args:
        backtests: of `backtest.backtests`.
        champions: the present champion's term and weights; None where there is no champion.
        forecaster: that made the backtests.
        parameters: of the backtest.
        all_terms: of `pooled`.

    Returns:
        One row per (term, candidate): the columns of `ROW`.
    """
    if champions is None:
        rows = backtests.withColumn("champion_weights", F.lit(None).cast("map<string,double>"))
    else:
        theirs = champions.select("term", F.col("weights").alias("champion_weights"))
        rows = backtests.join(theirs, "term", how="left")

    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for row in batch.to_dict("records"):
                test = of_row(row, forecaster, parameters)
                theirs = None if row["champion_weights"] is None else dict(row["champion_weights"])
                rows = assessed(row["term"], row["share_ratio"], test, all_terms, theirs)
                yield pd.DataFrame(rows, columns=_COLUMNS).astype(object)

    return rows.mapInPandas(run, ROW)


def assessed(
    term: str,
    share_ratio: float,
    test: Backtest,
    all_terms: weights.Pooled,
    champion: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Weigh and measure a series.

    Args:
        term: whose series it is.
        share_ratio: its share of all searches, 0..1.
        test: its backtest.
        all_terms: of `pooled`.
        champion: the weights of the present champion.

    Returns:
        A row of `ROW` per candidate and one for `selection`; those that could not be measured say why.
    """
    weighted, honest = learnt(test, all_terms)
    base = {**_EMPTY, "term": term, "share_ratio": share_ratio, "is_small": test.is_small}
    judged = (
        v.verdict(test.losses, test.overlap, test.parameters.alpha)
        if test.cutoffs
        else v.Verdict(v.TOO_SHORT, math.nan)
    )
    selection = base | {
        "candidate": SELECTION,
        "is_champion": True,
        "weights": weighted,
        "verdict": judged.text,
        "p_value": _or_none(judged.p_value),
        "reason": _reason(test),
    }
    if not test.cutoffs:
        error = intervals.unmeasured_error(test.plain.values[test.is_known], test.history.frequency)
        alone = base | {"candidate": c.MEAN, "weight_ratio": weighted.get(c.MEAN, 0.0)}
        return [selection | {"typical_error": error}, alone]
    selection |= _measured(test, honest) | _spread(test, honest)
    selection["chosen_loss_ratio"] = _loss_ratio(test, weights.blend(weighted, test.forecasts))
    if champion is not None:
        tried = sum(weight for name, weight in champion.items() if name in test.forecasts or name in test.failures)
        selection["is_untried"] = tried < 1 - weights.LEAST_WEIGHT
        if not selection["is_untried"]:
            selection["champion_loss_ratio"] = _loss_ratio(test, weights.blend(champion, test.forecasts))
    single = [
        base | _measured(test, forecast) | {"candidate": name, "weight_ratio": weighted.get(name, 0.0)}
        for name, forecast in test.forecasts.items()
    ]
    failed = [base | {"candidate": name, "reason": why} for name, why in test.failures.items()]
    return [selection, *single, *failed]


def learnt(test: Backtest, all_terms: weights.Pooled) -> tuple[weights.Weights, Floats]:
    """A term's weights; and what weights forecast in each window that were learnt from windows apart from it."""
    if not test.is_enough:
        # All that is known of the candidates is how they do elsewhere; where nothing is, the mean.
        elsewhere = all_terms.log_ratios
        alike = weights.among_candidates(elsewhere, all_terms) if elsewhere else {c.MEAN: 1.0}
        weighted = weights.with_mean(alike, None, all_terms)
        return weighted, weights.blend(weighted, test.forecasts) if test.cutoffs else np.array([])
    count = len(test.cutoffs)
    apart = [v.windows_apart(count, window, test.overlap) for window in range(count)]
    by_window = [_among(test, all_terms, windows) for windows in apart]
    forecast = _by_window(test, by_window)
    loss, of_mean = test.loss(forecast), test.losses[c.MEAN]
    mixed = [
        weights.with_mean(single, _gain(test, loss[windows], of_mean[windows]), all_terms)
        for single, windows in zip(by_window, apart, strict=True)
    ]
    everything = _among(test, all_terms, np.ones(count, dtype=bool))
    return weights.with_mean(everything, _gain(test, loss, of_mean), all_terms), _by_window(test, mixed)


def _among(test: Backtest, all_terms: weights.Pooled, windows: NDArray[np.bool_]) -> weights.Weights:
    losses = {name: values[windows] for name, values in test.losses.items()}
    return weights.among_candidates(weights.log_ratios(losses, is_small=test.is_small), all_terms)


def _by_window(test: Backtest, by_window: list[weights.Weights]) -> Floats:
    return np.stack(
        [
            weights.blend(single, {name: forecast[window] for name, forecast in test.forecasts.items()})
            for window, single in enumerate(by_window)
        ]
    )


def _gain(test: Backtest, loss: Floats, of_mean: Floats) -> weights.Gain:
    ratio = _ratio(loss, of_mean, is_small=test.is_small)
    by_window = (of_mean - loss) / max(float(of_mean.mean()), 1e-9) / (2 if test.is_small else 1)
    independent = max(len(loss) / test.overlap, 1.0)
    deviation = by_window.std(ddof=1) if len(loss) > 1 else np.inf
    return weights.Gain(1 - ratio, float(deviation / math.sqrt(independent)))


def _ratio(loss: Floats, of_mean: Floats, *, is_small: bool) -> float:
    """A loss as a share of the mean's; in the unit of an error, not of its square."""
    whole = of_mean.mean()
    ratio = float(loss.mean() / whole) if whole > 0 else 1.0 + float(loss.mean() > 0)
    return math.sqrt(ratio) if is_small else ratio


def _loss_ratio(test: Backtest, forecast: Floats) -> float:
    return _ratio(test.loss(forecast), test.losses[c.MEAN], is_small=test.is_small)


def _reason(test: Backtest) -> str | None:
    """What a person should know of the series."""
    sentences = [test.mending] if test.mending else []
    values, parameters = test.history.values, test.parameters
    if not test.cutoffs:
        sentences.append(
            f"{counted(len(values), 'period')}, a backtest needs {parameters.least_training + parameters.horizon}"
        )
    if moved := jump(test.plain):
        since, before, after = moved
        sentences.append(f"the level jumped from about {before:.0f} to {after:.0f} {since} periods ago")
    elif moved := fresh_jump(test.plain):
        since, before, after = moved
        sentences.append(
            f"the last {since} periods are unusual: about {after:.0f}, about {before:.0f} before: too few to tell "
            f"whether it stays"
        )
    return "; ".join(sentences) or None


def _measured(test: Backtest, forecast: Floats) -> dict[str, Any]:
    season = test.history.frequency.season_length
    scales = [metrics.scales(test.history.values[:cutoff], season) for cutoff in test.cutoffs]
    errors = metrics.Errors(test.actual, forecast, *np.array(scales).T)
    is_known = np.isfinite(test.actual)
    return {
        **{name: _or_none(getattr(errors, name)) for name in ("mase", "smape", "rmsse")},
        "absolute_error": float(np.nansum(errors.absolute)),
        "error": float(np.nansum(forecast - test.actual)),
        "actual": float(np.nansum(test.actual)),
        "poisson_floor": float(metrics.poisson_floor(forecast[is_known]).sum()),
        "loss_ratio": _loss_ratio(test, forecast),
        "window_count": len(test.cutoffs),
    }


def _spread(test: Backtest, forecast: Floats) -> dict[str, Any]:
    """What intervals are made from: errors by the scale that was known at each cutoff."""
    absolute = np.abs(forecast - test.actual)
    squared = np.nanmean(absolute**2, axis=1)
    frequency, cutoffs = test.history.frequency, test.cutoffs
    known = [without_events(test.history.until(cutoff)) for cutoff in cutoffs]
    priors = [intervals.prior_variance(part.values, frequency) for part in known]
    # Each window is measured with what was known at its cutoff: the errors of the windows that were over by then.
    over = [squared[: max(number - test.overlap + 1, 0)] for number in range(len(cutoffs))]
    scales = np.array([intervals.scale(prior, errors) for prior, errors in zip(priors, over, strict=True)])
    # Widths are learnt, and coverage is measured, where the scale is made of errors as it is in use. That of the
    # first windows is little but the prior, one step's error, which is too small for a level that wanders.
    late = slice(len(cutoffs) // 2, None)
    inside = None
    if test.is_small:
        inside = []
        for level in intervals.LEVELS:
            ends = [
                intervals.count_interval(*window, level) for window in zip(forecast[late], scales[late], strict=True)
            ]
            lower, upper = np.swapaxes(np.array(ends), 0, 1)
            inside.append(int(((lower <= test.actual[late]) & (test.actual[late] <= upper)).sum()))
    return {
        "typical_error": intervals.scale(priors[-1], squared),
        "scores": [] if test.is_small else (absolute / scales[:, None])[late].ravel().tolist(),
        "inside": inside,
        "score_count": int(np.isfinite(test.actual[late]).sum()),
    }


_EMPTY: dict[str, Any] = {
    **dict.fromkeys(_COLUMNS),
    "window_count": 0,
    "score_count": 0,
    "is_champion": False,
    "scores": [],
}


def _or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None
