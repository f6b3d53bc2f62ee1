"""CPU seconds a series of the backtest, by candidate, beside statsforecast's own cross-validation of the same models.

    .venv/bin/python benchmarks/forecast_peer.py [--series 100]

The series are those of forecast_scale.py, 730 days; horizon 14, six windows seven days apart, every model fitted anew
at each cutoff (the forms of our ETS, CES and MSTL are chosen once), in one process with one thread. statsforecast is
given all of the history, as it has no memory of its own, and also the last 182 days before the end, which is about
what the costlier candidates are given.
"""

import argparse
import time
import warnings
from datetime import date

import numpy as np
import pandas as pd
from statsforecast import StatsForecast, models

from forecast_run import machine, table
from forecast_scale import DAYS, counts
from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting.backtest import backtested
from search_forecast.demand.forecasting.history import History
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.parameters import ForecastParameters

SEASON = 7
MODELS = {
    "historic_mean": models.HistoricAverage(),
    "seasonal_naive": models.SeasonalNaive(season_length=SEASON),
    "naive": models.Naive(),
    "croston": models.CrostonSBA(),
    "theta": models.DynamicOptimizedTheta(season_length=SEASON),
    "ets": models.AutoETS(season_length=SEASON),
    "ces": models.AutoCES(season_length=SEASON),
    "mstl": models.MSTL(season_length=SEASON, trend_forecaster=models.AutoETS(season_length=1, model="ZZN")),
}


def ours(series: list[np.ndarray], parameters: ForecastParameters) -> dict[str, float]:
    """CPU seconds of our backtest, of each candidate by itself."""
    seconds = {}
    for name in MODELS:
        started = time.process_time()
        for values in series:
            history = History(values, date(2025, 11, 23), FREQUENCIES["day"])
            backtested(history, {name: c.DEFAULT_CANDIDATES[name]}, parameters)
        seconds[name] = time.process_time() - started
    return {**seconds, "all": sum(seconds.values())}


def theirs(series: list[np.ndarray], parameters: ForecastParameters, days: int) -> dict[str, float]:
    """CPU seconds of statsforecast's cross-validation, of each model by itself, of the last days."""
    frames = [
        pd.DataFrame({"unique_id": str(number), "ds": np.arange(days), "y": values[-days:]})
        for number, values in enumerate(series)
    ]
    frame, seconds = pd.concat(frames), {}
    for name, model in MODELS.items():
        started = time.process_time()
        StatsForecast([model], freq=1, n_jobs=1, fallback_model=models.Naive()).cross_validation(
            h=parameters.horizon, df=frame, step_size=parameters.step, n_windows=parameters.windows
        )
        seconds[name] = time.process_time() - started
    return {**seconds, "all": sum(seconds.values())}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    series, parameters = [counts(number) for number in range(given.series)], ForecastParameters()
    ours(series[:2], parameters)  # compiles
    found = [ours(series, parameters), theirs(series, parameters, DAYS), theirs(series, parameters, 182 + 49)]
    print(f"{machine()}; {given.series} series of {DAYS} days; CPU milliseconds a series")
    lines = [
        [name, *(f"{1000 * one[name] / given.series:.1f}" for one in found)]
        for name in sorted(found[0], key=found[0].__getitem__, reverse=True)
    ]
    print(table(["candidate", "ours", "statsforecast, all days", "statsforecast, last 231 days"], lines))


if __name__ == "__main__":
    main()
