"""The files of a version of search_demand: what it forecasts with, and what it forecast when it was trained."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame

from search_forecast.demand.forecasting import intervals
from search_forecast.demand.forecasting.portable_model import ABOUT, FORECASTS, SearchDemand
from search_forecast.demand.forecasting.shared_autoregression import SharedAutoregression
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.demand.term_series import TermSeries
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.scratch import load_rows, save_rows
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.registry import Registry, Version
from search_forecast.parameters import ForecastParameters

_CHAMPIONS = "selection"
_STRANGE = "those of another search_forecast, or damaged"


@dataclass(frozen=True)
class About:
    """What a version's forecasts come from, beside its champions.

    Attributes:
        parameters: that it was trained with.
        shared: the model of all terms, where there is one.
        multipliers: of its intervals.
        last_day: of the counts it was trained on, ISO.
    """

    parameters: ForecastParameters
    shared: SharedAutoregression | None
    multipliers: intervals.Multipliers
    last_day: str


@dataclass(frozen=True)
class VersionFiles:
    """The directory with a version's files."""

    directory: Path

    @classmethod
    def of(cls, models: Registry, version: Version, directory: Path) -> "VersionFiles":
        """Those of a registered version, downloaded below a directory."""
        download = directory / f"version {version.number}"
        download.mkdir()
        return cls(models.files(version, download))

    @classmethod
    def opened(
        cls, lakehouse: Lakehouse, models: Registry, version: Version, directory: Path
    ) -> tuple[About, DataFrame]:
        """What a registered version forecasts with, see `about` and `champions`.

        Raises:
            DataError: it can't be read, and what to do.
        """
        try:
            files = cls.of(models, version, directory)
            return files.about(), files.champions(lakehouse)
        except DataError as error:
            mend = f"train, then promote {version.name} NUMBER --force REASON"
            raise DataError(f"{version} cannot be read ({error}): {mend}") from error

    def model(self) -> SearchDemand:
        """What MLflow serves."""
        return SearchDemand(self.directory)

    def forecasts(self, lakehouse: Lakehouse) -> DataFrame:
        """One row per (term, step): the columns of `forecasts.FORECAST_ROW`."""
        return load_rows(lakehouse.spark, self.directory / FORECASTS)

    def champions(self, lakehouse: Lakehouse) -> DataFrame:
        """One row per term: what forecasts it.

        Raises:
            DataError: another version of search_forecast wrote it.
        """
        rows = load_rows(lakehouse.spark, self.directory / _CHAMPIONS)
        if "weights" not in rows.columns:
            raise DataError(f"its files are {_STRANGE}: no weights")
        return rows

    def write_champions(self, lakehouse: Lakehouse, rows: DataFrame) -> DataFrame:
        """Write what forecasts each term, and read it back."""
        return save_rows(rows.coalesce(1), self.directory / _CHAMPIONS)

    def write_forecasts(self, lakehouse: Lakehouse, rows: DataFrame) -> None:
        """Write what the version forecasts as of its training."""
        save_rows(rows.coalesce(1), self.directory / FORECASTS)

    def write_about(self, about: About, series: TermSeries) -> None:
        """Write the rest: parameters, the shared model, intervals, and the days they come from."""
        parameters = about.parameters
        content = {
            "parameters": {**vars(parameters), "candidates": list(parameters.candidates)},
            "horizon": parameters.horizon,
            "period_days": FREQUENCIES[parameters.frequency].days,
            "first_date": series.first_date.isoformat(),
            "last_date": series.last_date.isoformat(),
            "last_day": about.last_day,
            "shared": None if about.shared is None else about.shared.coefficients,
            "multipliers": [[step, count, list(values)] for step, (count, values) in sorted(about.multipliers.items())],
        }
        (self.directory / ABOUT).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def about(self) -> About:
        """Read what `write_about` wrote.

        Raises:
            DataError: it is damaged, or was written by another version of search_forecast.
        """
        try:
            content = json.loads((self.directory / ABOUT).read_text(encoding="utf-8"))
            shared = content["shared"]
            return About(
                parameters_of(content["parameters"]),
                None if shared is None else SharedAutoregression(tuple(map(tuple, shared))),
                {step: (count, tuple(values)) for step, count, values in content["multipliers"]},
                content["last_day"],
            )
        except (OSError, KeyError, TypeError, ValueError, AttributeError, DataError) as error:
            raise DataError(f"its files are {_STRANGE}: {type(error).__name__}: {error}") from error


def parameters_of(recorded: Mapping[str, Any]) -> ForecastParameters:
    """Parameters as a version's record has them.

    Raises:
        DataError: they are not those of this search_forecast.
    """
    try:
        return ForecastParameters(**{**recorded, "candidates": tuple(recorded["candidates"])})
    except (TypeError, UsageError) as error:
        raise DataError(f"trained by another search_forecast: {str(error).removeprefix('train: ')}") from error
