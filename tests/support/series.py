"""Series to try forecasting on, and their backtest."""

from datetime import date
from typing import Any

import numpy as np

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import weights
from search_forecast.demand.forecasting.assessment import assessed
from search_forecast.demand.forecasting.backtest import backtested
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.parameters import ForecastParameters

DAY, WEEK = FREQUENCIES["day"], FREQUENCIES["week"]
SUNDAY = date(2025, 6, 29)
WEEKDAYS = np.array([1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8])
QUICK = c.chosen(["theta"])


def history(values: object, last_date: date = SUNDAY, frequency: object = DAY) -> History:
    return History(np.asarray(values, dtype=np.float64), last_date, frequency)  # type: ignore[arg-type]


def weekly_pattern(level: float, days: int, seed: int) -> Floats:
    return np.random.default_rng(seed).poisson(level * WEEKDAYS[np.arange(days) % 7]).astype(np.float64)


def backtest(term: str, share: float, known: History, candidates: Any, parameters: ForecastParameters) -> list[dict]:
    return assessed(term, share, backtested(known, candidates, parameters), weights.Pooled({}))


def champion(rows: list[dict]) -> dict:
    (row,) = [row for row in rows if row["is_champion"]]
    return row
