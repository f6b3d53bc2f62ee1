"""The inputs of a model as people write them: `year:long=2023`, name, type and value, the last two where needed."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_forecast.errors import UsageError, repeated

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TYPES = {
    "double": "double", "float": "float", "long": "bigint", "bigint": "bigint", "int": "int", "integer": "int",
    "short": "smallint", "smallint": "smallint", "byte": "tinyint", "tinyint": "tinyint", "boolean": "boolean",
    "string": "string",
}  # fmt: skip
_WHOLE = {"bigint": 63, "int": 31, "smallint": 15, "tinyint": 7}
# Spark widens the left into any of the right without losing anything that matters to a model.
_WIDER = {
    "tinyint": ("smallint", "int", "bigint", "float", "double"),
    "smallint": ("int", "bigint", "float", "double"),
    "int": ("bigint", "double"),
    "bigint": ("double",),
    "float": ("double",),
}


# What begins an input of its own after a comma: a comma in a value, as in `city=New York, NY`, is the value's.
_BEGINS = re.compile(rf"[^=:,]*\S\s*(=|:\s*({'|'.join(TYPES)})\s*(=|$))", re.IGNORECASE)


@dataclass(frozen=True)
class Input:
    """One input: its column, Spark type and value, each of the latter two None where it was not given."""

    name: str
    type: str | None
    value: str | None


def parse(texts: Iterable[str], command: str) -> list[Input]:
    """Read inputs from the command line, several in one text separated by commas.

    Raises:
        UsageError: a text is no input, or a name comes twice.
    """
    inputs = [_input(text, command) for whole in texts for text in _split(whole)]
    twice = repeated([item.name for item in inputs])
    if twice is not None:
        raise UsageError(f"{command}: {twice} is given twice")
    return inputs


def _split(text: str) -> list[str]:
    inputs: list[str] = []
    for piece in text.strip(", ").split(","):
        value = inputs[-1].partition("=")[2].strip() if inputs else ""
        is_quoted = value.startswith('"') and value.count('"') % 2
        if is_quoted or (value and not _BEGINS.match(piece)):
            inputs[-1] += f",{piece}"
        elif piece.strip():
            inputs.append(piece)
    return inputs


def _input(text: str, command: str) -> Input:
    declared, equals, value = text.strip().partition("=")
    name, colon, type_name = (part.strip() for part in declared.partition(":"))
    if not name or (colon and type_name.lower() not in TYPES):
        raise UsageError(
            f"{command}: {text.strip()!r} is no input; say NAME=VALUE or NAME:TYPE, TYPE one of {', '.join(TYPES)}"
        )
    quoted = re.fullmatch(r'"((?:[^"]|"")*)"', value.strip())
    value = quoted[1].replace('""', '"') if quoted else value.strip()
    return Input(name, TYPES[type_name.lower()] if colon else None, value if equals else None)


def values(inputs: Iterable[Input], signature: Mapping[str, str], command: str) -> dict[str, object]:
    """The value of each input of a model, in the order of its signature.

    Raises:
        UsageError: one is missing, unknown, or not of its type.
    """
    by_name = {item.name: item for item in inputs}
    expected = " ".join(f"{name}={_example(kind)}" for name, kind in signature.items())
    for name in by_name:
        if name not in signature:
            raise UsageError(f"{command}: the model has no input {name}; it expects {expected}")
    for name, kind in signature.items():
        if name not in by_name or by_name[name].value is None:
            raise UsageError(f"{command}: no value for {name} ({shown(kind)}); the model expects {expected}")
        declared = by_name[name].type
        if declared not in (None, kind):
            raise UsageError(f"{command}: {name} is {shown(kind)}, not {shown(str(declared))}")
    return {name: _value(name, by_name[name].value or "", kind, command) for name, kind in signature.items()}


def one_row(spark: "SparkSession", row: Mapping[str, object], signature: Mapping[str, str]) -> "DataFrame":
    """A row with the value of each input, in the types of the signature."""
    schema = ", ".join(f"`{name}` {kind}" for name, kind in signature.items())
    return spark.createDataFrame([tuple(row.values())], schema)


def shown(kind: str) -> str:
    """A Spark type as the command line spells it."""
    return {"bigint": "long", "smallint": "short", "tinyint": "byte"}.get(kind, kind)


def fits(kind: str, expected: str) -> bool:
    """Whether a table's column of a type can be given to an input of another."""
    return kind == expected or expected in _WIDER.get(kind, ()) or (kind.startswith("decimal") and expected == "double")


def _example(kind: str) -> str:
    return f"<{shown(kind)}>"


def _value(name: str, text: str, kind: str, command: str) -> object:
    try:
        if kind in _WHOLE:
            number = int(text)
            if not -(2 ** _WHOLE[kind]) <= number < 2 ** _WHOLE[kind]:
                raise ValueError(text)
            return number
        if kind in ("double", "float"):
            value = float(text)
            if not math.isfinite(value):
                raise ValueError(text)
            return value
        if kind == "boolean":
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        raise UsageError(f"{command}: {name}={text} is no {shown(kind)}") from None
    return text
