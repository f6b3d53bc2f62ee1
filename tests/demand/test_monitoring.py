"""The job `monitor`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search_forecast.demand.monitor import monitor
from search_forecast.errors import DataError
from search_forecast.lakehouse import contracts
from search_forecast.lakehouse.tables import Lakehouse
from support import lakes
from support.monitored import PARAMETERS, counts_of, day, forecasts_of, made, poisson, totals_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_the_job_keeps_both_tables_and_says_whether_to_train_again(spark: SparkSession, tmp_path: Path) -> None:
    lakehouse = Lakehouse(spark, tmp_path / "lake", tmp_path / "staging")
    counts = {"laptop": poisson(20, 60, 1), "tablet": poisson(20, 60, 2), "console": [0] * 45 + [40] * 15}
    for line in counts.values():
        line[47] = 0  # the shop is closed
    points = [p for term in ("laptop", "tablet") for p in made(term, 44, 14, forecast=20.0)]
    older = (2, "2025-12-01/2025-12-07", day(-35), day(-29), 1, 1, 1, 0.0, 0.0, 0.0, 1.0, False)
    outdated = (1, day(2), "1-7", day(3), day(9), 1, 1, 0.5, 0.5, None, 1.0, 0.0)
    tables = {
        "daily_term_counts": counts_of(spark, counts),
        "daily_totals": totals_of(spark, counts, incomplete=(59,)),
        "term_forecasts": forecasts_of(spark, points),
        # What was said of the champion before goes; of another version it stays.
        "demand_drift": lakehouse.create([older, (1, *older[1:])], contracts.DEMAND_DRIFT),
        "forecast_accuracy": lakehouse.create([outdated], contracts.FORECAST_ACCURACY),
    }
    for name, rows in tables.items():
        lakes.append(tmp_path / "lake", name, [row.asDict() for row in rows.collect()])
    closed = {"event_date": day(47), "event": "stocktaking", "kind": "closure", "term": None}
    lakes.append(tmp_path / "lake", "calendar_events", [closed])

    def run(as_of: date | None = None) -> tuple[dict[str, Any], list[Any], list[Any]]:
        trained = (day(0), day(44))
        said = monitor(lakehouse, 1, trained, latest_trained_to=day(44), parameters=PARAMETERS, as_of=as_of)
        tables = (contracts.FORECAST_ACCURACY, contracts.DEMAND_DRIFT)
        accuracy, drift = (sorted(map(tuple, lakehouse.read(table).collect())) for table in tables)
        return said, accuracy, drift

    empty = Lakehouse(spark, tmp_path / "empty", tmp_path / "staging")
    with pytest.raises(DataError, match="holds no complete day"):
        monitor(empty, 1, (day(0), day(44)), latest_trained_to=None, parameters=PARAMETERS)
    with pytest.raises(DataError, match="holds no complete day"):
        run(as_of=day(-1))
    earlier, *rows_of_earlier = run(as_of=day(50))
    said, accuracy, drift = run()

    assert (earlier["needs_retrain"], earlier["reason"]) == ("false", "nothing to compare yet")
    assert rows_of_earlier == [[], [older]]
    assert [row[2] for row in accuracy] == ["1-14", "1-7", "8-14"]
    both = [(point[4], counts[point[1]][44 + point[3]]) for point in points if point[3] <= 7]  # day 47 too
    assert accuracy[1][7] == pytest.approx(sum(abs(made - came) for made, came in both) / sum(came for _, came in both))
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
