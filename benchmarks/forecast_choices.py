"""What was chosen on windows before the test data: candidates one by one, and how sharply weights fall.

    .venv/bin/python benchmarks/forecast_choices.py [--most 8] [--data DIRECTORY]

Each set is cut off one, two and three horizons before its test data; what everything forecasts from there is compared
with what came, which is all before the test data. Plain Python, no Spark. An error is shown as a multiple of the best
fixed method's there. LightGBM is tried too where it is installed (it is no dependency: pip install lightgbm).
"""

import argparse
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from forecast_bench import interval_score, sampled
from forecast_coverage import forecast_rows, inside_shared
from forecast_features import pooled_by_features
from forecast_run import machine, table
from forecast_sets import SETS, Origin
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import forecasts, intervals, metrics, weights
from search_forecast.demand.forecasting import shared_autoregression as shared
from search_forecast.demand.forecasting.assessment import learnt
from search_forecast.demand.forecasting.backtest import Backtest, backtested
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.intervals import LEVELS
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.parameters import BASELINES

LIGHTGBM = "lightgbm"
SERIES = {"noise": 30, "M4 weekly": 359, "daily flights": 102, "grocer, 3 December": 100}  # at most, drawn by lot
CONSTANTS = ((16, 0.5), (24, 0.6), (32, 0.6), (32, 0.7), (40, 0.65))  # sharpness, pooled share
STEADY = (0, 0.25, 1)  # variance over mean below which counts are taken to keep to a schedule
RIDGES = (30, 300)  # of weights by features


@dataclass(frozen=True)
class Case:
    """A series: its backtest, what each candidate forecasts from its end, and what came."""

    test: Backtest
    by_name: dict[str, Floats]
    came: Floats

    def without(self, names: Collection[str]) -> "Case":
        """As if some candidates were not there, not in the combinations either."""

        def rest(by_name: Any) -> dict[str, Floats]:
            left = {name: item for name, item in by_name.items() if name not in names}
            combined = [item for item in c.DEFAULT_CANDIDATES.values() if isinstance(item, c.Combination)]
            again = {item.name: item.of(left) for item in combined if item.name in left}
            return {name: item for name, item in (left | again).items() if item is not None}

        return Case(replace(self.test, forecasts=rest(self.test.forecasts)), rest(self.by_name), self.came)


