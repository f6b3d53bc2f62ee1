"""What makes a raw record a search: rules from Column to Column, each failing by name."""

import re
from collections.abc import Mapping
from datetime import date
from functools import reduce
from operator import and_, or_

from pyspark.sql import Column
from pyspark.sql import functions as F

from search_forecast.medallion import dates
from search_forecast.medallion.reading import ORIGIN, Reading

MAX_TERM_LENGTH = 256  # characters, once normalised
MAX_COUNT = 10**12  # searches of one record: millions of such records can be added up yet
FIRST_VALID_DATE = "1995-01-01"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_DATE = r"\A(?!0000)[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\z"
_UNTIDY_DATE = r"\A{0}((?!0000)[0-9]{{4}}){1}-{0}0*+([0-9]{{1,2}}){1}-{0}0*+([0-9]{{1,2}}){1}\z".format(
    r"[ \t]*+", r"(?:\.0+)?[ \t]*+"
)
_BETWEEN_THOUSANDS = {" ": "[ \u00a0\u202f]", "'": "['\u2019]"}  # as programs write them in French and in Swiss German
RAW_TEXTS = ("day", "month", "year", "date", "searchterm", "count")


def number_text(field: Column) -> Column:
    """A date field without the blanks (space, tab) around it, and without decimals that are 0, which pandas adds."""
    text = dates.trimmed(field)
    return F.when(text.contains("."), F.regexp_replace(text, r"(?<=[0-9])\.0+\z", "")).otherwise(text)


def event_date(day: Column, month: Column, year: Column) -> Column:
    """The DATE of three text fields, null where they are no calendar day of a four-digit year.

    Numbers are as `number_text` takes them, and month and day may begin with any zeros.
    """
    text = F.concat(year, F.lit("-"), month, F.lit("-"), day)
    # Most are in order as they are. What stands in a condition and behind it Spark works out twice: so it is short.
    # try_cast: make_date would raise on 30 February under ANSI mode, and to_date's parser is slow.
    in_order = F.when(text.rlike(_DATE), text.try_cast("date"))
    return in_order.when(text.rlike(_UNTIDY_DATE), F.regexp_replace(text, _UNTIDY_DATE, "$1-$2-$3").try_cast("date"))


def read_date(record: Mapping[str, Column], reading: Reading) -> Column:
    """The day of a raw record, DATE; null where there is none."""
    if not reading.formats:
        return event_date(record["day"], record["month"], record["year"])
    return dates.event_date(record["date"], reading.formats, reading.zone, reading.shop_zone)


def read_count(record: Mapping[str, Column], reading: Reading) -> Column:
    """How many searches a raw record stands for, BIGINT; null where its count is no whole number up to 10^12."""
    if not reading.has_count:
        return F.lit(1).cast("bigint")
    text, decimal = dates.trimmed(record["count"]), re.escape(reading.decimal)
    if reading.thousands:
        between = _BETWEEN_THOUSANDS.get(reading.thousands, re.escape(reading.thousands))
        is_grouped = text.rlike(rf"\A[+-]?[0-9]{{1,3}}(?:{between}[0-9]{{3}})+(?:{decimal}[0-9]+)?\z")
        text = F.when(is_grouped, F.regexp_replace(text, between, "")).otherwise(text)
    if reading.decimals == "refuse":  # three zeros may be of thousands, in a country that groups by this sign
        number = rf"(?![1-9][0-9]{{0,2}}{decimal}000\z)[0-9]{{1,18}}(?:{decimal}0+)?"
    else:
        number = rf"[0-9]{{1,18}}(?:{decimal}[0-9]+)?"
    is_number = text.rlike(rf"\A[+-]?{number}\z")
    exact = F.when(is_number, F.replace(text, F.lit(reading.decimal), F.lit("."))).try_cast("decimal(38,18)")
    whole = (F.floor(exact) if reading.decimals == "floor" else F.round(exact)).cast("bigint")
    return F.when(F.abs(whole) <= MAX_COUNT, whole)


def is_search(record: Mapping[str, Column], today: date, reading: Reading = ORIGIN) -> Column:
    """Whether a record breaks no rule, BOOLEAN: what `reject_reasons` says at length, for the few that break one.

    The comparisons leave out nulls by themselves: no date, no count and no term are none within bounds.

    Args:
        record: see `reject_reasons`.
        today: see `reject_reasons`.
        reading: see `reject_reasons`.
    """
    flaws = [_has_bad_encoding(record, reading), *_other_lines(record, reading).values()]
    return F.coalesce(
        reduce(
            and_,
            [
                record["event_date"].between(F.lit(FIRST_VALID_DATE).cast("date"), F.lit(today)),
                F.char_length(record["term"]).between(1, MAX_TERM_LENGTH),
                *([record["search_count"] > 0] if reading.has_count else []),
                *([record["placeholder"].isNull()] if "placeholder" in record else []),
                *(~F.coalesce(flaw, F.lit(False)) for flaw in flaws),
            ],
        ),
        F.lit(False),
    )


