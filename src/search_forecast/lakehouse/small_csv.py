"""A small CSV file that a person wrote for a command: every line of it is right, or the first that isn't is named."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from search_forecast.errors import DataError, UsageError, counted

LARGEST_BYTES = 100 * 2**20


def records(
    command: str, flag: str, source: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """The records of a file, without blanks around their fields; lines of nothing but blanks are none.

    Args:
        command: whose file it is.
        flag: that names the file.
        source: the file, in UTF-8, its columns in any order, with commas, semicolons or tabs between them.
        columns: that it must have.
        optional: that it may have.

    Yields:
        What to call the record in a message, and its values by column.

    Raises:
        UsageError: there is no such file.
        DataError: it is too large, no CSV, has other columns, or a line has another number of fields.
    """
    if not source.is_file():
        raise UsageError(
            f"{command}: {flag} {source} is no file; name a CSV file with {', '.join((*columns, *optional))}"
        )
    if source.stat().st_size > LARGEST_BYTES:
        raise DataError(f"{command}: {source} is larger than {LARGEST_BYTES >> 20} MB; split it")
    try:
        text = source.read_bytes().decode("utf-8-sig")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)  # a spreadsheet's, by its language
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
        # A quoted field may hold ends of lines.
        lines, starts = list[list[str]](), [1]
        for line in reader:
            lines.append(line)
            starts.append(reader.line_num + 1)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{command}: {source} is no CSV file in UTF-8: {error}") from error
    header = [name.strip().lower() for name in lines[0]] if lines else []
    if not set(columns) <= set(header) <= {*columns, *optional} or len(set(header)) < len(header):
        more = f" and, if need be, {', '.join(optional)}" if optional else ""
        expected, got = ", ".join(columns) + more, ", ".join(header) or "nothing"
        raise DataError(f"{command}: {source}: expected the columns {expected}; got {got}")
    for number, line in zip(starts[1:-1], lines[1:], strict=True):
        where = f"{command}: {source}: line {number}"
        fields = [field.strip() for field in line]
        if any(fields) and len(fields) != len(header):
            raise DataError(f"{where} has {counted(len(fields), 'field')}, expected {len(header)}")
        if any(fields):
            yield where, dict(zip(header, fields, strict=True))
