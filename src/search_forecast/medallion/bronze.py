"""Lines of delivered files to raw records, every field a string and untouched."""

import csv
import re
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.errors import DataError

REQUIRED = ("day", "month", "year", "searchterm")
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are laid out: its delimiter and its column names, in order."""

    delimiter: str
    columns: tuple[str, ...]


def layout(header: str) -> Layout:
    """Work out a file's layout from its first line.

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
    return Layout(delimiter, tuple(_unique(names)))


def raw_records(lines: DataFrame, file_layout: Layout) -> DataFrame:
    """Split the lines of files of one layout into raw records.

    Args:
        lines: one row per line, with column `value` (the line, perhaps not valid UTF-8); other columns pass through.
        file_layout: the layout that all the lines share.

    Returns:
        The raw columns of search_bronze.raw_search_terms in place of `value`. Bytes that are no UTF-8 are U+FFFD.
        A line that can't be split has all of them null but `malformed_record`, which holds it whole.
    """
    names = file_layout.columns
    extras = [name for name in names if name not in REQUIRED]
    split = lines.withColumn("value", F.make_valid_utf8("value")).withColumn(
        "fields", split_line(F.col("value"), file_layout.delimiter, len(names))
    )
    field = {name: F.get("fields", F.lit(position)) for position, name in enumerate(names)}
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


def split_line(line: Column, delimiter: str, count: int) -> Column:
    """Split a CSV line as RFC 4180 says: ARRAY<STRING> of `count` fields, null where the line can't be split.

    Stricter than Spark's own CSV reader, which takes `12,11,2021,"mobile` for a good record: a field that starts with
    a quote must end with one. A quote inside an unquoted field (`tv 55"`) is text.
    """
    d = re.escape(delimiter)
    # Possessive quantifiers: no backtracking, so a long line costs linear time and no stack.
    any_field = f'"[^"]*+(?:""[^"]*+)*+"|(?!")[^{d}]*+'
    by_delimiter = F.split(line, d, -1)
    # Each match starts with the delimiter: an empty match would make the regex engine skip a character.
    quoted = F.regexp_extract_all(F.concat(F.lit(delimiter), line), F.lit(f"{d}({any_field})"), F.lit(1))
    unquoted = F.transform(
        quoted,
        lambda field: F.when(
            field.startswith('"'), F.replace(field.substr(F.lit(2), F.length(field) - 2), F.lit('""'), F.lit('"'))
        ).otherwise(field),
    )
    is_well_formed = line.rlike(rf"\A(?:{any_field})(?:{d}(?:{any_field})){{{count - 1}}}\z")
    return F.when(~line.contains('"') & (F.size(by_delimiter) == count), by_delimiter).when(
        line.contains('"') & is_well_formed, unquoted
    )


def _names(header: str, delimiter: str) -> list[str]:
    """Column names as the header spells them, the required ones in their standard spelling."""
    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
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
