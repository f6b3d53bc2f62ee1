"""What else was tried, on the windows of forecast_choices.py, and is not used: more candidates, weights, widths.

    .venv/bin/python benchmarks/forecast_ideas.py [--most 8] [--data DIRECTORY]

Errors and scores are shown as multiples of those of what is used. Plain Python, no Spark.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from statsforecast import models

import forecast_coverage as coverage
from forecast_bench import interval_score
from forecast_choices import LIGHTGBM, Case, cases, error, origins, ours, together
from forecast_run import machine, table
from search_forecast.demand.forecasting import assessment, calibration, intervals, weights
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.intervals import LEVELS

NEW = "new"
Forecast = Callable[[History, int], Floats | None]


def last_years(history: History, horizon: int) -> Floats | None:
    """The level of the last four weeks, and from there the median course of these weeks in up to five years before."""
    values, year = history.values, history.frequency.season_length
    if history.frequency.days == 1 or len(values) < 3 * year:
        return None
    starts = [len(values) - year * back for back in range(1, min(len(values) // year, 5) + 1)]
    levels = [(start, values[start - 4 : start].mean()) for start in starts if start >= 4]
    courses = [np.log(np.maximum(values[s : s + horizon] / level, 1e-9)) for s, level in levels if level > 0]
    return values[-4:].mean() * np.exp(np.median(courses, axis=0)) if len(courses) > 1 else None


def damped_logs(history: History, horizon: int) -> Floats | None:
    """Holt's damped trend of logarithms, where hardly a count is 0."""
    values = history.recent()
    if len(values) < 10 or (values == 0).mean() > 0.1:
        return None
    ets = models.AutoETS(season_length=1, model="AAN", damped=True)
    return np.expm1(ets.forecast(y=np.log1p(values), h=horizon)["mean"])


def checked(forecast: Floats | None, history: History) -> Floats | None:
    """As `candidates.forecasts` checks it."""
    if forecast is None or not np.isfinite(forecast).all() or forecast.max() > 20 * history.values.max():
        return None
    return np.maximum(forecast, 0)


def with_candidate(case: Case, forecast: Forecast, *, is_member: bool) -> Case:
    """A case with one more candidate, which may be a member of the combinations too."""
    history, horizon = case.test.history, case.test.parameters.horizon
    parts = [history.until(cutoff) for cutoff in case.test.cutoffs]
    windows = [checked(forecast(part, horizon), part) for part in parts]
    coming = checked(forecast(history, horizon), history)
    if coming is None or any(window is None for window in windows):
        return case
    tests = case.test.forecasts | ({NEW: np.stack(windows)} if windows else {})
    by_name = case.by_name | {NEW: coming}
    for item in c.DEFAULT_CANDIDATES.values() if is_member else ():
        if isinstance(item, c.Combination) and item.name in by_name:
            wider = replace(item, members=(*item.members, NEW))
            tests, by_name = ({**known, item.name: wider.of(known)} for known in (tests, by_name))
    return Case(replace(case.test, forecasts=tests if windows else case.test.forecasts), by_name, case.came)


def late_first(half_life: float) -> Callable[..., dict[str, float]]:
    """Losses of late windows count more."""
    plain = weights.log_ratios

    def ratios(losses: weights.Losses, *, is_small: bool) -> dict[str, float]:
        count = len(next(iter(losses.values())))
        shares = 0.5 ** (np.arange(count)[::-1] / half_life)
        late = {name: loss * shares / shares.mean() for name, loss in losses.items()}
        return plain(late, is_small=is_small)

    return ratios


def by_correlation(shrinkage: float) -> Callable[..., weights.Weights]:
    """Candidates that err alike count less: weights times the row sums of their errors' inverse, shrunk correlation."""
    plain = assessment._among

    def among(test: Any, all_terms: weights.Pooled, windows: Any) -> weights.Weights:
        known = plain(test, all_terms, windows)
        names = [name for name, part in known.items() if part >= weights.LEAST_WEIGHT]
        errors = np.stack([np.nan_to_num(test.forecasts[name] - test.actual)[windows].ravel() for name in names])
        norms = np.sqrt((errors**2).sum(axis=1)) + 1e-9
        alike = (1 - shrinkage) * errors @ errors.T / np.outer(norms, norms) + shrinkage * np.eye(len(names))
        parts = np.maximum(np.linalg.solve(alike, np.ones(len(names))), 0) * [known[name] for name in names]
        return dict(zip(names, (parts / parts.sum()).tolist(), strict=True)) if parts.sum() > 0 else known

    return among


