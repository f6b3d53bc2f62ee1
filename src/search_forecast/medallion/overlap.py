"""Deliveries that look like another one: the same export once more, under another name or a day later."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.lakehouse.contracts import REJECTED_RECORDS, SEARCH_EVENTS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import reading, silver, terms
from search_forecast.medallion.personal import PLACEHOLDERS
from search_forecast.medallion.reading import Reading

LEAST_RECORDS = 20  # of a delivery, and searches on days that agree: fewer do so by chance
_FEW_DAYS = 5  # fewer agree by chance, where several shops deliver, unless their terms agree too
_MOST_DIFFERENT = 0.1  # of the days of the shorter one; and always the one on which it was made

# What may be personal data, or stands for it: new deliveries have it yet, older ones may not.
_PERSONAL = r"[@\uff20\ufe6b]|%40|\p{Nd}(?:\P{Nd}*+\p{Nd}){6}"
_COLUMNS = ("delivery_id", "event_date", "searched_as", "search_count")
_ONLY_PERSONAL = "array_join(reject_reasons, ',') = 'personal_data'"
_MODULUS = 2**31 - 1  # sums of billions of such numbers don't overflow

Days = Mapping[date, tuple[int, int]]  # searches of a day, and a number that its terms give in any order


@dataclass(frozen=True)
class Twin:
    """A delivery that another one looks like."""

    delivery_id: str
    day_count: int

    @property
    def text(self) -> str:
        """In words, to be followed by its name."""
        days = "1 day has" if self.day_count == 1 else f"{self.day_count} days have"
        return f"{days} as many searches as in"


def twins(
    lakehouse: Lakehouse,
    counted: DataFrame,
    raw: DataFrame,
    readings: Mapping[str, Reading],
    others: Sequence[Mapping[str, Any]],
) -> dict[str | None, Twin]:
    """What each new delivery looks like, if anything: one that came before, or one before it in the same batch.

    Args:
        lakehouse: where.
        counted: the new deliveries' records, as date_counts.counted gives them.
        raw: the same, as search_bronze.raw_search_terms.
        readings: how to read them, by delivery_id, in the order in which they count.
        others: rows of search_bronze.deliveries that came before.
    """
    searches = F.sum(F.col("search_count") * F.col("record_count")).alias("searches")
    per_day = _searches(counted, readings).groupBy("delivery_id", "event_date").agg(searches)
    new = _days(row.asDict() for row in per_day.collect())
    days = sorted({day for each in new.values() for day in each})
    if not days:
        return {}
    # An older delivery's days outside the new ones' are not read: it counts as its own part within.
    between = f"event_date between date'{days[0]}' and date'{days[-1]}'"
    sums = "select delivery_id, event_date, sum(search_count) as searches from {search_events}"
    known = {row["delivery_id"] for row in others}
    all_older = f"{sums} where {between} group by delivery_id, event_date"
    older_rows = lakehouse.ask(all_older, SEARCH_EVENTS) if known else []
    older_rows = [row for row in older_rows if row["delivery_id"] in known]
    counted_ids = {row["delivery_id"] for row in older_rows}
    rejected = _rejected(lakehouse, [row for row in others if row["delivery_id"] in counted_ids])
    if rejected is not None:
        more = rejected.where(between).groupBy("delivery_id", "event_date").agg(F.sum("search_count").alias("searches"))
        older_rows += [row.asDict() for row in more.collect()]
    older = _days(older_rows)
    # Terms are looked at where the numbers of searches agree already, which is seldom so.
    ids = {each for one, twin in _alike(new, list(readings), older) for each in (one, twin.delivery_id)}
    if not ids:
        return {}
    new = _with_terms(_searches(raw, readings), ids)
    if ids & older.keys():
        events = lakehouse.read(SEARCH_EVENTS).select(*_COLUMNS)
        both = events if rejected is None else events.unionByName(rejected.select(*_COLUMNS))
        older = _with_terms(both.where(between), ids & older.keys())
    found: dict[str | None, Twin] = {}
    for one, twin in _alike(new, list(readings), older):
        found[one] = max(found.get(one, twin), twin, key=lambda each: each.day_count)
    return found


def _alike(new: Mapping[str, Days], order: Iterable[str], older: Mapping[str, Days]) -> Iterator[tuple[str, Twin]]:
    """Each new delivery with each one before it that it looks like."""
    before = dict(older)
    for delivery_id in order:
        days = new.get(delivery_id, {})
        yield from ((delivery_id, Twin(other, n)) for other, those in before.items() if (n := alike(days, those)))
        before[delivery_id] = days


def alike(one: Days, other: Days) -> int:
    """On how many days two deliveries agree, where that is too many for chance; else 0.

    They do on a day with as many searches in both; as many records are no sign, where reports have as many every day.
    All days of the shorter one must agree, but for one in ten, or for one: that on which it was made. Where fewer than
    five days do, their terms must be the same too.
    """
    agreeing = [day for day in one.keys() & other.keys() if one[day][0] == other[day][0]]
    if len(agreeing) < _FEW_DAYS:
        agreeing = [day for day in agreeing if one[day][1] == other[day][1]]
    shorter = min(len(one), len(other))
    is_enough = shorter - len(agreeing) <= max(1, _MOST_DIFFERENT * shorter)
    return len(agreeing) if is_enough and sum(one[day][0] for day in agreeing) >= LEAST_RECORDS else 0


def _rejected(lakehouse: Lakehouse, others: Sequence[Mapping[str, Any]]) -> DataFrame | None:
    """What some older deliveries have that was rejected as personal data alone, as searches; None where nothing was."""
    if not others or not lakehouse.exists(REJECTED_RECORDS) or lakehouse.holds_none(REJECTED_RECORDS, _ONLY_PERSONAL):
        return None
    readings = {row["delivery_id"]: reading.parse(row["reading"]) for row in others}
    records = lakehouse.read(REJECTED_RECORDS).where(_ONLY_PERSONAL)
    return _searches(records.where(F.col("delivery_id").isin(*readings)), readings)


def _with_terms(events: DataFrame, ids: Iterable[str]) -> dict[str, Days]:
    """Days of some deliveries, from search_silver.search_events; their terms but for what may be personal data."""
    typed = F.col("searched_as")
    is_personal = typed.isin(*PLACEHOLDERS) | typed.rlike(_PERSONAL)
    term = F.when(~is_personal, F.xxhash64(terms.normalise_simple(typed)) % _MODULUS)
    counted = (
        events.where(F.col("delivery_id").isin(*ids))
        .groupBy("delivery_id", "event_date")
        .agg(F.sum("search_count").alias("searches"), F.sum(term).alias("terms"))
    )
    return _days(row.asDict() for row in counted.collect())


def _days(rows: Iterable[Mapping[str, Any]]) -> dict[str, Days]:
    """Days by delivery, of rows with delivery_id, event_date, searches and perhaps terms (else the same in all)."""
    result: dict[str, dict[date, tuple[int, int]]] = {}
    for row in rows:
        days = result.setdefault(row["delivery_id"], {})
        searches, _ = days.get(row["event_date"], (0, 0))
        days[row["event_date"]] = (searches + row["searches"], row.get("terms") or 0)
    return dict(result)


def _searches(records: DataFrame, readings: Mapping[str, Reading]) -> DataFrame:
    # As if all were plain: near enough to tell what is empty.
    searches = silver.classified(records, date.max, readings, are_plain=True).where("is_search")
    return searches.withColumnRenamed("searchterm", "searched_as")
