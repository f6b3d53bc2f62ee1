"""The bytes of a delivered file to its records, a line each.

Files are read in blocks, and a block that needs no change is passed on as it is: line ends, blank lines and line breaks
inside quotes cost something only where there are any.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain, pairwise

import numpy as np

from search_forecast.errors import DataError, counted
from search_forecast.medallion import bronze, encodings, layouts
from search_forecast.medallion.layouts import ExportLayout

BLOCK_BYTES = 2**20
MAX_LINE_BYTES = 16 * 2**20
MAX_QUOTED_BYTES = 64 * 2**10  # of a record with line breaks in it; so much is looked through for its end
_NOTHING = re.compile(rb"(?:\xef\xbb\xbf|[ \t]*\n)*")  # byte order marks and blank lines
_LINE_FEED, _QUOTE = b'\n"'
_ESCAPED = re.compile(rb'\\(["\\])')
_END_OF_NAME = re.compile(rb'([^"]*)"([^\n]*\n)')  # of what goes on in quotes
_SEPARATOR_LINE = re.compile(rb'"?sep=."?', re.IGNORECASE)  # what Excel puts first


def read(content: Callable[[int], bytes], export: ExportLayout | None = None) -> tuple[bronze.Layout, Iterator[bytes]]:
    r"""The layout of a file, and its records in blocks of whole lines.

    A line ends in `\n`, and a record is one line: line breaks inside of it have become `\r`.

    Args:
        content: gives the next bytes of the file, at most so many.
        export: how it is laid out; as the origin's where nothing is said.

    Raises:
        DataError: the file has no header, or (while the blocks are read) a line that is too long.
    """
    export = export or layouts.origin()
    blocks = whole_lines(encodings.as_utf8(content, export.encoding))
    blocks = _without_first(blocks, export.skip_lines)
    header, blocks = _first_line(blocks, export)
    if _SEPARATOR_LINE.fullmatch(header):
        header, blocks = _first_line(blocks, export)
    header, blocks = _whole_header(header, blocks, export)
    layout, is_header = _layout(header, export)
    if not is_header:
        blocks = chain([header + b"\n"], blocks)
    if export.quoting == "backslash":
        blocks = _with_doubled_quotes(blocks, layout.delimiter)
    if layout.has_quotes:
        blocks = _one_line_each(blocks, layout)
    return layout, _without_blank_lines(blocks, layout.delimiter)


def _layout(header: bytes, export: ExportLayout) -> tuple[bronze.Layout, bool]:
    """The layout of the records, and whether the first line names the columns."""
    names = [spellings[0] for spellings in export.fields.values()]
    text, has_quotes = _text(header, ",".join(names)), export.quoting != "none"
    if export.columns is None:
        layout = bronze.layout_of(text, export.fields, export.delimiters, export.needs, has_quotes=has_quotes)
        return layout, True
    split = {delimiter: bronze.names_in(text, delimiter) for delimiter in export.delimiters}
    for delimiter, fields in split.items():
        if len(fields) == len(export.columns) or (len(fields) == len(export.columns) + 1 and not fields[-1]):
            layout = bronze.layout_of(delimiter.join(export.columns), export.fields, [delimiter], has_quotes=has_quotes)
            is_header = list(map(bronze.standard_name, fields)) == list(map(bronze.standard_name, export.columns))
            return layout, is_header
    *counts, last = (len(fields) for fields in split.values())
    shown = " or ".join([*map(str, counts), counted(last, "field")])
    raise DataError(f"the first record has {shown}, expected {len(export.columns)}: {', '.join(export.columns)}")


def _with_doubled_quotes(blocks: Iterator[bytes], delimiter: str) -> Iterator[bytes]:
    r"""Write quoted fields as RFC 4180 does where a backslash escapes quotes and backslashes (`"55\" wide"`)."""
    # A quoted field up to its end, or an escaped quote in a line that begins inside of one.
    escaped = re.compile(rb'(?:^|(?<=%s))[ \t]*"(?:[^"\\]|\\.)*|\\"' % re.escape(delimiter).encode())
    for block in blocks:
        if b"\\" not in block or b'"' not in block:
            yield block
        else:
            lines = block.split(b"\n")
            yield b"\n".join(escaped.sub(_unescaped, line) if b"\\" in line else line for line in lines)


def _unescaped(text: re.Match[bytes]) -> bytes:
    return _ESCAPED.sub(lambda escape: b'""' if escape[1] == b'"' else b"\\", text[0])


def whole_lines(content: Callable[[int], bytes]) -> Iterator[bytes]:
    r"""The content in blocks that end where a line does, each line ended by one `\n`."""
    rest, number = b"", 1
    while block := content(BLOCK_BYTES):
        data = rest + block
        carriage_return = b"\r" if data.endswith(b"\r") else b""  # the next block may start with its \n
        if b"\r" in data:
            data = data[: len(data) - len(carriage_return)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first = data.find(b"\n")
        if (first if first >= 0 else len(data)) > MAX_LINE_BYTES:
            raise DataError(f"line {number} is over {MAX_LINE_BYTES} bytes long: is this a CSV of searches?")
        end = data.rfind(b"\n") + 1
        if end:
            number += line_count(data)
            yield data[:end]
        rest = data[end:] + carriage_return
    if rest:
        yield rest.removesuffix(b"\r") + b"\n"


def line_count(block: bytes) -> int:
    """The lines of a block; `bytes.count` stops at each one, numpy does not."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == _LINE_FEED))


