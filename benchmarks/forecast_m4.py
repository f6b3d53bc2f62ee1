"""M4's 359 weekly series: our forecast, each candidate alone, and whether the intervals hold on the test data.

    .venv/bin/python benchmarks/forecast_m4.py [--windows 10] [--regressions] [--data ../shared/data]

Backtest, weights, multipliers and forecasts run as in `train`, from the training file only; the test file is read
afterwards and measures them. MASE as in the competition: the mean absolute error over the test period / the mean
absolute change from week to week in the training part. sMAPE is 0..200 %. The seconds are those of what `train` does,
with Spark's start; the candidates alone are forecast afterwards and not counted.
"""

import argparse
import os
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from forecast_run import alone, machine, packed, table, train, weights
from search_forecast.demand.forecasting.candidates import REGRESSIONS
from search_forecast.lakehouse.session import session
from search_forecast.parameters import ForecastParameters

HORIZON = 13
CANDIDATES = ("theta", "ets", "ces", "mstl", "median_of_candidates", "mean_of_candidates")
MONDAY = date(2018, 1, 1)  # the series have no dates; only the regressions' waves of the year look at them


def read(file: Path) -> dict[str, np.ndarray]:
    """Series by name, without the empty cells that make the rows equally long."""
    rows = pd.read_csv(file, index_col=0)
    return {str(name): row[~np.isnan(row)] for name, row in zip(rows.index, rows.to_numpy(float), strict=True)}


def errors(forecasts: pd.DataFrame, known: dict[str, np.ndarray], test: dict[str, np.ndarray]) -> pd.DataFrame:
    """Forecasts with what came, and both measures of each error."""
    pairs = zip(forecasts["term"], forecasts["step"], strict=True)
    actual = np.array([test[term][step - 1] for term, step in pairs])
    scale = forecasts["term"].map({name: np.abs(np.diff(values)).mean() for name, values in known.items()})
    error = (forecasts["forecast"] - actual).abs()
    smape = 200 * error / (forecasts["forecast"].abs() + np.abs(actual))
    return forecasts.assign(actual=actual, mase=error / scale, smape=smape)


def main() -> None:
    """Forecast, then compare with the test data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--regressions", action="store_true", help="with the calendar regressions")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    given = parser.parse_args()
    if not (given.data / "m4-weekly-train.csv.gz").exists():
        sys.exit(f"skipped: {given.data} has no m4-weekly-train.csv.gz; name its directory with --data")
    parameters = ForecastParameters(
        horizon=HORIZON,
        step=HORIZON,
        windows=given.windows,
        frequency="week",
        candidates=(*CANDIDATES, *(REGRESSIONS if given.regressions else ())),
    )
    known, started, load = read(given.data / "m4-weekly-train.csv.gz"), time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        spark = session(size="large")
        run = train(packed(spark, known), len(known), MONDAY, parameters, Path(folder))
        seconds = time.monotonic() - started
        covered, ours = run.covered.toPandas(), run.forecasts.toPandas()
        others, weights_line = alone(run, HORIZON), weights(run)

    test = read(given.data / "m4-weekly-test.csv.gz")
    measured = errors(pd.concat([ours.assign(name="our forecast"), others]), known, test).groupby("name")
    means = measured[["mase", "smape"]].mean().assign(series=measured["term"].nunique()).sort_values("mase")
    rows = [[str(name), f"{row.mase:.3f}", f"{row.smape:.2f} %", f"{row.series:.0f}"] for name, row in means.iterrows()]
    what = f"{len(known)} series, horizon {HORIZON}, {given.windows} windows"
    print(f"{machine()}; {what}; {seconds:.0f} s in all (load before: {load:.1f})\n")
    print(table(["", "MASE", "sMAPE", "series"], rows), "\n")

    ours = errors(ours, known, test)
    champions = covered[covered["is_champion"]]
    rows = []
    for level in (80, 95):
        inside = (ours[f"lower_{level}"] <= ours["actual"]) & (ours["actual"] <= ours[f"upper_{level}"])
        tested = champions[f"inside_{level}"].sum() / champions["score_count"].sum()
        parts = [inside[ours["step"].between(*steps)].mean() for steps in ((1, 13), (1, 4), (5, 9), (10, 13))]
        rows.append([f"{level} %", f"{tested:.1%}", *(f"{part:.1%}" for part in parts)])
    print(table(["interval", "in the backtest", "on test data", "steps 1-4", "5-9", "10-13"], rows), "\n")
    print(", ".join(f"{name} {count}" for name, count in champions["verdict"].value_counts().items()))
    print(weights_line)


if __name__ == "__main__":
    main()
