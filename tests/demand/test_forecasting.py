"""Candidates, metrics, verdict, intervals and the backtest of one series: numpy only, no Spark."""

import math
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import Ridge
from statsforecast import models
from utilsforecast import losses as utils

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import intervals, metrics, verdict, weights
from search_forecast.demand.forecasting import shared_autoregression as shared
from search_forecast.demand.forecasting.assessment import ROW, SELECTION, _spread, assessed
from search_forecast.demand.forecasting.backtest import Backtest, Windows, backtested
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.mending import mended
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.errors import UsageError
from search_forecast.parameters import CANDIDATES, ForecastParameters
from support.places import PROJECT

DAY, WEEK = FREQUENCIES["day"], FREQUENCIES["week"]
SUNDAY = date(2025, 6, 29)
WEEKDAYS = np.array([1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8])
QUICK = c.chosen(["theta"])


def history(values: object, last_date: date = SUNDAY, frequency: object = DAY) -> History:
    return History(np.asarray(values, dtype=np.float64), last_date, frequency)  # type: ignore[arg-type]


def weekly_pattern(level: float, days: int, seed: int) -> Floats:
    return np.random.default_rng(seed).poisson(level * WEEKDAYS[np.arange(days) % 7]).astype(np.float64)


def backtest(term: str, share: float, known: History, candidates: Any, parameters: ForecastParameters) -> list[dict]:
    return assessed(term, share, backtested(known, candidates, parameters), weights.Pooled({}))


def champion(rows: list[dict]) -> dict:
    (row,) = [row for row in rows if row["is_champion"]]
    return row


# --- history


def test_what_was_known_earlier_ends_earlier() -> None:
    known = history(range(10)).until(7)

    assert known.values.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert known.last_date == SUNDAY - timedelta(days=3)
    assert known.target_dates(2) == [SUNDAY - timedelta(days=2), SUNDAY - timedelta(days=1)]


def test_a_week_is_seven_days_long() -> None:
    monday = date(2025, 6, 23)

    assert history([1, 2, 3], monday, WEEK).target_dates(2) == [date(2025, 6, 30), date(2025, 7, 7)]
    assert history([1, 2, 3], monday, WEEK).until(2).last_date == date(2025, 6, 16)


@pytest.mark.parametrize(
    ("values", "expected", "words"),
    [
        ([1, 2, 3], [1, 2, 3], None),
        ([1, math.nan, 3], [1, 2, 3], "1 of 3 periods without any delivery: left out"),
        ([1, -5, 3, math.inf], [1, 2, 3, 3], "2 of 4 values"),
        ([1, 1e300, 5], [1, 3, 5], "1 of 3 values"),
        ([math.nan, -1], [0, 0], "1 of 2 periods without any delivery: left out; 1 of 2 values were negative"),
    ],
)
def test_values_that_are_no_counts_are_interpolated_and_it_is_said(
    values: list[float], expected: list[float], words: str | None
) -> None:
    found, _, sentence = mended(history(values))

    assert found.tolist() == expected
    assert sentence is None if words is None else words in str(sentence)


# --- metrics, against utilsforecast


