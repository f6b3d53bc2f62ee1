"""Monitoring of simulated shops: what the docstring of rule.py states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, nbinom

from search_forecast.demand.monitoring.accuracy import first_windows, forecast_accuracy
from search_forecast.demand.monitoring.drift import window_mixes
from search_forecast.demand.monitoring.rule import ForecastWindow, needs_retrain
from search_forecast.lakehouse import contracts
from support.monitored import PARAMETERS, SCORED_AT, Counts, counts_of, day, drift_of_rows, totals_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


DRIFT_FALSE_ALARM_RATE = 0.01
ACCURACY_FALSE_ALARM_RATE = 0.03
TERMS, TRAINING_DAYS, WINDOWS = 12, 182, 100
SHARES = (1 / np.arange(1, TERMS + 1)) / (1 / np.arange(1, TERMS + 1)).sum()
WEEKDAYS = np.array([98, 95, 94, 97, 105, 112, 99]) / 100
SHOPS = [pytest.param(1000, id="a shop"), pytest.param(30, id="a small shop")]


def shop(seed: int, per_day: float, days: int, shift_on: int | None = None) -> Any:
    """Counts, days x terms: nothing changes but by weekday and chance, unless from `shift_on` on.

    Chance: all terms of a day share a factor (sd 10 %), each has one of its own (gamma, sd 22 %: the counts are
    negative binomial), and each term has weekdays of its own (up to 15 % more or less). The shift: the third term
    triples, the fifth vanishes.
    """
    rng = np.random.default_rng(seed)
    tilt = 1 + 0.15 * rng.uniform(-1, 1, (7, TERMS))
    expected = per_day * SHARES * (WEEKDAYS[:, None] * tilt)[np.arange(days) % 7]
    if shift_on is not None:
        expected[shift_on:, 2] *= 3
        expected[shift_on:, 4] = 0
    expected *= rng.lognormal(-0.005, 0.1, days)[:, None]
    return rng.poisson(expected * rng.gamma(20, 1 / 20, (days, TERMS)))


def by_term(counts: Any) -> Counts:
    return {f"term {i:02}": counts[:, i].tolist() for i in range(counts.shape[1])}


def weekly_forecasts(spark: SparkSession, counts: Any) -> DataFrame:
    """Each week's forecasts by two champions: 1 the mean of each weekday, 2 the mean of the last four weeks.

    The intervals are quantiles of negative binomials of the variance that the term had so far.
    """
    frames = []
    for made_on in range(TRAINING_DAYS - 1, len(counts) - 7, 7):
        history = counts[: made_on + 1]
        mean = np.tile(history.mean(axis=0), (7, 1))
        by_weekday = np.array([history[(made_on + 1 + i) % 7 :: 7].mean(axis=0) for i in range(7)])
        recent = np.tile(history[-28:].mean(axis=0), (7, 1))
        excess = np.maximum((history.var(axis=0) - mean[0]) / mean[0] ** 2, 1e-6)
        for version, forecast in ((1, by_weekday), (2, recent)):
            lower, upper = (nbinom.ppf(q, 1 / excess, 1 / (1 + excess * forecast)) for q in (0.025, 0.975))
            days, terms = (axis.ravel() for axis in np.indices(forecast.shape))
            columns = {
                "term": [f"term {i:02}" for i in terms],
                "target_date": [day(made_on + 1 + int(i)) for i in days],
                "model_version": version,
                "interval_level": 0.95,
                "made_on_date": day(made_on),
                "horizon_days": days + 1,
                "forecast": forecast.ravel(),
                "lower": np.minimum(lower, forecast).ravel(),
                "upper": np.maximum(upper, forecast).ravel(),
                "mean_forecast": mean.ravel(),
                "candidate": "simulated",
                "model_name": "search_demand",
                "events": None,
                "scored_at": SCORED_AT,
            }
            frames.append(pd.DataFrame(columns))
    return spark.createDataFrame(pd.concat(frames), contracts.TERM_FORECASTS.schema)


def verdicts(spark: SparkSession, counts: Any) -> dict[int, list[tuple[bool, str]]]:
    """What the rule says by accuracy alone after each week, for both champions."""
    known = by_term(counts)
    compared = forecast_accuracy(
        weekly_forecasts(spark, counts), counts_of(spark, known), totals_of(spark, known), day(len(counts) - 1)
    )
    local = spark.createDataFrame(compared.collect(), compared.schema)
    found = {}
    for version in (1, 2):
        rows = [ForecastWindow(**row.asDict()) for row in first_windows(local, version, WINDOWS).collect()][::-1]
        found[version] = [
            needs_retrain(rows[: i + 1], [], None, rows[i].last_target_date, PARAMETERS) for i in range(len(rows))
        ]
    return found


@pytest.mark.parametrize("per_day", SHOPS)
def test_where_nothing_shifts_drift_raises_no_more_false_alarms_than_stated(spark: SparkSession, per_day: int) -> None:
    counts = counts_of(spark, by_term(shop(1, per_day, TRAINING_DAYS + 7 * WINDOWS)))

    found = drift_of_rows(counts, TRAINING_DAYS, TRAINING_DAYS + 7 * WINDOWS - 1)

    assert len(found) == WINDOWS
    assert sum(drift.is_drifted for drift in found) <= DRIFT_FALSE_ALARM_RATE * WINDOWS
    # The p-value for itself is honest too, or nearly: it is the dispersion that makes it so.
    assert sum(drift.p_value < 0.001 for drift in found) <= 2


def test_without_dispersion_and_limits_most_windows_of_a_steady_shop_would_look_drifted(spark: SparkSession) -> None:
    counts = counts_of(spark, by_term(shop(1, 1000, TRAINING_DAYS + 70)))
    ends = (day(0), day(TRAINING_DAYS - 1))

    mixes = window_mixes(counts, *ends, day(TRAINING_DAYS + 69)).collect()

    textbook = [chi2.sf(mix["chi_square"], mix["term_count"] - 1) for mix in mixes]
    assert sum(p_value < PARAMETERS.drift_alpha for p_value in textbook) >= 8


@pytest.mark.parametrize("per_day", SHOPS)
def test_where_the_mix_shifts_the_first_or_second_full_window_says_so(spark: SparkSession, per_day: int) -> None:
    shift_on = TRAINING_DAYS + 7 * 10 + 3  # in the middle of the eleventh window
    counts = counts_of(spark, by_term(shop(2, per_day, TRAINING_DAYS + 7 * 13, shift_on)))

    found = drift_of_rows(counts, TRAINING_DAYS, TRAINING_DAYS + 7 * 13 - 1)

    assert not any(drift.is_drifted for drift in found[:10])
    assert any(drift.is_drifted for drift in found[11:13])


@pytest.mark.parametrize("per_day", SHOPS)
def test_where_nothing_shifts_accuracy_raises_no_more_false_alarms_than_stated(
    spark: SparkSession, per_day: int
) -> None:
    found = verdicts(spark, shop(3, per_day, TRAINING_DAYS + 7 * WINDOWS))

    for version, answers in found.items():
        assert len(answers) == WINDOWS
        alarms = [reason for is_needed, reason in answers if is_needed]
        assert len(alarms) <= ACCURACY_FALSE_ALARM_RATE * WINDOWS, (version, alarms)


def test_where_demand_doubles_the_intervals_say_so_after_two_forecasts(spark: SparkSession) -> None:
    counts = shop(4, 1000, TRAINING_DAYS + 7 * 6)
    counts[TRAINING_DAYS + 7 * 4 :] *= 2

    answers = verdicts(spark, counts)[1]

    assert [is_needed for is_needed, _ in answers] == [False] * 5 + [True]
    assert "the 95 % interval held less than 80%" in answers[-1][1]
