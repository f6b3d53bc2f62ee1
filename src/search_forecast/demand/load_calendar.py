"""`load-calendar`: holidays of a country, and a file of campaigns and closures, to search_gold.calendar_events."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse import small_csv
from search_forecast.lakehouse.contracts import CALENDAR_EVENTS
from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.lakehouse.tables import Lakehouse

logger = logging.getLogger(__name__)
NEEDED, OPTIONAL = ("from", "event", "kind"), ("to", "term")
KINDS = ("campaign", "closure")
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
        UsageError: it knows no such country or region, or none of these years.
    """
    import holidays  # noqa: PLC0415 - of this command alone

    years = range(first.year, last.year + 1)
    known = None
    if country in holidays.list_supported_countries(include_aliases=True):
        with suppress(NotImplementedError):  # there is no such region; its names are more than the library lists
            known = holidays.country_holidays(country, subdiv=region, years=years)
    if known is None:
        place = country if region is None else f"{country} with --region {region}"
        raise UsageError(
            f"load-calendar: no holidays are known of --country {place}; name it by its ISO 3166 code, such as CH or "
            f"DE --region BY"
        )
    if not known.start_year <= first.year <= last.year <= known.end_year:
        said = f"holidays of {country} are known from {known.start_year} to {known.end_year}"
        if last.year < known.start_year or known.end_year < first.year:
            raise UsageError(f"load-calendar: {said}")
        logger.warning("load-calendar: %s only", said)
    # A feast of the moon is the same event whether its day is announced or reckoned: what it changes is learnt by name.
    named = [(day, re.sub(r" \(estimated\)|, estimated(?=\))", "", name)) for day, name in sorted(known.items())]
    return [(day, name, "holiday", None) for day, name in named if first <= day <= last]


def read_events(source: Path) -> list[Row]:
    """The days of a CSV file's events: columns from, event, kind; also to (else one day) and term (else all terms).

    Raises:
        UsageError: there is no such file.
        DataError: the first line that is wrong, and why.
    """
    normalise, seen = normaliser(), dict[tuple[date, str, str | None], str]()
    rows: list[Row] = []
    for where, values in small_csv.records("load-calendar", "--events", source, NEEDED, OPTIONAL):
        for row in _days_of(values, where, normalise):
            earlier = seen.setdefault((row[0], row[1], row[3]), where)
            if earlier != where:
                line = earlier.rpartition(": ")[2]
                raise DataError(f"{where}: {row[1]} on {row[0]} is in {line} too")
            rows.append(row)
    return rows


def _days_of(values: dict[str, str], where: str, normalise: Callable[[str], str]) -> Iterator[Row]:
    first = _date(values["from"], "from", where)
    last = _date(values["to"], "to", where) if values.get("to") else first
    event, kind = values["event"], values["kind"].lower()
    if not 0 <= (last - first).days < LONGEST_DAYS:
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
