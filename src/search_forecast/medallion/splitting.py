r"""Records, a line each, to raw records: by Arrow in blocks, and line by line where a line is odd.

What Arrow's reader of CSV takes is more than RFC 4180 (`"a"b` is a field to it, and an open quote swallows what
follows): it gets the lines of which the quotes are where they belong, which numpy tells, and Python splits the others.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from search_forecast.medallion import bronze
from search_forecast.medallion.bronze import Layout

SCHEMA = pa.schema(
    [
        *((role, pa.string()) for role in bronze.ROLES),
        ("extra_fields", pa.map_(pa.string(), pa.string())),
        ("malformed_record", pa.string()),
    ]
)
_STORED_TOGETHER = 2**26  # bytes in memory, about half a million records
_BOM = b"\xef\xbb\xbf"
_LINE_FEED, _CARRIAGE_RETURN, _QUOTE = b'\n\r"'


def tables(blocks: Iterable[bytes], layout: Layout) -> Iterator[pa.Table]:
    """Records as `raw_records` gives them, so many at once as are good to store together."""
    waiting = [SCHEMA.empty_table()]
    for block in blocks:
        waiting.append(raw_records(block, layout))
        if sum(table.nbytes for table in waiting) >= _STORED_TOGETHER:
            yield pa.concat_tables(waiting)
            waiting = [SCHEMA.empty_table()]
    yield pa.concat_tables(waiting)


def raw_records(block: bytes, layout: Layout) -> pa.Table:
    r"""Split the lines of a block into raw records.

    Args:
        block: whole lines, none empty, perhaps not valid UTF-8, in which `\r` stands for a line break.
        layout: the layout that all the lines share.

    Returns:
        The raw columns of search_bronze.raw_search_terms. Bytes that are no UTF-8 are U+FFFD. A record that can't be
        split has all of them null but `malformed_record`, which holds it whole. Odd lines come last.
    """
    plain, odd = _parted(_valid(block), layout)
    columns, others = _split(plain, layout)
    records = [line.replace("\r", "\n") for line in (*odd, *others)]
    fields = [split_record(record, layout) for record in records]
    malformed = [record for record, split in zip(records, fields, strict=True) if split is None]
    by_hand = _columns([split for split in fields if split is not None], layout)
    columns = [pa.chunked_array([*one.chunks, other], pa.string()) for one, other in zip(columns, by_hand, strict=True)]
    return pa.concat_tables([_table(columns, layout), _malformed(malformed)])


def split_record(record: str, layout: Layout) -> list[str] | None:
    """Split a CSV record as RFC 4180 says, and take blanks around quotes and a delimiter at the end.

    Stricter than most readers of CSV, which take `12,11,2021,"mobile` for a good record: a field that starts with
    a quote must end with one. A quote inside an unquoted field (`tv 55"`) is text.

    Returns:
        The layout's fields, perhaps with an empty one behind them or without the last; None where it can't be split.
    """
    count = len(layout.columns)
    if layout.has_quotes and '"' in record:
        record_pattern, field_pattern = _patterns(layout)
        if record_pattern.match(record) is None:
            return None
        # Each match starts with the delimiter: an empty match would make the engine skip a character.
        return list(map(_unquoted, field_pattern.findall(layout.delimiter + record)))
    fields = record.split(layout.delimiter)
    is_whole = count - layout.is_last_optional <= len(fields) <= count or (len(fields) == count + 1 and not fields[-1])
    return fields if is_whole else None


@lru_cache(maxsize=64)
def _patterns(layout: Layout) -> tuple[re.Pattern[str], re.Pattern[str]]:
    field = f"{re.escape(layout.delimiter)}({bronze.field_pattern(layout.delimiter)})"
    return re.compile(bronze.record_pattern(layout)), re.compile(field)


def _unquoted(field: str) -> str:
    trimmed = field.strip(" \t")
    return trimmed[1:-1].replace('""', '"') if trimmed.startswith('"') else field


def _valid(block: bytes) -> bytes:
    try:
        block.decode()
    except UnicodeDecodeError:
        return block.decode(errors="replace").encode()
    return block


def _parted(block: bytes, layout: Layout) -> tuple[bytes, Iterable[str]]:
    """The lines that Arrow splits as we do, as far as their quotes and line breaks go; and the others."""
    if not layout.delimiter.isascii():
        return b"", block.decode().split("\n")[:-1]
    if b"\r" not in block and not (layout.has_quotes and b'"' in block):
        return block, ()
    octets = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(octets == _LINE_FEED)
    starts = np.concatenate(([0], ends[:-1] + 1))
    is_odd = np.zeros(len(ends), bool)
    is_odd[np.searchsorted(ends, np.flatnonzero(octets == _CARRIAGE_RETURN))] = True
    if layout.has_quotes:
        is_odd |= _has_odd_quotes(octets, starts, ends, ord(layout.delimiter))
    others = (block[starts[place] : ends[place]].decode() for place in np.flatnonzero(is_odd))
    return octets[np.repeat(~is_odd, ends - starts + 1)].tobytes(), others


def _has_odd_quotes(
    octets: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp], delimiter: int
) -> NDArray[np.bool_]:
    """Whether a line has a quote that neither begins nor ends a field, nor is one of two together inside of one."""
    quotes = np.flatnonzero(octets == _QUOTE)
    line, before = np.searchsorted(ends, quotes), np.searchsorted(quotes, starts)
    is_first = (np.arange(len(quotes)) - before[line]) % 2 == 0
    # Before the very first octet stands the last one: a line feed too.
    neighbours = np.where(is_first, octets[quotes - 1], octets[np.minimum(quotes + 1, len(octets) - 1)])
    is_odd: NDArray[np.bool_] = np.diff(np.append(before, len(quotes))) % 2 == 1
    is_odd[line[~np.isin(neighbours, [delimiter, _LINE_FEED, _QUOTE])]] = True
    return is_odd


def _split(lines: bytes, layout: Layout) -> tuple[list[pa.ChunkedArray], list[str]]:
    """The columns of lines whose quotes are in order, and those lines that have another number of fields."""
    others: list[str] = []

    def pass_over(row: csv.InvalidRow) -> str:
        others.append(row.text)
        return "skip"

    names = [str(place) for place in range(len(layout.columns))]
    if not lines:
        return [pa.chunked_array([], pa.string()) for _ in names], others
    if lines.startswith(_BOM):  # which Arrow leaves out
        lines = _BOM + lines
    table = csv.read_csv(
        pa.BufferReader(lines),
        csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=names),
        csv.ParseOptions(
            delimiter=layout.delimiter,
            quote_char='"' if layout.has_quotes else False,
            ignore_empty_lines=False,
            invalid_row_handler=pass_over,
        ),
        csv.ConvertOptions(check_utf8=False, column_types=dict.fromkeys(names, pa.string())),
    )
    return table.columns, others


def _columns(rows: Sequence[Sequence[str]], layout: Layout) -> list[pa.Array]:
    """The fields of some records by column; null where the last one may be missing, and is."""
    places = range(len(layout.columns))
    return [pa.array([row[place] if place < len(row) else None for row in rows], pa.string()) for place in places]


def _table(columns: list[pa.ChunkedArray], layout: Layout) -> pa.Table:
    """Raw records of which each has its fields."""
    by_name = dict(zip(layout.columns, columns, strict=True))
    size = len(columns[0])
    none = pa.nulls(size, pa.string())
    roles = [by_name[role] if role in layout.roles else none for role in bronze.ROLES]
    extras = {name: column for name, column in by_name.items() if name not in layout.roles}
    return pa.table([*roles, _extra_fields(extras, layout.rest, size), none], SCHEMA)


def _extra_fields(extras: dict[str, pa.ChunkedArray], rest: str | None, size: int) -> pa.Array:
    """The columns without a role as a MAP, if there are any."""
    type_ = SCHEMA.field("extra_fields").type
    if not extras:
        return pa.nulls(size, type_)
    if rest is not None:
        return pa.array(_with_rest(extras, rest), type_)
    names, count = list(extras), len(extras)
    by_row = np.arange(count * size).reshape(count, size).T.ravel()
    values = pa.chunked_array([chunk for column in extras.values() for chunk in column.chunks], pa.string())
    keys = pa.array(names).take(pa.array(np.tile(np.arange(count), size)))
    return pa.MapArray.from_arrays(
        pa.array(np.arange(0, count * size + 1, count, dtype=np.int32)), keys, values.take(by_row).combine_chunks()
    )


def _with_rest(extras: dict[str, pa.ChunkedArray], rest: str) -> Iterator[list[tuple[str, str | None]] | None]:
    """The same of records of which a column holds all other fields as a JSON object."""
    columns = {name: column.to_pylist() for name, column in extras.items()}
    others, is_alone = columns.pop(rest), len(extras) == 1
    for place, text in enumerate(others):
        if is_alone and not text:
            yield None
        else:
            named = [(name, column[place]) for name, column in columns.items()]
            yield [*named, *((name, _text(value)) for name, value in json.loads(text or "{}").items())]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _malformed(records: list[str]) -> pa.Table:
    nulls = [pa.nulls(len(records), field.type) for field in SCHEMA][:-1]
    return pa.table([*nulls, pa.array(records, pa.string())], SCHEMA)
