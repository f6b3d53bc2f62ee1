"""Deliveries in the layout of another system, and the counts of what is in them."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import date

import numpy as np

from search_forecast.synthetic import exports
from search_forecast.synthetic.deliveries import CHUNK_STREAM, Chunk, Deliveries
from search_forecast.synthetic.demand import stream
from search_forecast.synthetic.exports import EXPORTS, Search

TERM = "usb cable"
# What is wrong with a record, by what takes the place of its good fields.
_DEFECTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("empty_term", {"term": " \u200b"}),
    ("missing_date", {"day": ""}),
    ("term_too_long", {"term": "x" * 257}),
    ("date_in_future", {"day": "2999-06-15"}),
    ("impossible_date", {"day": "2023-02-30"}),
    ("date_too_early", {"day": "1994-12-31"}),
)
_OF_COUNTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("bad_count", {"count": "many"}),
    ("count_not_positive", {"count": "0"}),
    ("missing_count", {"count": ""}),
)


@dataclass
class ExportDeliveries(Deliveries):
    """Files in one directory, laid out as one system exports them.

    Attributes:
        layout: Its name, as in layouts/.
        container: One of `exports.CONTAINERS`; None for the vendor's own.
    """

    layout: str = "plain"
    container: str | None = None

    def write_file(self, stem: str, parts: list[Chunk]) -> int:
        """Writes the next file.

        Returns:
            Its number of searches, dirty records counted as one.
        """
        searches = [search for part in parts for search in self._searches(part)]
        data, noise = exports.content(self.layout, searches, self.container)
        rejected = sum(part.dirty_count for part in parts) + sum(noise.values())
        self.rejected_by_reasons.update({(reason,): count for reason, count in noise.items()})
        name = stem + (self.container or EXPORTS[self.layout].form)
        (self.out / name).write_bytes(data)
        record_count = len(searches) + sum(noise.values())
        self.files.append(
            {
                "name": name,
                "sha256": hashlib.sha256(data).hexdigest(),
                "record_count": record_count,
                "event_count": record_count - rejected,
                "rejected_count": rejected,
            }
        )
        return sum(part.row_count for part in parts)

    def _searches(self, part: Chunk) -> list[Search]:
        """Draws the searches of a chunk and counts them; one for each record."""
        export = EXPORTS[self.layout]
        cumulative = self.demand.cumulative_weights(part.day_index)
        random = stream(self.seed, CHUNK_STREAM, part.index)
        draws = random.randint(0, int(cumulative[-1]), size=part.row_count - part.dirty_count, dtype=np.int64)
        spellings = np.searchsorted(cumulative, draws, side="right")
        counts = np.bincount(spellings, minlength=len(self.spelling_counts))
        self._count_searches(part.day, counts)
        typed = [spelling for term in self.demand.terms for spelling in term.spellings]
        day = export.day(part.day)
        searched = [(typed[index], count) for index, count in enumerate(counts.tolist()) if count]
        good = (
            [Search(day, term, str(count)) for term, count in searched]
            if export.is_counted
            else [Search(day, term) for term, count in searched for _ in range(count)]
        )
        return good + self._dirty(part)

    def _dirty(self, part: Chunk) -> list[Search]:
        export = EXPORTS[self.layout]
        defects = _DEFECTS + (_OF_COUNTS if export.is_counted else ())
        if self.layout in _ONLY_WITH_TERM:  # a record without one is another event there
            defects = tuple(defect for defect in defects if defect[0] != "empty_term")
        dirty = []
        kinds: Counter[tuple[str, ...]] = Counter()
        for turn in range(part.defect_start, part.defect_start + part.dirty_count):
            reason, fields = defects[turn % len(defects)]
            text = fields.get("day", part.day.isoformat())
            day = export.day(date.fromisoformat(text)) if _is_day(text) else text.replace("-", _between(export.day))
            dirty.append(Search(day, fields.get("term", f"{TERM} {turn}"), fields.get("count", "1")))
            kinds[reason,] += 1
        self.rejected_by_reasons += kinds
        return dirty


_ONLY_WITH_TERM = ("ubi", "elasticsearch_slowlog")


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _between(day: object) -> str:
    """What stands between the parts of a day in a layout."""
    return "-" if day is date.isoformat else ""
