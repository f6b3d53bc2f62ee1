"""What a shop knows of its days: holidays, campaigns, closures, and by how much they change a term's counts.

Every method sees the counts as they would have been without the events, and gets the events of the coming days back: a
factor, learnt from the term's own past days of that kind, or of that event where it is unlike others of its kind.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from search_forecast.demand.forecasting.history import Days, Event, Floats, History

KINDS = ("closure", "campaign", "holiday")  # of several on a day the first counts
BEYOND_CHANCE = 2.5  # standard errors that an effect must be away from none
_LEAST_DAYS = 2  # of an event that an effect is learnt from
_NEIGHBOURS = 4  # of the same weekday, to either side, that say what had come otherwise
_LEAST_NEIGHBOURS = 2


@dataclass(frozen=True)
class Calendar:
    """The events of a shop, small enough to travel to every worker.

    Attributes:
        general: those of all terms.
        of_terms: those of single terms.
    """

    general: Days = field(default_factory=dict)
    of_terms: Mapping[str, Days] = field(default_factory=dict)

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[date, str, str, str | None]]) -> "Calendar":
        """From event_date, event, kind and term of search_gold.calendar_events; one event a day and term."""
        by_term: dict[str | None, dict[date, Event]] = {}
        # The last one written stays: the first of KINDS, of the first name.
        for day, name, kind, term in sorted(rows, key=lambda row: (-KINDS.index(row[2]), row[1])):
            by_term.setdefault(term, {})[day] = Event(kind, name)
        return cls(by_term.pop(None, {}), {str(term): days for term, days in by_term.items()})

    def of(self, term: str) -> Days:
        """The events of a term's days; its own before those of all."""
        own = self.of_terms.get(term)
        return {**self.general, **own} if own else self.general

    def closures(self) -> frozenset[date]:
        """The days on which the whole shop is closed: without a search they are no days without a delivery."""
        return frozenset(day for day, event in self.general.items() if event.kind == "closure")


NO_EVENTS = Calendar()


@dataclass(frozen=True)
class Effect:
    """By how much counts change, as a logarithm, how sure that is, and from how many days.

    Attributes:
        log: the mean of the days' logarithms, by which chance is judged.
        standard_error: of it.
        days: how many.
        log_of_sums: of all their counts over all that had come otherwise: logarithms of a few searches are too near 0.
        doubt: how far off the only day that there was lies, as a share of what came otherwise; 0 where it doesn't.
    """

    log: float
    standard_error: float
    days: int
    log_of_sums: float = 0.0
    doubt: float = 0.0

    @property
    def is_far(self) -> bool:
        """Whether it is farther from none than chance goes."""
        return abs(self.log) > BEYOND_CHANCE * self.standard_error

    @property
    def is_sure(self) -> bool:
        """Whether it is to be counted on: of a single day nobody knows what else was."""
        return self.days >= _LEAST_DAYS and self.is_far

    @property
    def factor(self) -> float:
        """What a forecast counts on: nothing that may be chance."""
        return float(np.exp(self.log)) if self.is_sure else 1.0

    @property
    def error(self) -> float:
        """How far off a forecast with the factor may be, as a share of it."""
        return math.hypot(self.standard_error if self.is_sure else 0.0, self.doubt)

    def in_sums(self) -> "Effect":
        """As a forecast needs it, which is an expected count; as sure as it is."""
        if not self.is_sure:
            return self
        stretch = max(self.log_of_sums / self.log, 0.0) or 1.0  # as it is, where the two don't agree on the direction
        return replace(self, log=self.log * stretch, standard_error=self.standard_error * stretch)

    def __str__(self) -> str:
        if not self.is_sure:
            return "no effect that is sure"
        low, middle, high = (np.exp(self.log + sign * 1.96 * self.standard_error) for sign in (-1, 0, 1))
        return f"x {middle:.2f} ({low:.2f} to {high:.2f})"


UNKNOWN = Effect(0.0, 0.0, 0)


@dataclass(frozen=True)
class Counted:
    """A history without its events, and what the coming ones change.

    Attributes:
        history: as if there were no events.
        factors: of each coming period.
        errors: how far off a forecast with it may be, as a share of the forecast.
        said: for people, of each coming period, what is counted on; None where nothing is known of the day.
    """

    history: History
    factors: Floats
    errors: Floats
    said: tuple[str | None, ...]


