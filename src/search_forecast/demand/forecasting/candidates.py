"""Forecasting methods behind one interface: a history in, the expected counts of the next periods out.

A new candidate is a class or a `Statistical(...)` in `_ALL`, its name in `parameters.CANDIDATES`; docs/forecasting.md
shows one.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from statsforecast import models

from search_forecast.demand.forecasting.events import counted
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.stepwise_ets import LONGEST_SEASON, StepwiseETS
from search_forecast.errors import UsageError, did_you_mean
from search_forecast.parameters import BASELINES, CANDIDATES

MEAN, SEASONAL_NAIVE = "historic_mean", "seasonal_naive"
SHARED = "shared_autoregression"  # fitted to all terms, see the module of that name
_RUNAWAY = 20  # times the largest count ever seen: no forecast but a model that went wrong


class Candidate(Protocol):
    """A forecasting method."""

    @property
    def name(self) -> str:
        """What tables and people call it: lower case, underscores."""
        ...

    def suits(self, history: History) -> bool:
        """Whether to try it on such a series at all; asked again for every cutoff."""
        ...

    def forecast(self, history: History, horizon: int) -> Floats:
        """The expected counts of the next `horizon` periods; it may raise anything, the series then goes without it."""
        ...


@dataclass(frozen=True)
class Statistical:
    """A model of statsforecast, fitted to the series alone.

    Attributes:
        name: of the candidate.
        make: the model, from a season length; 1 where the history is shorter than two seasons.
        least_periods: periods of history that it needs.
        least_seasons: seasons of history that it needs.
        has_memory: whether it looks at the frequency's memory only, and not at all of the history.
        is_for: which series it is for, all where None.
        form: from a fitted model how to make more of the form that it chose among many; None where it chooses nothing.
    """

    name: str
    make: Callable[[int], Any]
    least_periods: int = 1
    least_seasons: float = 0
    has_memory: bool = True
    is_for: Callable[[History], bool] | None = None
    form: Callable[[Any], Callable[[int], Any]] | None = None

    def suits(self, history: History) -> bool:
        """Long enough, and of its kind."""
        least = max(self.least_periods, self.least_seasons * history.frequency.season_length)
        return len(history.values) >= least and (self.is_for is None or self.is_for(history))

    def forecast(self, history: History, horizon: int) -> Floats:
        """Fit and forecast."""
        values, season = self._given(history)
        return np.asarray(self.make(season).forecast(y=values, h=horizon)["mean"], dtype=np.float64)

    def settled(self, history: History) -> "Candidate":
        """The same of one form, the one that suits a history: choosing it is what costs."""
        if self.form is None or not self.suits(history):
            return self
        values, season = self._given(history)
        try:
            return Settled(self, replace(self, make=self.form(self.make(season).fit(values)), form=None))
        except Exception:  # it may fail in any way on an odd series, and says so where it is asked for a forecast
            return self

    def _given(self, history: History) -> tuple[Floats, int]:
        values = history.recent() if self.has_memory else history.values
        season = history.frequency.season_length
        return values, season if self.least_seasons or len(values) >= 2 * season else 1


@dataclass(frozen=True)
class Settled:
    """A candidate whose form was chosen once; where that form fails later (zeros came up), it is chosen anew."""

    origin: Statistical
    of_one_form: Statistical

    @property
    def name(self) -> str:
        """The origin's."""
        return self.origin.name

    def suits(self, history: History) -> bool:
        """As the origin says."""
        return self.origin.suits(history)

    def forecast(self, history: History, horizon: int) -> Floats:
        """Fit that form to the history and forecast."""
        try:
            forecast = self.of_one_form.forecast(history, horizon)
        except Exception:  # as above
            return self.origin.forecast(history, horizon)
        return forecast if np.isfinite(forecast).all() else self.origin.forecast(history, horizon)


@dataclass(frozen=True)
class WindowAverage:
    """The mean of the last periods, as many as the frequency's window."""

    name: str = "window_average"

    def suits(self, history: History) -> bool:
        """Always."""
        return len(history.values) > 0

    def forecast(self, history: History, horizon: int) -> Floats:
        """A flat line."""
        return np.full(horizon, history.values[-history.frequency.window :].mean())


@dataclass(frozen=True)
class Combination:
    """The mean or median of other candidates' forecasts, of those at least two that gave one.

    Combinations win most forecasting competitions (Makridakis, Spiliotis, Assimakopoulos 2020, The M4 Competition).
    """

    name: str
    members: tuple[str, ...]
    combine: Callable[[Floats], Floats]

    def of(self, forecasts: Mapping[str, Floats]) -> Floats | None:
        """The combined forecast; None where fewer than two members gave one."""
        parts = [forecasts[name] for name in self.members if name in forecasts]
        return self.combine(np.stack(parts)) if len(parts) > 1 else None


def _is_intermittent(history: History) -> bool:
    return bool((history.recent() == 0).mean() > 0.25)


def _ets_form(fitted: Any) -> Callable[[int], Any]:
    return lambda season: models.AutoETS(season if season <= LONGEST_SEASON else 1, **_components(fitted))


def _ces_form(fitted: Any) -> Callable[[int], Any]:
    return partial(models.AutoCES, model=fitted.model_["seasontype"])