def test_metrics_are_those_of_utilsforecast() -> None:
    random = np.random.default_rng(3)
    values = random.poisson(8, 60).astype(np.float64)
    cutoffs, horizon = (30, 37, 44), 14
    forecast = random.uniform(2, 14, (3, horizon))
    actual = np.stack([values[cutoff : cutoff + horizon] for cutoff in cutoffs])
    absolute, squared = np.array([metrics.scales(values[:cutoff], 7) for cutoff in cutoffs]).T
    found = metrics.Errors(actual, forecast, absolute, squared)

    days = pd.date_range("2025-01-01", periods=60)
    train = pd.DataFrame({"unique_id": "a", "ds": days, "y": values})
    frames = [
        pd.DataFrame({
            "unique_id": "a", "cutoff": days[cutoff - 1], "ds": days[cutoff : cutoff + horizon],
            "y": actual[i], "m": forecast[i],
        })
        for i, cutoff in enumerate(cutoffs)
    ]  # fmt: skip
    windows = pd.concat(frames)
    whole = windows.drop(columns="cutoff")

    assert found.smape == pytest.approx(utils.smape(whole, ["m"])["m"].item())
    mase = [
        utils.mase(f.drop(columns="cutoff"), ["m"], 7, train[train["ds"] <= f["cutoff"].iloc[0]])["m"].item()
        for f in frames
    ]
    rmsse = [
        utils.rmsse(f.drop(columns="cutoff"), ["m"], 7, train[train["ds"] <= f["cutoff"].iloc[0]])["m"].item()
        for f in frames
    ]
    assert found.mase == pytest.approx(np.mean(mase))
    assert found.rmsse == pytest.approx(np.mean(rmsse))
    assert found.wape == pytest.approx(utils.nd(whole, ["m"])["m"].item())
    assert found.bias == pytest.approx(utils.bias(whole, ["m"])["m"].item() / values_mean(whole))


def values_mean(frame: pd.DataFrame) -> float:
    return float(frame["y"].mean())


def test_nothing_to_divide_by_gives_no_number() -> None:
    nothing = metrics.Errors(np.zeros((1, 3)), np.ones((1, 3)), np.array([math.nan]), np.array([math.nan]))

    assert math.isnan(nothing.wape)
    assert math.isnan(nothing.mase)
    assert nothing.smape == 1.0


@pytest.mark.parametrize("mean", [0.2, 1.0, 3.7, 20.0, 400.0])
def test_the_poisson_floor_is_the_error_of_a_forecast_that_is_right(mean: float) -> None:
    counts = np.arange(0, int(mean * 3 + 40))
    expected = float((np.abs(counts - mean) * stats.poisson.pmf(counts, mean)).sum())

    assert metrics.poisson_floor(np.array([mean]))[0] == pytest.approx(expected, rel=1e-9)


# --- candidates


def test_naive_methods_give_what_their_names_say() -> None:
    known = history([*range(1, 41)])
    made, _ = c.forecasts(known, 8, c.chosen([]))

    assert made["historic_mean"].tolist() == [20.5] * 8
    assert made["window_average"].tolist() == [26.5] * 8  # of the last 28
    assert made["naive"].tolist() == [40.0] * 8
    assert made["seasonal_naive"].tolist() == [34, 35, 36, 37, 38, 39, 40, 34]


def test_a_combination_is_the_median_of_its_members() -> None:
    made, _ = c.forecasts(
        history(weekly_pattern(30, 80, 1)), 5, c.chosen(["theta", "ets", "ces", "median_of_candidates"])
    )

    np.testing.assert_allclose(
        made["median_of_candidates"], np.median([made["theta"], made["ets"], made["ces"]], axis=0)
    )


@dataclass(frozen=True)
class Odd:
    result: object
    name: str = "odd"

    def suits(self, history: History) -> bool:
        return True

    def forecast(self, history: History, horizon: int) -> Floats:
        if isinstance(self.result, Exception):
            raise self.result
        return np.full(horizon, self.result)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (ZeroDivisionError("by\nzero"), "ZeroDivisionError: by"),
        (math.nan, "no number"),
        (math.inf, "no number"),
        (1e9, "is the most there ever was"),
    ],
)
def test_a_candidate_that_goes_wrong_is_left_out_with_its_reason(result: object, words: str) -> None:
    made, failures = c.forecasts(history(range(30)), 3, c.chosen(["odd"], [Odd(result)]))

    assert "odd" not in made
    assert words in failures["odd"]
    assert set(made) == set(c.BASELINES)