def multipliers(rule: str) -> Callable[[Sequence[Floats]], intervals.Multipliers]:
    """Of intervals: a window counts twice as much as the one before, or half of what the worst window needs."""

    def found(scores: Sequence[Floats]) -> intervals.Multipliers:
        means = [np.nanmean(item) for item in scores]
        alike = [s for s, mean in zip(scores, means, strict=True) if mean <= calibration.ODD * np.median(means)]
        if not alike:
            return {}
        whole = np.concatenate(alike)
        window = np.concatenate([np.arange(-len(item), 0) for item in alike])
        parts = {0: whole, **{step + 1: whole[:, step : step + 1] for step in range(whole.shape[1])}}
        return {step: (int(np.isfinite(part).sum()), tuple(at(part, window))) for step, part in parts.items()}

    def at(part: Floats, window: np.ndarray) -> Floats:
        everything = np.nanquantile(part, LEVELS)
        if rule == "worst":
            each = [part[window == number] for number in np.unique(window) if (window == number).sum() >= 50]
            worst = [np.nanquantile(one, LEVELS) for one in each if np.isfinite(one).any()]
            return (everything + np.max(worst, axis=0)) / 2 if worst else everything
        known, count = part.ravel(), np.repeat(2.0**window, part.shape[1])
        order = np.argsort(known)[: np.isfinite(known).sum()]
        return np.interp(LEVELS, (np.cumsum(count[order]) - count[order] / 2) / count[order].sum(), known[order])

    return found


def ranked(known: intervals.Multipliers, scores: Floats) -> Floats:
    """As `intervals.widening`, with the rank that holds a level of so few: days of one week are one."""
    if not np.isfinite(scores).any():
        return np.ones(len(LEVELS))
    count = np.isfinite(scores).sum() * 7 / scores.shape[1]
    own = np.nanquantile(scores, np.minimum(np.array(LEVELS) * (count + 1) / count, 1))
    ratios = np.maximum(own, 1e-9) / np.maximum(intervals._multiplier(known, 0), 1e-9)
    return ratios ** (len(scores) / (len(scores) + intervals.BORROWED))


def held(series: Sequence[Case]) -> tuple[list[float], list[float]]:
    """What intervals hold at each of LEVELS, in percent, and their scores."""
    rows = coverage.forecast_rows([s.test for s in series], together(series), ours(series), [s.came for s in series])
    scaled = rows.assign(absolute_scale=rows["actual"].mean())
    inside = [100 * float(coverage.inside_shared(rows, level).mean()) for level in LEVELS]
    return inside, [interval_score(scaled, level) for level in LEVELS]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=600, help="series of a set, to try it")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    given = parser.parse_args()
    sets = []
    for name, metric, origin in origins(given.data, given.most):
        series = [case.without([LIGHTGBM]) for case in cases(origin)]
        sets.append((name, series, metric, origin.season, error(series, ours(series), metric, origin.season)))
        print(f"{name} horizons back: {len(series)} series", flush=True)

    def row(text: str, change: Callable[[Case], Case] = lambda case: case) -> list[str]:
        ratios = []
        for _, series, metric, season, used in sets:
            changed = [change(case) for case in series]
            ratios.append(error(changed, ours(changed), metric, season) / used)
        return [text, *(f"{ratio:.3f}" for ratio in ratios), f"{np.exp(np.mean(np.log(ratios))):.4f}"]

    rows = []
    for text, forecast in (("the course of the last years", last_years), ("damped trend of logarithms", damped_logs)):
        for how, is_member in ((text, False), (f"{text}, combined too", True)):
            rows.append(row(how, lambda case, f=forecast, m=is_member: with_candidate(case, f, is_member=m)))
    for half_life in (2, 4):
        with patch.object(weights, "log_ratios", late_first(half_life)):
            rows.append(row(f"half the evidence every {half_life} windows"))
    for shrinkage in (0.5, 0.8):
        with patch.object(assessment, "_among", by_correlation(shrinkage)):
            rows.append(row(f"inverse correlation of errors, shrunk by {shrinkage}"))
    widths, used = [], [held(series)[1] for _, series, *_ in sets]
    for text, target, name, rule in (
        ("what is used", coverage, "multipliers", coverage.multipliers),
        ("late windows count more", coverage, "multipliers", multipliers("late")),
        ("half of the worst window", coverage, "multipliers", multipliers("worst")),
        ("finite-sample rank", intervals, "widening", ranked),
    ):
        with patch.object(target, name, rule):
            found = [held(series) for _, series, *_ in sets]
        off = np.mean([np.abs(np.array(inside) - 100 * np.array(LEVELS)) for inside, _ in found], axis=0)
        scores = np.exp(np.mean([np.log(np.divide(found[i][1], used[i])) for i in range(len(sets))], axis=0))
        cells = [", ".join(f"{share:.1f}" for share in inside) for inside, _ in found]
        last = [", ".join(f"{value:.1f}" for value in off), ", ".join(f"{value:.3f}" for value in scores)]
        widths.append([text, *cells, *last])
    heads = ["", *(one[0] for one in sets)]
    print(f"{machine()}\n{table([*heads, 'all'], rows)}\n\n{table([*heads, 'points off', 'scores'], widths)}")


if __name__ == "__main__":
    main()
