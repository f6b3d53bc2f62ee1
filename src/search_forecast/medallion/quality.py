"""What makes a raw record a search: rules from Column to Column, each failing by name."""

from datetime import date
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F

MAX_TERM_LENGTH = 256  # characters, once normalised
FIRST_VALID_DATE = "1995-01-01"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def number_text(field: Column) -> Column:
    """A date field without the blanks (space, tab) around it, and without decimals that are 0, which pandas adds."""
    text = F.btrim(field, F.lit(" \t"))
    return F.when(text.contains("."), F.regexp_replace(text, r"(?<=[0-9])\.0+\z", "")).otherwise(text)


def event_date(day: Column, month: Column, year: Column) -> Column:
    """The DATE of three text fields, null where they are no calendar day of a four-digit year."""
    y = number_text(year)
    m, d = (F.ltrim(number_text(number), F.lit("0")) for number in (month, day))
    text = F.concat(y, F.lit("-"), m, F.lit("-"), d)
    # try_cast: make_date would raise on 30 February under ANSI mode, and to_date's parser is slow.
    is_digits = text.rlike(r"\A[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\z") & (y != "0000")
    return F.when(is_digits, text.try_cast("date"))


def reject_reasons(record: dict[str, Column], today: date) -> Column:
    """All rules that a record breaks, sorted: ARRAY<STRING>, empty for a search.

    Args:
        record: columns `day`, `month`, `year`, `searchterm`, `malformed_record` as delivered, `extra_fields` as a MAP,
            `event_date` and the normalised `term`.
        today: the last day on which a search can have been.
    """
    numbers = [F.coalesce(number_text(record[name]), F.lit("")) for name in ("day", "month", "year")]
    day, term = record["event_date"], F.coalesce(record["term"], F.lit(""))
    # Asked first, as the numbers of a date are numbers: most records then need no regular expression here.
    is_missing = day.isNull() & reduce(or_, [number == "" for number in numbers])
    is_not_number = day.isNull() & reduce(or_, [(number != "") & ~number.rlike(r"\A[0-9]+\z") for number in numbers])
    extra = F.array_join(F.map_values(record["extra_fields"]), "", "")
    texts = [*(record[name] for name in ("day", "month", "year", "searchterm")), extra]
    broken = {
        "bad_encoding": reduce(or_, [F.coalesce(text.contains(REPLACEMENT), F.lit(False)) for text in texts]),
        "date_in_future": day > F.lit(today),
        "date_too_early": day < F.lit(FIRST_VALID_DATE).cast("date"),
        "empty_term": term == "",
        "impossible_date": day.isNull() & ~is_missing & ~is_not_number,
        "missing_date": is_missing,
        "not_a_number": is_not_number,
        "term_too_long": F.char_length(term) > MAX_TERM_LENGTH,
    }
    # Joined and split again, because Spark compiles that; dropping nulls from an array runs interpreted for every row.
    joined = F.concat_ws(",", *(F.when(broken[name], name) for name in sorted(broken)))
    reasons = F.when(joined == "", F.array().cast("array<string>")).otherwise(F.split(joined, ","))
    return F.when(record["malformed_record"].isNotNull(), F.array(F.lit("malformed_record"))).otherwise(reasons)
