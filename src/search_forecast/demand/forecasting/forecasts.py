"""The coming periods of every series: a worker takes a few at a time, none goes through the driver."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import intervals
from search_forecast.demand.forecasting import weights as w
from search_forecast.demand.forecasting.events import NO_EVENTS, Calendar, counted
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.mending import completed, jump, season_shares
from search_forecast.demand.periods import Frequency
from search_forecast.lakehouse.contracts import TERM_FORECASTS

SIDES = ("lower", "upper")
NEW_LEVEL = "level_since_jump"  # in place of candidates
_NEAR = 1 / 3  # of the jump: farther from the new level toward the old, and a candidate has not seen it
FORECAST_ROW = (
    "term string, step bigint, target_date date, candidate string, forecast double, mean_forecast double, "
    "typical_error double, lower_80 double, upper_80 double, lower_95 double, upper_95 double, events string"
)


@dataclass(frozen=True)
class Forecaster:
    """All that turns a history into forecasts, small enough to travel to every worker.

    Attributes:
        last_date: of the series (of a weekly one the Monday of its last week).
        frequency: day or week.
        candidates: by name, in order of preference.
        multipliers: for the conformal intervals.
        calendar: what is known of past and coming days.
    """

    last_date: date
    frequency: Frequency
    candidates: Mapping[str, c.Candidate | c.Combination]
    multipliers: intervals.Multipliers
    calendar: Calendar = NO_EVENTS

    def history(self, counts: Sequence[float] | Floats, term: str) -> History:
        """A term's counts as a history."""
        return History(np.asarray(counts, dtype=np.float64), self.last_date, self.frequency, self.calendar.of(term))


def forecasts(packed: DataFrame, champions: DataFrame, forecaster: Forecaster, horizon: int) -> DataFrame:
    """Forecast every series by its weighted candidates, fitted to all of its history.

    Args:
        packed: of `series.packed`, dealt out.
        champions: one row per term: weights, typical_error, is_small, widening. A series without one gets the mean.
        forecaster: with the candidates that have weights.
        horizon: periods ahead.

    Returns:
        One row per (term, step): the columns of `FORECAST_ROW`; a candidate that fails is left out.
    """
    theirs = champions.select("term", "weights", "typical_error", "is_small", "widening")

    def run(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for row in batch.to_dict("records"):
                champion = None
                if row["weights"] is not None:
                    widening = np.asarray(row["widening"], dtype=np.float64)
                    champion = Champion(dict(row["weights"]), row["typical_error"], bool(row["is_small"]), widening)
                rows = _forecast(forecaster, forecaster.history(row["counts"], row["term"]), champion, horizon)
                yield pd.DataFrame({"term": row["term"], **rows})

    return packed.join(theirs, "term", how="left").mapInPandas(run, FORECAST_ROW)


@dataclass(frozen=True)
class Champion:
    """What forecasts a term: the weights of candidates, and how large its errors are."""

    weights: Mapping[str, float]
    typical_error: float
    is_small: bool
    widening: Floats

    @classmethod
    def unmeasured(cls, known: History) -> "Champion":
        """The mean, and a guess at its errors by the counts that are known: what was filled in tells nothing."""
        error = intervals.unmeasured_error(known.values, known.frequency)
        ones = np.ones(len(intervals.LEVELS))
        return cls({c.MEAN: 1.0}, error, intervals.is_count_based(known.recent()), ones)


def _forecast(forecaster: Forecaster, history: History, champion: Champion | None, horizon: int) -> dict[str, Any]:
    history, is_known, _ = completed(history)
    known = counted(history, horizon)
    plain, factors = (history, np.ones(horizon)) if known is None else (known.history, known.factors)
    champion = champion or Champion.unmeasured(replace(plain, values=plain.values[is_known]))
    by_name, _ = c.forecasts(history, horizon, c.with_members(champion.weights, forecaster.candidates))
    weighted = {name: weight for name, weight in champion.weights.items() if name in by_name}
    weighted, by_name = at_new_level(weighted or {c.MEAN: 1.0}, by_name, plain, factors)
    forecast = w.blend(weighted, by_name)
    widths = intervals.half_width(forecaster.multipliers, horizon, champion.widening)
    # An event makes errors larger or smaller as it does counts, and what it changes is not sure either.
    errors: Floats = np.full(horizon, champion.typical_error)
    if known is not None:
        errors = np.hypot(errors * known.factors, forecast * known.errors)
    ends = intervals.interval(forecast, widths, errors, is_small=champion.is_small)
    return {
        "step": np.arange(1, horizon + 1),
        "target_date": history.target_dates(horizon),
        "candidate": w.made_of(weighted),
        "forecast": forecast,
        "mean_forecast": by_name[c.MEAN],
        "typical_error": champion.typical_error,
        **{f"{side}_{level * 100:.0f}": ends[level][i] for level in intervals.LEVELS for i, side in enumerate(SIDES)},
        "events": [None] * horizon if known is None else list(known.said),
    }


def at_new_level(
    weighted: w.Weights, by_name: dict[str, Floats], history: History, factors: Floats
) -> tuple[w.Weights, dict[str, Floats]]:
    """After a jump that the backtest's windows hardly know: only what has seen it, else the new level itself.

    Args:
        weighted: the candidates' weights.
        by_name: their forecasts.
        history: without its events.
        factors: what the events of the coming periods change.
    """
    moved = jump(history)
    if moved is None:
        return weighted, by_name
    since, before, after = moved
    # How far from the new level to the old a forecast lies; what lies beyond the new level has seen it too.
    # Not all weekdays and no closed days are at the level.
    shares = season_shares(history)[np.arange(len(factors)) % history.frequency.season_length] * factors
    behind = {name: (after - by_name[name].mean() / shares.mean()) / (after - before) for name in weighted}
    near = {name: part for name, part in weighted.items() if behind[name] < _NEAR}
    if near:
        return w.pruned(near), by_name
    return {NEW_LEVEL: 1.0}, {**by_name, NEW_LEVEL: float(history.values[-since:].mean()) * factors}


def term_forecasts(rows: DataFrame, name: str, model_version: int, made_on: date, scored_at: datetime) -> DataFrame:
    """Rows of search_gold.term_forecasts: one per term, target date and level.

    Args:
        rows: of `forecasts`.
        name: of the registered model.
        model_version: that they come from.
        made_on: last date of the counts they were made from.
        scored_at: when.
    """
    by_level = F.explode(
        F.array(
            *(
                F.struct(
                    F.lit(level).alias("interval_level"),
                    F.col(f"lower_{level * 100:.0f}").alias("lower"),
                    F.col(f"upper_{level * 100:.0f}").alias("upper"),
                )
                for level in intervals.LEVELS
            )
        )
    )
    return (
        rows.withColumn("end", by_level)
        .select(
            *("term", "target_date", "forecast", "mean_forecast", "candidate", "events", "end.*"),
            F.lit(model_version).cast("bigint").alias("model_version"),
            F.lit(made_on).alias("made_on_date"),
            F.datediff("target_date", F.lit(made_on)).cast("bigint").alias("horizon_days"),
            F.lit(name).alias("model_name"),
            F.lit(scored_at).alias("scored_at"),
        )
        .select(*TERM_FORECASTS.schema.names)
    )
