"""What training and scoring of demand have in common: gold's counts as series, and a version's files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import intervals, spread
from search_forecast.demand.forecasting import series as s
from search_forecast.demand.forecasting.calendar_regression import CalendarRegression
from search_forecast.demand.forecasting.history import FREQUENCIES
from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import DAILY_TERM_COUNTS, DAILY_TOTALS, TERM_FORECASTS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.registry import Registry, Version
from search_forecast.parameters import ForecastParameters

ABOUT, FORECASTS, SELECTION = "about.json", "forecasts", "selection"


@dataclass(frozen=True)
class Data:
    """Series read from exact versions of gold.

    Attributes:
        packed: of `series.packed`, dealt out to tasks.
        count: number of series.
        first_date: of the first period.
        last_date: of the last period.
        last_day: last day of the last period.
        versions: Delta version of each table they were read from.
    """

    packed: DataFrame
    count: int
    first_date: date
    last_date: date
    last_day: date
    versions: Mapping[str, int]


def read(
    lakehouse: Lakehouse,
    parameters: ForecastParameters,
    scratch: Path,
    *,
    versions: Mapping[str, int] | None = None,
    terms: DataFrame | None = None,
    as_of: date | None = None,
) -> Data:
    """Make series from gold.

    Args:
        lakehouse: where gold is.
        parameters: frequency, floor, how far back.
        scratch: directory for what is kept meanwhile.
        versions: Delta versions to read, the latest where None.
        terms: the terms with a series of their own; those above the floor where None.
        as_of: last day to know of.

    Raises:
        DataError: there is no complete period.
    """
    # The totals first: what `aggregate` adds meanwhile is then beyond the days that are read, not missing from them.
    names = (DAILY_TOTALS, DAILY_TERM_COUNTS)
    read_at = dict(versions or {table.full_name: lakehouse.version(table) for table in names})
    counts = lakehouse.read(DAILY_TERM_COUNTS, read_at[DAILY_TERM_COUNTS.full_name])
    totals = lakehouse.read(DAILY_TOTALS, read_at[DAILY_TOTALS.full_name])
    frequency = FREQUENCIES[parameters.frequency]
    kept = lakehouse.keep(s.periods(s.days(totals, as_of), frequency, parameters.history_periods), scratch / "periods")
    ends = kept.agg(F.min("period_start_date").alias("first"), F.max("period_start_date").alias("last")).collect()[0]
    if ends["last"] is None:
        until = "" if as_of is None else f" up to {as_of}"
        raise DataError(
            f"{DAILY_TOTALS.full_name} has no complete {frequency.name}{until}: nothing to forecast from; run ingest, "
            f"clean and aggregate first"
        )
    if terms is None:
        terms = s.known_terms(counts, kept, frequency, parameters.floor_count)
    packed = s.packed(s.series(counts, kept, terms, frequency))
    held = lakehouse.keep(packed, scratch / "series")
    count = held.count()
    last_day = ends["last"] + timedelta(days=frequency.days - 1)
    return Data(spread.spread_out(held, count), count, ends["first"], ends["last"], last_day, read_at)


def forecaster(
    data: Data,
    parameters: ForecastParameters,
    regressions: list[CalendarRegression],
    multipliers: intervals.Multipliers,
) -> spread.Forecaster:
    """The candidates that the parameters name, with fitted regressions and intervals."""
    names = [name for name in parameters.candidates if name not in c.REGRESSIONS]
    named = [item for item in regressions if item.name in parameters.candidates]
    chosen = c.chosen([*names, *(item.name for item in named)], named)
    return spread.Forecaster(data.last_date, FREQUENCIES[parameters.frequency], chosen, multipliers)


def write_about(
    directory: Path,
    parameters: ForecastParameters,
    data: Data,
    regressions: list[CalendarRegression],
    multipliers: intervals.Multipliers,
) -> None:
    """Write what a version needs to forecast again, beside its selection and its forecasts."""
    about = {
        "parameters": {**vars(parameters), "candidates": list(parameters.candidates)},
        "horizon": parameters.horizon,
        "period_days": FREQUENCIES[parameters.frequency].days,
        "first_date": data.first_date.isoformat(),
        "last_date": data.last_date.isoformat(),
        "last_day": data.last_day.isoformat(),
        "regressions": [vars(item) for item in regressions],
        "multipliers": [[*key, count, list(values)] for key, (count, values) in sorted(multipliers.items())],
    }
    (directory / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Held:
    """A registered version's own account of itself."""

    parameters: ForecastParameters
    regressions: list[CalendarRegression]
    multipliers: intervals.Multipliers
    selection: DataFrame
    about: Mapping[str, Any]


def held(lakehouse: Lakehouse, models: Registry, version: Version, scratch: Path) -> Held:
    """Read a version's files.

    Args:
        lakehouse: for its session.
        models: the registry.
        version: which.
        scratch: directory to download to.

    Raises:
        DataError: they are damaged, or were written by another version of search_forecast.
    """
    download = scratch / "version"
    download.mkdir()
    directory = models.files(version, download)
    try:
        about = json.loads((directory / ABOUT).read_text(encoding="utf-8"))
        return Held(
            parameters_of(about["parameters"]),
            [
                CalendarRegression(**{**item, "coefficients": tuple(item["coefficients"])})
                for item in about["regressions"]
            ],
            {(name, step): (count, tuple(values)) for name, step, count, values in about["multipliers"]},
            lakehouse.kept(directory / SELECTION),
            about,
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{version} cannot be read ({type(error).__name__}: {error}): made by another search_forecast? train again"
        ) from error


def parameters_of(recorded: Mapping[str, Any]) -> ForecastParameters:
    """Parameters as a record holds them."""
    return ForecastParameters(**{**recorded, "candidates": tuple(recorded["candidates"])})


def check_alone(lakehouse: Lakehouse, name: str) -> None:
    """Raise DataError if the tables hold forecasts of another model: they tell versions apart by their number only."""
    if not lakehouse.exists(TERM_FORECASTS):
        return
    others = lakehouse.read(TERM_FORECASTS).where(F.col("model_name") != name).select("model_name").limit(1).collect()
    if others:
        raise DataError(
            f"{TERM_FORECASTS.full_name} holds forecasts of {others[0]['model_name']}: one demand model a gold schema; "
            f"give {name} a lakehouse or schema of its own"
        )
