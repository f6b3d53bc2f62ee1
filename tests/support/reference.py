"""The rules of bronze and silver in plain Python, as the oracle for the generator, the fixtures and the Spark code.

Clear before fast, and nothing from `search_forecast`: what is tested against this must not share its mistakes.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

COLUMNS = ("day", "month", "year", "searchterm")
DELIMITERS = (",", ";", "\t")
EARLIEST_DATE = date(1995, 1, 1)
MAX_TERM_LENGTH = 256
REASONS = (
    "bad_encoding",
    "date_in_future",
    "date_too_early",
    "empty_term",
    "impossible_date",
    "malformed_record",
    "missing_date",
    "not_a_number",
    "term_too_long",
)


class UnreadableError(ValueError):
    """The file is no delivery: not text, or without the columns."""


@dataclass(frozen=True)
class RawRecord:
    """One CSV record as delivered; a line that cannot be split has only `malformed_record`."""

    day: str | None = None
    month: str | None = None
    year: str | None = None
    searchterm: str | None = None
    extra_fields: dict[str, str] = field(default_factory=dict)
    malformed_record: str | None = None


@dataclass(frozen=True)
class Event:
    """A search."""

    event_date: date
    term: str
    searched_as: str


@dataclass(frozen=True)
class Rejection:
    """Why a record is no search; sorted."""

    reasons: tuple[str, ...]


@dataclass
class Expected:
    """What must come out of some records."""

    record_count: int = 0
    events: Counter[Event] = field(default_factory=Counter)
    rejected_by_reasons: Counter[tuple[str, ...]] = field(default_factory=Counter)

    @property
    def event_count(self) -> int:
        return sum(self.events.values())

    @property
    def rejected_count(self) -> int:
        return sum(self.rejected_by_reasons.values())

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for reasons, count in self.rejected_by_reasons.items():
            counts.update(dict.fromkeys(reasons, count))
        return dict(counts)

    @property
    def search_count_by_term(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for event, count in self.events.items():
            counts[event.term] += count
        return dict(counts)

    @property
    def search_count_by_date(self) -> dict[date, int]:
        counts: Counter[date] = Counter()
        for event, count in self.events.items():
            counts[event.event_date] += count
        return dict(counts)

    @property
    def daily_term_counts(self) -> dict[tuple[date, str], int]:
        counts: Counter[tuple[date, str]] = Counter()
        for event, count in self.events.items():
            counts[event.event_date, event.term] += count
        return dict(counts)

    @property
    def variants(self) -> dict[tuple[str, str], int]:
        counts: Counter[tuple[str, str]] = Counter()
        for event, count in self.events.items():
            counts[event.term, event.searched_as] += count
        return dict(counts)


def content_of(path: Path) -> bytes:
    """The bytes of a delivery, uncompressed."""
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def read_delivery(path: Path) -> list[RawRecord]:
    """Every record of a delivery, in order.

    Raises:
        UnreadableError: The file must be recorded as rejected.
    """
    try:
        content = content_of(path)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(f"{path.name}: {error}") from error
    if b"\0" in content:
        raise UnreadableError(f"{path.name}: not text")
    return list(_records(content, path.name))


def _records(content: bytes, name: str) -> Iterator[RawRecord]:
    lines = _lines(content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace"))
    header_line = next(lines, "")
    delimiter, header = _header(header_line, name)
    for line in lines:
        fields = split(line, delimiter)
        if fields is not None and len(fields) == len(header) + 1 and not fields[-1]:
            fields.pop()
        if fields is None or len(fields) != len(header):
            yield RawRecord(malformed_record=line)
            continue
        cells = dict(zip(header, fields, strict=True))
        wanted = {column: cells.pop(_find(header, column)) for column in COLUMNS}
        yield RawRecord(**wanted, extra_fields=cells)


def _lines(text: str) -> Iterator[str]:
    # Not str.splitlines: that breaks at U+2028, U+0085 and other characters that may stand in a term.
    for line in text.split("\n"):
        stripped = line.removesuffix("\r")
        if stripped.strip(" \t"):
            yield stripped


def _header(line: str, name: str) -> tuple[str, list[str]]:
    for delimiter in DELIMITERS:
        header = split(line, delimiter) or []
        if all(_find(header, column) for column in COLUMNS):
            return delimiter, header
    raise UnreadableError(f"{name}: no header with the columns {', '.join(COLUMNS)}")


def _find(header: list[str], column: str) -> str:
    found = [spelled for spelled in header if re.sub(r"[\s_]", "", spelled).lower() == column]
    return found[0] if len(found) == 1 else ""


def split(record: str, delimiter: str) -> list[str] | None:
    """The fields of a record, quoted ones perhaps with blanks around; None where a quote is not where it may be."""
    blanks = " \t".replace(delimiter, "")
    fields, rest = [], delimiter + record
    while rest:
        rest = rest[1:]
        if rest.lstrip(blanks).startswith('"'):
            text, closing, rest = rest.lstrip(blanks)[1:].replace('""', "\0").partition('"')
            text, rest = text.replace("\0", '"'), rest.lstrip(blanks).replace("\0", '""')
            if not closing or not f"{rest}{delimiter}".startswith(delimiter):
                return None
        else:
            text = rest.partition(delimiter)[0]
            rest = rest[len(text) :]
        fields.append(text)
    return fields


def normalise(text: str) -> str:
    """The term that `text` stands for."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    visible = "".join(character for character in spaced if unicodedata.category(character) not in {"Cc", "Cf"})
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return re.sub(" +", " ", folded).strip(" ")


