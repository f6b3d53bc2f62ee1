from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from chispa import assert_approx_df_equality
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2, chi2_contingency, nbinom
from utilsforecast.losses import mase

from search_forecast.demand.monitor import monitor
from search_forecast.demand.monitoring.accuracy import first_windows, forecast_accuracy
from search_forecast.demand.monitoring.drift import Drift, drifts, ordinary_variation, reference, window_mixes
from search_forecast.demand.monitoring.rule import ForecastWindow, apart, needs_retrain
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse import contracts
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.parameters import MonitorParameters
from support.places import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

MONDAY = date(2026, 1, 5)
PARAMETERS = MonitorParameters()
Counts = dict[str, list[int]]  # of each term, from MONDAY on
Point = tuple[int, str, int, int, float, float, float, float]  # version, term, made, ahead, forecast, ends, mean


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def counts_of(spark: SparkSession, counts: Counts) -> DataFrame:
    rows = [(day(i), term, n) for term, values in counts.items() for i, n in enumerate(values) if n]
    return spark.createDataFrame(rows, contracts.DAILY_TERM_COUNTS.schema)


def totals_of(spark: SparkSession, counts: Counts, incomplete: tuple[int, ...] = ()) -> DataFrame:
    columns = list(zip(*counts.values(), strict=True))
    rows = [(day(i), sum(c), sum(n > 0 for n in c), i not in incomplete) for i, c in enumerate(columns)]
    return spark.createDataFrame(rows, contracts.DAILY_TOTALS.schema)


def forecasts_of(spark: SparkSession, points: list[Point], levels: tuple[float, ...] = (0.8, 0.95)) -> DataFrame:
    rows = []
    for version, term, made, ahead, forecast, lower, upper, mean in points:
        for level in levels:
            ends = (lower, upper) if level == 0.95 else (forecast, forecast)
            dates = (day(made + ahead), version, level, day(made), ahead)
            rows.append((term, *dates, forecast, *ends, mean, "theta", "search_demand", None))
    return spark.createDataFrame(rows, contracts.TERM_FORECASTS.schema)


def made(
    term: str, made_on: int, horizon: int, *, version: int = 1, step: int = 1, forecast: float = 5.0
) -> list[Point]:
    """Forecasts that differ by day, so that a mix-up of days shows."""
    return [
        (version, term, made_on, ahead, forecast + ahead / 8, forecast - 2, forecast + 3, forecast - ahead / 4)
        for ahead in range(step, horizon + 1, step)
    ]


def expected_row(points: list[Point], series: Mapping[str, list[int]], window: str, step: int = 1) -> tuple[Any, ...]:
    """A row of forecast_accuracy in plain Python and utilsforecast.

    Args:
        points: forecasts of one version and day, (total) not among them.
        series: counts of each term from its first search's place in the calendar on, zeros before it.
        window: days ahead.
        step: days in a period.
    """
    first, last = map(int, window.split("-"))
    version, made_on = points[0][0], points[0][2]
    inside = [p for p in points if first <= p[3] <= last]
    came = {(p[1], p[3]): sum(series[p[1]][made_on + p[3] : made_on + p[3] + step]) for p in inside}
    error = sum(abs(p[4] - came[p[1], p[3]]) for p in inside)
    mean_error = sum(abs(p[7] - came[p[1], p[3]]) for p in inside)
    total = sum(came.values())
    covered = [p[5] <= came[p[1], p[3]] <= p[6] for p in inside]
    wape, mean_wape = (error / total, mean_error / total) if total else (None, None)
    scaled = []
    for term in sorted({p[1] for p in inside}):
        values = series[term]
        start = next((i for i, n in enumerate(values) if n), None)
        if start is None:
            continue
        begin = start - start % step
        history = [sum(values[i : i + step]) for i in range(begin, made_on + 1, step)]
        season = 52 if step == 7 else 7
        season = season if len(history) > season else 1
        test = pd.DataFrame([(term, p[3], came[term, p[3]], p[4]) for p in inside if p[1] == term])
        test.columns = ["unique_id", "ds", "y", "model"]
        train = pd.DataFrame({"unique_id": term, "ds": range(len(history)), "y": history})
        moves = [abs(b - a) for a, b in zip(history, history[season:], strict=False)]
        if any(moves):
            scaled.append(float(mase(test, ["model"], season, train)["model"].iloc[0]))
    return (
        version,
        day(made_on),
        window,
        day(made_on + min(p[3] for p in inside)),
        day(made_on + max(p[3] for p in inside) + step - 1),
        len({p[1] for p in inside}),
        total,
        wape,
        mean_wape,
        sum(scaled) / len(scaled) if scaled else None,
        sum(covered) / len(covered),
        1 - wape / mean_wape if mean_wape else None,
    )