def test_no_forecast_is_below_zero() -> None:
    made, _ = c.forecasts(history(range(30, 0, -1)), 60, c.chosen(["odd", "theta", "ets"], [Odd(-5.0)]))

    assert all((forecast >= 0).all() for forecast in made.values())
    assert made["odd"].tolist() == [0.0] * 60


def test_a_combination_named_alone_brings_its_members() -> None:
    assert set(c.chosen(["mean_of_candidates"])) == {*c.BASELINES, "mean_of_candidates", "theta", "ets", "ces", "mstl"}
    assert set(c.chosen(["mean_of_candidates", "theta", "ets"])) == {*c.BASELINES, "mean_of_candidates", "theta", "ets"}


def test_an_unknown_candidate_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no candidate prophet; there are: ces, "):
        c.chosen(["prophet"])


def test_croston_is_for_intermittent_series_only() -> None:
    candidates = c.chosen(["croston"])
    sparse = history([0, 0, 3, 0, 1] * 10)

    assert "croston" in c.forecasts(sparse, 2, candidates)[0]
    assert "not of its kind" in c.forecasts(history([3, 1] * 20), 2, candidates)[1]["croston"]


# --- the autoregression of all terms


def _sums(series: dict[str, np.ndarray], horizon: int = 7) -> np.ndarray:
    return np.sum(
        [shared.sums_of(history(values), np.ones(len(values), dtype=bool), horizon) for values in series.values()],
        axis=0,
    )


def test_what_is_learnt_from_all_terms_is_the_ridge_regression_that_scikit_learn_finds() -> None:
    series = {f"t{seed}": weekly_pattern(10 * 3**seed, 400, seed) for seed in range(5)}
    inputs, targets = [], []
    for values in series.values():
        for cutoff in range(393, 55, -5):
            recent = values[cutoff - 28 : cutoff]
            inputs.append((recent[::-1] - recent.mean()) / recent.std())
            targets.append((values[cutoff : cutoff + 7] - recent.mean()) / recent.std())
    x = np.column_stack([np.ones(len(inputs)), inputs])
    ridge = Ridge(alpha=0.01 * (x**2).sum() / 29, fit_intercept=False).fit(x, targets)

    fitted = shared.fit(_sums(series))

    assert fitted is not None
    np.testing.assert_allclose(fitted.coefficients, ridge.coef_, atol=1e-9)
    known = 700 * np.tile(WEEKDAYS, 10)
    np.testing.assert_allclose(fitted.forecast(history(known), 7), 700 * WEEKDAYS, rtol=0.1)


def test_an_example_with_a_period_that_is_no_count_is_none() -> None:
    values = weekly_pattern(100, 80, 1)
    is_good = np.arange(80) < 66

    assert shared.sums_of(history(values), is_good, 7)[0, 0] == len(range(73, 55, -5)) - 3  # cutoffs 73, 68 and 63
    assert shared.sums_of(history(np.full(80, 3.0)), is_good, 7)[0, 0] == 0


def test_of_few_terms_there_is_too_little_to_learn_from() -> None:
    assert shared.fit(_sums({"t": weekly_pattern(100, 400, 1)})) is None


# --- the verdict


def test_without_overlap_the_test_is_a_paired_t_test_with_the_small_sample_correction() -> None:
    gains = np.array([0.5, 1.5, -0.2, 0.9, 0.4, 1.1])
    # (n + 1 - 2h + h(h - 1)/n) / n with h = 1, and the variance divided by n: together those of the t-test.
    assert verdict.p_better(gains, 1) == pytest.approx(stats.ttest_1samp(gains, 0.0, alternative="greater").pvalue)


def test_a_gain_that_is_always_the_same_is_no_chance_and_none_is_none() -> None:
    assert verdict.p_better(np.full(5, 0.3), 2) == 0.0
    assert verdict.p_better(np.zeros(5), 2) == 1.0
    assert verdict.p_better(np.full(5, -0.3), 2) == 1.0


