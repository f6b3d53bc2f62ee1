"""What is odd in a series, and what is done about it: periods that are not known, outliers, a level that jumped."""

import numpy as np
from numpy.typing import NDArray

from search_forecast.demand.forecasting.history import LARGEST_COUNT, Floats

_OUTLIER = 5  # times the largest count more than a period away
_LEAST_OUTLIER = 50.0  # searches: what is less does no harm
_LEAST_JUMP = 1.5  # times the level before, or that part of it
_LEAST_AFTER, _LONGEST = 2, 8  # units that a new level must have held, and that are looked at on either side


def mended(values: Floats, season_length: int = 1) -> tuple[Floats, NDArray[np.bool_], str | None]:
    """Fill in periods that are not known (NaN) or hold no count (negative, absurd), and outliers.

    Each becomes the mean of the nearest known values before and after it at the same place in the season; where there
    is none, what lies on the straight line between its neighbours.

    Returns:
        The values; which of them are counts to go by; and what was done, None where nothing was.
    """
    values = np.asarray(values, dtype=np.float64)
    is_count = np.isfinite(values) & (values >= 0) & (values <= LARGEST_COUNT)
    is_outlier = _outliers(np.where(is_count, values, 0.0))
    is_good = is_count & ~is_outlier
    if is_good.all():
        return values, is_good, None
    sentences = []
    if not is_count.all():
        missing = int((~is_count).sum())
        sentences.append(f"{missing} of {len(values)} values were missing, negative or absurd: interpolated")
    if is_outlier.any():
        largest = values[is_outlier].max()
        sentences.append(
            f"{is_outlier.sum()} of {len(values)} values are outliers (up to {largest:,.0f}): interpolated"
        )
    return _filled(values, is_good, season_length), is_good, "; ".join(sentences)


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
    """Which counts stand alone: many times as large as all others but their neighbours."""
    is_outlier = np.zeros(len(values), dtype=bool)
    if len(values) >= 5 and values.max() >= _LEAST_OUTLIER:
        top = int(values.argmax())
        others = np.delete(values, range(max(top - 1, 0), min(top + 2, len(values))))
        limit = max(_OUTLIER * others.max(), _LEAST_OUTLIER)
        # Of a term that is hardly ever searched a burst may be all there is.
        is_outlier = (values > limit) & bool((others > 0).mean() > 0.5)
    return is_outlier


def jump(values: Floats, unit: int) -> tuple[int, float, float] | None:
    """The place where the level jumped lately: stable before, stable after, hardly an overlap between.

    Args:
        values: complete counts.
        unit: periods in a quarter of the frequency's window: a week of days, two weeks.

    Returns:
        How many periods the new level has held, and the levels before and after; None where it did not jump.
    """
    least, longest = _LEAST_AFTER * unit, _LONGEST * unit
    best: tuple[float, tuple[int, float, float]] | None = None
    for held in range(least, min(longest, len(values) - least) + 1):
        before, after = values[-held - longest : -held], values[-held:]
        old, new = float(np.median(before)), float(np.median(after))
        if max(old, new) < _LEAST_JUMP * (min(old, new) + 1) or not (_is_stable(before) and _is_stable(after)):
            continue
        low, high = (before, after) if old < new else (after, before)
        if np.quantile(low, 0.95) < np.quantile(high, 0.05):
            spread = float(np.abs(before - old).sum() + np.abs(after - new).sum())
            if best is None or spread < best[0]:
                best = (spread, (held, old, new))
    return None if best is None else best[1]


def _is_stable(values: Floats) -> bool:
    """Whether the two halves of some values have about one level."""
    half = len(values) // 2
    first, second = np.median(values[:half]), np.median(values[half:])
    return bool(max(first, second) < _LEAST_JUMP * (min(first, second) + 1))