def assert_accuracy(spark: SparkSession, actual: DataFrame, rows: list[tuple[Any, ...]]) -> None:
    contracts.FORECAST_ACCURACY.check(actual)
    shown = actual.select(*contracts.FORECAST_ACCURACY.schema.names)
    assert_approx_df_equality(shown, spark.createDataFrame(rows, shown.schema), 1e-9, ignore_row_order=True)


def poisson(mean: float, days: int, seed: int) -> list[int]:
    return [int(n) for n in np.random.default_rng(seed).poisson(mean, days)]


# --- accuracy


def test_every_forecast_is_compared_by_seven_days_ahead_and_as_a_whole(spark: SparkSession) -> None:
    counts = {
        "laptop": poisson(5, 45, 1),
        "new": [0] * 17 + poisson(4, 28, 2),  # three days old on day 19: scaled by the plain naive
        "gone": [*poisson(6, 20, 3), *[0] * 25],
        "rare": poisson(1, 45, 4),
        "unknown": poisson(3, 45, 5),
    }
    other = [a + b for a, b in zip(counts["rare"], counts["unknown"], strict=True)]
    other_of_2 = [a + b + c for a, b, c in zip(other, counts["new"], counts["gone"], strict=True)]
    first = [p for term in ("laptop", "new", "gone", "(other)") for p in made(term, 19, 14)]
    again = [p for term in ("laptop", "new", "gone", "(other)") for p in made(term, 33, 14)]
    second = [p for term in ("laptop", "(other)") for p in made(term, 19, 10, version=2, forecast=8.0)]
    total = made("(total)", 19, 14, forecast=900.0)
    points = [*first, *again, *second, *total]

    actual = forecast_accuracy(
        forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts), as_of=day(40)
    )

    series, series_of_2 = {**counts, "(other)": other}, {**counts, "(other)": other_of_2}
    expected = [expected_row(first, series, window) for window in ("1-7", "8-14", "1-14")]
    expected += [expected_row(second, series_of_2, window) for window in ("1-7", "8-10", "1-10")]
    expected += [expected_row(again, series, "1-7")]  # day 40 is its seventh; the second week is not over
    assert_accuracy(spark, actual, expected)


def test_a_weekly_forecast_is_compared_with_the_searches_of_its_weeks(spark: SparkSession) -> None:
    counts = {"laptop": poisson(5, 480, 6), "new": [0] * 390 + poisson(3, 90, 7), "unknown": poisson(2, 480, 8)}
    points = [p for t in ("laptop", "new", "(other)") for p in made(t, 448, 28, step=7, forecast=30.0)]

    actual = forecast_accuracy(
        forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts), as_of=day(470)
    )

    series = {**counts, "(other)": counts["unknown"]}
    # Weeks from days 455 and 462 are over; that of day 469 is not.
    assert_accuracy(spark, actual, [expected_row(points, series, window, step=7) for window in ("1-7", "8-14")])


def test_a_horizon_below_a_week_is_one_window_and_the_rule_reads_it(spark: SparkSession) -> None:
    counts = {"laptop": poisson(5, 30, 9)}
    points = [*made("laptop", 19, 3), *made("laptop", 22, 3)]

    actual = forecast_accuracy(
        forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts), as_of=day(29)
    )

    assert_accuracy(spark, actual, [expected_row(points[:3], counts, "1-3"), expected_row(points[3:], counts, "1-3")])
    assert [row["made_on_date"] for row in first_windows(actual, 1, 1).collect()] == [day(22)]


