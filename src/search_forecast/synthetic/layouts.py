"""How a delivery is laid out as a CSV file: header, column order, delimiter, line ends, compression."""

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from types import TracebackType

BOM = "\ufeff".encode()
EXTRA_VALUES: dict[str, tuple[str, ...]] = {
    "shop": ("north", "Zürich, HB", 'outlet "east"'),
    "device": ("phone", "desktop", ""),
}
_STORED_BLOCK_SIZE = 0xFFFF


@dataclass(frozen=True)
class Layout:
    """The form of one file.

    Attributes:
        header: Column names as spelled in the file.
        columns: What each column holds: `day`, `month`, `year`, `term` or a key of `EXTRA_VALUES`.
        delimiter: One character.
        newline: Line end.
        has_bom: Whether a byte order mark opens the file.
        has_last_newline: Whether the last record is followed by a line end.
        is_gzip: Whether the file is compressed.
        has_blank_lines: Whether a few lines hold nothing or only blanks; they are no records.
        quotes_all: Whether terms are quoted even where they need not be.
    """

    header: tuple[str, ...]
    columns: tuple[str, ...]
    delimiter: str = ","
    newline: str = "\n"
    has_bom: bool = False
    has_last_newline: bool = True
    is_gzip: bool = False
    has_blank_lines: bool = False
    quotes_all: bool = False

    def header_bytes(self) -> bytes:
        """The first line, without its line end."""
        return (BOM if self.has_bom else b"") + self.delimiter.join(self.header).encode()

    def line(self, fields: Mapping[str, str]) -> str:
        """One record as a line; extra columns that `fields` does not name are filled with their first value."""
        cells = []
        for column in self.columns:
            value = fields[column] if column in fields else EXTRA_VALUES[column][0]
            cells.append(quoted(value, self.delimiter, always=self.quotes_all and column == "term"))
        return self.delimiter.join(cells)

    def term_field(self, term: str) -> bytes:
        """A term as it stands in the file."""
        return encode(quoted(term, self.delimiter, always=self.quotes_all))

    def frames(self, day: date) -> list[tuple[bytes, bytes]]:
        """What stands before and after the term in records of one day.

        Returns:
            One pair for each way to write the date and the extra columns, repeated in proportion to how common it is.
            The first part of each begins with the line end that closes the line before.
        """
        extras = [column for column in self.columns if column in EXTRA_VALUES]
        position = self.columns.index("term")
        frames = []
        for written, times in _written_dates(day):
            of_date = []
            for values in product(*(EXTRA_VALUES[extra] for extra in extras)):
                fields = {**written, **dict(zip(extras, values, strict=True))}
                cells = [quoted(fields.get(column, ""), self.delimiter) for column in self.columns]
                before = self.newline + "".join(cell + self.delimiter for cell in cells[:position])
                after = "".join(self.delimiter + cell for cell in cells[position + 1 :])
                of_date.append((encode(before), encode(after)))
            frames += of_date * times
        return frames


def _written_dates(day: date) -> list[tuple[dict[str, str], int]]:
    """The ways to write a date, and how common each is."""
    d, m, y = str(day.day), str(day.month), f"{day.year:04d}"
    plain = {"day": d, "month": m, "year": y}
    padded = {"day": f"{day.day:02d}", "month": f"{day.month:02d}", "year": y}
    spaced = {"day": f" {d} ", "month": f"{m} ", "year": y}
    mixed = {"day": f"{day.day:02d}", "month": f"  {m}", "year": f" {y} "}
    tabbed = {"day": f"\t{d}", "month": m, "year": f"{y}\t"}
    return [(plain, 13), (padded, 4), (spaced, 1), (mixed, 1), (tabbed, 1)]


def quoted(value: str, delimiter: str, *, always: bool = False) -> str:
    """A field, in quotes (inner ones doubled) where it holds the delimiter or a quote, or always."""
    if always or delimiter in value or '"' in value:
        return '"' + value.replace('"', '""') + '"'
    return value


def encode(text: str) -> bytes:
    """UTF-8; a lone surrogate U+DCxx stands for the byte xx, which lets a str carry bytes that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


_PLAIN = ("day", "month", "year", "term")
LAYOUTS = (
    Layout(("day", "month", "year", "searchterm"), _PLAIN, has_bom=True, has_last_newline=False),
    Layout(("Day", "Month", "Year", "Search Term"), _PLAIN, delimiter=";", newline="\r\n"),
    Layout(
        ("SEARCH_TERM", "YEAR", "MONTH", "DAY"), ("term", "year", "month", "day"), delimiter="\t", has_blank_lines=True
    ),
    Layout(
        ("shop", "day", "month", "year", "searchterm", "device"),
        ("shop", "day", "month", "year", "term", "device"),
        is_gzip=True,
    ),
    Layout(
        ("year", "month", "Search_Term", "day"),
        ("year", "month", "term", "day"),
        newline="\r\n",
        has_bom=True,
        has_last_newline=False,
        has_blank_lines=True,
    ),
    Layout(("searchterm", "day", "month", "year"), ("term", "day", "month", "year"), quotes_all=True),
    Layout(
        ("DAY", "MONTH", "YEAR", "SEARCHTERM", "DEVICE"),
        ("day", "month", "year", "term", "device"),
        delimiter=";",
        has_bom=True,
        is_gzip=True,
    ),
    Layout(
        ("day", "search term", "month", "year", "shop"),
        ("day", "term", "month", "year", "shop"),
        delimiter="\t",
        has_last_newline=False,
    ),
)


def stored_gzip(content: bytes) -> bytes:
    """A gzip member that stores `content` in deflate blocks without compressing it.

    Different builds of zlib compress the same bytes differently. Stored blocks are the same everywhere, every reader
    takes them, and they cost nothing; that the file is no smaller matters little for synthetic data.
    """
    return _gzip_head() + _stored_blocks(content) + _gzip_tail(zlib.crc32(content), len(content))


def _gzip_head() -> bytes:
    # No name, modification time 0, operating system unknown: nothing that differs between two runs.
    return b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"


def _stored_blocks(content: bytes) -> bytes:
    blocks = []
    for start in range(0, len(content), _STORED_BLOCK_SIZE):
        block = content[start : start + _STORED_BLOCK_SIZE]
        blocks.append(struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF) + block)
    return b"".join(blocks)


def _gzip_tail(crc: int, size: int) -> bytes:
    return struct.pack("<BHHII", 1, 0, 0xFFFF, crc, size & 0xFFFFFFFF)


class DeliveryWriter:
    """Writes one file piece by piece, and knows the hash of its (uncompressed) content.

    Use it as a context manager; the gzip trailer is written on leaving.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._layout = layout
        self._sha256 = hashlib.sha256()
        self._crc = 0
        self._size = 0

    def __enter__(self) -> "DeliveryWriter":
        self._file = self._path.open("wb")
        if self._layout.is_gzip:
            self._file.write(_gzip_head())
        self.write(self._layout.header_bytes())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._layout.is_gzip and kind is None:
            self._file.write(_gzip_tail(self._crc, self._size))
        self._file.close()

    @property
    def sha256(self) -> str:
        """Of what was written so far, uncompressed."""
        return self._sha256.hexdigest()

    def write(self, content: bytes) -> None:
        """Appends bytes."""
        self._sha256.update(content)
        self._size += len(content)
        if self._layout.is_gzip:
            self._crc = zlib.crc32(content, self._crc)
            content = _stored_blocks(content)
        self._file.write(content)
