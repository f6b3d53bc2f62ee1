"""Lengths of time that forecasting and monitoring share: what a period is, and how far either looks back."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frequency:
    """How long a period is, how many of them make a season, and how far back the candidates look.

    Attributes:
        name: `day` or `week`.
        days: days in a period.
        season_length: periods in a season: 7 days in a week, 52 weeks in a year.
        window: periods of a moving average: four weeks, eight weeks.
        memory: periods that the costlier candidates look back; exponential smoothing has forgotten what lies before.
    """

    name: str
    days: int
    season_length: int
    window: int
    memory: int

    def start(self, day: date) -> date:
        """The first day of the period that a day lies in: itself, or the Monday of its week."""
        return day if self.days == 1 else day - timedelta(days=day.weekday())


FREQUENCIES = {"day": Frequency("day", 1, 7, 28, 182), "week": Frequency("week", 7, 52, 8, 260)}

# Of monitoring: forecasts are compared, and drift is looked for, in windows of so many days.
WINDOW_DAYS = 7
REFERENCE_DAYS = 91  # of training: thirteen weeks. All of it would hold every shift there ever was, and hide the next
LEAST_WEEKS = 4  # of training, to tell ordinary variation from


def runs(is_it: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First place and place after the last of every run of periods of which something is so."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_it.astype(np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
