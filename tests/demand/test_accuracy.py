"""Past forecasts against what came, in plain Python and utilsforecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from chispa import assert_approx_df_equality
from utilsforecast.losses import mase

from search_forecast.demand.monitoring.accuracy import first_windows, forecast_accuracy
from search_forecast.demand.monitoring.rule import ForecastWindow
from search_forecast.lakehouse import contracts
from support.monitored import Point, counts_of, day, forecasts_of, made, poisson, totals_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession


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


def test_a_day_on_which_the_shop_was_closed_is_one_that_is_known(spark: SparkSession) -> None:
    counts = {"laptop": [*poisson(40, 23, 5), 0, *poisson(40, 6, 6)]}
    points = made("laptop", 19, 7)
    frames = (forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts))

    actual = forecast_accuracy(*frames, as_of=day(29), closures=frozenset({day(23)}))

    expected = expected_row(points, counts, "1-7")
    assert_accuracy(spark, actual, [expected])
    [without_it] = forecast_accuracy(*frames, as_of=day(29)).collect()
    assert without_it["wape"] < expected[7]


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


def test_errors_are_scaled_by_what_came_on_the_same_weekday_whatever_was_not_delivered_between(
    spark: SparkSession,
) -> None:
    values = [50 + 10 * (place % 7) + place // 7 for place in range(49)]  # each week one more than the week before
    counts = {"laptop": [*values[:21], 0, 0, 0, *values[24:]]}
    points = made("laptop", 41, 7, forecast=80.0)

    [found] = forecast_accuracy(
        forecasts_of(spark, points), counts_of(spark, counts), totals_of(spark, counts), as_of=day(48)
    ).collect()

    errors = [abs(point[4] - values[41 + point[3]]) for point in points]
    assert found["mase"] == pytest.approx(sum(errors) / 7)


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