def classify(record: RawRecord, received: date) -> Event | Rejection:
    """The search that a record is, or every reason why it is none.

    Args:
        record: A record as delivered.
        received: The day on which it is judged.
    """
    if record.malformed_record is not None:
        return Rejection(("malformed_record",))
    day, month, year, searchterm = (getattr(record, column) or "" for column in COLUMNS)
    term = normalise(searchterm)
    event_date, reasons = _date(day, month, year, received)
    if "\ufffd" in "".join([day, month, year, searchterm, *record.extra_fields.values()]):
        reasons.append("bad_encoding")
    if not term:
        reasons.append("empty_term")
    if len(term) > MAX_TERM_LENGTH:
        reasons.append("term_too_long")
    if reasons or event_date is None:
        return Rejection(tuple(sorted(reasons)))
    return Event(event_date, term, searchterm)


def _date(day: str, month: str, year: str, received: date) -> tuple[date | None, list[str]]:
    fields = [re.sub(r"^([0-9]+)\.0+$", r"\1", part.strip(" \t")) for part in (day, month, year)]
    reasons = []
    if not all(fields):
        reasons.append("missing_date")
    if not all(re.fullmatch("[0-9]*", part) for part in fields):
        reasons.append("not_a_number")
    if reasons:
        return None, reasons
    day, month, year = fields
    try:
        # datetime knows no year 0, which is the rule here too. A huge number overflows instead of being out of range.
        event_date = date(int(year), int(month), int(day)) if len(year) == 4 else None
    except (ValueError, OverflowError):
        event_date = None
    if event_date is None:
        return None, ["impossible_date"]
    if event_date < EARLIEST_DATE:
        return None, ["date_too_early"]
    if event_date > received:
        return None, ["date_in_future"]
    return event_date, []


def expected(records: Iterable[RawRecord], received: date) -> Expected:
    """Counts of what must come out of `records`."""
    result = Expected()
    for record in records:
        result.record_count += 1
        outcome = classify(record, received)
        if isinstance(outcome, Event):
            result.events[outcome] += 1
        else:
            result.rejected_by_reasons[outcome.reasons] += 1
    return result


def of_files(*paths: Path) -> Expected:
    """Counts of what must come out of some files that were delivered long after their days."""
    return expected([record for path in paths for record in read_delivery(path)], date(2030, 1, 1))