def test_overlapping_windows_weaken_the_evidence() -> None:
    gains = np.array([0.5, 1.5, 0.2, 0.9, 0.4, 1.1])

    assert verdict.p_better(gains, 2) > verdict.p_better(gains, 1)


LOSSES = {name: np.full(6, 10.0) for name in c.BASELINES}


def test_a_candidate_that_clearly_beats_the_baselines_is_forecastable() -> None:
    judged = verdict.verdict({**LOSSES, "theta": np.array([5, 6, 5, 6, 5, 6.0])}, 2, 0.05)

    assert judged.text == "forecastable"
    assert judged.p_value < 0.05


def test_a_candidate_must_beat_the_mean_and_the_seasonal_naive() -> None:
    noisy = np.array([9, 12, 9, 11, 8, 12.0])
    seasonal = {**LOSSES, "seasonal_naive": np.full(6, 5.0), "theta": np.array([5, 5.2, 4.9, 5, 5.1, 4.8])}

    assert verdict.verdict({**LOSSES, "theta": noisy}, 2, 0.05).text == "no better than the mean"
    assert verdict.verdict(seasonal, 2, 0.05).text == "no better than the seasonal naive"


@pytest.mark.parametrize("count", [1, 2])
def test_two_windows_tell_nothing(count: int) -> None:
    losses = {**{k: v[:count] for k, v in LOSSES.items()}, "theta": np.full(count, 0.1)}
    judged = verdict.verdict(losses, 2, 0.05)

    assert judged.text == "too short to tell"
    assert math.isnan(judged.p_value)


def _verdicts(series: list[Floats]) -> list[str]:
    parameters = ForecastParameters()
    return [champion(backtest("t", 0.1, history(values), QUICK, parameters))["verdict"] for values in series]


def test_pure_noise_is_called_forecastable_no_more_often_than_the_level_of_the_test_allows() -> None:
    noise = [np.random.default_rng(seed).poisson(20, 120).astype(np.float64) for seed in range(40)]

    # 2 in 40 are expected at most; more than 5 in 40 has a probability below 1.4 % then.
    assert _verdicts(noise).count("forecastable") <= 5


def test_a_weekly_pattern_is_found() -> None:
    seasonal = [weekly_pattern(100, 120, seed) for seed in range(10)]
    verdicts = _verdicts(seasonal)

    assert verdicts.count("forecastable") >= 6
    assert "no better than the mean" not in verdicts


# --- intervals


@given(st.floats(0.01, 4.9), st.floats(0.1, 5.0))
def test_a_count_interval_holds_at_least_its_share_of_such_counts(mean: float, error: float) -> None:
    assume(error**2 >= mean / 2)
    variance = max(error**2, mean * (1 + 1e-6))
    size = mean**2 / (variance - mean)
    for level in intervals.LEVELS:
        (lower,), (upper,) = intervals.count_interval(np.array([mean]), error, level)
        law = stats.nbinom(size, size / (size + mean))
        assert law.cdf(upper) - law.cdf(lower - 1) >= level - 1e-6


@pytest.mark.parametrize(("most", "share"), [(1, 0.99), (2, 0.95), (4, 0.9), (5, 0.7)])
def test_counts_that_keep_to_a_schedule_have_the_interval_of_a_schedule(most: int, share: float) -> None:
    law = stats.binom(most, share)  # so many are planned a day, and nearly all of them come

    for level in intervals.LEVELS:
        (lower,), (upper,) = intervals.count_interval(np.array([law.mean()]), law.std(), level)
        assert law.cdf(upper) - law.cdf(lower - 1) >= level
        assert (
            upper - lower < stats.poisson(law.mean()).interval(level)[1] - stats.poisson(law.mean()).interval(level)[0]
        )


