"""Lines of delivered files to raw records, every field a string and untouched."""

import csv
import re
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.errors import DataError

REQUIRED = ("day", "month", "year", "searchterm")
DELIMITERS = (",", ";", "\t")
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


@dataclass(frozen=True)
class Layout:
    """How the records of a file are laid out.

    Attributes:
        delimiter: between fields.
        columns: their names, in order.
        is_last_optional: whether the header ended in a delimiter: then records may do so or not.
    """

    delimiter: str
    columns: tuple[str, ...]
    is_last_optional: bool = False


def layout_of(header: str) -> Layout:
    """Work out a file's layout from its header line.

    The four required columns may be spelled with any case, blanks, hyphens or underscores; others keep their names.

    Raises:
        DataError: a required column is missing or appears twice.
    """
    candidates = [(delimiter, _names(header, delimiter)) for delimiter in DELIMITERS]
    delimiter, names = max(candidates, key=lambda candidate: len(set(candidate[1]) & set(REQUIRED)))
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise DataError(
            f"the first line must name the columns {', '.join(REQUIRED)} (separated by , ; or tab); "
            f"missing {', '.join(missing)} in {_shortened(header)}"
        )
    twice = [name for name in REQUIRED if names.count(name) > 1]
    if twice:
        raise DataError(f"column {', '.join(twice)} appears twice in the first line {_shortened(header)}")
    return Layout(delimiter, tuple(_unique(names)), not names[-1])


def raw_records(lines: DataFrame, layout: Layout) -> DataFrame:
    r"""Split the lines of files of one layout into raw records.

    Args:
        lines: one row per record, with column `value` (one line, perhaps not valid UTF-8, in which `\r` stands for a
            line break); other columns pass through.
        layout: the layout that all the lines share.

    Returns:
        The raw columns of search_bronze.raw_search_terms in place of `value`. Bytes that are no UTF-8 are U+FFFD.
        A record that can't be split has all of them null but `malformed_record`, which holds it whole.
    """
    extras = [name for name in layout.columns if name not in REQUIRED]
    value = F.replace(F.make_valid_utf8("value"), F.lit("\r"), F.lit("\n"))
    split = lines.withColumn("value", value).withColumn("fields", split_record(F.col("value"), layout))
    field = {name: F.get("fields", F.lit(position)) for position, name in enumerate(layout.columns)}
    extra_fields = F.create_map(*(part for name in extras for part in (F.lit(name), field[name]))) if extras else None
    return split.select(
        *(field[name].alias(name) for name in REQUIRED),
        (
            F.lit(None).cast("map<string,string>")
            if extra_fields is None
            else F.when(F.col("fields").isNotNull(), extra_fields)
        ).alias("extra_fields"),
        F.when(F.col("fields").isNull(), F.col("value")).alias("malformed_record"),
        *(F.col(name) for name in lines.columns if name != "value"),
    )


def split_record(record: Column, layout: Layout) -> Column:
    """Split a CSV record as RFC 4180 says, and take blanks around quotes and a delimiter at the end.

    Stricter than Spark's own CSV reader, which takes `12,11,2021,"mobile` for a good record: a field that starts with
    a quote must end with one. A quote inside an unquoted field (`tv 55"`) is text.

    Returns:
        ARRAY<STRING> of the layout's fields, perhaps with an empty one behind them; null where it can't be split.
    """
    delimiter, count = layout.delimiter, len(layout.columns)
    by_delimiter = F.split(record, re.escape(delimiter), -1)
    size, is_last_empty = F.size(by_delimiter), F.get(by_delimiter, F.lit(count)) == ""
    is_plain = size.between(count - layout.is_last_optional, count) | ((size == count + 1) & is_last_empty)
    # Each match starts with the delimiter: an empty match would make the regex engine skip a character.
    pattern = F.lit(f"{re.escape(delimiter)}({field_pattern(delimiter)})")
    unquoted = F.transform(
        F.regexp_extract_all(F.concat(F.lit(delimiter), record), pattern, F.lit(1)),
        lambda field: F.when(_trimmed(field).startswith('"'), _unquoted(_trimmed(field))).otherwise(field),
    )
    is_quoted = record.contains('"')
    return F.when(~is_quoted & is_plain, by_delimiter).when(is_quoted & record.rlike(record_pattern(layout)), unquoted)


def _trimmed(field: Column) -> Column:
    return F.btrim(field, F.lit(" \t"))


def _unquoted(field: Column) -> Column:
    return F.replace(field.substr(F.lit(2), F.length(field) - 2), F.lit('""'), F.lit('"'))


def field_pattern(delimiter: str) -> str:
    """A regular expression for one field: quoted, perhaps with blanks around, or text that does not start with a quote.

    Possessive quantifiers: no backtracking, so a long record costs linear time and no stack.
    """
    blanks = " *+" if delimiter == "\t" else r"[ \t]*+"
    return rf'{blanks}"[^"]*+(?:""[^"]*+)*+"{blanks}|(?!{blanks}")[^{re.escape(delimiter)}]*+'


def record_pattern(layout: Layout) -> str:
    """A regular expression for a record of a layout; it may end in one more delimiter."""
    field, delimiter = field_pattern(layout.delimiter), re.escape(layout.delimiter)
    most = len(layout.columns) - 1
    return rf"\A(?:{field})(?:{delimiter}(?:{field})){{{most - layout.is_last_optional},{most}}}{delimiter}?\z"


def _names(header: str, delimiter: str) -> list[str]:
    """Column names as the header spells them, the required ones in their standard spelling."""
    try:
        names = next(csv.reader([header.replace(_BOM, "")], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:  # a field longer than that module takes: no header
        return []
    standard = [re.sub(r"[\s_-]", "", name).casefold() for name in names]
    return [plain if plain in REQUIRED else name.strip() for name, plain in zip(names, standard, strict=True)]


def _unique(names: list[str]) -> list[str]:
    """Name the nameless by their place, and number those that appear again: each name is a key of `extra_fields`."""
    result: list[str] = []
    for position, name in enumerate(names, start=1):
        candidate = name or f"column_{position}"
        while candidate in result:
            candidate = f"{candidate}_{position}"
        result.append(candidate)
    return result


def _shortened(text: str, limit: int = 80) -> str:
    """A printable form of a line for an error message."""
    return repr(text if len(text) <= limit else text[:limit] + "…")
