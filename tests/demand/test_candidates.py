"""Forecasting methods: numpy only, no Spark."""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from statsforecast import models

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import shared_autoregression as shared
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.stepwise_ets import StepwiseETS
from search_forecast.errors import UsageError
from search_forecast.parameters import CANDIDATES
from support.places import PROJECT
from support.series import WEEKDAYS, history, weekly_pattern


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


@pytest.mark.parametrize("growth", [0.0, 2.0])
def test_exponential_smoothing_looks_for_a_trend_where_season_and_error_are_best_without(growth: float) -> None:
    values = weekly_pattern(100, 120, 5) + growth * np.arange(120)

    def least(forms: list[str], *damped: bool) -> models.AutoETS:
        fitted = [models.AutoETS(7, model=form, damped=damp).fit(values) for form in forms for damp in damped]
        return min(fitted, key=lambda item: item.model_["aicc"])

    flat = least(["ANN", "MNN", "ANA", "MNA", "MNM"], False)
    error, _, season, _ = flat.model_["components"]
    trending = least([f"{error}A{season}"], True, False)
    best = min(flat, trending, key=lambda item: item.model_["aicc"])

    assert (best is trending) == (growth > 0)
    assert StepwiseETS(7).fit(values).model_["components"] == best.model_["components"]
    np.testing.assert_allclose(StepwiseETS(7).forecast(y=values, h=14)["mean"], best.predict(14)["mean"])


@pytest.mark.parametrize("values", [np.full(60, 3.0), np.zeros(60), np.tile([0.0, 0, 5], 20), np.arange(12.0)])
def test_of_an_odd_series_exponential_smoothing_forecasts_too(values: Floats) -> None:
    assert np.isfinite(StepwiseETS(7 if len(values) > 14 else 1).forecast(values, 14)["mean"]).all()


def test_the_candidate_of_the_documentation_works() -> None:
    page = (PROJECT / "docs" / "forecasting.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Drift" in block]
    names: dict[str, Any] = {"dataclass": dataclass, "History": History, "Floats": Floats, "np": np}
    exec(code, names)

    made, _ = c.forecasts(history([1.0, 3.0, 5.0]), 2, c.chosen(["drift"], [names["Drift"]()]))

    assert made["drift"].tolist() == [7.0, 9.0]


def test_every_candidate_has_a_name_that_the_command_line_knows() -> None:
    assert set(CANDIDATES) == {*c.DEFAULT_CANDIDATES, c.SHARED}
