"""What forecasts a term, and what is odd in a series: numpy only, no Spark."""

import re
from datetime import date

import numpy as np
import pytest

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import forecasts, weights
from search_forecast.demand.forecasting.assessment import SELECTION, assessed, learnt
from search_forecast.demand.forecasting.backtest import Backtest, backtested
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.mending import fresh_jump, jump, mended
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.parameters import ForecastParameters

DAY = FREQUENCIES["day"]
SUNDAY = date(2025, 6, 29)
WEEK = np.array([1.6, 1.2, 1.1, 1.0, 0.9, 0.3, 0.4])
CANDIDATES = c.chosen(["theta"])
NONE = weights.Pooled({})


def noise(level: float, days: int, seed: int) -> Floats:
    return np.random.default_rng(seed).poisson(level, days).astype(np.float64)


def weekly(level: float, days: int, seed: int) -> Floats:
    return np.random.default_rng(seed).poisson(level * WEEK[np.arange(days) % 7]).astype(np.float64)


def history(values: Floats) -> History:
    return History(values, SUNDAY, DAY)


def backtest_of(values: Floats) -> Backtest:
    return backtested(history(values), CANDIDATES, ForecastParameters())


def pooled(tests: list[Backtest]) -> weights.Pooled:
    ratios = [weights.log_ratios(test.losses, is_small=test.is_small) for test in tests]
    means = {name: float(np.mean([ratio[name] for ratio in ratios])) for name in ratios[0]}
    return weights.Pooled(means, float(np.std([1 - np.exp(-ratio[c.MEAN]) for ratio in ratios])))


def forecast(values: Floats, weighted: dict[str, float], horizon: int = 14) -> dict:
    champion = forecasts.Champion(weighted, 5.0, False, np.ones(2))
    forecaster = forecasts.Forecaster(SUNDAY, DAY, CANDIDATES, {})
    return forecasts._forecast(forecaster, forecaster.history(values, "t"), champion, horizon)


def test_of_noise_the_mean_remains() -> None:
    tests = [backtest_of(noise(30, 120, seed)) for seed in range(20)]
    all_terms = pooled(tests)

    of_mean = [learnt(test, all_terms)[0].get(c.MEAN, 0.0) for test in tests]

    assert np.mean(of_mean) > 0.9


def test_of_noise_beside_terms_that_can_be_forecast_the_mean_remains_too() -> None:
    known = [backtest_of(weekly(100, 120, seed)) for seed in range(6)]
    lone = [backtest_of(noise(30, 120, seed)) for seed in range(6)]
    all_terms = pooled([*known, *lone])

    assert np.mean([learnt(test, all_terms)[0].get(c.MEAN, 0.0) for test in lone]) > 0.7
    assert max(learnt(test, all_terms)[0].get(c.MEAN, 0.0) for test in known) < 0.05


def test_where_weeks_matter_the_weights_go_to_what_knows_them_even_for_a_term_too_short_to_tell() -> None:
    all_terms = pooled([backtest_of(weekly(50, 120, seed)) for seed in range(6)])
    short, _ = learnt(backtest_of(weekly(50, 30, 9)), all_terms)

    assert all_terms.log_ratios["seasonal_naive"] < all_terms.log_ratios[c.MEAN]
    assert short.get(c.MEAN, 0.0) < 0.1
    assert learnt(backtest_of(weekly(50, 30, 9)), NONE)[0] == {c.MEAN: 1.0}


def test_half_of_the_evidence_is_the_terms_own() -> None:
    others = {"theta": 0.0, "naive": 0.3, c.MEAN: 0.3}
    own = {"theta": 0.3, "naive": 0.0, c.MEAN: 1.0}

    alone, borrowed = (weights.among_candidates(own, weights.Pooled(pool)) for pool in (own, others))

    assert alone["naive"] > 0.99
    assert 0.05 < borrowed["theta"] < 0.95
    assert sum(borrowed.values()) == pytest.approx(1.0)


def test_weights_that_hardly_count_are_left_out_and_the_forecast_says_what_it_is_made_of() -> None:
    assert weights.pruned({"a": 0.6, "b": 0.39, "c": 0.01}) == pytest.approx({"a": 60 / 99, "b": 39 / 99})
    assert weights.made_of({"a": 0.606, "b": 0.394}) == "a 61 %, b 39 %"
    assert weights.made_of({c.MEAN: 0.97, "b": 0.03}) == c.MEAN