def test_a_window_is_given_only_once_every_day_of_it_is_complete(spark: SparkSession) -> None:
    counts = {"laptop": poisson(5, 27, 10)}
    forecasts = forecasts_of(spark, made("laptop", 19, 7))

    # Its last day is day 26: there, but cut off.
    totals = totals_of(spark, counts, incomplete=(26,))
    actual = forecast_accuracy(forecasts, counts_of(spark, counts), totals, as_of=day(26))
    assert actual.count() == 0

    whole = totals_of(spark, counts)
    assert forecast_accuracy(forecasts, counts_of(spark, counts), whole, as_of=day(25)).count() == 0
    assert forecast_accuracy(forecasts, counts_of(spark, counts), whole, as_of=day(26)).count() == 1


def test_where_nothing_is_searched_ratios_are_null(spark: SparkSession) -> None:
    counts = {"laptop": [3] * 20 + [0] * 10, "tv": [1] * 30}
    points = made("laptop", 19, 7, forecast=1.0)

    actual = forecast_accuracy(
        forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts), as_of=day(29)
    )

    row = actual.collect()[0]
    assert (row["actual_count"], row["wape"], row["mean_wape"], row["skill_ratio"]) == (0, None, None, None)
    assert row["mase"] is None  # three searches on every training day: the naive makes no error
    assert row["interval_coverage"] == 1.0


def test_days_without_a_delivery_are_left_out_of_the_errors(spark: SparkSession) -> None:
    counts = {"laptop": [30] * 22 + [0] * 9 + [40] * 9}
    points = made("laptop", 19, 14, forecast=30.0)

    found = forecast_accuracy(
        forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts), as_of=day(39)
    ).collect()

    # Of 14 days two were as before, nine not delivered, three as after.
    actual = 2 * 30 + 3 * 40
    error = sum(abs(point[4] - (30 if point[3] <= 2 else 40)) for point in points if point[3] <= 2 or point[3] >= 12)
    whole = next(row for row in found if row["window"] == "1-14")
    assert (whole["actual_count"], whole["wape"]) == (actual, pytest.approx(error / actual))
    assert {row["window"]: row["actual_count"] for row in found} == {"1-14": actual, "1-7": 60, "8-14": 120}


def test_a_window_of_which_nothing_was_delivered_is_not_given(spark: SparkSession) -> None:
    counts = {"laptop": [30] * 20 + [0] * 9 + [30] * 20}
    points = made("laptop", 19, 7, forecast=30.0)

    found = forecast_accuracy(
        forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts), as_of=day(48)
    )

    assert found.collect() == []


def test_a_term_that_was_never_searched_is_compared_with_zero(spark: SparkSession) -> None:
    counts = {"laptop": poisson(5, 30, 11)}
    points = [*made("laptop", 19, 7), *made("never", 19, 7, forecast=2.0)]

    actual = forecast_accuracy(
        forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts), as_of=day(29)
    )

    assert_accuracy(spark, actual, [expected_row(points, {**counts, "never": [0] * 30}, "1-7")])


@pytest.mark.parametrize(
    "points", [pytest.param([], id="no forecast yet"), pytest.param(made("(total)", 19, 7), id="only the total")]
)
def test_without_forecasts_of_terms_there_is_no_accuracy(spark: SparkSession, points: list[Point]) -> None:
    counts = {"laptop": poisson(5, 30, 12)}

    actual = forecast_accuracy(
        forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts), as_of=day(29)
    )

    contracts.FORECAST_ACCURACY.check(actual)
    assert actual.count() == 0


def test_the_rule_is_given_the_first_window_of_each_of_the_versions_latest_forecasts(spark: SparkSession) -> None:
    def row(version: int, made_on: int, window: str, days: int, skill: float) -> tuple[Any, ...]:
        ends = (day(made_on + int(window.partition("-")[0])), day(made_on + days))
        return (version, day(made_on), window, *ends, 2, 9, 0.5, 0.5, 1.0, 0.9, skill)

    rows = [
        row(1, 10, "1-7", 7, 0.1),
        row(1, 10, "8-14", 14, 0.2),
        row(1, 10, "1-14", 14, 0.3),
        row(1, 17, "1-7", 7, 0.4),
        row(1, 3, "1-7", 7, 0.5),
        row(2, 24, "1-7", 7, 0.6),
    ]

    found = first_windows(spark.createDataFrame(rows, contracts.FORECAST_ACCURACY.schema), 1, 2).collect()

    assert [ForecastWindow(**r.asDict()) for r in found] == [
        ForecastWindow(day(17), day(18), day(24), 2, 0.4, 0.9),
        ForecastWindow(day(10), day(11), day(17), 2, 0.1, 0.9),
    ]