def _mstl(season_length: int, model: str = "ZZN", damped: bool | None = None) -> Any:
    trend = models.AutoETS(season_length=1, model=model, damped=damped)
    return models.MSTL(season_length=season_length, trend_forecaster=trend)


def _mstl_form(fitted: Any) -> Callable[[int], Any]:
    return partial(_mstl, **_components(fitted.trend_forecaster))


def _components(fitted: Any) -> dict[str, Any]:
    error, trend, season, damping = fitted.model_["components"]
    return {"model": f"{error}{trend}{season}", "damped": damping != "N"}


_MEMBERS = ("theta", "ets", "ces", "mstl", SHARED)
_ALL: tuple[Candidate | Combination, ...] = (
    Statistical(MEAN, lambda _: models.HistoricAverage(), has_memory=False),
    WindowAverage(),
    Statistical(SEASONAL_NAIVE, lambda season: models.SeasonalNaive(season_length=season), least_seasons=1),
    Statistical("naive", lambda _: models.Naive()),
    Combination("median_of_candidates", _MEMBERS, lambda forecasts: np.median(forecasts, axis=0)),
    Combination("mean_of_candidates", _MEMBERS, lambda forecasts: forecasts.mean(axis=0)),
    Statistical("croston", lambda _: models.CrostonSBA(), is_for=_is_intermittent),
    Statistical("theta", models.DynamicOptimizedTheta, least_periods=10),
    Statistical("ets", StepwiseETS, least_periods=10, form=_ets_form),
    Statistical("ces", models.AutoCES, least_periods=10, form=_ces_form),
    Statistical("mstl", _mstl, least_seasons=2.5, form=_mstl_form),
)
DEFAULT_CANDIDATES = {candidate.name: candidate for candidate in _ALL}


def chosen(names: Sequence[str], extra: Sequence[Candidate] = ()) -> dict[str, Candidate | Combination]:
    """The candidates of these names, the baselines always among them, in the order of preference.

    A combination named without any of its members brings them all.

    Args:
        names: some of `parameters.CANDIDATES`.
        extra: candidates that are no module constants, such as one fitted to all terms; taken if named.

    Raises:
        UsageError: a name is unknown.
    """
    for name in names:
        if name not in {*DEFAULT_CANDIDATES, SHARED, *(candidate.name for candidate in extra)}:
            raise UsageError(f"no candidate {name}{did_you_mean(name, CANDIDATES)}")
    known = {**DEFAULT_CANDIDATES, **{candidate.name: candidate for candidate in extra}}
    named = [known[name] for name in names if name in known]
    members = [member for item in named if isinstance(item, Combination) for member in item.members]
    needed = {*names, *BASELINES, *(members if not set(names) & set(members) else ())}
    return {name: candidate for name, candidate in known.items() if name in needed}


def forecasts(
    history: History, horizon: int, candidates: Mapping[str, Candidate | Combination]
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Ask all candidates that suit a series; none sees its events, and what they change is added to each.

    Returns:
        The forecasts by name, never below zero; and why the others gave none, by name.
    """
    by_name: dict[str, Floats] = {}
    failures: dict[str, str] = {}
    known = counted(history, horizon) if history.events else None
    history = history if known is None else known.history
    singles = {name: item for name, item in candidates.items() if not isinstance(item, Combination)}
    for name, candidate in singles.items():
        if not candidate.suits(history):
            failures[name] = "does not suit the series: too short, or not of its kind"
            continue
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                forecast = _checked(candidate.forecast(history, horizon), history, horizon)
                by_name[name] = forecast if known is None else forecast * known.factors
        except Exception as error:  # a model may fail in any way on an odd series, and the others go on
            failures[name] = f"failed: {type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
    for name, item in candidates.items():
        if isinstance(item, Combination):
            combined = item.of(by_name)
            if combined is None:
                failures[name] = "fewer than two of its members gave a forecast"
            else:
                by_name[name] = combined
    return by_name, failures


def _checked(forecast: Floats, history: History, horizon: int) -> Floats:
    if forecast.shape != (horizon,):
        raise ValueError(f"{forecast.shape} forecasts for {horizon} periods")
    if not np.isfinite(forecast).all():
        raise ValueError("a forecast is no number")
    largest = history.values.max(initial=0.0)
    if forecast.max() > _RUNAWAY * max(largest, 1.0):
        raise ValueError(f"a forecast of {forecast.max():.3g} where {largest:.3g} is the most there ever was")
    return np.maximum(forecast, 0.0)


def settled(
    history: History, horizon: int, candidates: Mapping[str, Candidate | Combination]
) -> dict[str, Candidate | Combination]:
    """The candidates of the form that suits a history, for all that come later: half of a backtest's seconds."""
    known = counted(history, horizon) if history.events else None
    given = history if known is None else known.history
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {
            name: item.settled(given) if isinstance(item, Statistical) else item for name, item in candidates.items()
        }


def with_members(
    names: Iterable[str], candidates: Mapping[str, Candidate | Combination]
) -> dict[str, Candidate | Combination]:
    """Some candidates, the members of those that are combinations, and the mean to fall back on."""
    needed = {*names, MEAN}
    for name in names:
        item = candidates.get(name)
        needed |= set(item.members) if isinstance(item, Combination) else set()
    return {name: item for name, item in candidates.items() if name in needed}
