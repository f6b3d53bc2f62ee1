"""`make bench-forecast`: our forecast beside each fixed method, on all sets that can be had, in one table.

    .venv/bin/python benchmarks/forecast_bench.py [--sets SET ...] [--most 200] [--data DIRECTORY] [--write]

Everything runs as in `train`, from what was known only. A fixed method is one candidate alone, for every series; the
best one is the best *after* the fact, among those that forecast every series. WAPE over all, MASE and RMSSE the mean
over series; the interval score is that of the 95 % interval over MASE's scale. An interval of small counts can't hold
just 80 %: beside what it holds stands what it holds where a count at an end is inside by the part of its probability
that belongs there. CPU seconds are those of `train` (driver, JVM, Python workers), without Spark's start and without
the fixed methods alone. With `--write` the rows go into docs/forecast-quality.md; a set that was not run keeps its row.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from forecast_coverage import inside, inside_shared
from forecast_run import alone, machine, packed, table, train, weights
from forecast_scale import cpu_clock
from forecast_sets import SETS, Origin, UnreachableError
from search_forecast.demand.forecasting import metrics
from search_forecast.demand.forecasting.intervals import LEVELS
from search_forecast.lakehouse.session import session

OURS, MEAN, SEASONAL = "our forecast", "historic_mean", "seasonal_naive"
HEADS = ["set", "date", "series", "horizon", "metric", "ours", "best fixed method", "ours over it", "mean"]
HEADS += ["seasonal naive", "chance alone", "inside 80 %", "inside 95 %", "80 %, ends shared", "95 %, ends shared"]
HEADS += ["interval score", "CPU s", "CPU ms a series"]
PAGE = Path(__file__).parents[1] / "docs" / "forecast-quality.md"
WHOLE = "M4 weekly"  # its published results are of all series
BEGIN, END = "<!-- written by make bench-forecast -->\n", "<!-- end of what it wrote -->\n"


def sampled(origin: Origin, most: int) -> Origin:
    """At most so many series, drawn by lot, always the same."""
    names = np.random.default_rng(2026).permutation(sorted(origin.known))[:most]
    return replace(origin, known={str(name): origin.known[name] for name in sorted(names)})


def forecast(origin: Origin) -> tuple[pd.DataFrame, float]:
    """What everything forecasts, with what came, a row per (name, term, step); and the CPU seconds of `train`."""
    spark, horizon = session(size="large"), origin.parameters.horizon
    clock = cpu_clock(spark)
    with tempfile.TemporaryDirectory() as folder:
        before = clock()
        run = train(packed(spark, origin.known), len(origin.known), origin.last_date, origin.parameters, Path(folder))
        seconds = clock() - before
        small = run.covered.where("is_champion").select("term", "is_small")
        rows = pd.concat([run.forecasts.join(small, "term").toPandas().assign(name=OURS), alone(run, horizon)])
        print(f"{len(origin.known)} series known until {origin.last_date}: {weights(run)}", flush=True)
    scales = {name: metrics.scales(values, origin.season) for name, values in origin.known.items()}
    pairs = zip(rows["term"], rows["step"], strict=True)
    rows["actual"] = [origin.after[term][step - 1] for term, step in pairs]
    rows["absolute_scale"], rows["squared_scale"] = zip(*rows["term"].map(scales), strict=True)
    return rows.assign(origin=origin.last_date), seconds


def error(rows: pd.DataFrame, metric: str) -> float:
    """The error of forecasts, a share."""
    absolute = (rows["forecast"] - rows["actual"]).abs()
    if metric == "WAPE":
        return float(absolute.sum() / rows["actual"].sum())
    if metric == "MASE":
        return float((absolute / rows["absolute_scale"]).mean())
    squared = (absolute**2 / rows["squared_scale"]).groupby([rows["origin"], rows["term"]]).mean()
    return float(np.sqrt(squared).mean())


def interval_score(rows: pd.DataFrame, level: float = 0.95) -> float:
    """The mean width of the intervals, misses added, over the scale of MASE: less is better.

    Source: Gneiting and Raftery 2007, Strictly proper scoring rules, prediction, and estimation.
    """
    lower, upper, actual = rows[f"lower_{level * 100:.0f}"], rows[f"upper_{level * 100:.0f}"], rows["actual"]
    missed = (lower - actual).clip(lower=0) + (actual - upper).clip(lower=0)
    return float(((upper - lower + 2 / (1 - level) * missed) / rows["absolute_scale"]).mean())


def measured(name: str, origins: Iterable[Origin]) -> list[str]:
    """A set's row of the table."""
    metric, parts, seconds = SETS[name][0], [], 0.0
    for origin in origins:
        rows, cpu = forecast(origin)
        parts.append(rows)
        seconds += cpu
    both = pd.concat(parts)
    ours, count = both[both["name"] == OURS], sum(len(part["term"].unique()) for part in parts)
    errors = {who: error(rows, metric) for who, rows in both.groupby("name") if len(rows) == len(ours)}
    print(
        ", ".join(f"{who} {value:.4f}" for who, value in sorted(errors.items(), key=lambda item: item[1])), flush=True
    )
    fixed = {who: value for who, value in errors.items() if who != OURS}
    best = min(fixed, key=fixed.__getitem__)
    shown = {who: f"{value:.2%}" if metric == "WAPE" else f"{value:.3f}" for who, value in errors.items()}
    floor = f"{metrics.poisson_floor(ours['forecast'].to_numpy()).sum() / ours['actual'].sum():.2%}"
    held = [f"{share(ours, level).mean():.1%}" for share in (inside, inside_shared) for level in LEVELS]
    return [
        *(name, machine().partition(",")[0], f"{count}", f"{ours['step'].max()}", metric, f"**{shown[OURS]}**"),
        *(f"{best} {shown[best]}", f"{errors[OURS] / errors[best] - 1:+.1%}", shown.get(MEAN, "-")),
        *(shown.get(SEASONAL, "-"), floor if metric == "WAPE" else "-", *held, f"{interval_score(ours):.2f}"),
        *(f"{seconds:.0f}", f"{1000 * seconds / count:.0f}"),
    ]


