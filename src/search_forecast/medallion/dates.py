"""The day of a search from one text: formats, time stamps, time zones. Rules from Column to Column."""

import re
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F

from search_forecast.parameters import is_time_zone

ISO = "iso"  # 2024-03-01, 2024-03-01T12:30:45.123Z, 2024-03-01 12:30:45 +01:00, 2024-03-01 12:30:45 UTC
EPOCHS = {"epoch_s": (11, 1_000_000), "epoch_ms": (14, 1_000), "epoch_us": (17, 1)}  # digits, microseconds in one
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
# Whole words: in Finnish a month that begins with mar is November.
_MONTH_WORDS = (*_MONTHS, *(month[:3] for month in _MONTHS), "sept")
_TOKENS = {
    "YYYY": r"(?<year>[0-9]{4})",
    "MMM": f"(?<name>(?i:{'|'.join(_MONTH_WORDS)}))",
    "MM": r"(?<month>[0-9]{1,2})",
    "DD": r"(?<day>[0-9]{1,2})",
    "hh": r"(?<hour>[01]?[0-9]|2[0-3])",
    "mm": r"(?<minute>[0-5][0-9])",
    "ss": r"(?<second>[0-5][0-9])(?:[.,][0-9]+)?",
    "zz": r"(?<offset>Z|UTC|GMT|[+-](?:0[0-9]|1[0-7])(?::?[0-5][0-9])?)?",
}
_TOKEN = re.compile("|".join(_TOKENS))
_NOTHING_BETWEEN = re.compile("(?:YYYY|DD|(?<!M)MM(?!M))(?:YYYY|DD|MM(?!M)|hh)")
_ISO = (
    rf"{_TOKENS['YYYY']}-(?<month>[0-9]{{2}})-(?<day>[0-9]{{2}})"
    rf"(?:[T ]{_TOKENS['hh']}:{_TOKENS['mm']}(?::{_TOKENS['ss']})? ?{_TOKENS['zz']})?"
)


def checked_format(text: str) -> str:
    """The format, once it is clear that it is one.

    Raises:
        ValueError: it is none.
    """
    if text != ISO and text not in EPOCHS:
        tokens = _TOKEN.findall(str(text))
        has_month = ("MM" in tokens) != ("MMM" in tokens)
        if len(tokens) != len(set(tokens)) or not {"YYYY", "DD"} <= set(tokens) or not has_month:
            names = ", ".join((ISO, *EPOCHS))
            raise ValueError(
                f"expected {names}, or a text with YYYY, MM (or MMM, such as Mar) and DD once each, "
                "perhaps with hh, mm, ss and zz (Z or +01:00)"
            )
    return text


def checked_zone(name: str) -> str:
    """The time zone, once it is clear that it is one.

    Raises:
        ValueError: it is none.
    """
    if not is_time_zone(name):
        raise ValueError("expected a time zone such as Europe/Zurich or UTC")
    return name


def trimmed(text: Column) -> Column:
    """A field without the blanks (space, tab) around it."""
    return F.btrim(text, F.lit(" \t"))


def event_date(text: Column, formats: tuple[str, ...], zone: str, shop_zone: str) -> Column:
    """The DATE of a text in the first format that it has, in the shop's zone; null where it is no calendar day.

    A text without a time is a day of the shop's.

    Args:
        text: As delivered.
        formats: See `checked_format`.
        zone: Of times without an offset.
        shop_zone: Whose day it is.
    """
    days = [_day(trimmed(text), each, zone, shop_zone) for each in formats]
    return days[0] if len(days) == 1 else F.coalesce(*days)


def has_format(text: Column, formats: tuple[str, ...]) -> Column:
    """Whether a text has one of the formats, calendar day or not."""
    return reduce(or_, [trimmed(text).rlike(_pattern(each)[0]) for each in formats])


def _pattern(form: str) -> tuple[str, list[str]]:
    """A regular expression of a format (Java and Python read it alike), and what its groups are."""
    if form in EPOCHS:
        return rf"\A[0-9]{{1,{EPOCHS[form][0]}}}(?:\.[0-9]+)?\z", []
    text = _ISO if form == ISO else _TOKEN.sub(lambda token: "\0" + token[0] + "\0", form)
    if form != ISO:
        parts = text.split("\0")
        text = "".join(_TOKENS[part] if place % 2 else re.escape(part) for place, part in enumerate(parts))
        if _NOTHING_BETWEEN.search(form):  # of 1112024 nobody knows where the day ends
            text = text.replace("{1,2}", "{2}")
    groups = re.findall(r"\(\?<(\w+)>", text)
    return rf"\A{re.sub(r'[(][?]<[a-z]+>', '(', text)}\z", groups


def _day(text: Column, form: str, zone: str, shop_zone: str) -> Column:
    pattern, groups = _pattern(form)
    if form in EPOCHS:
        number = F.when(text.rlike(pattern), F.regexp_extract(text, "[0-9]+", 0)).try_cast("bigint")
        return _in_shop(F.timestamp_micros(number * EPOCHS[form][1]).cast("timestamp_ntz"), F.lit("UTC"), shop_zone)
    group = {name: F.regexp_extract(text, pattern, place) for place, name in enumerate(groups, start=1)}
    month = group["month"] if "month" in group else _month_of(group["name"])
    day = F.concat_ws("-", group["year"], month, group["day"])
    is_one = text.rlike(pattern) & (group["year"] != "0000")
    date = F.when(is_one, day).try_cast("date")
    if "hour" not in group:
        return date
    zero = F.lit("00")
    time = F.concat_ws(":", group["hour"], group.get("minute", zero), _or_zero(group.get("second", zero)))
    stamp = F.when(is_one, F.concat_ws(" ", day, time)).try_cast("timestamp_ntz")
    offset = group.get("offset", F.lit(""))
    source = F.when(offset == "", F.lit(zone)).when(offset.rlike("[A-Z]"), F.lit("UTC")).otherwise(_full(offset))
    # Without a time there is nothing to convert; without a conversion a date is all there is to it.
    is_there = (group["hour"] != "") & ((offset != "") | F.lit(zone != shop_zone))
    return F.when(is_there, _in_shop(stamp, source, shop_zone)).otherwise(date)


def _or_zero(digits: Column) -> Column:
    return F.when(digits == "", F.lit("00")).otherwise(digits)


def _full(offset: Column) -> Column:
    """An offset with its minutes and a colon: `+01`, `+0100` and `+01:00` are one."""
    digits = F.rpad(F.regexp_replace(offset.substr(2, 5), ":", ""), 4, "0")
    return F.concat(offset.substr(1, 1), digits.substr(1, 2), F.lit(":"), digits.substr(3, 2))


def _in_shop(stamp: Column, source: Column, shop_zone: str) -> Column:
    return F.convert_timezone(source, F.lit(shop_zone), stamp).cast("date")


def _month_of(name: Column) -> Column:
    place = F.array_position(F.array(*(F.lit(month[:3]) for month in _MONTHS)), F.lower(name.substr(1, 3)))
    return place.cast("string")