# --- drift


def drift_of(spark: SparkSession, counts: Counts, training_days: int, as_of: int, first: int = 0) -> list[Drift]:
    return drift_of_rows(counts_of(spark, counts), training_days, as_of, first)


def drift_of_rows(rows: DataFrame, training_days: int, as_of: int, first: int = 0) -> list[Drift]:
    first_date, last_date = reference(day(first), day(training_days - 1))
    mixes = window_mixes(rows, first_date, last_date, day(as_of)).collect()
    variation = ordinary_variation(rows, first_date, last_date).collect()[0]
    return drifts(mixes, variation, 7, last_date, PARAMETERS)


# Every training week is like the others, so that the dispersion is 1 and the test is the textbook's.
EVEN = {"laptop": [20] * 28, "tablet": [10] * 28, "phone": [10] * 28, "pen": [2] * 28}


def test_drift_is_measured_as_scipy_measures_it(spark: SparkSession) -> None:
    window = {"laptop": [15] * 7, "tablet": [14] * 7, "phone": [9] * 7, "pen": [3] * 7}

    found = drift_of(spark, {term: EVEN[term] + window[term] for term in EVEN}, 28, 34)

    old, new = (np.array([sum(values) for values in side.values()]) for side in (EVEN, window))
    test = chi2_contingency([old, new], correction=False)
    p, q = (old + 0.5) / (old.sum() + 2), (new + 0.5) / (new.sum() + 2)
    psi = sum((p - q) * np.log(p / q)) - 3 * (1 / old.sum() + 1 / new.sum())
    assert len(found) == 1
    drift = found[0]
    assert (drift.model_version, drift.window, drift.first_date, drift.last_date) == (
        7,
        f"{day(28)}/{day(34)}",
        day(28),
        day(34),
    )
    assert (drift.search_count, drift.training_count, drift.term_count) == (new.sum(), old.sum(), 4)
    assert drift.chi_square == pytest.approx(test.statistic)
    assert drift.psi == pytest.approx(psi)
    assert drift.js_distance == pytest.approx(jensenshannon(old, new, 2))
    # With as few as 3 x 3 degrees of freedom to tell the dispersion from, p must be larger than the textbook's.
    assert test.pvalue < drift.p_value < 0.1


def test_ordinary_variation_is_pearsons_chi_square_of_weeks_by_terms(spark: SparkSession) -> None:
    counts = {"laptop": poisson(20, 30, 1), "tablet": poisson(9, 30, 2), "pen": [0] * 30, "ink": [0] * 30}
    counts["pen"][5], counts["pen"][13], counts["ink"][20] = 9, 8, 9  # together (other)

    row = ordinary_variation(counts_of(spark, counts), day(0), day(29)).collect()[0]

    weeks = [range(start, start + 7) for start in (2, 9, 16, 23)]  # counted back from the last day
    table = [
        [sum(counts[t][i] for t in group for i in week) for group in (["laptop"], ["tablet"], ["pen", "ink"])]
        for week in weeks
    ]
    test = chi2_contingency(table, correction=False)
    assert row["chi_square"] == pytest.approx(test.statistic)
    assert (row["block_count"] - 1) * (row["term_count"] - 1) == test.dof


def test_less_than_four_weeks_of_training_vary_from_day_to_day(spark: SparkSession) -> None:
    counts = {"laptop": poisson(20, 20, 1), "tablet": poisson(9, 20, 2)}

    row = ordinary_variation(counts_of(spark, counts), day(0), day(19)).collect()[0]

    test = chi2_contingency(list(zip(*counts.values(), strict=True)), correction=False)
    assert row["chi_square"] == pytest.approx(test.statistic)
    assert (row["block_count"], row["term_count"]) == (20, 2)