@given(st.floats(0.0, 4.9))
def test_the_upper_end_of_a_count_interval_never_falls_as_errors_grow(mean: float) -> None:
    errors = [0.1, 0.3, 0.6, 1, 2, 5, 20, 40, 100, 1000]

    for level in intervals.LEVELS:
        uppers = [intervals.count_interval(np.array([mean]), error, level)[1][0] for error in errors]
        assert uppers == sorted(uppers)
        assert uppers[-1] > 100


@pytest.mark.parametrize("rate", [0.2, 0.3, 0.5])
def test_the_interval_around_a_forecast_of_nothing_still_holds_what_comes(rate: float) -> None:
    error = math.sqrt(rate)  # as large as the errors of such a forecast are
    upper = intervals.count_interval(np.array([0.0]), error, 0.95)[1][0]

    assert stats.poisson.cdf(upper, rate) >= 0.95


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20), st.floats(0, 1e5), st.booleans())
def test_an_interval_is_never_below_zero_holds_the_forecast_and_widens_with_its_level(
    expected: list[float], error: float, is_small: bool
) -> None:
    widths = intervals.half_width({}, len(expected), np.ones(2))
    found = intervals.interval(np.array(expected), widths, error, is_small=is_small)

    for ends in found.values():
        assert (ends[0] >= 0).all()
        assert (ends[0] <= expected).all()
        assert (ends[1] >= expected).all()
    assert (found[0.95][1] >= found[0.8][1]).all()


def test_few_scores_of_a_step_give_way_to_those_of_all_steps_then_to_the_normal_law() -> None:
    known = {1: (150, (1.0, 2.0)), 2: (3, (9.0, 9.0)), 0: (300, (1.5, 3.0))}

    assert intervals.half_width(known, 2, np.ones(2)).tolist() == [[1.0, 2.0], [1.5, 3.0]]
    assert intervals.half_width({}, 1, np.ones(2))[0].tolist() == pytest.approx([1.2816, 1.96], abs=1e-3)


def test_a_terms_own_errors_widen_its_intervals_the_more_windows_there_are() -> None:
    known = {0: (300, (1.0, 2.0))}
    twice = np.full((3, 14), 4.0)

    few, many = intervals.widening(known, twice), intervals.widening(known, np.tile(twice, (20, 1)))

    assert (few > 1).all()
    assert (few < many).all()
    assert (many < [4.0, 2.0]).all()
    assert intervals.widening(known, np.full((0, 14), 1.0)).tolist() == [1.0, 1.0]


def test_few_days_without_a_backtest_make_intervals_that_hold_what_they_say() -> None:
    random = np.random.default_rng(4)
    inside = []
    for _ in range(1000):
        values = random.normal(100, 10, 18 + 14)
        error = intervals.unmeasured_error(values[:18], DAY)
        widths = intervals.half_width({}, 14, np.ones(2))
        found = intervals.interval(np.full(14, values[:18].mean()), widths, error, is_small=False)
        inside.append([((lower <= values[18:]) & (values[18:] <= upper)).mean() for lower, upper in found.values()])

    assert np.mean(inside, axis=0) == pytest.approx(intervals.LEVELS, abs=0.015)


# --- the backtest


def test_windows_end_with_the_series_and_leave_enough_to_learn_from() -> None:
    known = np.ones(100, dtype=bool)
    assert Windows.of(known, ForecastParameters(horizon=14, step=7, windows=3)).cutoffs == (
        72,
        79,
        86,
    )
    assert Windows.of(known[:42], ForecastParameters(horizon=14, step=7, windows=6)).cutoffs == (
        14,
        21,
        28,
    )
    assert Windows.of(known[:27], ForecastParameters(horizon=14)).cutoffs == ()


def test_a_backtest_never_sees_what_it_forecasts() -> None:
    seen: list[tuple[int, date]] = []

    @dataclass(frozen=True)
    class Spy:
        name: str = "spy"

        def suits(self, history: History) -> bool:
            return True

        def forecast(self, history: History, horizon: int) -> Floats:
            seen.append((len(history.values), history.last_date))
            assert history.values[-1] == len(history.values) - 1
            return np.full(horizon, history.values[-1])

    backtest("t", 1.0, history(range(60)), c.chosen(["spy"], [Spy()]), ForecastParameters(windows=2))

    assert seen == [(39, SUNDAY - timedelta(days=21)), (46, SUNDAY - timedelta(days=14))]


