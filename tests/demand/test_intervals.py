"""Intervals around forecasts."""

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from scipy import stats

from search_forecast.demand.forecasting import calibration, intervals
from search_forecast.demand.forecasting.candidates import chosen
from search_forecast.demand.forecasting.forecasts import Forecaster
from search_forecast.demand.forecasting.forecasts import _forecast as forecast
from support.series import DAY


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


def test_a_term_that_errs_by_the_same_each_day_has_no_95_interval_inside_its_80() -> None:
    known = {1: (120, (1.2, 1.5)), 0: (600, (1.0, 2.0))}
    always_alike = np.full((30, 1), 1.1)

    widths = intervals.half_width(known, 1, intervals.widening(known, always_alike))

    assert widths[0, 0] <= widths[0, 1]


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


def test_terms_that_are_always_the_same_leave_the_others_their_intervals(spark: SparkSession) -> None:
    noisy = np.abs(np.random.default_rng(3).normal(size=(3, 12 * 7)))
    rows = [*noisy.tolist(), *[[0.0] * 84] * 5, *[[1e-9] * 84] * 2]  # more than half never err
    assessed = spark.createDataFrame([(scores, 84) for scores in rows], "scores array<double>, score_count bigint")

    learnt = calibration.multipliers(assessed, 7)[-1]

    own = intervals.widening(learnt, noisy[0].reshape(-1, 7))
    assert intervals.half_width(learnt, 7, own).mean(axis=0) == pytest.approx([1.28, 1.96], rel=0.25)


@pytest.mark.parametrize("counts", [[8.0], [8.0, *[math.nan] * 60], [*[math.nan] * 60, 8.0]])
def test_days_that_were_filled_in_make_no_interval_narrower(counts: list[float]) -> None:
    made = Forecaster(date(2026, 1, 1), DAY, chosen(["historic_mean"]), {})

    rows = forecast(made, made.history(counts, "mop"), None, 1)

    assert rows["upper_95"][0] - rows["lower_95"][0] > 2 * math.sqrt(8)