def test_what_varied_in_training_is_no_drift(spark: SparkSession) -> None:
    window = {"laptop": [10] * 7, "tablet": [20] * 7}
    steady = {"laptop": [15] * 84, "tablet": [15] * 84}
    swinging = {"laptop": ([10] * 7 + [20] * 7) * 6, "tablet": ([20] * 7 + [10] * 7) * 6}

    of_steady = drift_of(spark, {t: steady[t] + window[t] for t in window}, 84, 90)[0]
    of_swinging = drift_of(spark, {t: swinging[t] + window[t] for t in window}, 84, 90)[0]

    assert of_steady.js_distance == pytest.approx(of_swinging.js_distance)
    assert (of_steady.is_drifted, of_swinging.is_drifted) == (True, False)


def test_a_trifle_is_no_drift_however_certain(spark: SparkSession) -> None:
    counts = {"laptop": [10_000] * 28 + [11_000] * 7, "tablet": [10_000] * 35}

    drift = drift_of(spark, counts, 28, 34)[0]

    assert drift.p_value < 1e-3
    assert not drift.is_drifted


def test_rare_terms_are_counted_as_one_until_they_are_five(spark: SparkSession) -> None:
    weeks = 5
    counts = {f"rare {i}": [1 if d % 7 == i else 0 for d in range(7 * weeks)] for i in range(3)}
    counts |= {"laptop": [30] * 7 * weeks, "pen": [1] * 7 * weeks}

    drift = drift_of(spark, counts, 28, 34)[0]

    # Three rare terms make 3 a week, which is still too few: pen, with 7, joins them.
    assert (drift.term_count, drift.search_count) == (2, 220)
    assert (drift.p_value, drift.psi, drift.chi_square) == (pytest.approx(1.0), 0.0, pytest.approx(0.0, abs=1e-9))


def test_a_term_new_since_training_is_seen_and_so_is_one_that_went(spark: SparkSession) -> None:
    steady = {"laptop": [20] * 35, "tablet": [20] * 35}
    new = drift_of(spark, {**steady, "console": [0] * 28 + [20] * 7}, 28, 34)[0]
    gone = drift_of(spark, {**steady, "console": [20] * 28 + [0] * 7}, 28, 34)[0]

    assert (new.term_count, gone.term_count) == (3, 3)
    assert (new.is_drifted, gone.is_drifted) == (True, True)


@pytest.mark.parametrize(
    ("counts", "training_days", "as_of", "searches"),
    [
        pytest.param({"laptop": [9] * 40}, 28, 33, [], id="six days after training are no window"),
        pytest.param({"laptop": [9] * 40}, 28, 20, [], id="as if it were before the end of training"),
        pytest.param({}, 28, 40, [], id="no searches at all"),
        pytest.param({"laptop": [9] * 28, "pen": [9] * 28}, 28, 41, [0, 0], id="no searches since"),
        pytest.param({"laptop": [0] * 28 + [9] * 7}, 28, 34, [63], id="no searches in training"),
        pytest.param({"laptop": [9] * 49}, 28, 48, [63, 63, 63], id="a single term"),
        pytest.param({"laptop": [9] * 10, "pen": [9] * 10}, 1, 7, [126], id="one day of training"),
    ],
)
def test_there_is_no_drift_where_nothing_can_be_compared(
    spark: SparkSession, counts: Counts, training_days: int, as_of: int, searches: list[int]
) -> None:
    found = drift_of(spark, counts, training_days, as_of)

    assert [drift.search_count for drift in found] == searches
    for drift in found:
        assert (drift.p_value, drift.psi, drift.is_drifted) == (pytest.approx(1.0), 0.0, False)


# --- the rule


def forecasts_with(*skills: float | None, terms: int = 10) -> list[ForecastWindow]:
    """Weekly forecasts, the latest last."""
    return [
        ForecastWindow(day(7 * i), day(7 * i + 1), day(7 * i + 7), terms, skill, 0.95) for i, skill in enumerate(skills)
    ]


def covering(*coverages: float) -> list[ForecastWindow]:
    return [
        replace(row, interval_coverage=c)
        for row, c in zip(forecasts_with(*[0.0] * len(coverages)), coverages, strict=True)
    ]


