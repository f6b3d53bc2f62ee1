"""Gold SQL, one query a file: people, the command line, dashboards and alerts use the same ones.

A file starts with a header of comments: what it answers, its grain (with when there are no rows), its inputs (in
brackets those that may not be there yet), and its parameters as `--   name TYPE [= default]: meaning`. A parameter
without a default is required; a TERM is normalised, and must have been searched; a PART of one is only normalised;
`week|month` in the place of a type is one of these words.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources

from search_forecast.errors import UsageError, did_you_mean
from search_forecast.lakehouse.normalisation import normaliser

_NO_ROWS = re.compile(r"^-- grain: .*; (none .+)$", re.MULTILINE)
_INPUTS = re.compile(r"^-- inputs: (.+)$", re.MULTILINE)
_PARAMETER = re.compile(r"^--   (\w+) (INT|DATE|STRING|TERM|PART|\w+(?:\|\w+)+)(?: = (\S+))?: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Parameter:
    """A named marker of a query: its SQL type or the words it may be, default (None: SQL null) and meaning."""

    name: str
    type: str
    is_required: bool
    default: str | None
    comment: str

    def __str__(self) -> str:
        """How it is written on the command line, in brackets where it may be left out."""
        return f"{self.name}=..." if self.is_required else f"[{self.name}={self.default or '...'}]"

    def value(self, text: str) -> object:
        """Convert a value from the command line.

        Raises:
            UsageError: it is not of the parameter's type.
        """
        words, shown = self.type.split("|"), f"query: {self.name}={' '.join(text.split())}"
        if len(words) > 1 and text not in words:
            raise UsageError(f"{shown} is not {' or '.join(words)}")
        try:
            if self.type == "INT":
                return _natural(text)
            if self.type == "DATE":
                return date.fromisoformat(text)
            return normaliser()(text) if self.type in ("TERM", "PART") else text
        except ValueError:
            example = "a whole number from 0 to 2147483647" if self.type == "INT" else "a date like 2021-11-12"
            raise UsageError(f"{shown} is not {example}") from None


def _natural(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**31:
        raise ValueError(text)
    return number


@dataclass(frozen=True)
class Query:
    """A query file: its name, first comment line, when it has no rows, SQL, the tables it reads and its parameters."""

    name: str
    summary: str
    no_rows: str | None
    sql: str
    inputs: tuple[str, ...]
    optional_inputs: frozenset[str]
    parameters: tuple[Parameter, ...]

    def arguments(self, values: Mapping[str, str]) -> dict[str, object]:
        """The values to bind, from those named and the defaults.

        Raises:
            UsageError: a name is unknown, a required one is missing, a value is of the wrong type, from is after to.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in known:
                names = ", ".join(known) or "none"
                raise UsageError(f"query {self.name}: no parameter {name}; its parameters: {names}")
        missing = [p.name for p in self.parameters if p.is_required and p.name not in values]
        if missing:
            example = " ".join(f"{name}=..." for name in missing)
            raise UsageError(
                f"query {self.name}: missing parameter {', '.join(missing)}; say: query {self.name} {example}"
            )
        texts = {name: values.get(name, parameter.default) for name, parameter in known.items()}
        bound = {name: None if text is None else known[name].value(text) for name, text in texts.items()}
        first, last = bound.get("from"), bound.get("to")
        if isinstance(first, date) and isinstance(last, date) and first > last:
            raise UsageError(f"query {self.name}: from={first} is after to={last}")
        return bound


def types(sql: str) -> dict[str, str]:
    """The SQL type of each parameter that the header of a query names."""
    return {name: kind if kind in ("INT", "DATE") else "STRING" for name, kind, _, _ in _PARAMETER.findall(sql)}


def names() -> list[str]:
    """The names of all queries, sorted."""
    files = resources.files("search_forecast.queries").iterdir()
    return sorted(file.name.removesuffix(".sql") for file in files if file.name.endswith(".sql"))


def load(name: str) -> Query:
    """Read a query.

    Raises:
        UsageError: there is no such query.
    """
    if name not in names():
        raise UsageError(f"query: no query {name}{did_you_mean(name, names())}")
    text = resources.files("search_forecast.queries").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    parameters = tuple(
        Parameter(
            name, kind, is_required=not default, default=None if default == "null" else default or None, comment=comment
        )
        for name, kind, default, comment in _PARAMETER.findall(text)
    )
    inputs = _INPUTS.findall(text)[0].split(", ")
    optional = frozenset(table.strip("[]") for table in inputs if table.startswith("["))
    tables = tuple(table.strip("[]") for table in inputs)
    summary, no_rows = text.partition("\n")[0].removeprefix("-- "), _NO_ROWS.search(text)
    return Query(name, summary, no_rows and no_rows[1], text, tables, optional, parameters)
