"""M4's 359 weekly series: our choice, each candidate alone, and whether the intervals hold on the test data.

    .venv/bin/python benchmarks/forecast_m4.py [--windows 10] [--data ../shared/data]

Backtest, choice, multipliers and forecasts run through `forecasting.spread` as in `train`, from the training file only;
the test file is read afterwards and measures them. MASE as in the competition: the mean absolute error over the test
period / the mean absolute change from week to week in the training part. sMAPE is 0..200 %. The seconds are those of
what `train` does, with Spark's start; the candidates alone are forecast afterwards and not counted.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import functions as F

from reporting import machine, table
from search_forecast.forecasting import candidates as c
from search_forecast.forecasting import spread
from search_forecast.forecasting.history import FREQUENCIES
from search_forecast.parameters import ForecastParameters
from search_forecast.session import session

HORIZON = 13
CANDIDATES = ("theta", "ets", "ces", "mstl", "median_of_candidates", "mean_of_candidates")
SHOWN = ("naive", "seasonal_naive", *CANDIDATES)
MONDAY = date(2018, 1, 1)  # the series have no dates; nothing here looks at one


def read(file: Path) -> dict[str, np.ndarray]:
    """Series by name, without the empty cells that make the rows equally long."""
    rows = pd.read_csv(file, index_col=0)
    return {str(name): row[~np.isnan(row)] for name, row in zip(rows.index, rows.to_numpy(float), strict=True)}


def run(train: dict[str, np.ndarray], windows: int, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """What `train` does from the series on: forecasts, the backtest's rows, and the seconds it took."""
    started = time.monotonic()
    spark = session(size="large")
    parameters = ForecastParameters(
        horizon=HORIZON, step=HORIZON, windows=windows, frequency="week", candidates=CANDIDATES
    )
    whole = sum(values.sum() for values in train.values())
    rows = [(name, float(values.sum() / whole), values.tolist()) for name, values in train.items()]
    made = spark.createDataFrame(rows, "term string, share_ratio double, counts array<double>")
    packed = spread.spread_out(made, len(rows))
    maker = spread.Forecaster(MONDAY, FREQUENCIES["week"], c.chosen(CANDIDATES), {})
    spread.backtests(packed, maker, parameters).write.parquet(str(folder / "backtests"))
    backtested = spark.read.parquet(str(folder / "backtests"))
    halves = spread.multipliers(backtested, HORIZON)
    covered = spread.with_coverage(backtested, halves, HORIZON).toPandas()
    maker = spread.Forecaster(MONDAY, FREQUENCIES["week"], maker.candidates, halves[-1])
    chosen = backtested.where("is_champion").select("term", "candidate", "typical_error")
    forecasts = spread.forecasts(packed, chosen, maker, HORIZON).toPandas()
    seconds = time.monotonic() - started

    def alone(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for term, counts in batch[["term", "counts"]].itertuples(index=False):
                for name, values in c.forecasts(maker.history(counts), HORIZON, maker.candidates)[0].items():
                    yield pd.DataFrame({"term": term, "name": name, "step": range(1, HORIZON + 1), "forecast": values})

    schema = "term string, name string, step bigint, forecast double"
    others = packed.mapInPandas(alone, schema).where(F.col("name").isin(*SHOWN)).toPandas()
    ours = forecasts.assign(name="our choice")
    return pd.concat([ours, others], ignore_index=True), covered, seconds


def main() -> None:
    """Forecast, then compare with the test data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    given = parser.parse_args()
    if not (given.data / "m4-weekly-train.csv.gz").exists():
        sys.exit(f"skipped: {given.data} has no m4-weekly-train.csv.gz; name its directory with --data")
    train = read(given.data / "m4-weekly-train.csv.gz")
    with tempfile.TemporaryDirectory() as folder:
        forecasts, covered, seconds = run(train, given.windows, Path(folder))

    test = read(given.data / "m4-weekly-test.csv.gz")
    scale = {name: np.abs(np.diff(values)).mean() for name, values in train.items()}
    forecasts["actual"] = [
        test[term][step - 1] for term, step in zip(forecasts["term"], forecasts["step"], strict=True)
    ]
    error = (forecasts["forecast"] - forecasts["actual"]).abs()
    forecasts["mase"] = error / forecasts["term"].map(scale)
    forecasts["smape"] = 200 * error / (forecasts["forecast"].abs() + forecasts["actual"].abs())
    by_name = forecasts.groupby("name")
    lines = [
        [name, f"{group['mase'].mean():.3f}", f"{group['smape'].mean():.2f} %", str(group["term"].nunique())]
        for name, group in sorted(by_name, key=lambda item: item[1].groupby("term")["mase"].mean().mean())
    ]
    print(f"{machine()}; {len(train)} series, horizon {HORIZON}, {given.windows} windows; {seconds:.0f} s in all\n")
    print(table(["", "MASE", "sMAPE", "series"], lines), "\n")

    ours = forecasts[forecasts["name"] == "our choice"]
    selected = covered[covered["is_champion"] & covered["inside_95"].notna()]
    cells = []
    for level in (80, 95):
        inside = (ours[f"lower_{level}"] <= ours["actual"]) & (ours["actual"] <= ours[f"upper_{level}"])
        steps = inside.groupby(ours["step"]).mean()
        tested = selected[f"inside_{level}"].sum() / selected["score_count"].sum()
        parts = [inside.mean(), tested, *(steps.loc[first:last].mean() for first, last in ((1, 4), (5, 9), (10, 13)))]
        cells.append([f"{level} %", *(f"{part:.1%}" for part in parts)])
    print(table(["interval", "on test data", "in the backtest", "steps 1-4", "5-9", "10-13"], cells), "\n")
    champions = covered[covered["is_champion"]]
    for column in ("verdict", "candidate"):
        print(", ".join(f"{name} {count}" for name, count in champions[column].value_counts().items()))


if __name__ == "__main__":
    main()