def drift_row(first: int, *, is_drifted: bool) -> Drift:
    ends = (day(first), day(first + 6))
    return Drift(1, f"{ends[0]}/{ends[1]}", *ends, 100, 900, 5, 0.3, 0.2, 50.0, 1e-5, is_drifted)


AS_OF = 60
RULE = {
    "nothing yet": ([], [], False, "nothing to compare yet"),
    "one bad forecast is chance": (forecasts_with(-0.4), [], False, "1 of the last 1 forecasts worse"),
    "two of two": (forecasts_with(-0.1, -0.2), [], True, "2 of the last 2 forecasts were worse"),
    "two of the last five": (forecasts_with(0.1, -0.4, 0.1, 0.1, -0.4), [], True, "error 10% larger over all"),
    "two bad among good ones": (forecasts_with(0.1, -0.1, 0.1, 0.1, -0.1), [], False, "skill +2%"),
    "the sixth back is forgotten": (forecasts_with(-0.9, 0, 0, 0, 0, -0.9), [], False, "1 of the last 5"),
    "as bad as allowed": (forecasts_with(-0.05, -0.05), [], False, "0 of the last 2"),
    "a single term swings more": (forecasts_with(-0.15, -0.15, terms=1), [], False, "0 of the last 2"),
    "even for a single term": (forecasts_with(-0.2, -0.2, terms=1), [], True, "worse than the mean by more than 16%"),
    "many terms": (forecasts_with(-0.06, -0.06, terms=2000), [], True, "worse than the mean by more than 5%"),
    "the mean against itself": (forecasts_with(0.0, 0.0, 0.0), [], False, "0 of the last 3"),
    "no skill known": (forecasts_with(None, None), [], False, "0 of the last 2"),
    "intervals too narrow": (covering(0.95, 0.79, 0.95, 0.5), [], True, "in 2 of the last 4 forecasts the 95 %"),
    "one interval too narrow": (covering(0.95, 0.95, 0.1), [], False, "1 with too narrow an interval"),
    "intervals just wide enough": (covering(0.8, 0.8), [], False, "0 with too narrow an interval"),
    "drift": ([], [drift_row(7, is_drifted=True)], True, "drifted in 2026-01-12/2026-01-18 (psi 0.30, p-value 1e-05)"),
    "drift that is over": ([], [drift_row(i, is_drifted=i == 7) for i in (14, 7)], False, "no drift in 2026-01-19"),
    "both": (forecasts_with(-0.1, -0.2), [drift_row(7, is_drifted=True)], True, "all of them); the mix of terms"),
}


@pytest.mark.parametrize(("forecasts", "drift", "is_needed", "reason"), RULE.values(), ids=RULE.keys())
def test_the_rule_for_training_again(
    forecasts: list[ForecastWindow], drift: list[Drift], is_needed: bool, reason: str
) -> None:
    verdict, sentence = needs_retrain(forecasts, drift, day(0), day(AS_OF), PARAMETERS)

    assert verdict is is_needed
    assert reason in sentence


@pytest.mark.parametrize(
    ("trained_to", "is_needed"),
    [(AS_OF - 3, True), (AS_OF - 2, False), (AS_OF, False), (None, True)],
)
def test_nothing_is_trained_again_on_nearly_the_same_data(trained_to: int | None, is_needed: bool) -> None:
    trained = None if trained_to is None else day(trained_to)

    verdict, reason = needs_retrain(forecasts_with(-0.9, -0.9), [], trained, day(AS_OF), PARAMETERS)

    assert verdict is is_needed
    assert reason.startswith("2 of the last 2 forecasts were worse than the mean by more than 5%")
    assert (f"trained on data up to {trained}, less than 3 days before {day(AS_OF)}" in reason) is not is_needed


def test_the_rule_can_fire_between_two_weekly_trainings() -> None:
    # demand_forecast trains on Mondays, monitoring looks every day: a longer cooldown would silence it for good.
    monday = day(AS_OF)

    fires = [
        needs_retrain(forecasts_with(-0.9, -0.9), [], monday, monday + timedelta(days=n), PARAMETERS)[0]
        for n in range(7)
    ]

    assert fires == [False, False, False, True, True, True, True]
    resources = PROJECT / "databricks.yml"
    assert "default: 0 0 4 ? * MON" in resources.read_text()
    assert "default: 0 0 5 * * ?" in resources.read_text()


