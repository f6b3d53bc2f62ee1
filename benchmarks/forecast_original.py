"""The original search terms: is our forecast worse than the mean where there is next to nothing to forecast?

    .venv/bin/python benchmarks/forecast_original.py [--data ../shared/data]

The file goes through the project's own pipeline (ingest, clean, aggregate); then, for several cutoffs, `train` makes
a model of the days up to the cutoff and its forecasts are compared with the days that came. WAPE over all terms and
days together, without `(total)`. The floors are what a forecast that knows every term's true expectation would still
be wrong by: Poisson, if each count is independent; multinomial, if the day's total were known too.
"""

import argparse
import contextlib
import io
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast_run import machine, table
from search_forecast import cli
from search_forecast.demand import training
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import metrics
from search_forecast.demand.forecasting.history import History
from search_forecast.demand.forecasting.series import TOTAL
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.lakehouse.contracts import DAILY_TERM_COUNTS, DAILY_TOTALS
from search_forecast.lakehouse.session import session
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.parameters import ForecastParameters

DEFAULT = ForecastParameters()
# With the defaults a third window needs 42 days, and less are known at every cutoff: nothing is chosen, the mean is
# kept. A week ahead leaves enough windows for a choice, so that a wrong one would show.
SETTINGS = {
    "two weeks ahead, the defaults": (DEFAULT, (14, 17, 21, 24)),
    "one week ahead, step 3": (ForecastParameters(horizon=7, step=3), (7, 10, 13, 16)),
}


def pipeline(source: Path, root: Path) -> Lakehouse:
    """A lakehouse with the file's searches."""
    for words in (("ingest", "--source", str(source)), ("clean",), ("aggregate",)):
        with contextlib.redirect_stdout(io.StringIO()):
            code = cli.main(["--lakehouse", str(root), *words, "--json"])
        if code:
            sys.exit(f"{words[0]} failed")
    return Lakehouse(session(), root, root / "_staging")


def trend(history: History, horizon: int) -> np.ndarray:
    """A straight line through all of a term's days, never below zero."""
    days = np.arange(len(history.values) + horizon)
    slope, start = np.polyfit(days[: len(history.values)], history.values, 1)
    return np.maximum(start + slope * days[len(history.values) :], 0.0)


def measure(
    lakehouse: Lakehouse, parameters: ForecastParameters, cutoff: date, actual: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Forecasts made at a cutoff, with what came: a row per term and step; and the verdicts."""
    with tempfile.TemporaryDirectory() as folder:
        run = training.assess(lakehouse, parameters, Path(folder), as_of=cutoff)
        ours = training.write(lakehouse, run, Path(folder)).forecasts(lakehouse).toPandas()
        champions = run.rows.where("is_champion").toPandas()
        series = run.series.packed.toPandas()
    columns = ["term", "step", "target_date", "forecast", "lower_80", "upper_80", "lower_95", "upper_95"]
    rows = ours[columns].rename(columns={"forecast": "our forecast"})
    rows["target_date"] = pd.to_datetime(rows["target_date"])
    others = []
    for term, share, counts in series[["term", "share_ratio", "counts"]].itertuples(index=False):
        history = History(np.asarray(counts), cutoff, FREQUENCIES["day"])
        found, _ = c.forecasts(history, parameters.horizon, c.DEFAULT_CANDIDATES)
        found["trend regression"] = trend(history, parameters.horizon)
        steps = np.arange(1, parameters.horizon + 1)
        others.append(pd.DataFrame({"term": term, "step": steps, "share": share, **found}))
    rows = rows.merge(pd.concat(others), on=["term", "step"]).merge(actual, on=["term", "target_date"], how="left")
    rows["actual"] = rows["actual"].fillna(0.0)
    rows = rows[rows["term"] != TOTAL].assign(days_known=max(len(counts) for counts in series["counts"]))
    rows["poisson"] = metrics.poisson_floor(rows[c.MEAN].to_numpy())
    rows["multinomial"] = rows["poisson"] * np.sqrt(1 - rows["share"])
    return rows, champions[champions["term"] != TOTAL]["verdict"].value_counts().to_dict()


def report(rows: pd.DataFrame) -> dict[str, Any]:
    """WAPE by name, the floors, and the coverage."""
    whole = rows["actual"].sum()
    names = [
        "our forecast",
        c.MEAN,
        "window_average",
        "trend regression",
        c.SEASONAL_NAIVE,
        "naive",
        "theta",
        "ets",
        "ces",
    ]
    found = {name: float((rows[name] - rows["actual"]).abs().sum() / whole) for name in names}
    found |= {f"{floor} floor": float(rows[floor].sum() / whole) for floor in ("poisson", "multinomial")}
    for level in (80, 95):
        inside = (rows[f"lower_{level}"] <= rows["actual"]) & (rows["actual"] <= rows[f"upper_{level}"])
        found[f"inside the {level} % interval"] = float(inside.mean())
    return found


def main() -> None:
    """Pipeline, cutoffs, table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    given = parser.parse_args()
    source = given.data / "searchterms.csv"
    if not source.exists():
        sys.exit(f"skipped: {given.data} has no searchterms.csv; name its directory with --data")
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        lakehouse = pipeline(source, Path(folder) / "lake")
        counts = lakehouse.read(DAILY_TERM_COUNTS).toPandas()
        actual = pd.DataFrame(
            {
                "term": counts["term"],
                "target_date": pd.to_datetime(counts["event_date"]),
                "actual": counts["search_count"].astype(float),
            }
        )
        last = lakehouse.read(DAILY_TOTALS).where("is_complete_day").agg({"event_date": "max"}).collect()[0][0]
        for name, (parameters, distances) in SETTINGS.items():
            columns, verdicts, parts = {}, {}, []
            for distance in distances:
                cutoff = last - timedelta(days=distance)
                rows, verdicts[cutoff] = measure(lakehouse, parameters, cutoff, actual)
                parts.append(rows)
                columns[f"{cutoff} ({rows['days_known'].max()} days known)"] = report(rows)
            columns["all"] = report(pd.concat(parts))
            print(f"\n## {name}; {parts[0]['term'].nunique()} terms\n")
            lines = [[key, *(f"{column[key]:.1%}" for column in columns.values())] for key in columns["all"]]
            print(table(["WAPE", *columns], lines))
            print("\n" + "; ".join(f"{cutoff}: {found}" for cutoff, found in verdicts.items()))
            if columns["all"]["our forecast"] > columns["all"][c.MEAN] + 1e-9:
                print("MISSED: our forecast is worse than the mean")


if __name__ == "__main__":
    main()
