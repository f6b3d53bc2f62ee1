"""JSON lines and Parquet rows as lines of fields, which go the same way as those of CSV."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from search_forecast.errors import DataError
from search_forecast.medallion import bronze, encodings, records
from search_forecast.medallion.bronze import FIELD_SEPARATOR, MissingColumnsError
from search_forecast.medallion.layouts import ExportLayout

_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
_SHAPES = 1024  # sets of keys whose columns are remembered
SAMPLE = 10_000  # records by which a file's layout is told, at most
_REST = "(other fields)"
_BATCH_ROWS = 8192
_SELECTOR = re.compile(r"\[([^=\]]+)=([^\]]*)\]")  # of one row of a list


def first_of_json(start: bytes) -> list[dict[str, Any]]:
    """The JSON objects among the first lines of a file.

    Raises:
        DataError: there is none.
    """
    encodings.refuse_others(start)
    text = start.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if not text:
        raise DataError("the file is empty; expected one JSON object a line")
    if text.startswith("["):
        raise DataError("it is one JSON array; write each of its objects on a line, as `jq -c '.[]'` does")
    parsed = (_object(line) for line in re.split(r"[\r\n]+", text)[:SAMPLE])
    first = [record for record in parsed if record is not None]
    if not first:
        raise DataError("no line at its start is a JSON object; expected one object a line")
    return first


def check(first: Sequence[Mapping[str, Any]], export: ExportLayout) -> None:
    """Whether some record has all fields that a layout asks for.

    Raises:
        MissingColumnsError: none has.
    """
    best: list[str] | None = None
    for record in first:
        missing = [names[0] for names in export.fields.values() if _value(record, tuple(names)) is None]
        missing += [name for name in export.needs if _value(record, (name,)) is None]
        if not missing:
            return
        if best is None or len(missing) < len(best):
            best = missing
    names = [names[0] for names in export.fields.values()]
    raise MissingColumnsError(
        f"a record must have the fields {', '.join((*names, *export.needs))}; missing {', '.join(best or names)} "
        f"in each of the first {len(first)}",
        share=1 - len(best or names) / (len(names) + len(export.needs)),
    )


def layout_of(export: ExportLayout) -> bronze.Layout:
    """How such records are written as lines."""
    return bronze.Layout(
        FIELD_SEPARATOR, (*export.fields, *_own_columns(export), _REST), roles=tuple(export.fields), rest=_REST
    )


def lines_of_json(content: Callable[[int], bytes], export: ExportLayout) -> Iterator[bytes]:
    """Records as lines, in blocks; a line that is no JSON object stays as it is, and can't be split later."""
    write = _writer(export)
    for block in records.whole_lines(content):
        lines = (line.strip(" \t\ufeff") for line in block.decode("utf-8", errors="replace").split("\n"))
        written = [_as_it_is(line) if (record := _object(line)) is None else write(record) for line in lines if line]
        if written:
            yield "".join(written).encode("utf-8", errors="surrogatepass")


def first_of_parquet(path: Path) -> list[dict[str, Any]]:
    """The first rows of a Parquet file.

    Raises:
        DataError: it is none, or has no row.
    """
    first = next((rows for rows in _rows(path) if rows), [])
    if not first:
        raise DataError("it has no row")
    return first


def lines_of_parquet(path: Path, export: ExportLayout) -> Iterator[bytes]:
    """Rows as lines, in blocks."""
    write = _writer(export)
    for rows in _rows(path):
        yield "".join(map(write, rows)).encode("utf-8", errors="surrogatepass")


def _rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    try:
        with pq.ParquetFile(path) as file:
            counts = Counter(file.schema_arrow.names)
            if twice := [name for name, count in counts.items() if count > 1]:
                # Of rows as mappings only the last of them would be left.
                raise DataError(f"its column {', '.join(twice)} is there twice; name one otherwise, deliver it again")
            for batch in file.iter_batches(_BATCH_ROWS):
                yield batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError, ArithmeticError, LookupError) as error:  # of values, such as a year
        raise DataError(
            f"no Parquet file that can be read ({' '.join(str(error).split())}); deliver it again"
        ) from error


def _object(line: str) -> dict[str, Any] | None:
    """A JSON object, its numbers as they are spelled; None where it is something else."""
    try:
        value = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _own_columns(export: ExportLayout) -> list[str]:
    """Fields without a role that clean asks for."""
    reading = export.reading("UTC")
    asked = (reading.only_column, *reading.total_columns)
    return [name for name in dict.fromkeys(asked) if name is not None and name not in export.fields]


def _writer(export: ExportLayout) -> Callable[[Mapping[str, Any]], str]:
    columns = [*(tuple(names) for names in export.fields.values()), *((name,) for name in _own_columns(export))]

    places: dict[tuple[str, ...], list[list[tuple[str, str | None]]]] = {}

    def write(record: Mapping[str, Any]) -> str:
        present = tuple(record)
        if present not in places:
            if len(places) == _SHAPES:
                places.clear()
            places[present] = [_places(present, names) for names in columns]
        values = [_first(record, names) for names in places[present]]
        taken = {key for key, _ in values}
        rest = {key: value for key, value in record.items() if key not in taken and value is not None}
        fields = [_text(value) for _, value in values]
        return _line([*fields, json.dumps(rest, ensure_ascii=False, default=_text) if rest else ""])

    return write


def _line(fields: Iterable[str]) -> str:
    line = FIELD_SEPARATOR.join(
        '"' + field.replace('"', '""') + '"' if '"' in field or FIELD_SEPARATOR in field else field for field in fields
    )
    if "\n" in line or "\r" in line:
        line = line.replace("\r\n", "\r").replace("\n", "\r")
    return line + "\n"


def _as_it_is(line: str) -> str:
    return line.replace(FIELD_SEPARATOR, r"\u001f") + "\n"


def _text(value: Any) -> str:
    """A value as it is to stand in bronze; nothing for none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return json.dumps(value, ensure_ascii=False, default=_text) if isinstance(value, dict | list) else str(value)


def _value(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return _first(record, _places(tuple(record), names))[1]


def _first(record: Mapping[str, Any], places: list[tuple[str, str | None]]) -> tuple[str | None, Any]:
    """The first value that is at some of these places, and its key; none of a nested one."""
    for name, key in places:
        value = _nested(record, name) if key is None else record[key]
        if value is not None:
            return key, value
    return None, None


@lru_cache(64)  # few: keys may be many
def _places(present: tuple[str, ...], names: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Each name with the key that is called so, the same one first, else one that is spelled alike; None: a path."""
    alike = {bronze.standard_name(key): key for key in reversed(present)}
    return [(name, name if name in present else alike.get(bronze.standard_name(name))) for name in names]


def _nested(value: Any, name: str) -> Any:
    """What lies at a path such as `event_params[key=search_term].value.string_value`; None where nothing does.

    A key may hold dots itself. A text that is JSON is looked into, as slow logs hold the query.
    """
    while name:
        value = _object(value) if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            return None
        key = next((key for key in _beginnings(name) if key in value), None)
        if key is None:
            return None
        value, name = value[key], name[len(key) :]
        selector = _SELECTOR.match(name)
        if selector is not None:
            rows = [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
            value = next((row for row in rows if row.get(selector[1]) == selector[2]), None)
            name = name[selector.end() :]
        name = name.removeprefix(".")
    return value


@lru_cache(_SHAPES)
def _beginnings(path: str) -> tuple[str, ...]:
    """What of a path may be the first key, the longest first."""
    ends = [place for place, sign in enumerate(path) if sign in ".["]
    return tuple(path[:end] for end in (len(path), *reversed(ends)))
