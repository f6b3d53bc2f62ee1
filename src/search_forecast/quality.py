"""What makes a raw record a search: rules from Column to Column, each failing by name."""

from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F

MAX_TERM_LENGTH = 256  # characters, once normalised
FIRST_VALID_DATE = "1995-01-01"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
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


def number_text(field: Column) -> Column:
    """A date field without the blanks (space, tab) around it."""
    return F.regexp_replace(field, r"^[ \t]+|[ \t]+$", "")


def event_date(day: Column, month: Column, year: Column) -> Column:
    """The DATE of three text fields, null where they are no calendar day of a four-digit year."""
    d, m, y = number_text(day), number_text(month), number_text(year)
    digits = F.concat_ws("-", y, m, d).rlike(r"\A[0-9]{4}-0*[0-9]{1,2}-0*[0-9]{1,2}\z") & (y != "0000")
    two = [F.lpad(F.regexp_replace(number, "^0+", ""), 2, "0") for number in (m, d)]
    # try_to_date, since make_date raises on 30 February under ANSI mode; guarded, so that it only sees digits.
    return F.when(digits, F.try_to_date(F.concat_ws("-", y, *two), "yyyy-MM-dd"))


def reject_reasons(record: dict[str, Column], received: Column) -> Column:
    """All rules that a record breaks, sorted: ARRAY<STRING>, empty for a search.

    Args:
        record: columns `day`, `month`, `year`, `searchterm`, `malformed_record` as delivered, `extra_fields` as a MAP,
            `event_date` and the normalised `term`.
        received: DATE (UTC) on which the record was received.
    """
    numbers = [F.coalesce(number_text(record[name]), F.lit("")) for name in ("day", "month", "year")]
    is_missing = reduce(or_, [number == "" for number in numbers])
    is_not_number = reduce(or_, [(number != "") & ~number.rlike(r"\A[0-9]+\z") for number in numbers])
    date, term = record["event_date"], F.coalesce(record["term"], F.lit(""))
    texts = [record[name] for name in ("day", "month", "year", "searchterm")]
    extra = F.array_join(F.map_values(record["extra_fields"]), "", "")
    broken = {
        "bad_encoding": F.concat_ws("", *texts, extra).contains(REPLACEMENT),
        "date_in_future": date > received,
        "date_too_early": date < F.lit(FIRST_VALID_DATE).cast("date"),
        "empty_term": term == "",
        "impossible_date": ~is_missing & ~is_not_number & date.isNull(),
        "missing_date": is_missing,
        "not_a_number": is_not_number,
        "term_too_long": F.char_length(term) > MAX_TERM_LENGTH,
    }
    reasons = F.array_compact(F.array(*(F.when(broken[name], name) for name in sorted(broken))))
    return F.when(record["malformed_record"].isNotNull(), F.array(F.lit("malformed_record"))).otherwise(reasons)
