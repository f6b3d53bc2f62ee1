"""What `train`, `backtest`, `reproduce` and `score` share: read, backtest, weigh, calibrate, forecast, write."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame

from search_forecast.demand import term_series
from search_forecast.demand.forecasting import (
    assessment,
    calibration,
    coherence,
    forecasts,
    intervals,
    shared_autoregression,
)
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting.backtest import backtests
from search_forecast.demand.forecasting.forecasts import Forecaster
from search_forecast.demand.forecasting.shared_autoregression import SharedAutoregression
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.demand.term_series import TermSeries
from search_forecast.demand.version_files import About, VersionFiles
from search_forecast.lakehouse.scratch import save_rows
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import registry
from search_forecast.parameters import ForecastParameters

logger = logging.getLogger(__name__)
CHAMPION_COLUMNS = ("term", "weights", "typical_error", "is_small", "widening", "verdict", "p_value", "reason")


@dataclass(frozen=True)
class Assessment:
    """What a backtest on gold says, before anything is written.

    Attributes:
        parameters: of the run.
        series: that it read.
        shared: the model of all terms, where there is one.
        multipliers: of the intervals.
        rows: one per (term, candidate), of `calibration.with_coverage`.
        left_out: by candidate or kind of days, what was left out and why.
    """

    parameters: ForecastParameters
    series: TermSeries
    shared: SharedAutoregression | None
    multipliers: intervals.Multipliers
    rows: DataFrame
    left_out: Mapping[str, str]


def assess(
    lakehouse: Lakehouse,
    parameters: ForecastParameters,
    directory: Path,
    *,
    as_of: date | None = None,
    delta_versions: Mapping[str, int] | None = None,
    champions: DataFrame | None = None,
) -> Assessment:
    """Read gold, backtest, weigh the candidates and calibrate the intervals.

    Args:
        lakehouse: where gold is.
        parameters: what to train.
        directory: empty, where Python and Spark both see it.
        as_of: last day to know of.
        delta_versions: of gold's tables, the latest where None.
        champions: the present champion's weights, to be measured beside; None where there is none.
    """
    series = term_series.read(lakehouse, parameters, directory, delta_versions=delta_versions, as_of=as_of)
    shared, left_out = _shared(series, parameters)
    left_out |= series.left_out
    for why in dict.fromkeys(left_out.values()):
        names = ", ".join(name.replace("_", " ") for name, reason in left_out.items() if reason == why)
        logger.warning("left out: %s (%s)", names, why)
    untested = forecaster(series, parameters, shared, {})
    tests = save_rows(backtests(series.packed, untested, parameters), directory / "backtests")
    all_terms = assessment.pooled(tests)
    weighed = assessment.assessments(tests, champions, untested, parameters, all_terms)
    assessed = save_rows(weighed, directory / "assessed")
    multipliers = calibration.multipliers(assessed, parameters.horizon)
    measured = calibration.with_coverage(assessed, multipliers, parameters.horizon)
    return Assessment(
        parameters, series, shared, multipliers[-1], save_rows(measured, directory / "measured"), left_out
    )


def write(lakehouse: Lakehouse, run: Assessment, directory: Path) -> VersionFiles:
    """Forecast by what was learnt, and write the model's files below `directory`."""
    files = VersionFiles(directory / "model" / registry.FORECAST_FILES)
    files.directory.mkdir(parents=True)
    champions = files.write_champions(lakehouse, run.rows.where("is_champion").select(*CHAMPION_COLUMNS))
    tested = forecaster(run.series, run.parameters, run.shared, run.multipliers)
    rows = forecast(lakehouse, run.series, champions, tested, parameters=run.parameters, directory=directory)
    files.write_forecasts(lakehouse, rows)
    files.write_about(About(run.parameters, run.shared, run.multipliers, run.series.last_day.isoformat()), run.series)
    return files


def _shared(series: TermSeries, parameters: ForecastParameters) -> tuple[SharedAutoregression | None, dict[str, str]]:
    """The model of all terms, if asked for, of what lies before the backtest; by its name, why it was not fitted."""
    if c.SHARED not in parameters.candidates:
        return None, {}
    frequency = FREQUENCIES[parameters.frequency]
    sums = shared_autoregression.sums(
        series.packed,
        series.last_date,
        frequency,
        parameters.horizon,
        parameters.tested_periods,
        calendar=series.calendar,
    )
    fitted = shared_autoregression.fit(sums)
    least = shared_autoregression.least_examples(shared_autoregression.lags(frequency))
    return fitted, {} if fitted else {c.SHARED: f"a method that learns from at least {least} examples; there are fewer"}


def forecaster(
    series: TermSeries,
    parameters: ForecastParameters,
    shared: SharedAutoregression | None,
    multipliers: intervals.Multipliers,
) -> Forecaster:
    """The candidates that the parameters name, with what is fitted to all terms, and intervals."""
    names = [name for name in parameters.candidates if name != c.SHARED or shared]
    chosen = c.chosen(names, [shared] if shared else [])
    return Forecaster(series.last_date, FREQUENCIES[parameters.frequency], chosen, multipliers, series.calendar)


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