def test_what_the_weighted_forecast_is_worth_is_measured_on_windows_that_it_was_not_learnt_from() -> None:
    test = backtest_of(weekly(50, 120, 1))
    rows = assessed("t", 0.1, test, pooled([test]), {"naive": 0.5, "theta": 0.5})
    selection = next(row for row in rows if row["candidate"] == SELECTION)

    naive_and_theta = (test.forecasts["naive"] + test.forecasts["theta"]) / 2
    expected = test.loss(naive_and_theta).mean() / test.losses[c.MEAN].mean()
    assert selection["champion_loss_ratio"] == pytest.approx(expected)
    assert selection["is_untried"] is False
    assert sum(row["weight_ratio"] or 0.0 for row in rows) == pytest.approx(1.0)
    assert selection["chosen_loss_ratio"] < 1.0


def test_a_champion_is_measured_as_it_forecasts_without_a_candidate_that_gives_none() -> None:
    values, weighted = weekly(50, 120, 1), {"seasonal_naive": 0.5, "croston": 0.5}  # croston is for many zeros
    test = backtested(history(values), c.chosen(["croston"]), ForecastParameters())

    measured = assessed("t", 0.1, test, NONE, weighted)[0]["champion_loss_ratio"]

    np.testing.assert_array_equal(forecast(values, weighted)["forecast"], np.tile(values[-7:], 2))
    assert measured == pytest.approx(test.losses["seasonal_naive"].mean() / test.losses[c.MEAN].mean())


def test_a_champion_of_candidates_that_were_not_tried_says_nothing() -> None:
    rows = assessed("t", 0.1, backtest_of(noise(30, 120, 1)), NONE, {"prophet": 1.0})

    assert (rows[0]["is_untried"], rows[0]["champion_loss_ratio"]) == (True, None)


def test_a_gap_is_filled_from_the_same_weekday_and_left_out_of_the_errors() -> None:
    values = np.tile(WEEK * 10, 16)
    with_gap = values.copy()
    with_gap[80:101] = np.nan

    test = backtest_of(with_gap)

    np.testing.assert_allclose(test.history.values, values)
    assert test.mending == "21 of 112 periods without any delivery: left out"
    assert np.isnan(test.actual).sum() > 0
    assert np.allclose(test.losses["seasonal_naive"], 0.0)


def test_an_outlier_is_no_demand_but_a_burst_of_a_term_that_is_hardly_searched_is() -> None:
    values = noise(20, 120, 3)
    spiked = values.copy()
    spiked[100] = 5000.0
    sparse = np.zeros(100)
    sparse[::10], sparse[55] = 1.0, 80.0

    filled, is_good, sentence = mended(history(spiked))

    assert filled[100] == pytest.approx(values[[93, 107]].mean())
    assert (~is_good).sum() == 1
    assert "1 of 120 values are outliers (up to 5,000): interpolated" in str(sentence)
    assert mended(history(values))[2] is None
    assert mended(history(sparse))[2] is None


def with_counts(values: Floats, counts: dict[int, float]) -> Floats:
    changed = values.copy()
    for place, count in counts.items():
        changed[place] = count
    return changed


@pytest.mark.parametrize(
    ("odd", "outliers"),
    [
        ({40: 5000.0, 100: 4000.0}, [40, 100]),  # two spikes, and neither hides the other
        ({40: 5000.0, 41: 900.0, 42: 300.0, 110: 250.0}, [40, 41, 42, 110]),
        ({119: 5000.0}, [119]),
        (dict.fromkeys(range(115, 120), 300.0), []),  # may be a new level
        ({60: 5000.0, **dict.fromkeys(range(115, 120), 300.0)}, [60]),
        (dict.fromkeys(range(60, 67), 400.0), []),  # a week of it is a campaign, no mistake
        (dict.fromkeys(range(5, 120, 10), 400.0), []),  # what comes so often is demand
        ({60: 90.0}, []),
    ],
)
def test_a_spike_is_an_outlier_where_it_is_large_short_and_rare(odd: dict[int, float], outliers: list[int]) -> None:
    _, is_good, _ = mended(history(with_counts(noise(20, 120, 3), odd)))

    assert np.flatnonzero(~is_good).tolist() == outliers


