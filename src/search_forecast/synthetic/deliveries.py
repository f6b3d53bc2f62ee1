"""Draws the records, writes them file by file, and counts what it writes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from search_forecast.synthetic.defects import DEFECTS
from search_forecast.synthetic.demand import TRENDS, Demand, Integers, rows_by_day, stream
from search_forecast.synthetic.layouts import LAYOUTS, DeliveryWriter, Layout, encode

MAX_FILE_ROWS = 1_000_000
# What is held in memory at once: a day, or a part of it where days are large.
MAX_CHUNK_ROWS = 250_000
CHUNK_STREAM = 3
_BLANK_LINE_EVERY = 7


@dataclass(frozen=True)
class Chunk:
    """Records of one day that are written in one go.

    Attributes:
        index: Place among all chunks; seeds its random numbers.
        day: The day that the good records are of.
        day_index: Days since the first day.
        row_count: Records, the dirty ones among them.
        dirty_count: Records that silver must reject.
        defect_start: Dirty records in the chunks before; this one goes on from there in the cycle of defects.
    """

    index: int
    day: date
    day_index: int
    row_count: int
    dirty_count: int
    defect_start: int


def chunks(rows: int, dirty_count: int, *, first_date: date, last_date: date, seed: int) -> Iterator[Chunk]:
    """Shares records and dirty records out to days, in order of date; days without a record yield nothing."""
    index = written = dirty = 0
    for day_index, day_rows in enumerate(rows_by_day(rows, first_date, last_date, seed)):
        left = day_rows
        while left:
            size = min(left, MAX_CHUNK_ROWS)
            left -= size
            written += size
            # Rounding the running total keeps the sum of dirty records exact.
            dirty_here = dirty_count * written // rows - dirty
            yield Chunk(index, first_date + timedelta(days=day_index), day_index, size, dirty_here, dirty)
            dirty += dirty_here
            index += 1


def by_file(parts: Iterator[Chunk]) -> Iterator[tuple[str, list[Chunk]]]:
    """Packs the chunks of each month into files of at most `MAX_FILE_ROWS` records.

    Returns:
        For each file its name without suffix and what goes into it.
    """
    for month, of_month in groupby(parts, key=lambda part: f"{part.day:%Y-%m}"):
        files: list[list[Chunk]] = [[]]
        size = 0
        for part in of_month:
            if files[-1] and size + part.row_count > MAX_FILE_ROWS:
                files.append([])
                size = 0
            files[-1].append(part)
            size += part.row_count
        for number, file_parts in enumerate(files, start=1):
            yield f"search_terms_{month}" + (f"_{number:02d}" if len(files) > 1 else ""), file_parts


@dataclass
class Deliveries:
    """Files in one directory, and the counts of what is in them.

    Attributes:
        out: The directory.
        demand: What is searched for.
        seed: Seed of all random numbers.
        spelling_counts: Searches for each spelling of `demand`.
        daily_term_counts: Searches for each date and normalised term.
        rejected_by_reasons: Dirty records for each set of reasons.
        files: For each file its name, counts and sha256.
    """

    out: Path
    demand: Demand
    seed: int
    spelling_counts: Integers = field(init=False)
    daily_term_counts: dict[str, Counter[str]] = field(default_factory=dict)
    rejected_by_reasons: Counter[tuple[str, ...]] = field(default_factory=Counter)
    files: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spelling_counts = np.zeros(len(self.demand.spelling_terms), dtype=np.int64)

    def write_file(self, stem: str, parts: list[Chunk]) -> int:
        """Writes the next file, in the next layout.

        Returns:
            Its number of records.
        """
        layout = LAYOUTS[len(self.files) % len(LAYOUTS)]
        name = f"{stem}.csv.gz" if layout.is_gzip else f"{stem}.csv"
        newline = encode(layout.newline)
        terms = [layout.term_field(spelling) for term in self.demand.terms for spelling in term.spellings]
        earlier = {file["sha256"] for file in self.files}
        with DeliveryWriter(self.out / name, layout) as writer:
            for part in parts:
                if layout.has_blank_lines and part.index % _BLANK_LINE_EVERY == 0:
                    writer.write(newline + b"  " + newline)
                writer.write(self._records(part, layout, terms))
            if layout.has_last_newline:
                writer.write(newline)
            # Two small files of the same few dirty records would be one delivery sent twice; blank lines make them two.
            while writer.sha256 in earlier:
                writer.write(newline)
        record_count = sum(part.row_count for part in parts)
        rejected_count = sum(part.dirty_count for part in parts)
        self.files.append(
            {
                "name": name,
                "sha256": writer.sha256,
                "record_count": record_count,
                "event_count": record_count - rejected_count,
                "rejected_count": rejected_count,
            }
        )
        return record_count

    def _records(self, part: Chunk, layout: Layout, terms: list[bytes]) -> bytes:
        """Draws the records of a chunk, counts them, and returns them as bytes, each preceded by a line end."""
        random = stream(self.seed, CHUNK_STREAM, part.index)
        cumulative = self.demand.cumulative_weights(part.day_index)
        draws = random.randint(0, int(cumulative[-1]), size=part.row_count, dtype=np.int64)
        spellings = np.searchsorted(cumulative, draws, side="right")
        frames = layout.frames(part.day)
        frame_draws = random.randint(0, len(frames), size=part.row_count, dtype=np.int64)
        # A dirty record is a whole line: it takes the place of a term, in a frame that is but the line end.
        kind_count = min(part.dirty_count, len(DEFECTS))
        defects = [DEFECTS[(part.defect_start + turn) % len(DEFECTS)] for turn in range(kind_count)]
        if defects:
            places = np.sort(random.permutation(part.row_count)[: part.dirty_count])
            spellings[places] = len(terms) + np.arange(part.dirty_count) % kind_count
            frame_draws[places] = len(frames)
        counts = np.bincount(spellings, minlength=len(terms) + kind_count)
        self._count_searches(part.day, counts[: len(terms)])
        for defect, count in zip(defects, counts[len(terms) :].tolist(), strict=True):
            self.rejected_by_reasons[defect.reasons] += count
        lines = [encode(defect.line(part.day, layout)) for defect in defects]
        return _assembled(frame_draws, spellings, [*frames, (encode(layout.newline), b"")], terms + lines)

    def _count_searches(self, day: date, spelling_counts: Integers) -> None:
        self.spelling_counts += spelling_counts
        by_term = np.add.reduceat(spelling_counts, self.demand.spelling_starts)
        (present,) = np.nonzero(by_term)
        if present.size:
            daily = self.daily_term_counts.setdefault(day.isoformat(), Counter())
            for index, count in zip(present.tolist(), by_term[present].tolist(), strict=True):
                daily[self.demand.terms[index].normalised] += count

    def counts(self) -> dict[str, Any]:
        """Everything that must come out of the files, as it stands in the truth."""
        variants = self._variants()
        by_reason: Counter[str] = Counter()
        for together, count in self.rejected_by_reasons.items():
            by_reason.update(dict.fromkeys(together, count))
        trends = zip(self.demand.terms, self.demand.trends.tolist(), strict=True)
        return {
            "record_count": sum(file["record_count"] for file in self.files),
            "event_count": sum(file["event_count"] for file in self.files),
            "rejected_count": sum(file["rejected_count"] for file in self.files),
            "rejected_by_reason": dict(sorted(by_reason.items())),
            "rejected_by_reasons": {"+".join(key): count for key, count in sorted(self.rejected_by_reasons.items())},
            "files": self.files,
            "trend_by_term": {term.normalised: TRENDS[trend] for term, trend in trends if term.normalised in variants},
            "search_count_by_term": {term: sum(spelled.values()) for term, spelled in variants.items()},
            "search_count_by_date": {day: sum(counts.values()) for day, counts in self.daily_term_counts.items()},
            "daily_term_counts": {day: dict(counts) for day, counts in self.daily_term_counts.items()},
            "variants": variants,
        }

    def _variants(self) -> dict[str, dict[str, int]]:
        variants: dict[str, dict[str, int]] = {}
        typed = ((term.normalised, spelling) for term in self.demand.terms for spelling in term.spellings)
        for (term, spelling), count in zip(typed, self.spelling_counts.tolist(), strict=True):
            if count:
                variants.setdefault(term, {})[spelling] = count
        return variants


def _assembled(
    frame_draws: Integers, spellings: Integers, frames: list[tuple[bytes, bytes]], terms: list[bytes]
) -> bytes:
    # One join over slices filled by map: several times faster than a loop that builds each line.
    chosen = frame_draws.tolist()
    pieces = [b""] * (3 * len(chosen))
    pieces[0::3] = map([before for before, _ in frames].__getitem__, chosen)
    pieces[1::3] = map(terms.__getitem__, spellings.tolist())
    pieces[2::3] = map([after for _, after in frames].__getitem__, chosen)
    return b"".join(pieces)
