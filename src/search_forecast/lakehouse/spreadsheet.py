"""Rows as CSV for a spreadsheet: no cell of it is a formula, whatever a visitor searched for."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULA = re.compile(r"[=+\-@＝＋－＠\t\r\n]")


def write(
    out: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Any]], shown: Callable[[str], str] = str
) -> None:
    """Write the names of the columns and the rows.

    Args:
        out: where to.
        columns: their names.
        rows: of values; a text that would be a formula gets an apostrophe before it.
        shown: what to write of a text.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value, shown) if isinstance(value, str) else value for value in row] for row in rows)


def text_of(cell: str) -> str:
    """What was written as a cell, without the apostrophe of what would be a formula."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell


def _cell(text: str, shown: Callable[[str], str]) -> str:
    return f"'{shown(text)}" if _FORMULA.match(text) else shown(text)