def test_the_mix_is_compared_with_the_last_thirteen_weeks_of_training() -> None:
    assert reference(day(0), day(181)) == (day(91), day(181))
    assert reference(day(100), day(181)) == (day(100), day(181))


def test_forecasts_made_daily_count_once_a_week() -> None:
    daily = [ForecastWindow(day(i), day(i + 1), day(i + 7), 10, -0.9, 0.95) for i in range(20)]

    assert [row.made_on_date for row in apart(daily, 5)] == [day(19), day(12), day(5)]
    # Seven forecasts of one bad week are one bad forecast.
    assert needs_retrain(daily[:7], [], None, day(AS_OF), PARAMETERS)[0] is False
    assert needs_retrain(daily[:8], [], None, day(AS_OF), PARAMETERS)[0] is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"worse_windows": 0},
        {"worse_windows": 6},
        {"accuracy_windows": 1},
        {"worse_by_ratio": -0.1},
        {"worse_by_ratio": float("nan")},
        {"least_coverage_ratio": 1.1},
        {"drift_alpha": 0.0},
        {"drift_alpha": 1.0},
        {"drift_psi": -1.0},
        {"cooldown_days": -1},
    ],
)
def test_impossible_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^monitor: --"):
        MonitorParameters(**wrong)


# --- simulations: what the docstring of rule.py states

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


# --- the job


def test_the_job_keeps_both_tables_and_says_whether_to_train_again(spark: SparkSession, tmp_path: Path) -> None:
    lakehouse = Lakehouse(spark, tmp_path / "lake", tmp_path / "staging")
    counts = {"laptop": poisson(20, 60, 1), "tablet": poisson(20, 60, 2), "console": [0] * 45 + [40] * 15}
    points = [p for term in ("laptop", "tablet") for p in made(term, 44, 14, forecast=20.0)]
    with pytest.raises(DataError, match="holds no complete day"):
        monitor(lakehouse, 1, (day(0), day(44)), latest_trained_to=None, parameters=PARAMETERS)
    lakehouse.write(counts_of(spark, counts), contracts.DAILY_TERM_COUNTS)
    lakehouse.write(totals_of(spark, counts, incomplete=(59,)), contracts.DAILY_TOTALS)
    lakehouse.write(forecasts_of(spark, points), contracts.TERM_FORECASTS)
    older = (2, "2025-12-01/2025-12-07", day(-35), day(-29), 1, 1, 1, 0.0, 0.0, 0.0, 1.0, False)
    lakehouse.write(lakehouse.create([older], contracts.DEMAND_DRIFT), contracts.DEMAND_DRIFT)

    def run(as_of: date | None = None) -> tuple[dict[str, Any], list[Any], list[Any]]:
        trained = (day(0), day(44))
        said = monitor(lakehouse, 1, trained, latest_trained_to=day(44), parameters=PARAMETERS, as_of=as_of)
        tables = (contracts.FORECAST_ACCURACY, contracts.DEMAND_DRIFT)
        accuracy, drift = (sorted(map(tuple, lakehouse.read(table).collect())) for table in tables)
        return said, accuracy, drift

    earlier, *tables = run(as_of=day(50))
    said, accuracy, drift = run()

    assert (earlier["needs_retrain"], earlier["reason"]) == ("false", "nothing to compare yet")
    assert tables == [[], [older]]
    assert run() == (said, accuracy, drift)
    assert [row[2] for row in accuracy] == ["1-14", "1-7", "8-14"]
    assert [(row[0], row[-1]) for row in drift] == [(1, True), (1, True), (2, False)]
    reason = said.pop("reason")
    assert reason.startswith(f"the mix of terms has drifted in {day(52)}/{day(58)} (psi ")
    assert said == {
        "model_version": 1,
        "as_of": day(58).isoformat(),  # day 59 is cut off
        "forecasts_compared": 1,
        "skill_ratio": accuracy[1][-1],
        "interval_coverage": accuracy[1][-2],
        "psi": drift[1][7],
        "p_value": drift[1][10],
        "is_drifted": True,
        "needs_retrain": "true",
    }