def write(rows: list[list[str]], seconds: float, page: Path = PAGE) -> None:
    """Put rows, and what they took by the clock, between the page's markers, beside those of sets that were not run."""
    before, _, rest = page.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    kept = [line.strip("| ").split(" | ") for line in old.splitlines() if line.startswith("| ")]
    by_name = {row[0]: row for row in [*kept, *rows] if row[0] in SETS}
    lines = table(HEADS, [by_name[name] for name in SETS if name in by_name])
    libraries = ", ".join(f"{name} {version(name)}" for name in ("statsforecast", "pyspark", "numpy"))
    ran = f"Last run: {machine()}; Python {platform.python_version()}, {libraries}; "
    ran += f"{len(rows)} sets in {seconds / 60:.0f} minutes by the clock, load {os.getloadavg()[2]:.0f}."
    page.write_text(f"{before}{BEGIN}{ran}\n\n{lines}\n{END}{after}")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET", help=", ".join(SETS))
    parser.add_argument("--most", type=int, default=200, help=f"series of a set, drawn by lot; {WHOLE} is always whole")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    given = parser.parse_args()
    rows, started = [], time.monotonic()
    for name in given.sets:
        print(f"\n{name}", flush=True)
        try:
            origins = SETS[name][1](given.data)
        except UnreachableError as error:
            print(f"skipped: {error}", flush=True)
            continue
        rows.append(measured(name, origins if name == WHOLE else [sampled(origin, given.most) for origin in origins]))
        if given.write:
            write(rows, time.monotonic() - started)
    print(f"\n{machine()}\n\n{table(HEADS, rows)}")


if __name__ == "__main__":
    main()