@dataclass(frozen=True)
class Boosted:
    """LightGBM over all terms: inputs of the shared autoregression, seasonal lags, the step and the weekday."""

    booster: Any
    name: str = LIGHTGBM

    @classmethod
    def fitted(cls, histories: Sequence[History], horizon: int) -> "Boosted":
        """Fitted to the same examples as the shared autoregression."""
        lightgbm: Any = import_module(LIGHTGBM)
        rows, labels = [], []
        for history in histories:
            least, last = 2 * history.frequency.window, len(history.values) - horizon
            for cutoff in list(range(last, least - 1, -5))[:100]:
                known = history.until(cutoff)
                level, scale, _ = shared.features(known)
                if scale > 0:
                    rows.append(boosted_inputs(known, horizon))
                    labels.append((history.values[cutoff : cutoff + horizon] - level) / scale)
        settings = {"objective": "l1", "num_leaves": 31, "learning_rate": 0.05, "min_data_in_leaf": 50, "seed": 0}
        settings |= {"lambda_l2": 1.0, "verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
        examples = lightgbm.Dataset(np.concatenate(rows), np.clip(np.concatenate(labels), -20, 20))
        return cls(lightgbm.train(settings, examples, 150))

    def suits(self, history: History) -> bool:
        """As the shared autoregression."""
        return len(history.values) >= 2 * history.frequency.window

    def forecast(self, history: History, horizon: int) -> Floats:
        """The level, and so many standard deviations above it."""
        level, scale, _ = shared.features(history)
        return level + scale * self.booster.predict(boosted_inputs(history, horizon), num_threads=1)


def boosted_inputs(history: History, horizon: int) -> Floats:
    """Steps x inputs."""
    lagged, season = shared.features(history)[2][1:], history.frequency.season_length
    steps = np.arange(horizon)
    seasonal = np.array([lagged[season - 1 - steps % season + back] for back in range(0, len(lagged), season)])
    means = [lagged[:count].mean() for count in (3, 7, 14, 28)]
    fixed = np.tile([*lagged[:14], *means, lagged.std()], (horizon, 1))
    weekdays = [day.isoweekday() for day in history.target_dates(horizon)]
    return np.column_stack([fixed, seasonal.T, seasonal.mean(axis=0), steps, weekdays])


def noise(_: Path) -> list[Origin]:
    """Thirty series of nothing but chance."""
    random = np.random.default_rng(5)
    rows = {f"noise {number}": random.poisson(10 ** random.uniform(0.5, 2), 162).astype(float) for number in range(30)}
    return [Origin(rows, {}, date(2025, 6, 29))]


def earlier(origin: Origin, periods: int) -> Origin:
    """So many periods earlier, of series that had 50 searches by then."""
    days, horizon = FREQUENCIES[origin.parameters.frequency].days, origin.parameters.horizon
    known = {name: values[:-periods] for name, values in origin.known.items() if values[:-periods].sum() >= 50}
    after = {name: origin.known[name][len(known[name]) :][:horizon] for name in known}
    return replace(origin, known=known, after=after, last_date=origin.last_date - timedelta(days=days * periods))


def origins(data: Path, most: int) -> Iterator[tuple[str, str, Origin]]:
    """Each set one, two and three horizons before its test data: what it is called, what errors are measured by."""
    for name, largest in SERIES.items():
        metric, read = ("MASE", noise) if name == "noise" else SETS[name]
        origin = sampled(read(data)[0], min(most, largest))
        for back in (1, 2, 3):
            yield f"{name}, {back}", metric, earlier(origin, back * origin.parameters.horizon)


def cases(origin: Origin) -> list[Case]:
    """Backtest and forecast everything, by all candidates."""
    parameters = origin.parameters
    frequency, horizon = FREQUENCIES[parameters.frequency], parameters.horizon
    plain = {name: History(values, origin.last_date, frequency) for name, values in origin.known.items()}
    ready = {name: Backtest.prepared(history, parameters) for name, history in plain.items()}
    before = [
        (test.history.until(max(len(test.history.values) - parameters.tested_periods, 0)), test.is_known)
        for test in ready.values()
    ]
    extra: list[Any] = [shared.fit(np.sum([shared.sums_of(*one, horizon) for one in before], axis=0))]
    if extra[0] and find_spec(LIGHTGBM):
        extra.append(Boosted.fitted([history for history, _ in before], horizon))
    extra = [item for item in extra if item]
    named = [name for name in parameters.candidates if name != c.SHARED]
    candidates = c.chosen([*named, *(item.name for item in extra)], extra)
    return [
        Case(
            backtested(history, candidates, parameters),
            c.forecasts(ready[name].history, horizon, candidates)[0],
            origin.after[name],
        )
        for name, history in plain.items()
    ]


def together(series: Sequence[Case]) -> weights.Pooled:
    """As `assessment.pooled`."""
    tests = [case.test for case in series if case.test.is_enough]
    ratios = [weights.log_ratios(test.losses, is_small=test.is_small) for test in tests]
    names = {name for ratio in ratios for name in ratio}
    pooled = {name: float(np.mean([ratio[name] for ratio in ratios if name in ratio])) for name in names}
    deviation = float(np.std([1 - np.exp(-ratio[c.MEAN]) for ratio in ratios], ddof=1)) if ratios else 0.0
    return weights.Pooled(pooled, deviation)


def ours(series: Sequence[Case], ridge: float | None = None) -> list[Floats]:
    """What `train` and `score` forecast; with a ridge, each series by its features."""
    everyone = [together(series)] * len(series)
    if ridge is not None:
        everyone = pooled_by_features([case.test for case in series], everyone[0], ridge)
    answers = []
    for case, others in zip(series, everyone, strict=True):
        learned = {name: part for name, part in learnt(case.test, others)[0].items() if name in case.by_name}
        no_events = np.ones(len(case.by_name[c.MEAN]))
        mixed = forecasts.at_new_level(learned or {c.MEAN: 1.0}, case.by_name, case.test.history, no_events)
        answers.append(weights.blend(*mixed))
    return answers


def held(series: Sequence[Case]) -> list[str]:
    """What its intervals hold of what came at each of LEVELS, ends shared, in percent; the score of the widest."""
    rest = [case.without([LIGHTGBM]) for case in series]
    rows = forecast_rows([case.test for case in rest], together(rest), ours(rest), [case.came for case in rest])
    score = interval_score(rows.assign(absolute_scale=rows["actual"].mean()))
    return [*(f"{100 * inside_shared(rows, level).mean():.1f}" for level in LEVELS), f"{score:.3f}"]


def error(series: Sequence[Case], answers: Sequence[Floats], metric: str, season: int) -> float:
    """The mean MASE or RMSSE."""
    by_series = []
    for case, answer in zip(series, answers, strict=True):
        absolute, squared = metrics.scales(case.test.history.values, season)
        if absolute > 0:
            off = answer - case.came
            by_series.append(np.abs(off).mean() / absolute if metric == "MASE" else np.sqrt((off**2).mean() / squared))
    return float(np.mean(by_series))


def best_fixed(series: Sequence[Case], metric: str, season: int) -> float:
    """The error of the best single candidate."""
    names = [name for name in series[0].by_name if all(name in case.by_name for case in series)]
    return min(error(series, [case.by_name[name] for case in series], metric, season) for name in names)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=600, help="series of a set, to try it")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    given = parser.parse_args()
    columns: list[tuple[str, list[Case], str, int, float]] = []
    for name, metric, origin in origins(given.data, given.most):
        series = cases(origin)
        best = best_fixed([case.without([LIGHTGBM]) for case in series], metric, origin.season)
        columns.append((name, series, metric, origin.season, best))
        print(f"{name} horizons back: {len(series)} series, best {best:.3f}", flush=True)

    def row(text: str, left_out: Collection[str], ridge: float | None = None) -> list[str]:
        ratios = []
        for _, series, metric, season, best in columns:
            rest = [case.without(left_out) for case in series]
            ratios.append(error(rest, ours(rest, ridge), metric, season) / best)
        return [text, *(f"{ratio:.3f}" for ratio in ratios), f"{np.exp(np.mean(np.log(ratios))):.4f}"]

    rows = [row("what is used", [LIGHTGBM]), row("with LightGBM", []), row("with it in place of ours", [c.SHARED])]
    rows += [
        row(f"without {name}", [LIGHTGBM, name]) for name in (c.SHARED, *c.DEFAULT_CANDIDATES) if name not in BASELINES
    ]
    with patch.object(forecasts, "jump", lambda _: None):
        rows.append(row("without the rule for jumps", [LIGHTGBM]))
    inside = []
    for steady in (intervals.STEADY, *STEADY):
        with patch.object(intervals, "STEADY", steady):
            by_origin = zip(*(held(column[1]) for column in columns), strict=True)
            whats = (f"{what}, schedules below {steady}" for what in (*(f"{level:.0%}" for level in LEVELS), "score"))
            inside += [[what, *values] for what, values in zip(whats, by_origin, strict=True)]
    rows += [row(f"by features, ridge {ridge}", [LIGHTGBM], ridge) for ridge in RIDGES]
    for sharpness, pooled_share in CONSTANTS:
        weights.SHARPNESS, weights.POOLED_SHARE = sharpness, pooled_share
        rows.append(row(f"k {sharpness}, s {pooled_share}", [LIGHTGBM]))
    heads = ["", *(column[0] for column in columns)]
    print(f"{machine()}\n{table([*heads, 'all'], rows)}\n\n{table(heads, inside)}")


if __name__ == "__main__":
    main()