def reject_reasons(record: Mapping[str, Column], today: date, reading: Reading = ORIGIN) -> Column:
    """All rules that a record breaks, sorted: ARRAY<STRING>, empty for a search.

    Args:
        record: columns as delivered (see RAW_TEXTS), `malformed_record`, `extra_fields` as a MAP, `event_date`,
            `search_count`, the normalised `term` and, where personal data is no search, its `placeholder`.
        today: the last day on which a search can have been.
        reading: how date and count were read.
    """
    day, term = record["event_date"], F.coalesce(record["term"], F.lit(""))
    broken = {
        "bad_encoding": _has_bad_encoding(record, reading),
        "date_in_future": day > F.lit(today),
        "date_too_early": day < F.lit(FIRST_VALID_DATE).cast("date"),
        "empty_term": term == "",
        "term_too_long": F.char_length(term) > MAX_TERM_LENGTH,
        **({"personal_data": record["placeholder"].isNotNull()} if "placeholder" in record else {}),
        **_date_flaws(record, reading),
        **_count_flaws(record, reading),
    }
    # Joined and split again, because Spark compiles that; dropping nulls from an array runs interpreted for every row.
    joined = F.concat_ws(",", *(F.when(broken[name], name) for name in sorted(broken)))
    reasons = F.when(joined == "", F.array().cast("array<string>")).otherwise(F.split(joined, ","))
    for name, is_so in _other_lines(record, reading).items():
        reasons = F.when(is_so, F.array(F.lit(name))).otherwise(reasons)
    return reasons


def _has_bad_encoding(record: Mapping[str, Column], reading: Reading) -> Column:
    extra = F.array_join(F.map_values(record["extra_fields"]), "", "")
    texts = [*(record[name] for name in RAW_TEXTS if name in _columns(reading)), extra]
    return reduce(or_, [F.coalesce(text.contains(REPLACEMENT), F.lit(False)) for text in texts])


def _columns(reading: Reading) -> tuple[str, ...]:
    date_columns = ("date",) if reading.formats else ("day", "month", "year")
    return (*date_columns, "searchterm", *(["count"] if reading.has_count else []))


def _date_flaws(record: Mapping[str, Column], reading: Reading) -> dict[str, Column]:
    """What can be wrong with a date that is none."""
    day = record["event_date"]
    if reading.formats:
        text = F.coalesce(dates.trimmed(record["date"]), F.lit(""))
        is_unknown = day.isNull() & (text != "") & ~dates.has_format(text, reading.formats)
        return {
            "impossible_date": day.isNull() & (text != "") & ~is_unknown,
            "missing_date": day.isNull() & (text == ""),
            "unknown_date_format": is_unknown,
        }
    numbers = [F.coalesce(number_text(record[name]), F.lit("")) for name in ("day", "month", "year")]
    # Asked first, as the numbers of a date are numbers: most records then need no regular expression here.
    is_missing = day.isNull() & reduce(or_, [number == "" for number in numbers])
    is_not_number = day.isNull() & reduce(or_, [(number != "") & ~number.rlike(r"\A[0-9]+\z") for number in numbers])
    return {
        "impossible_date": day.isNull() & ~is_missing & ~is_not_number,
        "missing_date": is_missing,
        "not_a_number": is_not_number,
    }


def _count_flaws(record: Mapping[str, Column], reading: Reading) -> dict[str, Column]:
    if not reading.has_count:
        return {}
    count, is_empty = record["search_count"], F.coalesce(dates.trimmed(record["count"]), F.lit("")) == ""
    return {
        "bad_count": count.isNull() & ~is_empty,
        "count_not_positive": count <= 0,
        "missing_count": is_empty,
    }


def _other_lines(record: Mapping[str, Column], reading: Reading) -> dict[str, Column]:
    """Reasons that stand alone, the last one first: such a line is no record of a search at all."""
    malformed = record["malformed_record"]
    reasons = {}
    if reading.only_column is not None:
        value = F.coalesce(_field(record, reading.only_column), F.lit(""))
        is_one = value.isin(*reading.only_values) if reading.only_values else dates.trimmed(value) != ""
        reasons["other_event"] = ~is_one
    reasons["malformed_record"] = malformed.isNotNull()
    if reading.total_pattern is not None:
        values = [malformed, *(_field(record, name) for name in reading.total_columns or ("searchterm",))]
        is_total = [F.coalesce(value.rlike(reading.total_pattern), F.lit(False)) for value in values]
        reasons["total_line"] = reduce(or_, is_total)
    return reasons


def _field(record: Mapping[str, Column], name: str) -> Column:
    return record[name] if name in RAW_TEXTS else F.element_at(record["extra_fields"], F.lit(name))
