"""A training run up to the model's files: read, backtest, calibrate, forecast, write; shared by train and reproduce."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame

from search_forecast.demand import term_series
from search_forecast.demand.forecasting import calendar_regression, calibration, coherence, forecasts, intervals
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting.backtest import backtests
from search_forecast.demand.forecasting.calendar_regression import CalendarRegression
from search_forecast.demand.forecasting.forecasts import Forecaster
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.demand.term_series import TermSeries
from search_forecast.demand.version_files import About, VersionFiles
from search_forecast.lakehouse.scratch import save_rows
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import registry
from search_forecast.parameters import ForecastParameters

logger = logging.getLogger(__name__)
CHAMPION_COLUMNS = ("term", "candidate", "typical_error", "is_small", "verdict", "p_value", "reason")


@dataclass(frozen=True)
class TrainingRun:
    """What a training run made.

    Attributes:
        parameters: of the run.
        series: that it read.
        backtested: one row per (term, candidate), of `calibration.with_coverage`.
        files: of the model.
        left_out: by candidate, why it was not tried.
    """

    parameters: ForecastParameters
    series: TermSeries
    backtested: DataFrame
    files: VersionFiles
    left_out: Mapping[str, str]


def run(
    lakehouse: Lakehouse,
    parameters: ForecastParameters,
    directory: Path,
    *,
    as_of: date | None = None,
    delta_versions: Mapping[str, int] | None = None,
) -> TrainingRun:
    """Read gold, backtest, calibrate the intervals and forecast; write the model's files below `directory`.

    Args:
        lakehouse: where gold is.
        parameters: what to train.
        directory: empty, where Python and Spark both see it.
        as_of: last day to know of.
        delta_versions: of gold's tables, the latest where None.
    """
    series = term_series.read(lakehouse, parameters, directory, delta_versions=delta_versions, as_of=as_of)
    regressions, left_out = _regressions(lakehouse, series, parameters, directory)
    untested = forecaster(series, parameters, regressions, {})
    errors = save_rows(backtests(series.packed, untested, parameters), directory / "backtests")
    halves = calibration.multipliers(errors, parameters.horizon)
    measured = calibration.with_coverage(errors, halves, parameters.horizon)
    backtested = save_rows(measured, directory / "backtested")

    files = VersionFiles(directory / "model" / registry.FORECAST_FILES)
    files.directory.mkdir(parents=True)
    champions = files.write_champions(lakehouse, backtested.where("is_champion").select(*CHAMPION_COLUMNS))
    tested = forecaster(series, parameters, regressions, halves[-1])
    files.write_forecasts(
        lakehouse, forecast(lakehouse, series, champions, tested, parameters=parameters, directory=directory)
    )
    files.write_about(About(parameters, regressions, halves[-1], series.last_day.isoformat()), series)
    return TrainingRun(parameters, series, backtested, files, left_out)


def _regressions(
    lakehouse: Lakehouse, series: TermSeries, parameters: ForecastParameters, directory: Path
) -> tuple[list[CalendarRegression], dict[str, str]]:
    """Fit those that are asked for to what lies before the backtest; by name, why the others could not be fitted."""
    if not set(parameters.candidates) & set(c.REGRESSIONS):
        return [], {}
    frequency = FREQUENCIES[parameters.frequency]
    examples = calendar_regression.examples(
        series.packed, series.last_date, frequency, parameters.horizon, parameters.tested_periods
    )
    regressions, left_out = calendar_regression.fit(save_rows(examples, directory / "examples"))
    for candidate, why in left_out.items():
        logger.warning("train: without %s: %s", candidate, why)
    return regressions, left_out


def forecaster(
    series: TermSeries,
    parameters: ForecastParameters,
    regressions: list[CalendarRegression],
    multipliers: intervals.Multipliers,
) -> Forecaster:
    """The candidates that the parameters name, with fitted regressions and intervals."""
    names = [name for name in parameters.candidates if name not in c.REGRESSIONS]
    named = [item for item in regressions if item.name in parameters.candidates]
    chosen = c.chosen([*names, *(item.name for item in named)], named)
    return Forecaster(series.last_date, FREQUENCIES[parameters.frequency], chosen, multipliers)


def forecast(
    lakehouse: Lakehouse,
    series: TermSeries,
    champions: DataFrame,
    tested: Forecaster,
    *,
    parameters: ForecastParameters,
    directory: Path,
) -> DataFrame:
    """Forecast every series, made to add up where that is asked for: the columns of `forecasts.FORECAST_ROW`."""
    # In files before anything is done with it: otherwise one task would make all the forecasts.
    rows = forecasts.forecasts(series.packed, champions, tested, parameters.horizon)
    single = save_rows(rows, directory / "forecasts")
    return coherence.coherent(single) if parameters.is_coherent else single