def _without_first(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The blocks without so many lines."""
    for block in blocks:
        while count and block:
            block, count = block[block.find(b"\n") + 1 :], count - 1  # noqa: PLW2901
        if block:
            yield block


def _first_line(blocks: Iterator[bytes], export: ExportLayout) -> tuple[bytes, Iterator[bytes]]:
    """The first line that is neither blank nor a comment, without its end, and what follows it."""
    comment = None if export.comment is None else export.comment.encode()
    for block in blocks:
        rest = block
        while rest := _NOTHING.sub(b"", rest, count=1):
            line, _, rest = rest.partition(b"\n")
            if comment is None or not line.startswith(comment):
                return line, chain([rest], blocks)
    return b"", iter(())


def _whole_header(header: bytes, blocks: Iterator[bytes], export: ExportLayout) -> tuple[bytes, Iterator[bytes]]:
    """The header with the lines in which a name in quotes goes on, as spreadsheets write it, and what follows.

    Where a quote was never closed records follow, which have delimiters in them: then it is the line alone.
    """
    if export.quoting == "none" or header.count(b'"') % 2 == 0:
        return header, blocks
    block, (beginning, _, text) = next(blocks, b""), header.rpartition(b'"')
    end = _END_OF_NAME.match(block, 0, MAX_QUOTED_BYTES)
    for delimiter in (each.encode() for each in export.delimiters):
        is_open = (delimiter + beginning).rstrip(b" ").endswith(delimiter)
        if is_open and end and delimiter not in text + end[1] and end[2].startswith((delimiter, b"\n")):
            rest = end[0].removesuffix(b"\n").replace(b"\n", b" ")
            return header + b" " + rest, chain([block[end.end() :]], blocks)
    return header, chain([block], blocks)


def _text(header: bytes, names: str) -> str:
    """The header as text, once it is clear that it is text."""
    if not header:
        raise DataError(f"the file is empty; expected a header line {names}")
    encodings.refuse_others(header)
    if b"\0" in header:
        raise DataError(f"the file is not text; expected CSV in UTF-8 with a header line {names}")
    return header.decode("utf-8", errors="replace")


def _without_blank_lines(blocks: Iterator[bytes], delimiter: str) -> Iterator[bytes]:
    """Leave out lines of nothing but blanks; a tab is none where it delimits."""
    blanks = b" " if delimiter == "\t" else rb" \t"
    blank = rb"[%s]*\n" % blanks
    # All that follow each other at once: one by one a gigabyte of them, a packed megabyte, takes minutes.
    first, later, every = re.compile(blank), re.compile(rb"\n" + blank), re.compile(rb"(?m)^[%s\n]*\n" % blanks)
    for block in blocks:
        yield every.sub(b"", block) if first.match(block) or later.search(block) else block


def _one_line_each(blocks: Iterator[bytes], layout: bronze.Layout) -> Iterator[bytes]:
    r"""Write line breaks inside of a record as `\r`."""
    grammar, rest = _Grammar(layout), b""
    for block in chain(blocks, [b""]):
        data, is_last = rest + block, not block
        rest = b""
        if b'"' not in data:
            yield data
            continue
        octets = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(octets == _LINE_FEED)
        starts = np.concatenate(([0], ends[:-1] + 1))
        # A record that goes on in the next line has an odd number of quotes in its first line and in its last one.
        is_odd = np.bitwise_xor.reduceat((octets == _QUOTE).view(np.uint8), starts)
        odd = list(zip(starts[is_odd > 0].tolist(), ends[is_odd > 0].tolist(), strict=True))
        whole, done = [], 0
        for (start, _), (_, end) in pairwise(odd):
            if start >= done and grammar.is_record(lines := data[start:end].split(b"\n")):
                whole += [data[done:start], b"\r".join(lines)]
                done = end
        if not is_last and odd and odd[-1][0] >= done and grammar.may_go_on(data[odd[-1][0] : -1].split(b"\n")):
            rest = data[odd[-1][0] :]
        yield b"".join([*whole, data[done : len(data) - len(rest)]])


class _Grammar:
    """What a record over several lines looks like in a file of a layout."""

    def __init__(self, layout: bronze.Layout) -> None:
        field = bronze.field_pattern(layout.delimiter)
        delimiter, quoted = re.escape(layout.delimiter), r'([^"]*(?:""[^"]*)*)'
        self._delimiter, self._column_count = layout.delimiter.encode(), len(layout.columns)
        self._record = re.compile(bronze.record_pattern(layout).encode())
        self._first_line = re.compile(rf'(?:(?:{field}){delimiter})*[ \t]*"{quoted}\Z'.encode())
        self._last_line = re.compile(rf'{quoted}"'.encode())

    def is_record(self, lines: list[bytes]) -> bool:
        """Whether lines are one record, by its grammar and by what stands in each line inside of the quotes.

        A quote that was never closed reaches to the next one, too: then it holds whole records.
        """
        first, last = self._first_line.match(lines[0]), self._last_line.match(lines[-1])
        if first is None or last is None or sum(map(len, lines)) > MAX_QUOTED_BYTES:
            return False
        inside = [first[1], *lines[1:-1], last[1]]
        is_text = all(line.count(self._delimiter) < self._column_count - 1 for line in inside)
        return is_text and self._record.match(b"\n".join(lines)) is not None

    def may_go_on(self, lines: list[bytes]) -> bool:
        """Whether these lines, the last ones of a block, may be the start of a record."""
        return sum(map(len, lines)) <= MAX_QUOTED_BYTES and self._first_line.match(lines[0]) is not None
