"""How rows for people are laid out: all of it where there is room, and what matters where the terminal is narrow."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

GAP = "  "
_LEAST_WIDTH, _LEAST_FIRST = 12, 24  # of a column that is cut; of the first, which says what a row is about
_WRAPPING = Console()  # what rich asks for the width of a tab


@dataclass(frozen=True)
class Column:
    """A name and the texts below it, numbers to the right."""

    name: str
    cells: list[str]
    is_number: bool

    @cached_property
    def longest(self) -> int:
        """How wide its widest cell is."""
        return max(map(cell_len, self.cells), default=0)

    @cached_property
    def width(self) -> int:
        """How much room it needs with its name folded behind underscores."""
        return max([self.longest, *map(cell_len, _parts(self.name))])

    @cached_property
    def is_same(self) -> bool:
        """Whether all rows, of which there are some, have the same in it."""
        return len(set(self.cells)) == 1


class Layout(NamedTuple):
    """The lines of the names and of the rows, those of what is the same in every row, and the columns left out."""

    head: list[str]
    body: list[str]
    below: list[str]
    left_out: list[str]


def layout(columns: Sequence[Column], room: int | None) -> Layout:
    """The lines of a table, none wider than the room (in cells of a terminal; None: no end of it) but for long names.

    Where it is too narrow, names are folded behind an underscore; then a single row becomes a line a column, and of
    several rows what all have the same stands below, columns to the right first; then texts are folded in the last
    column and cut with an ellipsis in the others; then columns are left out from the right.
    """
    widths = [max(cell_len(column.name), column.longest) for column in columns]
    if room is None or _total(widths) <= room:
        return Layout(*_lines(columns, widths), [], [])
    shown, same = list(columns), list[Column]()
    if _total([column.width for column in shown]) > room and all(len(column.cells) == 1 for column in shown):
        return Layout([], _pairs(shown, room), [], [])
    for column in reversed(columns[1:]):
        if column.is_same and _total([column.width for column in shown]) > room:
            shown.remove(column)
            same.insert(0, column)
    fitted = _fitted(shown, room)
    same = [column for column in same if column.cells[0]]  # a text that says nothing needs no line
    below = ["in every row", *(GAP + line for line in _pairs(same, room - len(GAP)))] if same else []
    return Layout(*_lines(shown, fitted), below, [column.name for column in shown[len(fitted) :]])


def _lines(columns: Sequence[Column], widths: Sequence[int]) -> tuple[list[str], list[str]]:
    """The lines of the names and of the rows, of as many columns as have a width."""
    shown = columns[: len(widths)]
    rows = zip(*(column.cells for column in shown), strict=True)
    head = [_row(names, shown, widths) for names in _names(shown, widths)]
    return head, [_row(cells, shown, widths) for cells in rows]


def _row(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    """The line, or lines, of a row."""
    *parts, last = map(_cell, cells, widths, [column.is_number for column in columns])
    if not columns[-1].is_number:
        indent = "\n" + " " * (sum(widths[:-1]) + len(GAP) * len(parts))
        last = indent.join(wrapped(cells[-1], widths[-1]))
    return GAP.join([*parts, last]).rstrip()


def _pairs(columns: Sequence[Column], room: int) -> list[str]:
    """A line, or lines, for each column: its name and the one value that it has."""
    widest = max((cell_len(column.name) for column in columns), default=0)
    width = max(room - widest - len(GAP), _LEAST_WIDTH)
    indent = "\n" + " " * (widest + len(GAP))
    return [
        f"{set_cell_size(column.name, widest)}{GAP}{indent.join(wrapped(column.cells[0], width))}" for column in columns
    ]


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of so many cells, broken at blanks where it has some."""
    return [line.plain.rstrip() for line in Text(text).wrap(_WRAPPING, width)] or [""]


def _parts(name: str) -> list[str]:
    """Where a column's name may be folded: behind an underscore."""
    return re.findall(r"[^_]*_|[^_]+", name)


def _names(columns: Sequence[Column], widths: Sequence[int]) -> list[list[str]]:
    """The columns' names in as many lines as the one that is folded most needs; the others end in the last line."""
    folded = []
    for column, width in zip(columns, widths, strict=True):
        lines = [""]
        for part in _parts(column.name):
            if lines[-1] and cell_len(lines[-1] + part) > width:
                lines.append("")
            lines[-1] += part
        folded.append(lines)
    height = max(map(len, folded), default=1)
    return [list(line) for line in zip(*([""] * (height - len(lines)) + lines for lines in folded), strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _fitted(columns: Sequence[Column], room: int) -> list[int]:
    """The widths of the columns that are shown: the widest texts are cut first, then the last columns left out."""
    widths = [column.width for column in columns]
    fitted, least = list(widths), [min(_LEAST_FIRST, room), *[_LEAST_WIDTH] * len(widths)]
    while fitted and _total(fitted) > room:
        excess = _total(fitted) - room
        texts = [i for i in range(len(fitted)) if not columns[i].is_number and fitted[i] > least[i]]
        if not texts and len(fitted) == 1:
            break
        if not texts:
            fitted = widths[: len(fitted) - 1]  # what is left has the more room
            continue
        widest = max(texts, key=lambda i: fitted[i])
        second = max([_LEAST_WIDTH, *(fitted[i] for i in texts if i != widest)])
        fitted[widest] = max(fitted[widest] - excess, min(second, fitted[widest] - 1), least[widest])
    return fitted


def _cell(text: str, width: int, to_right: bool) -> str:
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    blanks = " " * (width - length)
    return blanks + text if to_right else text + blanks
