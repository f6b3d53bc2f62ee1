"""What is odd in a series, and what is done about it: periods that are not known, outliers, a level that jumped."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search_forecast.demand.forecasting.history import LARGEST_COUNT, Floats, History
from search_forecast.demand.periods import runs

_OUTLIER = 5  # times the largest of the other counts
_LEAST_OUTLIER = 50.0  # searches: what is less does no harm
_LONGEST_OUTLIER = 3  # periods in a row
_MOST_OUTLIERS = 0.01  # of the periods; what comes more often is demand
_LEAST_WEEKDAY = 0.2  # of the mean: on a weekday with less, counts say little of the level
_LEAST_JUMP = 1.5  # times the level before, or that part of it
_YEAR, _ABOUT = 365, 28  # days: a change so long before, give or take four weeks, is the season's
_ALIKE = 0.8  # of a change, as a ratio of levels: how much of it makes another one alike
# Quarters of the frequency's window: that a new level must have held, and that are looked at.
_LEAST_AFTER, _LONGEST = 2, 8


class Jump(NamedTuple):
    """A level that jumped: for how many periods the new one has held, and the levels before and after."""

    periods: int
    before: float
    after: float


def mended(history: History) -> tuple[Floats, NDArray[np.bool_], str | None]:
    """Fill in periods that are not known (NaN) or hold no count (negative, absurd), and outliers.

    Each becomes the mean of the nearest known values before and after it at the same place in the season; where there
    is none, what lies on the straight line between its neighbours. A day with an event is no outlier.

    Returns:
        The values; which of them are counts to go by; and what was done, None where nothing was.
    """
    values, season_length = history.values, history.frequency.season_length
    is_count = np.isfinite(values) & (values >= 0) & (values <= LARGEST_COUNT)
    is_outlier = _outliers(np.where(is_count & ~history.is_event(), values, 0.0))
    is_good = is_count & ~is_outlier
    if is_good.all():
        return values, is_good, None
    sentences = []
    undelivered, absurd = int(np.isnan(values).sum()), int((~is_count & ~np.isnan(values)).sum())
    if undelivered:
        sentences.append(f"{undelivered} of {len(values)} periods without any delivery: left out")
    if absurd:
        sentences.append(f"{absurd} of {len(values)} values were negative or absurd: interpolated")
    if is_outlier.any():
        largest = values[is_outlier].max()
        sentences.append(
            f"{is_outlier.sum()} of {len(values)} values are outliers (up to {largest:,.0f}): interpolated"
        )
    return _filled(values, is_good, season_length), is_good, "; ".join(sentences)


def completed(history: History) -> tuple[History, NDArray[np.bool_], str | None]:
    """A history with what `mended` fills in; what came on these days nobody knows, so an event on them tells nothing.

    Returns:
        The history; which of its periods are counts to go by; and what was done, None where nothing was.
    """
    values, is_good, said = mended(history)
    filled = {day for day, good in zip(history.dates(), is_good, strict=True) if not good} if history.events else set()
    events = {day: event for day, event in history.events.items() if day not in filled}
    return replace(history, values=values, events=events), is_good, said


def _filled(values: Floats, is_good: NDArray[np.bool_], season_length: int) -> Floats:
    places = np.arange(len(values))
    if not is_good.any():
        return np.zeros(len(values))
    filled: Floats = np.interp(places, places[is_good], values[is_good])
    for place in places[~is_good]:
        alike = places[is_good & ((places - place) % season_length == 0)]
        around = [*alike[alike < place][-1:], *alike[alike > place][:1]]
        if around:
            filled[place] = values[around].mean()
    return filled


def _outliers(values: Floats) -> NDArray[np.bool_]:
    """Which counts stand alone: many times as large as all others, a few periods in a row, now and then.

    The largest counts are taken for outliers one after the other, as long as they are few; the last ones after which
    all others are many times smaller are what is found. A burst to the end of the series may be a new level.
    """
    nothing = np.zeros(len(values), dtype=bool)
    # Of a term that is hardly ever searched a burst may be all there is.
    if len(values) < 5 or values.max() < _LEAST_OUTLIER or (values > 0).mean() <= 0.5:
        return nothing
    most = max(2, int(_MOST_OUTLIERS * len(values)))
    ordered = np.sort(values)[::-1][: most + _LONGEST_OUTLIER]
    for number in range(len(ordered) - 1, 0, -1):
        if ordered[number - 1] > max(_OUTLIER * ordered[number], _LEAST_OUTLIER):
            is_outlier = values >= ordered[number - 1]
            found = runs(is_outlier)
            is_new = any(stop == len(values) and stop - start > 1 for start, stop in found)
            longest = max(stop - start for start, stop in found)
            if longest <= _LONGEST_OUTLIER and len(found) <= most and not is_new:
                return np.asarray(is_outlier, dtype=np.bool_)
    return nothing


def jump(history: History) -> Jump | None:
    """The place where the level jumped lately: stable before, stable after, hardly an overlap between.

    It must be a larger change than the series ever made before from one stretch of that length to the next: where
    levels wander or are small counts of a restless term, they go back as they came. And it must not have come a year
    before: a peak of every year is larger each time where demand grows.
    """

    def is_new(before: Floats, after: Floats) -> bool:
        low, high = (before, after) if np.median(before) < np.median(after) else (after, before)
        return bool(_is_stable(before) and _is_stable(after) and np.quantile(low, 0.95) < np.quantile(high, 0.05))

    values, least, longest = _levels(history)
    found = _best(values, range(least, min(longest, len(values) - least) + 1), longest, is_new)
    if found is None:
        return None
    before, after = _neighbours(values[: -found.periods], found.periods)
    is_largest = abs(found.after - found.before) > np.abs(after - before).max(initial=0.0)
    return found if is_largest and not _came_a_year_before(values, found, history.frequency.days) else None


def _came_a_year_before(values: Floats, found: Jump, days: int) -> bool:
    year_ago, about = len(values) - found.periods - _YEAR // days, _ABOUT // days + found.periods
    before, after = _neighbours(values[max(year_ago - about, 0) : max(year_ago + about, 0)], found.periods)
    changes, change = np.log((after + 1) / (before + 1)), math.log((found.after + 1) / (found.before + 1))
    return bool((changes * np.sign(change)).max(initial=0.0) >= _ALIKE * abs(change))


def _neighbours(values: Floats, length: int) -> tuple[Floats, Floats]:
    """The levels of all neighbouring stretches of a length, of the first and of the second; empty where none are."""
    if len(values) < 2 * length:
        return np.zeros(0), np.zeros(0)
    levels = np.median(np.lib.stride_tricks.sliding_window_view(values, length), axis=1)
    return levels[:-length], levels[length:]


def fresh_jump(history: History) -> Jump | None:
    """As `jump`, of periods that are too few for a new level: all of them beyond nearly all that were before."""

    def is_new(before: Floats, after: Floats) -> bool:
        return bool(after.min() > np.quantile(before, 0.95) or after.max() < np.quantile(before, 0.05))

    values, least, longest = _levels(history)
    return _best(values, range(_LONGEST_OUTLIER, min(least, len(values) - least + 1)), longest, is_new)


def _best(values: Floats, lengths: range, longest: int, is_new: Callable[[Floats, Floats], bool]) -> Jump | None:
    """Of the lengths of a new level that could be one, that which leaves the least spread around both levels."""
    found: list[tuple[float, Jump]] = []
    for held in lengths:
        before, after = values[-held - longest : -held], values[-held:]
        old, new = float(np.median(before)), float(np.median(after))
        if max(old, new) >= _LEAST_JUMP * (min(old, new) + 1) and is_new(before, after):
            found.append((float(np.abs(before - old).sum() + np.abs(after - new).sum()), Jump(held, old, new)))
    return min(found)[1] if found else None


def _levels(history: History) -> tuple[Floats, int, int]:
    """The counts without their weekdays; how many periods a new level must have held, and how many are looked at."""
    unit = history.frequency.window // 4
    places = np.arange(-len(history.values), 0) % history.frequency.season_length
    return history.values / season_shares(history)[places], _LEAST_AFTER * unit, _LONGEST * unit


def season_shares(history: History) -> Floats:
    """What each period of a season has of their mean, from the coming one on; ones where that is not looked at."""
    values, frequency, unit = history.values, history.frequency, history.frequency.window // 4
    recent = values[-2 * _LONGEST * unit :]
    if frequency.days > 1 or len(values) < 2 * _LEAST_AFTER * unit or not recent.any():
        return np.ones(frequency.season_length)
    places = np.arange(-len(recent), 0) % frequency.season_length
    means = np.array([recent[places == place].mean() for place in range(frequency.season_length)])
    return np.asarray(np.maximum(means / recent.mean(), _LEAST_WEEKDAY), dtype=np.float64)


def _is_stable(values: Floats) -> bool:
    """Whether the two halves of some values have about one level."""
    half = len(values) // 2
    first, second = np.median(values[:half]), np.median(values[half:])
    return bool(max(first, second) < _LEAST_JUMP * (min(first, second) + 1))