def test_a_form_is_chosen_once_by_what_was_known_at_the_first_cutoff() -> None:
    values = weekly_pattern(100, 120, 5)
    cutoffs = Backtest.prepared(history(values), ForecastParameters()).cutoffs
    first = values[: cutoffs[0]]

    def ets(chosen: str, season: int = 7) -> models.AutoETS:
        return models.AutoETS(season_length=season, model=chosen[:3], damped=chosen[3] != "N")

    plain = models.AutoETS(season_length=1, model="ZZN")
    trend = models.MSTL(season_length=7, trend_forecaster=plain).fit(first).trend_forecaster.model_["components"]
    forms = {
        "ets": ets(models.AutoETS(season_length=7).fit(first).model_["components"]),
        "ces": models.AutoCES(season_length=7, model=models.AutoCES(season_length=7).fit(first).model_["seasontype"]),
        "mstl": models.MSTL(season_length=7, trend_forecaster=ets(trend, 1)),
    }

    found = backtested(history(values), c.chosen([*forms]), ForecastParameters()).forecasts

    for name, form in forms.items():
        for window, cutoff in enumerate(cutoffs):
            np.testing.assert_allclose(found[name][window], form.forecast(y=values[:cutoff], h=14)["mean"])


def test_where_the_form_fails_later_it_is_chosen_anew() -> None:
    (ets,) = [item for name, item in c.chosen(["ets"]).items() if name == "ets"]
    growing = np.linspace(100, 300, 60) * np.tile([1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8, 1.3, 1.2, 1.1], 6)
    settled = ets.settled(history(growing))
    with_zeros = history(np.concatenate([growing, np.zeros(30)]))

    assert isinstance(settled, c.Settled)
    assert np.isfinite(settled.forecast(with_zeros, 14)).all()


def test_a_backtest_adds_up_to_what_plain_python_says() -> None:
    values = weekly_pattern(30, 60, 5)
    rows = backtest("t", 0.25, history(values), c.chosen([]), ForecastParameters(windows=2))
    mean = next(row for row in rows if row["candidate"] == "historic_mean")

    errors = [[abs(values[:cutoff].mean() - actual) for actual in values[cutoff : cutoff + 14]] for cutoff in (39, 46)]
    assert mean["absolute_error"] == pytest.approx(sum(map(sum, errors)))
    assert mean["loss_ratio"] == 1.0
    naive = next(row for row in rows if row["candidate"] == "naive")
    assert naive["loss_ratio"] == pytest.approx(naive["absolute_error"] / mean["absolute_error"])
    assert mean["actual"] == values[39:53].sum() + values[46:60].sum()
    # The errors of the first half of the windows make the scale that the others are measured with.
    assert (mean["window_count"], mean["share_ratio"]) == (2, 0.25)
    assert next(row for row in rows if row["candidate"] == SELECTION)["score_count"] == 14
    assert {row["candidate"] for row in rows} == {*c.BASELINES, SELECTION}


def test_an_intervals_width_is_measured_by_what_was_known_at_its_cutoff() -> None:
    values = weekly_pattern(30, 120, 5)
    test = backtested(history(values), c.chosen([]), ForecastParameters())
    naive = _spread(test, test.forecasts["naive"])

    # Six windows a week apart, two weeks long: before the fourth, two were over. The first three only make scales.
    cutoffs = [71, 78, 85, 92, 99, 106]
    errors = [np.abs(values[cutoff : cutoff + 14] - values[cutoff - 1]) for cutoff in cutoffs]
    expected = []
    for number, over in ((3, 2), (4, 3), (5, 4)):
        prior = intervals.prior_variance(values[: cutoffs[number]], DAY)
        scale = math.sqrt(np.mean([prior, *((errors[i] ** 2).mean() for i in range(over))]))
        expected += (errors[number] / scale).tolist()
    assert naive["scores"] == pytest.approx(expected)
    assert naive["score_count"] == 42