def test_a_level_that_jumped_twenty_days_ago_is_forecast_near_the_new_one_and_said() -> None:
    values = np.concatenate([noise(10, 100, 4), noise(40, 20, 5)])

    rows = assessed("t", 0.1, backtest_of(values), NONE)
    row = forecast(values, rows[0]["weights"])

    assert "the level jumped from about 10 to 4" in rows[0]["reason"]
    assert 34 < row["forecast"].mean() < 46
    assert row["mean_forecast"].mean() == pytest.approx(values.mean())


def test_a_level_that_fell_a_month_ago_is_forecast_near_the_new_one_and_said() -> None:
    values = np.concatenate([weekly(90, 105, 4), weekly(30, 30, 5)])

    rows = assessed("t", 0.1, backtest_of(values), NONE)

    assert re.search(r"the level jumped from about (8|9)\d to (2|3)\d (29|30|31) periods ago", rows[0]["reason"])
    assert 25 < forecast(values, rows[0]["weights"])["forecast"].mean() < 36


def test_a_quiet_weekend_ahead_is_not_taken_for_the_level_before_a_jump() -> None:
    until_friday = np.concatenate([weekly(20, 161, 4), weekly(80, 40, 5)[:33]])  # from a Monday on

    row = forecast(until_friday, {"seasonal_naive": 1.0}, 2)

    assert jump(history(until_friday)) is not None
    assert row["candidate"] == "seasonal_naive"
    assert row["forecast"] == pytest.approx([24, 32], rel=0.4)


def test_what_forecasts_nothing_has_seen_that_a_season_ended() -> None:
    ended = np.zeros(28)
    ended[[3, 12]] = 2.0
    values = np.concatenate([noise(9, 100, 4), ended])

    assert jump(history(values)) is not None
    assert forecast(values, {"naive": 1.0})["candidate"] == "naive"
    assert forecast(values, {c.MEAN: 1.0})["candidate"] == forecasts.NEW_LEVEL


@pytest.mark.parametrize(("before", "after"), [(10, 40), (40, 8)])
def test_a_level_that_changed_five_days_ago_is_said_though_nobody_knows_whether_it_stays(
    before: float, after: float
) -> None:
    values = np.concatenate([noise(before, 100, 4), noise(after, 5, 5)])

    reason = assessed("t", 0.1, backtest_of(values), NONE)[0]["reason"]

    said = re.fullmatch(r"the last 5 periods are unusual: about (\d+), about (\d+) before: too few .* it stays", reason)
    assert said is not None
    assert [int(number) for number in said.groups()] == pytest.approx([after, before], rel=0.2)


@pytest.mark.parametrize(
    "values", [noise(20, 200, 1), weekly(100, 200, 2), np.linspace(10, 60, 200), np.full(100, 3.0)]
)
def test_noise_weeks_and_a_trend_are_no_jump(values: Floats) -> None:
    assert jump(history(values)) is None
    assert fresh_jump(history(values)) is None


def test_a_level_to_which_a_restless_term_has_gone_before_is_no_jump() -> None:
    stretches = [noise(10, 60, 1), noise(44, 30, 2), noise(10, 60, 3), noise(40, 20, 4)]

    assert jump(history(np.concatenate(stretches[2:]))) is not None
    assert jump(history(np.concatenate(stretches))) is None


@pytest.mark.parametrize("growth", [0.0, 0.25])
def test_a_peak_of_every_year_is_no_jump_however_much_demand_grows(growth: float) -> None:
    days = np.arange(730 + 60)
    of_year = np.where((days % 365 >= 20) & (days % 365 < 55), 3.0, 1.0)
    grown = 200 * (1 + growth) ** (days // 365)  # so that each year's change is the largest there ever was
    values = np.random.default_rng(7).poisson(grown * WEEK[days % 7] * of_year).astype(np.float64)

    found = [jump(history(values[until - 730 : until])) for until in range(730 + 20, 730 + 60, 2)]

    assert found == [None] * 20
    first = [jump(history(values[365 + 250 : until])) for until in range(730 + 36, 730 + 52, 2)]
    assert any(first)  # of a shop of three months nobody knows that it comes every year
