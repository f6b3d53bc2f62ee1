"""Raw records to searches and rejected records: every record becomes exactly one of them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.lakehouse import contracts
from search_forecast.medallion import dates, quality, terms
from search_forecast.medallion.reading import ORIGIN, Reading
from search_forecast.parameters import KEEP_PERSONAL, Personal

_READING = "reading_number"


def classified(
    raw: DataFrame,
    today: date,
    readings: Mapping[str, Reading] | None = None,
    personal: Personal = KEEP_PERSONAL,
    *,
    are_plain: bool = False,
) -> DataFrame:
    """Apply every rule to raw records.

    Args:
        raw: search_bronze.raw_search_terms.
        today: the last day on which a search can have been.
        readings: how to read the records of a delivery, by delivery_id; without it as the origin's.
        personal: what becomes of terms with personal data.
        are_plain: no record's term needs Python; see terms.NEEDS_PYTHON.

    Returns:
        raw with `event_date`, `search_count`, the normalised `term`, `is_search` and `reject_reasons` (empty for a
        search), personal data masked unless it is kept. Row order is not kept.
    """
    numbered, distinct = _numbered(raw, readings or {})
    record = {name: F.col(name) for name in numbered.columns}
    dated = numbered.withColumns(
        {
            "event_date": _by_reading(distinct, lambda reading: quality.read_date(record, reading)),
            "search_count": _by_reading(distinct, lambda reading: quality.read_count(record, reading)),
        }
    )
    if personal.policy == "keep":
        named = terms.with_normalised(dated, "searchterm", "term", are_simple=are_plain)
    else:
        named = terms.with_placeholder(dated, personal.country, are_plain=are_plain)
    record = {name: F.col(name) for name in named.columns if name != "placeholder" or personal.policy == "reject"}
    judged = named.withColumns(
        {
            "is_search": _by_reading(distinct, lambda reading: quality.is_search(record, today, reading)),
            "reject_reasons": _by_reading(distinct, lambda reading: quality.reject_reasons(record, today, reading)),
        }
    ).drop(_READING)
    return judged if personal.policy == "keep" else _masked(judged, distinct)


def masked(raw: DataFrame, country: str | None, readings: Iterable[Reading]) -> DataFrame:
    """Raw records, a placeholder for what of them is personal data.

    Terms that are too long or damaged become empty: rejected they stay, where a placeholder would count as a search.

    Args:
        raw: search_bronze.raw_search_terms.
        country: ISO 3166 code of the shop's telephone numbers.
        readings: how their deliveries are read.
    """
    records = terms.with_placeholder(raw, country)
    texts = F.concat_ws(" ", "searchterm", F.map_values("extra_fields"))
    is_no_search = (F.char_length("term") > quality.MAX_TERM_LENGTH) | texts.contains(quality.REPLACEMENT)
    is_emptied = F.col("placeholder").isNotNull() & F.col("searchterm").isNotNull() & is_no_search
    marked = _masked(records.withColumn("is_emptied", F.coalesce(is_emptied, F.lit(False))), readings)
    term = F.when(F.col("is_emptied"), F.lit("")).otherwise(F.col("searchterm"))
    return marked.withColumn("searchterm", term).select(*raw.columns)


def _masked(records: DataFrame, readings: Iterable[Reading]) -> DataFrame:
    """Records with their `placeholder` in place of what was typed; of other columns, which often repeat it, nothing.

    But for what tells searches from other events: by that they are judged again.
    """
    placeholder, is_personal = F.col("placeholder"), F.col("placeholder").isNotNull()
    texts = {
        name: F.when(is_personal & F.col(name).isNotNull(), placeholder).otherwise(F.col(name))
        for name in ("searchterm", "malformed_record", "term")
    }
    extra_fields = F.when(~is_personal, F.col("extra_fields"))
    telling = [each for each in readings if each.only_column not in (None, *quality.RAW_TEXTS)]
    if telling:
        names, values = [each.only_column for each in telling], [text for each in telling for text in each.only_values]
        kept = F.map_filter("extra_fields", lambda name, _: name.isin(*names))
        told = F.transform_values(
            kept,
            lambda _, value: F.when(~value.isin(*values) & (dates.trimmed(value) != ""), placeholder).otherwise(value),
        )
        extra_fields = extra_fields.otherwise(told)
    return records.withColumns({**texts, "extra_fields": extra_fields}).drop("placeholder")


def with_event_date(records: DataFrame, readings: Mapping[str, Reading]) -> DataFrame:
    """Raw or rejected records with their `event_date`."""
    numbered, distinct = _numbered(records, readings)
    record = {name: F.col(name) for name in numbered.columns}
    event_date = _by_reading(distinct, lambda reading: quality.read_date(record, reading))
    return numbered.withColumn("event_date", event_date).drop(_READING)


def search_events(records: DataFrame) -> DataFrame:
    """The classified records that broke no rule, as search_silver.search_events."""
    searches = records.where("is_search").withColumnRenamed("searchterm", "searched_as")
    return searches.select(*(column.name for column in contracts.SEARCH_EVENTS.columns))


def rejected_records(records: DataFrame) -> DataFrame:
    """The classified records that broke a rule, as search_silver.rejected_records."""
    rejected = records.where("not is_search")
    return rejected.select(*(column.name for column in contracts.REJECTED_RECORDS.columns))


def _numbered(records: DataFrame, readings: Mapping[str, Reading]) -> tuple[DataFrame, list[Reading]]:
    """Records with the place of their delivery's reading in a list, where there are several."""
    distinct = list(dict.fromkeys(readings.values())) or [ORIGIN]
    if len(distinct) == 1:
        return records, distinct
    pairs = [(delivery_id, distinct.index(reading)) for delivery_id, reading in readings.items()]
    numbers = records.sparkSession.createDataFrame(pairs, f"delivery_id string, {_READING} int")
    return records.join(F.broadcast(numbers), "delivery_id", how="left"), distinct


def _by_reading(distinct: list[Reading], rule: Callable[[Reading], Column]) -> Column:
    """A rule's result for each record, by its reading."""
    *firsts, last = map(rule, distinct)
    result = last
    for number, column in enumerate(firsts):
        result = F.when(F.col(_READING) == number, column).otherwise(result)
    return result