def counted(history: History, horizon: int) -> Counted | None:
    """Take the events out of a history and find what the coming ones change; None where there are none to speak of."""
    coming = [history.events.get(day) for day in history.target_dates(horizon)]
    places = {place: event for place, event in enumerate(map(history.events.get, history.dates())) if event}
    if history.frequency.days > 1 or not (places or any(coming)):
        return None
    expected, ratios = _beside(history, np.isin(np.arange(len(history.values)), list(places)))
    learnt, spread = _effects(history.values, expected, ratios, places)
    values = history.values.copy()
    for place, event in places.items():
        effect = learnt.get(event, UNKNOWN)
        # A campaign that came once has no sure effect, but its day may be far from all others.
        is_odd = abs(ratios[place]) > BEYOND_CHANCE * spread
        if np.isfinite(expected[place]) and (effect.is_sure or is_odd):
            values[place] = expected[place]
        else:
            values[place] /= effect.factor
    effects = [
        UNKNOWN if event is None else learnt.get(event, learnt.get(Event(event.kind, ""), UNKNOWN)) for event in coming
    ]
    return Counted(
        replace(history, values=values, events={}),
        np.array([effect.factor for effect in effects]),
        np.array([effect.error for effect in effects]),
        tuple(
            None if event is None else f"{event.kind} {event.name}: {effect}"
            for event, effect in zip(coming, effects, strict=True)
        ),
    )


def without_events(history: History) -> History:
    """A history as if there were no events, as far as what they changed is known; see `counted`."""
    known = counted(history, 0)
    return history if known is None else known.history


def unheard_of(history: History, cutoff: int, horizon: int) -> NDArray[np.bool_]:
    """Which of the periods after a cutoff have an event that nothing could be known of then: it came a day at most."""
    if history.frequency.days > 1 or not history.events:
        return np.zeros(horizon, dtype=np.bool_)
    events = [history.events.get(day) for day in history.dates()[: cutoff + horizon]]
    came = Counter(events[:cutoff])
    return np.array([event is not None and came[event] < _LEAST_DAYS for event in events[cutoff:]], dtype=np.bool_)


def _beside(history: History, is_event: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """What the nearest days of the same weekday without an event say each day, and the log ratio of what came to it."""
    season, count = history.frequency.season_length, len(history.values)
    plain = np.where(is_event, np.nan, history.values)
    padded = np.pad(plain, season * _NEIGHBOURS, constant_values=np.nan)
    steps = [season * step for step in range(-_NEIGHBOURS, _NEIGHBOURS + 1) if step]
    around = np.stack([padded[season * _NEIGHBOURS + step :][:count] for step in steps])
    known = np.isfinite(around)
    sums = np.where(known, around, 0.0).sum(axis=0)
    expected = np.where(known.sum(axis=0) >= _LEAST_NEIGHBOURS, sums / np.maximum(known.sum(axis=0), 1), np.nan)
    ratios = np.log((history.values + 0.5) / (expected + 0.5))
    ordinary = ratios[~is_event & np.isfinite(ratios)]
    return expected, ratios - (ordinary.mean() if len(ordinary) else 0.0)


def _effects(
    values: Floats, expected: Floats, ratios: Floats, places: Mapping[int, Event]
) -> tuple[dict[Event, Effect], float]:
    """Effects of kinds (as events without a name) and of events that were there before.

    And by how much the ratios of days without an event differ; infinite where they are too few to tell.
    """
    is_plain = np.ones(len(ratios), dtype=bool)
    is_plain[list(places)] = False
    ordinary = ratios[is_plain & np.isfinite(ratios)]
    if len(ordinary) < 2 * _NEIGHBOURS:
        return {}, np.inf
    spread = max(float(ordinary.std(ddof=1)), 1e-3)

    def effect(among: list[int]) -> Effect:
        known = [place for place in among if np.isfinite(ratios[place])]
        found = ratios[known]
        own = float(found.std(ddof=1)) if len(found) > 1 else 0.0
        error = max(spread, own) / np.sqrt(max(len(found), 1))
        of_sums = np.log((values[known].sum() + 0.5) / (expected[known].sum() + 0.5))
        return Effect(float(found.mean()) if len(found) else 0.0, float(error), len(found), float(of_sums))

    learnt: dict[Event, Effect] = {}
    for kind in {event.kind for event in places.values()}:
        of_kind = [place for place, event in places.items() if event.kind == kind]
        common = effect(of_kind)
        names = {places[place] for place in of_kind}
        for event in names:
            own = effect([place for place in of_kind if places[place] == event])
            others = effect([place for place in of_kind if places[place] != event])
            apart = Effect(own.log - others.log, float(np.hypot(own.standard_error, others.standard_error)), own.days)
            best = own if others.days and apart.is_sure else common
            # What came once is not counted on, but the interval holds it: nobody knows whether it comes so again.
            left = apart if best.is_sure else own
            is_doubted = own.days == 1 and left.is_far
            learnt[event] = replace(best.in_sums(), doubt=abs(float(np.expm1(left.log))) if is_doubted else 0.0)
        learnt[Event(kind, "")] = common.in_sums()
    return learnt, spread
