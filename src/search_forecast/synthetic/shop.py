"""A small shop to look at: some of its terms can be forecast, some can not. Integers, as in `demand`."""

from datetime import date

import numpy as np

from search_forecast.synthetic.demand import stream

FIRST_DATE = date(2025, 1, 6)  # a Monday
DAYS = 126
_WEEK_PERCENT = (70, 75, 80, 95, 120, 140, 120)
# Term: searches a day, whether it follows the week, by how much it grows in all (percent).
_TERMS = {
    "garden chairs": (120, True, 40),
    "running shoes": (60, True, 0),
    "usb cable": (45, False, 0),
    "gift card": (25, False, 0),
}


def shop(seed: int = 3) -> dict[str, list[int]]:
    """Searches of each term on the days from `FIRST_DATE` on: a level with its week and growth, and chance."""
    days = np.arange(DAYS, dtype=np.int64)
    week = np.array(_WEEK_PERCENT, dtype=np.int64)[days % 7]
    counts = {}
    for number, (term, (level, is_weekly, growth_percent)) in enumerate(_TERMS.items()):
        expected = level * (week if is_weekly else 100) * (100 * DAYS + growth_percent * days) // (100 * DAYS)
        # Ten fair coins each, that is chance of about Poisson's size.
        tosses = stream(seed, number).randint(0, 2, size=(DAYS, 10 * level), dtype=np.int64).sum(axis=1)
        counts[term] = np.maximum(expected // 100 + (tosses - 5 * level) * 7 // 11, 0).tolist()
    return counts
