"""How the records of a delivered file are laid out, by its header."""

import csv
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from search_forecast.errors import DataError
from search_forecast.medallion.personal import placeholder

REQUIRED = ("day", "month", "year", "searchterm")
ROLES = ("day", "month", "year", "date", "searchterm", "count")  # columns of search_bronze.raw_search_terms
_ORIGIN: Mapping[str, Sequence[str]] = {name: (name,) for name in REQUIRED}
DELIMITERS = (",", ";", "\t")
MAX_COLUMNS = 100_000  # a record of a million columns takes 10 GB
FIELD_SEPARATOR = "\x1f"  # between the fields of what was no CSV: no such file may hold it unescaped
_SPELLED = {"\t": "tab", FIELD_SEPARATOR: "unit separator"}
_JUDGED = 1000  # characters of a line that is shown in part
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


class MissingColumnsError(DataError):
    """A file lacks columns of a layout, or has one of them twice.

    Attributes:
        share: Of the columns asked for, those that it has, 0..1.
    """

    def __init__(self, message: str, share: float) -> None:
        super().__init__(message)
        self.share = share


@dataclass(frozen=True)
class Layout:
    """How the records of a file are laid out.

    Attributes:
        delimiter: between fields.
        columns: their names, in order; those that have a role are called by it.
        is_last_optional: whether the header ended in a delimiter: then records may do so or not.
        roles: which of the columns have a role; all others go to `extra_fields`.
        has_quotes: whether a field may stand in quotes.
        rest: the column that holds all other fields as a JSON object, if there is one.
        names: the columns as the file spells them.
    """

    delimiter: str
    columns: tuple[str, ...]
    is_last_optional: bool = False
    roles: tuple[str, ...] = REQUIRED
    has_quotes: bool = True
    rest: str | None = None
    names: tuple[str, ...] = field(default=(), compare=False)


def layout_of(
    header: str,
    fields: Mapping[str, Sequence[str]] = _ORIGIN,
    delimiters: Sequence[str] = DELIMITERS,
    needs: Sequence[str] = (),
    *,
    has_quotes: bool = True,
) -> Layout:
    """Work out a file's layout from its header line.

    Args:
        header: The line.
        fields: The names that the column of each role may have, with any case, blanks, hyphens or underscores; other
            columns keep their names.
        delimiters: One of them stands between fields.
        needs: Other columns that must be there.
        has_quotes: Whether a name may stand in quotes.

    Raises:
        MissingColumnsError: a column is missing, or appears twice.
        DataError: there are too many.
    """
    count = max(len(names_in(header, delimiter)) for delimiter in delimiters)
    if count > MAX_COLUMNS:
        raise DataError(f"the first line names {count:,} columns, over {MAX_COLUMNS:,}: is this a file of searches?")
    candidates = [(delimiter, _roles(header, delimiter, fields)) for delimiter in delimiters]
    delimiter, names = max(candidates, key=lambda candidate: len(set(candidate[1]) & set(fields)))
    spelled = {standard_name(name) for name in names_in(header, delimiter)}
    missing = [spellings[0] for role, spellings in fields.items() if role not in names]
    missing += [name for name in needs if standard_name(name) not in spelled]
    if missing:
        columns = [*(spellings[0] for spellings in fields.values()), *needs]
        separators = [_SPELLED.get(each, each) for each in delimiters]
        separated = " ".join(separators[:-1]) + (" or " if separators[:-1] else "") + separators[-1]
        is_title = not any(each in header for each in delimiters)
        advice = "; a layout's skip_lines passes over titles above them" if is_title else ""
        raise MissingColumnsError(
            f"the first line must name the columns {', '.join(columns)} (separated by {separated}); "
            f"missing {', '.join(missing)} in {_shortened(header)}{advice}",
            share=1 - len(missing) / len(columns),
        )
    twice = [role for role in fields if names.count(role) > 1]
    if twice:
        message = f"column {', '.join(twice)} appears twice in the first line {_shortened(header)}"
        raise MissingColumnsError(message, share=1)
    spellings_there = names_in(header, delimiter)
    return Layout(delimiter, tuple(_unique(names)), not names[-1], tuple(fields), has_quotes, names=spellings_there)


def field_pattern(delimiter: str) -> str:
    """A regular expression for one field: quoted, perhaps with blanks around, or text that does not start with a quote.

    What it could give back never fits otherwise, so a long record costs linear time; and where Python knows possessive
    quantifiers, it does not remember where it could.
    """
    all_of = "*+" if sys.version_info >= (3, 11) else "*"
    blanks = rf" {all_of}" if delimiter == "\t" else rf"[ \t]{all_of}"
    quoted = rf'"[^"]{all_of}(?:""[^"]{all_of}){all_of}"'
    return rf'{blanks}{quoted}{blanks}|(?!{blanks}")[^{re.escape(delimiter)}]{all_of}'


def record_pattern(layout: Layout) -> str:
    """A regular expression for a record of a layout; it may end in one more delimiter."""
    field, delimiter = field_pattern(layout.delimiter), re.escape(layout.delimiter)
    most = len(layout.columns) - 1
    return rf"\A(?:{field})(?:{delimiter}(?:{field})){{{most - layout.is_last_optional},{most}}}{delimiter}?\Z"


def _roles(header: str, delimiter: str, fields: Mapping[str, Sequence[str]]) -> list[str]:
    """Column names as the header spells them, those that have a role called by it; others give way to these."""
    names = names_in(header, delimiter)
    spelled = {standard_name(name) for name in names}
    role_of = {}
    for role, spellings in fields.items():
        first = next((name for name in map(standard_name, spellings) if name in spelled), None)
        if first is not None:
            role_of[first] = role
    return [
        role_of.get(standard_name(name)) or (f"{name.strip()}_{place}" if name.strip() in fields else name.strip())
        for place, name in enumerate(names, start=1)
    ]


@lru_cache(maxsize=16)
def names_in(header: str, delimiter: str) -> tuple[str, ...]:
    """The names in a header; none where it is no line of CSV."""
    try:
        return tuple(next(csv.reader([header.replace(_BOM, "")], delimiter=delimiter, skipinitialspace=True), []))
    except csv.Error:  # a field longer than that module takes: no header
        return ()


def standard_name(name: str) -> str:
    """A column's name without what may differ in it."""
    return re.sub(r"[\s_-]", "", name).casefold()


def _unique(names: list[str]) -> list[str]:
    """Name the nameless by their place, and number those that appear again: each name is a key of `extra_fields`."""
    result: dict[str, None] = {}  # in order, and fast where there are many
    for position, name in enumerate(names, start=1):
        candidate = name or f"column_{position}"
        while candidate in result:
            candidate = f"{candidate}_{position}"
        result[candidate] = None
    return list(result)


def _shortened(text: str, limit: int = 80) -> str:
    """A printable form of a line for an error message, which is kept: the first line of a file may be a search."""
    text = placeholder(text[:_JUDGED]) or text
    return repr(text if len(text) <= limit else text[:limit] + "…")
