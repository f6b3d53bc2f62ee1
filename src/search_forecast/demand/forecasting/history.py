"""One series as the candidates see it: evenly spaced values up to a last date."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from search_forecast.demand.periods import Frequency

Floats = NDArray[np.float64]
LARGEST_COUNT = 1e10  # more searches a day than there are people is a bad edit


@dataclass(frozen=True)
class Event:
    """What a shop knows of a day: its kind (`holiday`, `campaign`, `closure`) and what it is called."""

    kind: str
    name: str


Days = Mapping[date, Event]


@dataclass(frozen=True)
class History:
    """Counts of a series, one a period, and the date of the last; events of past and coming days.

    A period in which nothing was delivered is NaN, until `mended` fills it in.
    """

    values: Floats
    last_date: date
    frequency: Frequency
    events: Days = field(default_factory=dict)

    def until(self, count: int) -> "History":
        """The first `count` periods: what was known then."""
        later = (len(self.values) - count) * self.frequency.days
        return replace(self, values=self.values[:count], last_date=self.last_date - timedelta(days=later))

    def dates(self) -> list[date]:
        """The date of each of its periods."""
        return [
            self.last_date - timedelta(days=self.frequency.days * back) for back in range(len(self.values) - 1, -1, -1)
        ]

    def is_event(self) -> NDArray[np.bool_]:
        """Which of its periods have an event."""
        if not self.events:
            return np.zeros(len(self.values), dtype=np.bool_)
        return np.array([day in self.events for day in self.dates()], dtype=np.bool_)

    def target_dates(self, horizon: int) -> list[date]:
        """The dates of the next `horizon` periods."""
        return [self.last_date + timedelta(days=self.frequency.days * (step + 1)) for step in range(horizon)]

    def recent(self) -> Floats:
        """The values within the frequency's memory."""
        return self.values[-self.frequency.memory :]
