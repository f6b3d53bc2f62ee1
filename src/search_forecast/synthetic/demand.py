"""How many searches each day has, and how likely each spelling of each term is on it.

Everything here is integer arithmetic on integers drawn from `numpy.random.RandomState`. Its streams are frozen (NEP
19); those of `Generator` may change with any release of numpy. Integers, because the last bit of a sine, a power or a
sum of floats differs between platforms, and one bit is enough to draw another term. The integer type is always named:
numpy's default has 32 bits on some platforms.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from search_forecast.synthetic.vocabulary import Term

Integers = npt.NDArray[np.int64]

# Monday to Sunday and January to December, in percent of an average day: Saturdays and December are strong.
WEEKDAY_PERCENT = (98, 95, 94, 97, 105, 112, 99)
MONTH_PERCENT = (96, 90, 92, 94, 97, 93, 88, 90, 98, 103, 122, 137)
TREND_PERCENT = 35
NOISE_PERCENT = 6
TRENDS = ("stable", "rising", "falling", "new", "dying")
_TREND_OF_TEN = (0, 1, 0, 2, 3, 0, 1, 0, 2, 4)
_TOP_WEIGHT = 1_000_000
_USUAL_SPELLING_WEIGHT = 900
_SPELLING_WEIGHT_SUM = 1000
_DAY_STREAM, _TERM_STREAM = 1, 2


def stream(seed: int, *purpose: int) -> np.random.RandomState:
    """An independent stream of random numbers for one purpose."""
    return np.random.RandomState([seed, *purpose])


def rows_by_day(rows: int, first_date: date, last_date: date, seed: int) -> list[int]:
    """Shares `rows` out to days by weekday, season, trend and a little noise.

    Returns:
        One number a day from `first_date` to `last_date`; they sum to `rows`.
    """
    day_count = (last_date - first_date).days + 1
    noise = stream(seed, _DAY_STREAM).randint(100 - NOISE_PERCENT, 101 + NOISE_PERCENT, size=day_count, dtype=np.int64)
    cumulative = [0]
    for index, noise_percent in enumerate(noise.tolist()):
        day = first_date + timedelta(days=index)
        trend = 100 * day_count + TREND_PERCENT * index
        weight = WEEKDAY_PERCENT[day.weekday()] * _season(day) * trend * noise_percent
        cumulative.append(cumulative[-1] + weight)
    # Rounding the running total, not each day, keeps the sum exact.
    shares = [rows * reached // cumulative[-1] for reached in cumulative]
    return [after - before for before, after in pairwise(shares)]


def _season(day: date) -> int:
    # A straight line from the middle of this month to the middle of the next, in 1/30 percent.
    earlier, into = (day.month - 2, day.day + 15) if day.day <= 15 else (day.month - 1, day.day - 15)
    return MONTH_PERCENT[earlier] * (30 - into) + MONTH_PERCENT[(earlier + 1) % 12] * into


@dataclass(frozen=True)
class Demand:
    """What is searched for, day by day.

    Attributes:
        terms: The vocabulary.
        trends: For each term its place in `TRENDS`.
        weights: For each term its weight on an average day (Zipf: 1 / rank).
        turning_days: For each term the day index on which a new one appears or a dying one was last seen.
        spelling_terms: For each spelling the index of its term.
        spelling_weights: For each spelling its share in the searches of its term, out of 1000.
        spelling_starts: For each term the index of its first spelling.
        day_count: Days in the range.
    """

    terms: list[Term]
    trends: Integers
    weights: Integers
    turning_days: Integers
    spelling_terms: Integers
    spelling_weights: Integers
    spelling_starts: Integers
    day_count: int

    def cumulative_weights(self, day_index: int) -> Integers:
        """Running total over the spellings of how likely each is on a day."""
        span = max(self.day_count - 1, 1)
        factors = [2 * span, span + 3 * day_index, span + 3 * (span - day_index)]
        choices: list[Integers] = [np.full(len(self.terms), factor, dtype=np.int64) for factor in factors]
        choices.append(3 * span * (day_index >= self.turning_days).astype(np.int64))
        choices.append(3 * span * (day_index <= self.turning_days).astype(np.int64))
        by_term = self.weights * np.choose(self.trends, choices) // span
        return np.cumsum(by_term[self.spelling_terms] * self.spelling_weights, dtype=np.int64)


def demand(terms: list[Term], day_count: int, seed: int) -> Demand:
    """Gives every term a rank, a trend and, where it comes or goes, a day for that."""
    random = stream(seed, _TERM_STREAM)
    ranks = random.permutation(len(terms)).astype(np.int64)
    trends = np.array(_TREND_OF_TEN, dtype=np.int64)[ranks % len(_TREND_OF_TEN)]
    turning_days = random.randint(
        day_count // 4, max(3 * day_count // 4, day_count // 4 + 1), size=len(terms), dtype=np.int64
    )
    spelling_weights: list[int] = []
    for term in terms:
        others = len(term.spellings) - 1
        each = (_SPELLING_WEIGHT_SUM - _USUAL_SPELLING_WEIGHT) // others if others else 0
        spelling_weights += [_SPELLING_WEIGHT_SUM - each * others] + [each] * others
    sizes = np.array([len(term.spellings) for term in terms], dtype=np.int64)
    return Demand(
        terms=terms,
        trends=trends,
        weights=_TOP_WEIGHT // (ranks + 1),
        turning_days=turning_days,
        spelling_terms=np.repeat(np.arange(len(terms), dtype=np.int64), sizes),
        spelling_weights=np.array(spelling_weights, dtype=np.int64),
        spelling_starts=np.cumsum(sizes) - sizes,
        day_count=day_count,
    )
