"""Gold's counts to series, the model of all terms, coherence, gate and results: Spark, in memory."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from search_forecast.demand.forecasting import (
    assessment,
    backtest_metrics,
    calibration,
    coherence,
    forecasts,
    gate,
    series,
    shared_autoregression,
)
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting.backtest import backtests
from search_forecast.demand.forecasting.history import History
from search_forecast.demand.known_days import known_days
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.lakehouse.contracts import BACKTEST_METRICS, OTHER, TERM_FORECASTS, TOTAL
from search_forecast.parameters import ForecastParameters

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DAY, WEEK = FREQUENCIES["day"], FREQUENCIES["week"]
MONDAY = date(2025, 6, 2)
COUNTS = "event_date date, term string, search_count bigint"
TOTALS = "event_date date, search_count bigint, distinct_term_count bigint, is_complete_day boolean"
PERIODS = "period_start_date date, search_count bigint"
SERIES = "term string, period_start_date date, search_count bigint"
PACKED = "term string, share_ratio double, counts array<double>"


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def same(actual: "DataFrame", expected: "DataFrame") -> None:
    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True, ignore_metadata=True)


# --- series


def test_days_that_can_be_counted_on_are_complete_delivered_and_not_to_come(spark: "SparkSession") -> None:
    counts = [1, *[0] * 60, *[40] * 30, *[0] * 9, *[40] * 30, 7]
    rows = [(day(n), count, 1, n < len(counts) - 1) for n, count in enumerate(counts)]

    known = known_days(spark.createDataFrame(rows, TOTALS), as_of=day(125))

    found = [(row["event_date"], row["search_count"]) for row in known.rows.collect()]
    expected = [*[40] * 30, *[None] * 9, *[40] * 26]
    assert found == [(day(61 + n), count) for n, count in enumerate(expected)]
    assert known.gaps == ((day(91), day(99)),)
    assert (known.strays, known.last) == ((day(0),), day(125))
    assert known_days(spark.createDataFrame(rows, TOTALS)).last == day(129)
    assert known_days(spark.createDataFrame(rows, TOTALS), as_of=day(95)).last == day(90)


def test_a_week_counts_only_if_all_its_days_are_complete(spark: "SparkSession") -> None:
    days = [(day(number), number) for number in range(2, 23)]  # Wednesday to Tuesday

    periods = series.periods(spark.createDataFrame(days, "event_date date, search_count bigint"), WEEK, 10)

    same(periods, spark.createDataFrame([(day(7), sum(range(7, 14))), (day(14), sum(range(14, 21)))], PERIODS))


def test_only_the_latest_periods_are_periods(spark: "SparkSession") -> None:
    days = spark.createDataFrame([(day(n), n) for n in range(5)], "event_date date, search_count bigint")

    same(series.periods(days, DAY, 2), spark.createDataFrame([(day(3), 3), (day(4), 4)], PERIODS))


def test_terms_below_the_floor_have_no_series_of_their_own(spark: "SparkSession") -> None:
    counts = spark.createDataFrame(
        [(day(0), "laptop", 3), (day(1), "laptop", 2), (day(1), "tv", 4), (day(9), "tv", 9)], COUNTS
    )
    periods = spark.createDataFrame([(day(0), 3), (day(1), 6)], PERIODS)

    same(series.known_terms(counts, periods, DAY, 5), spark.createDataFrame([("laptop",)], "term string"))


def test_a_series_is_complete_from_the_terms_first_day_on_and_the_rest_is_pooled(spark: "SparkSession") -> None:
    counts = spark.createDataFrame(
        [
            (day(0), "tv", 1),
            (day(1), "laptop", 2),
            (day(1), "tv", 1),
            (day(1), "radio", 4),
            (day(3), "laptop", 5),
            (day(3), "(total)", 1),  # somebody typed that
            (day(4), "laptop", 7),  # not among the periods
        ],
        COUNTS,
    )
    periods = spark.createDataFrame([(day(0), 1), (day(1), 7), (day(2), 0), (day(3), 6)], PERIODS)
    terms = spark.createDataFrame([("laptop",), ("(total)",)], "term string")

    found = series.series(counts, periods, terms, DAY)

    expected = [
        *(("laptop", day(1), 2), ("laptop", day(2), 0), ("laptop", day(3), 5)),
        *((OTHER, day(0), 1), (OTHER, day(1), 5), (OTHER, day(2), 0), (OTHER, day(3), 1)),
        *((TOTAL, day(0), 1), (TOTAL, day(1), 7), (TOTAL, day(2), 0), (TOTAL, day(3), 6)),
    ]
    same(found, spark.createDataFrame(expected, SERIES))


def test_weekly_series_add_up_the_days(spark: "SparkSession") -> None:
    counts = spark.createDataFrame([(day(0), "tv", 1), (day(6), "tv", 2), (day(7), "tv", 4)], COUNTS)
    periods = spark.createDataFrame([(day(0), 3), (day(7), 4)], PERIODS)
    terms = spark.createDataFrame([("tv",)], "term string")

    found = series.series(counts, periods, terms, WEEK).where(F.col("term") == "tv")

    same(found, spark.createDataFrame([("tv", day(0), 3), ("tv", day(7), 4)], SERIES))


def test_a_packed_series_is_in_the_order_of_its_dates(spark: "SparkSession") -> None:
    complete = [("tv", day(2), 1), ("tv", day(0), 3), ("tv", day(1), 2), *((TOTAL, day(n), 4) for n in range(3))]

    found = series.packed(spark.createDataFrame(complete, SERIES))

    same(found, spark.createDataFrame([("tv", 0.5, [3.0, 2.0, 1.0]), (TOTAL, 1.0, [4.0, 4.0, 4.0])], PACKED))


# --- the autoregression of all terms


def _packed(spark: "SparkSession", days: int = 120) -> "DataFrame":
    weekdays = np.array([1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8])
    rows = []
    for number, level in enumerate((20, 200, 1000)):
        counts = np.random.default_rng(number).poisson(level * weekdays[np.arange(days) % 7]).astype(float)
        rows.append((f"term {number}", 0.1, counts.tolist()))
    return spark.createDataFrame(rows, PACKED).repartition(2)


@pytest.mark.parametrize("bad", [float("nan"), 9e11])
def test_tasks_add_up_what_each_series_says_before_the_days_left_out(spark: "SparkSession", bad: float) -> None:
    week = np.arange(106) % 7.0
    odd = [*week[:50].tolist(), bad, *week[51:].tolist(), *[900.0] * 14]
    packed = _packed(spark).unionByName(spark.createDataFrame([("odd", 0.1, odd)], PACKED))

    found = shared_autoregression.sums(packed, day(119), DAY, 7, 14)

    known = [week if row["term"] == "odd" else np.array(row["counts"])[:106] for row in packed.collect()]
    is_good = np.ones(106, dtype=bool)
    expected = sum(shared_autoregression.sums_of(History(values, day(105), DAY), is_good, 7) for values in known)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert found[0, 0] == 4 * len(range(99, 55, -5))


# --- coverage of intervals


def _assessed(packed: "DataFrame", last: date, candidates: Any, parameters: ForecastParameters) -> "DataFrame":
    forecaster = forecasts.Forecaster(last, DAY, candidates, {})
    tests = backtests(packed, forecaster, parameters).localCheckpoint()
    pooled = assessment.pooled(tests)
    return assessment.assessments(tests, None, forecaster, parameters, pooled).localCheckpoint()


@pytest.fixture(scope="module")
def noise(spark: "SparkSession") -> "DataFrame":
    """Forty terms of noise, and one with a spike now and then."""
    random = np.random.default_rng(7)
    rows = [
        (f"term {n}", 0.01, random.negative_binomial(10, 10 / (10 + level), 150).astype(float).tolist())
        for n, level in enumerate(random.uniform(20, 400, 40))
    ]
    odd = random.poisson(20, 150).astype(float)
    odd[[130, 138, 146]] = 5000.0, 4000.0, 6000.0  # too often to be an outlier
    rows.append(("odd", 0.01, odd.tolist()))
    packed = spark.createDataFrame(rows, PACKED).repartition(2)
    return _assessed(packed, day(149), c.chosen([]), ForecastParameters())


def test_intervals_hold_their_share_of_what_comes(noise: "DataFrame") -> None:
    covered = calibration.with_coverage(noise, calibration.multipliers(noise, 14), 14)
    rows = backtest_metrics.backtest_metrics(covered, 1).where("term = '(all)' and candidate = 'selection'").collect()

    assert [row["interval_coverage"] for row in rows] == [pytest.approx(0.95, abs=0.04)]
    assert [row["interval_coverage_80"] for row in rows] == [pytest.approx(0.80, abs=0.05)]


def test_one_odd_term_does_not_set_the_width_of_the_others(noise: "DataFrame") -> None:
    few = noise.where("term in ('odd', 'term 1', 'term 2', 'term 3', 'term 4', 'term 5', 'term 6', 'term 7')")

    with_it = calibration.multipliers(few, 14)[-1]
    without = calibration.multipliers(few.where("term <> 'odd'"), 14)[-1]

    assert with_it == without
    widening = {
        row["term"]: row["widening"]
        for row in calibration.with_coverage(few, dict.fromkeys((-1, 0, 1), with_it), 14)
        .where("candidate = 'selection'")
        .collect()
    }
    assert widening["odd"][1] > 1.5 * max(values[1] for term, values in widening.items() if term != "odd")


def test_intervals_hold_the_days_after_the_backtest_too_where_demand_wanders(spark: "SparkSession") -> None:
    random = np.random.default_rng(9)
    walks = np.exp(np.log(100) + np.cumsum(random.normal(0, 0.04, (80, 174)), axis=1))
    counts = random.poisson(walks).astype(float)
    packed = spark.createDataFrame([(f"t{n}", 0.01, row[:160].tolist()) for n, row in enumerate(counts)], PACKED)
    candidates = c.chosen([])
    rows = _assessed(packed.repartition(2), day(159), candidates, ForecastParameters())
    halves = calibration.multipliers(rows, 14)
    champions = calibration.with_coverage(rows, halves, 14).where("is_champion")
    forecaster = forecasts.Forecaster(day(159), DAY, candidates, halves[-1])

    made = forecasts.forecasts(packed, champions, forecaster, 14).collect()

    came = {(f"t{n}", step + 1): row[160 + step] for n, row in enumerate(counts) for step in range(14)}
    for level, nominal in (("80", 0.8), ("95", 0.95)):
        inside = [row[f"lower_{level}"] <= came[row["term"], row["step"]] <= row[f"upper_{level}"] for row in made]
        assert len(inside) == 80 * 14
        assert np.mean(inside) == pytest.approx(nominal, abs=0.06)


# --- coherence


def test_reconciliation_is_the_general_formula_for_one_total(spark: "SparkSession") -> None:
    forecast, errors = np.array([70.0, 30.0, 12.0, 20.0]), np.array([9.0, 4.0, 1.0, 3.0])  # the total first
    names = [TOTAL, "a", "b", "c"]
    summing = np.vstack([np.ones(3), np.eye(3)])
    weights = np.linalg.inv(np.diag(errors**2))
    expected = summing @ np.linalg.inv(summing.T @ weights @ summing) @ summing.T @ weights @ forecast
    rows = [
        (name, 1, day(1), "naive", f, f, e, f - 1, f + 1, f - 2, f + 2, None)
        for name, f, e in zip(names, forecast.tolist(), errors.tolist(), strict=True)
    ]

    found = coherence.coherent(spark.createDataFrame(rows, forecasts.FORECAST_ROW))

    by_term = {row["term"]: row for row in found.collect()}
    assert [by_term[name]["forecast"] for name in names] == pytest.approx(expected.tolist())
    assert by_term["a"]["upper_95"] - by_term["a"]["forecast"] == pytest.approx(2.0)
    assert found.columns == [part.split()[0] for part in forecasts.FORECAST_ROW.split(", ")]


def test_coherent_forecasts_never_fall_below_zero_and_still_add_up(spark: "SparkSession") -> None:
    rows = [
        (name, 1, day(1), "naive", f, f, e, max(f - 1, 0.0), f + 1, max(f - 2, 0.0), f + 2, None)
        for name, f, e in ((TOTAL, 10.0, 0.1), ("a", 2.0, 9.0), ("b", 40.0, 3.0))
    ]

    found = {
        row["term"]: row for row in coherence.coherent(spark.createDataFrame(rows, forecasts.FORECAST_ROW)).collect()
    }

    assert found["a"]["forecast"] == 0.0
    assert all(0 <= row["lower_95"] <= row["forecast"] <= row["upper_95"] for row in found.values())
    assert found[TOTAL]["forecast"] == pytest.approx(found["a"]["forecast"] + found["b"]["forecast"])


# --- the gate

ASSESSED = (
    "term string, candidate string, loss_ratio double, chosen_loss_ratio double, champion_loss_ratio double, "
    "is_untried boolean, actual double"
)


def _compared(spark: "SparkSession", champion: float | None, untried: bool | None) -> "DataFrame":
    rows: list[tuple[str, str, float | None, float | None, float | None, bool | None, float | None]] = [
        ("tv", "selection", 0.8, 0.7, champion, untried, 100.0),
        ("tv", "naive", 0.2, None, None, None, 100.0),
        ("new", "selection", 0.5, 1.0, None, None, 10.0),
        ("short", "selection", None, None, None, None, None),
        ("(total)", "selection", 9.0, 9.0, 0.1, False, 110.0),
    ]
    return spark.createDataFrame(rows, ASSESSED)


def test_the_champion_is_measured_on_the_same_windows_and_terms(spark: "SparkSession") -> None:
    measured = gate.compare(_compared(spark, 0.9, False), has_champion=True)

    assert (measured.own, measured.chosen, measured.champion) == pytest.approx((0.8, 0.7, 0.9))
    assert (measured.unknown_ratio, measured.untried_ratio) == (pytest.approx(10 / 110), 0.0)


def test_a_champions_candidate_that_was_not_tried_says_nothing(spark: "SparkSession") -> None:
    measured = gate.compare(_compared(spark, None, True), has_champion=True)

    assert (measured.champion, measured.untried_ratio) == (None, pytest.approx(100 / 110))
    passed, reason = gate.decide(measured, 3)
    assert passed is False
    assert "version 3 forecasts 91% of the searches by candidates that were not tried here" in reason


def test_without_a_champion_all_terms_but_the_total_are_measured(spark: "SparkSession") -> None:
    measured = gate.compare(_compared(spark, None, None), has_champion=False)

    assert (measured.own, measured.chosen) == pytest.approx(((80 + 5) / 110, (70 + 10) / 110))
    assert (measured.champion, measured.unknown_ratio) == (None, 0.0)


@pytest.mark.parametrize(
    ("errors", "champion", "unknown", "passes", "words"),
    [
        (
            (0.80, 0.72),
            1.0,
            0.0,
            True,
            "better than version 3: error 0.7600 of the mean's, version 3's 1.0000 on the same",
        ),
        ((1.04, 0.80), 1.0, 0.0, True, "better than version 3"),
        ((1.04, 0.96), 1.0, 0.0, False, "no better than version 3"),
        ((0.996, 0.996), 1.0, 0.0, False, "no better than version 3"),
        ((1.04, 1.04), 1.0, 0.5, False, "no better than version 3"),
        ((1.0, 1.0), 1.0, 0.06, True, "6% of the searches are for terms that it does not know"),
        ((None, None), None, 0.0, False, "nothing to compare with version 3"),
        ((None, None), None, 1.0, True, "nothing to compare with version 3"),
    ],
)
def test_the_gate_says_why(
    errors: tuple[float | None, float | None], champion: float | None, unknown: float, passes: bool, words: str
) -> None:
    passed, reason = gate.decide(gate.Comparison(*errors, champion, unknown), 3)

    assert passed is passes
    assert words in reason


def test_the_first_version_passes() -> None:
    assert gate.decide(gate.Comparison(1.02, 0.98), None) == (True, "the first champion: error 1.0000 of the mean's")


# --- rows for gold


def test_metrics_of_all_terms_leave_the_total_out(spark: "SparkSession") -> None:
    schema = (
        "term string, candidate string, mase double, smape double, rmsse double, absolute_error double, error double, "
        "actual double, poisson_floor double, share_ratio double, window_count bigint, is_champion boolean, "
        "p_value double, verdict string, reason string, weight_ratio double, score_count bigint, "
        "inside_80 double, inside_95 double"
    )
    told = (None, None, None, None)
    first = ("too short to tell", None, 0.5)
    rows: list[tuple[Any, ...]] = [
        ("a", "naive", 1.0, 0.2, 1.0, 6.0, 2.0, 20.0, 4.0, 0.19, 2, True, 0.5, *first, 4, 3.0, 4.0),
        ("b", "naive", 3.0, 0.4, 2.0, 2.0, -2.0, 20.0, 4.0, 0.75, 2, False, *told, 4, 4.0, 4.0),
        ("(total)", "naive", 9.0, 0.9, 9.0, 9.0, 9.0, 40.0, 9.0, 1.0, 2, False, *told, 4, 1.0, 1.0),
        ("b", "croston", *[None] * 7, None, 0, False, None, None, "not of its kind", None, 0, None, None),
    ]

    found = backtest_metrics.backtest_metrics(spark.createDataFrame(rows, schema), 7)

    BACKTEST_METRICS.check(found)
    by_key = {(row["term"], row["candidate"]): row.asDict() for row in found.collect()}
    assert len(by_key) == 5
    overall = by_key["(all)", "naive"]
    assert (overall["wape"], overall["bias"], overall["mase"], overall["rmsse"]) == (0.2, 0.0, 2.0, 1.5)
    assert overall["smape"] == pytest.approx(0.3)
    assert (overall["interval_coverage"], overall["interval_coverage_80"]) == (1.0, 0.875)
    assert overall["poisson_floor_wape"] == 0.2
    assert overall["multinomial_floor_wape"] == pytest.approx((4 * 0.9 + 4 * 0.5) / 40)
    assert by_key["a", "naive"]["wape"] == 0.3
    assert by_key["(total)", "naive"]["multinomial_floor_wape"] == 0.0
    assert by_key["b", "croston"]["wape"] is None
    assert by_key["b", "croston"]["reason"] == "not of its kind"


def test_a_forecast_becomes_a_row_for_each_level(spark: "SparkSession") -> None:
    made = spark.createDataFrame(
        [("tv", 3, day(3), "naive", 5.0, 4.0, 1.0, 4.0, 6.0, 3.0, 7.0, "holiday a: x 2.00")],
        forecasts.FORECAST_ROW,
    )

    found = forecasts.term_forecasts(made, "search_demand", 2, day(0), datetime(2026, 1, 1, 7))

    TERM_FORECASTS.check(found)
    levels = sorted((tuple(row) for row in found.collect()), key=lambda row: row[3])
    assert levels == [
        (
            "tv",
            day(3),
            2,
            level,
            day(0),
            3,
            5.0,
            *ends,
            4.0,
            "naive",
            "search_demand",
            "holiday a: x 2.00",
            datetime(2026, 1, 1, 7),
        )
        for level, ends in ((0.8, (4.0, 6.0)), (0.95, (3.0, 7.0)))
    ]


def test_a_series_that_the_version_does_not_know_gets_the_mean(spark: "SparkSession") -> None:
    packed = spark.createDataFrame([("tv", 0.5, [1.0, 2.0, 3.0] * 10), ("new", 0.5, [4.0, 8.0])], PACKED)
    chosen = spark.createDataFrame(
        [("tv", {"naive": 1.0}, 1.0, True, [1.0, 1.0])],
        "term string, weights map<string,double>, typical_error double, is_small boolean, widening array<double>",
    )
    forecaster = forecasts.Forecaster(day(29), DAY, c.chosen([]), {})

    found = forecasts.forecasts(packed, chosen, forecaster, 2).orderBy("term", "step").collect()

    assert [(row["term"], row["candidate"], row["forecast"], row["mean_forecast"]) for row in found] == [
        *[("new", "historic_mean", 6.0, 6.0)] * 2,
        *[("tv", "naive", 3.0, 2.0)] * 2,
    ]
    assert [row["target_date"] for row in found[:2]] == [day(30), day(31)]
