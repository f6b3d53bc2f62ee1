"""The backtest of one series: numpy only, no Spark."""

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pytest
from statsforecast import models

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import intervals, weights
from search_forecast.demand.forecasting import shared_autoregression as shared
from search_forecast.demand.forecasting.assessment import ROW, SELECTION, _spread
from search_forecast.demand.forecasting.backtest import Backtest, Windows, backtested
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.mending import mended
from search_forecast.demand.forecasting.stepwise_ets import StepwiseETS
from search_forecast.errors import UsageError
from search_forecast.parameters import CANDIDATES, ForecastParameters
from support.series import DAY, SUNDAY, backtest, champion, history, weekly_pattern


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


@pytest.mark.parametrize(("first", "count", "odd"), [(88, 7, math.nan), (80, 14, math.nan), (91, 1, 900.0)])
def test_what_came_after_a_cutoff_fills_no_day_before_it(first: int, count: int, odd: float) -> None:
    def forecasts(later: float) -> Floats:
        values = np.concatenate([weekly_pattern(20, 92, 5), weekly_pattern(later, 28, 6)])
        values[first : first + count] = odd
        return backtested(history(values), c.chosen(["theta"]), ForecastParameters()).forecasts

    low, high = forecasts(10), forecasts(60)

    for name in low:  # the first four windows begin on days 71 to 92
        np.testing.assert_allclose(low[name][:4], high[name][:4])


def test_a_form_is_chosen_once_by_what_was_known_at_the_first_cutoff() -> None:
    values = weekly_pattern(100, 120, 5)
    cutoffs = Backtest.prepared(history(values), ForecastParameters()).cutoffs
    first = values[: cutoffs[0]]

    def ets(chosen: str, season: int = 7) -> models.AutoETS:
        return models.AutoETS(season_length=season, model=chosen[:3], damped=chosen[3] != "N")

    plain = models.AutoETS(season_length=1, model="ZZN")
    trend = models.MSTL(season_length=7, trend_forecaster=plain).fit(first).trend_forecaster.model_["components"]
    forms = {
        "ets": ets(StepwiseETS(7).fit(first).model_["components"]),
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
        length = {"nothing": "0 periods", "one point": "1 period", "two points": "2 periods"}[name]
        assert f"{length}, a backtest needs 28" in best["reason"]
        assert best["verdict"] == "too short to tell"
    known, _, _ = mended(history(NASTY[name]))
    if len(known):
        by_name, _ = c.forecasts(history(known), 14, c.with_members(best["weights"], candidates))
        assert np.isfinite(weights.blend(best["weights"], by_name)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"horizon": 0}, "train: --horizon is from 1 to 366, got 0"),
        ({"windows": -1}, "train: --windows is from 1 to 366, got -1"),
        ({"floor_count": -1}, "train: --floor is from 0 to 2,147,483,647, got -1"),
        ({"history_periods": 1}, "train: --history is from 2 to 36,500, got 1"),
        ({"frequency": "month"}, "train: --frequency is day or week, got month"),
        ({"alpha": 1.0}, "train: --alpha is between 0 and 1, got 1.0"),
    ],
)
def test_parameters_that_make_no_sense_are_wrong_usage(wrong: dict, message: str) -> None:
    with pytest.raises(UsageError) as error:
        ForecastParameters(**wrong)
    assert str(error.value) == message
