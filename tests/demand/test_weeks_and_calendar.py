"""Forecasts by week, and days that a calendar knows, from tables of counts to a version."""

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from search_forecast.demand import outlook, term_series
from search_forecast.demand.forecasting.history import Event
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.parameters import ForecastParameters
from support.delta import write_counts
from support.forecasting import FIRST, command, day, searches, table

pytestmark = pytest.mark.usefixtures("spark")


def test_weeks_are_forecast_by_weeks_and_coherent_forecasts_add_up_without_days_to_come(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    levels = {"tv": 10, "radio": 20}
    counts = {term: [*(random.poisson(level, 280) + 1).tolist(), *[999] * 20] for term, level in levels.items()}
    write_counts(tmp_path, FIRST, counts)

    weeks = ("--frequency", "week", "--horizon", "4", "--step", "2", "--as-of", day(279).isoformat())
    trained = command(tmp_path, "train", *weeks, "--coherent", "--candidates", "theta", "--windows", "5")
    command(tmp_path, "promote", "search_demand")
    command(tmp_path, "score", *weeks[-2:])

    rows = [row for row in table(tmp_path, "term_forecasts") if row["interval_level"] == 0.8]
    by_term = {term: [row for row in rows if row["term"] == term] for term in (*levels, "(total)")}
    assert trained["series"] == 3
    assert all(sorted(row["horizon_days"] for row in part) == [7, 14, 21, 28] for part in by_term.values())
    assert {row["target_date"].weekday() for row in rows} == {0}
    assert {row["made_on_date"] for row in rows} == {day(273)}  # the Monday of the last week
    assert all(60 < row["forecast"] < 95 for row in by_term["tv"])
    for total in by_term["(total)"]:
        parts = [row["forecast"] for row in rows if row["target_date"] == total["target_date"] and row != total]
        assert total["forecast"] == pytest.approx(sum(parts))


def test_a_calendar_is_loaded_again_and_read_with_the_series(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = searches()["tv"]
    counts[40:43] = [0, 0, 0]  # the shop is closed
    lake = write_counts(tmp_path / "lake", FIRST, {"tv": counts})
    file = tmp_path / "events.csv"
    file.write_text(f"from,to,event,kind\n{day(40)},{day(42)},stocktaking,closure\n{day(90)},,sale,campaign\n")
    span = ("--country", "CH", "--from", "2025-01-01", "--to", "2025-12-31")

    command(lake, "load-calendar", "--country", "US", *span[2:])
    loaded = command(lake, "load-calendar", *span, "--events", str(file))
    assert command(lake, "load-calendar", "--events", str(file))["row_count"] == loaded["row_count"] == 4 + 4
    file.write_text("from,event,kind\n2025-99-01,sale,campaign\n")
    assert command(lake, "load-calendar", "--events", str(file)) == 1
    assert "line 2: from '2025-99-01' is no day such as 2026-11-27" in capsys.readouterr().err
    assert command(lake, "load-calendar") == 2
    assert command(lake, "load-calendar", "--country", "CH", "--from", "2025-02-01", "--to", "2025-01-01") == 2

    lakehouse = Lakehouse(spark, lake, lake / "_staging")
    series = term_series.read(lakehouse, ForecastParameters(), tmp_path / "series")
    assert series.left_out == {}
    assert series.calendar.of("tv")[day(90)] == Event("campaign", "sale")
    assert series.calendar.closures() == {day(40), day(41), day(42)}
    (packed,) = series.packed.where("term = 'tv'").collect()
    assert packed["counts"][40:43] == [0.0, 0.0, 0.0]
    assert outlook.past(lakehouse, ["tv"], day(44), is_weekly=False, periods=3)["tv"][0] == (day(42), 0.0)
    # A version that was trained before there was a calendar is reproduced without it.
    before = {name: version for name, version in series.delta_versions.items() if "calendar" not in name}
    again = term_series.read(lakehouse, ForecastParameters(), tmp_path / "again", delta_versions=before)
    assert again.calendar.of("tv") == {}
    assert again.left_out == {"days_without_delivery": f"3 days: {day(40)} to {day(42)}"}
