"""`load-calendar`: holidays of a country, and a file of campaigns and closures, to search_gold.calendar_events."""

import csv
import io
import logging
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import CALENDAR_EVENTS
from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.lakehouse.tables import Lakehouse

logger = logging.getLogger(__name__)
NEEDED, OPTIONAL = ("from", "event", "kind"), ("to", "term")
KINDS = ("campaign", "closure")
LARGEST_BYTES = 10 * 2**20
LONGEST_DAYS = 366
LONGEST_NAME = 100
Row = tuple[date, str, str, str | None]  # event_date, event, kind, term


def load_calendar(
    lakehouse: Lakehouse,
    *,
    first: date,
    last: date,
    country: str | None = None,
    region: str | None = None,
    source: Path | None = None,
) -> dict[str, Any]:
    """Load holidays from one day to another, or a file's campaigns and closures, or both.

    Holidays replace those of the same days, whatever country they were of; a file replaces all campaigns and closures.

    Returns:
        from, to, holiday_count and event_count (days; null where not asked for), row_count of the table.

    Raises:
        UsageError: nothing is asked for, or there is no such country, region or file.
        DataError: the first line of the file that is wrong, and why; then nothing is loaded.
    """
    if country is None and source is None:
        raise UsageError("load-calendar: say --country CH, --events FILE or both")
    if last < first:
        raise UsageError(f"load-calendar: --to {last} is before --from {first}")
    found = None if country is None else holidays_of(country, region, first, last)
    events = None if source is None else read_events(source)
    if found is not None:
        span = f"kind = 'holiday' and event_date between '{first}' and '{last}'"
        lakehouse.write(lakehouse.create(list(found), CALENDAR_EVENTS), CALENDAR_EVENTS, where=span)
    if events is not None:
        lakehouse.write(lakehouse.create(list(events), CALENDAR_EVENTS), CALENDAR_EVENTS, where="kind <> 'holiday'")
    count = lakehouse.read(CALENDAR_EVENTS).count()
    logger.info("load-calendar: %d rows", count)
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "holiday_count": None if found is None else len(found),
        "event_count": None if events is None else len(events),
        "row_count": count,
    }


def holidays_of(country: str, region: str | None, first: date, last: date) -> list[Row]:
    """A country's public holidays, by the package `holidays`.

    Raises:
        UsageError: it knows no such country or region.
    """
    import holidays  # noqa: PLC0415 - of this command alone

    years = range(first.year, last.year + 1)
    try:
        known = holidays.country_holidays(country, subdiv=region, years=years)
    except NotImplementedError:
        place = country if region is None else f"{country} with --region {region}"
        raise UsageError(
            f"load-calendar: no holidays are known of --country {place}; name it by its ISO 3166 code, such as CH or "
            f"DE --region BY"
        ) from None
    return [(day, name, "holiday", None) for day, name in sorted(known.items()) if first <= day <= last]


def read_events(source: Path) -> list[Row]:
    """The days of a CSV file's events: columns from, event, kind; also to (else one day) and term (else all terms).

    Raises:
        UsageError: there is no such file.
        DataError: the first line that is wrong, and why.
    """
    columns = ", ".join((*NEEDED, *OPTIONAL))
    if not source.is_file():
        raise UsageError(f"load-calendar: --events {source} is no file; name a CSV file with {columns}")
    if source.stat().st_size > LARGEST_BYTES:
        raise DataError(f"load-calendar: {source} is larger than {LARGEST_BYTES >> 20} MB; no shop has so many events")
    try:
        text = source.read_bytes().decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"load-calendar: {source} is no CSV file in UTF-8: {error}") from error
    header = [name.strip().lower() for name in lines[0]] if lines else []
    if not set(NEEDED) <= set(header) <= {*NEEDED, *OPTIONAL} or len(set(header)) < len(header):
        raise DataError(
            f"load-calendar: {source}: expected the columns {', '.join(NEEDED)} and, if need be, "
            f"{', '.join(OPTIONAL)}; got {', '.join(header) or 'nothing'}"
        )
    normalise, seen = normaliser(), dict[tuple[date, str, str | None], int]()
    rows: list[Row] = []
    for number, line in enumerate(lines[1:], start=2):
        if any(field.strip() for field in line):
            for row in _days_of(line, header, f"load-calendar: {source}: line {number}", normalise):
                earlier = seen.setdefault((row[0], row[1], row[3]), number)
                if earlier != number:
                    raise DataError(
                        f"load-calendar: {source}: line {number}: {row[1]} on {row[0]} is in line {earlier} too"
                    )
                rows.append(row)
    return rows


def _days_of(line: list[str], header: list[str], where: str, normalise: Callable[[str], str]) -> Iterator[Row]:
    if len(line) != len(header):
        raise DataError(f"{where} has {len(line)} fields, expected {len(header)}")
    values = {name: field.strip() for name, field in zip(header, line, strict=True)}
    first = _date(values["from"], "from", where)
    last = _date(values["to"], "to", where) if values.get("to") else first
    event, kind = values["event"], values["kind"].lower()
    if not first <= last < first + timedelta(days=LONGEST_DAYS):
        raise DataError(f"{where}: from {first} to {last} is no span of 1 to {LONGEST_DAYS} days")
    if kind not in KINDS:
        other = "; holidays come with --country" if kind == "holiday" else ""
        raise DataError(f"{where}: kind {kind[:50]!r} is none of {', '.join(KINDS)}{other}")
    if not event or len(event) > LONGEST_NAME:
        raise DataError(f"{where}: event needs a name of at most {LONGEST_NAME} characters")
    term = normalise(values.get("term", "")) or None
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number), event, kind, term


def _date(text: str, name: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{where}: {name} {text[:50]!r} is no day such as 2026-11-27") from None