NASTY = {
    "constant": np.full(100, 7.0),
    "all zero": np.zeros(100),
    "nothing": np.array([]),
    "one point": np.array([3.0]),
    "two points": np.array([3.0, 4.0]),
    "a gap": np.where(np.arange(100) % 50 < 25, 5.0, np.nan),
    "all missing": np.full(100, np.nan),
    "huge": np.where(np.arange(100) == 50, 1e300, 5.0),
    "large counts": np.random.default_rng(0).poisson(1e9, 100).astype(np.float64),
    "negative": np.where(np.arange(100) % 9 == 0, -4.0, 6.0),
    "infinite": np.where(np.arange(100) == 99, np.inf, 6.0),
    "one spike": np.where(np.arange(100) == 99, 1e6, 0.0),
    "only today": np.append(np.zeros(99), 1.0),
}


@pytest.mark.parametrize("name", NASTY)
def test_an_odd_series_falls_back_and_never_fails(name: str) -> None:
    model = shared.SharedAutoregression(tuple([(0.1,) * 29] * 14))
    candidates = c.chosen(CANDIDATES, [model])
    rows = backtest(name, 0.0, history(NASTY[name]), candidates, ForecastParameters())
    best = champion(rows)

    assert all(set(row) == {part.split()[0] for part in ROW.split(", ")} for row in rows)
    assert set(best["weights"]) <= set(candidates)
    assert sum(best["weights"].values()) == pytest.approx(1.0)
    assert math.isfinite(best["typical_error"])
    assert best["typical_error"] > 0
    if name in ("huge", "negative", "infinite"):
        assert "interpolated" in best["reason"]
    if name in ("a gap", "all missing"):
        assert "periods without any delivery: left out" in best["reason"]
    if name in ("nothing", "one point", "two points"):
        assert "periods, a backtest needs 28" in best["reason"]
        assert best["verdict"] == "too short to tell"
    known, _, _ = mended(history(NASTY[name]))
    if len(known):
        by_name, _ = c.forecasts(history(known), 14, c.with_members(best["weights"], candidates))
        assert np.isfinite(weights.blend(best["weights"], by_name)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"horizon": 0}, "train: --horizon must be at least 1, got 0"),
        ({"windows": -1}, "train: --windows must be at least 1, got -1"),
        ({"floor_count": -1}, "train: --floor must be at least 0, got -1"),
        ({"history_periods": 1}, "train: --history must be at least 2, got 1"),
        ({"frequency": "month"}, "train: --frequency is day or week, got month"),
        ({"alpha": 1.0}, "train: --alpha is between 0 and 1, got 1.0"),
    ],
)
def test_parameters_that_make_no_sense_are_wrong_usage(wrong: dict, message: str) -> None:
    with pytest.raises(UsageError) as error:
        ForecastParameters(**wrong)
    assert str(error.value) == message


def test_the_candidate_of_the_documentation_works() -> None:
    page = (PROJECT / "docs" / "forecasting.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Drift" in block]
    names: dict[str, Any] = {"dataclass": dataclass, "History": History, "Floats": Floats, "np": np}
    exec(code, names)

    made, _ = c.forecasts(history([1.0, 3.0, 5.0]), 2, c.chosen(["drift"], [names["Drift"]()]))

    assert made["drift"].tolist() == [7.0, 9.0]


def test_every_candidate_has_a_name_that_the_command_line_knows() -> None:
    assert set(CANDIDATES) == {*c.DEFAULT_CANDIDATES, c.SHARED}
