"""The inputs of a model as people write them: `year:long=2023`, name, type and value, the last two where needed."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from search_forecast.errors import UsageError

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
    found = []
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        if not text:
            continue
        declared, equals, value = text.partition("=")
        name, colon, type_name = (part.strip() for part in declared.partition(":"))
        if not name or (colon and type_name.lower() not in TYPES):
            names = ", ".join(TYPES)
            raise UsageError(f"{command}: {text!r} is no input; say NAME=VALUE or NAME:TYPE, TYPE one of {names}")
        found.append(Input(name, TYPES[type_name.lower()] if colon else None, value.strip() if equals else None))
    names_found = [item.name for item in found]
    twice = next((name for name in names_found if names_found.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{command}: {twice} is given twice")
    return found


def values(given: Iterable[Input], signature: Mapping[str, str], command: str) -> dict[str, object]:
    """The value of each input of a model, in the order of its signature.

    Raises:
        UsageError: one is missing, unknown, or not of its type.
    """
    by_name = {item.name: item for item in given}
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


def shown(kind: str) -> str:
    """A Spark type as the command line spells it."""
    return {"bigint": "long", "smallint": "short", "tinyint": "byte"}.get(kind, kind)


def fits(kind: str, wanted: str) -> bool:
    """Whether a table's column of a type can be given to an input of another."""
    return kind == wanted or wanted in _WIDER.get(kind, ()) or (kind.startswith("decimal") and wanted == "double")


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
