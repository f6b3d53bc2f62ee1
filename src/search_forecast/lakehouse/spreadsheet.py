"""Rows as CSV for a spreadsheet: no cell of it is a formula, whatever a visitor searched for."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection); of many languages it begins a cell
# behind a semicolon, quotes or not.
_BEGINNING, _FORMULA = r"(?:\A|(?<=[;\t]))", r"(?=[=+\-@＝＋－＠\t\r\n])"
_UNMARKED, _MARKED = re.compile(_BEGINNING + _FORMULA), re.compile(f"{_BEGINNING}'{_FORMULA}")


def write(
    out: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Any]], shown: Callable[[str], str] = str
) -> None:
    """Write the names of the columns and the rows.

    Args:
        out: where to.
        columns: their names.
        rows: of values; what of a text would be a formula gets an apostrophe before it.
        shown: what to write of a text.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value, shown) if isinstance(value, str) else value for value in row] for row in rows)


def text_of(cell: str) -> str:
    """What was written as a cell, without the apostrophe of what would be a formula."""
    return _MARKED.sub("", cell)


def _cell(text: str, shown: Callable[[str], str]) -> str:
    return shown(_UNMARKED.sub("'", text))
