"""Tables as people name them, and what to call them for whoever looks for them later."""

import re
from pathlib import Path

from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import TABLES, Table
from search_forecast.lakehouse.tables import Lakehouse


def resolve(lakehouse: Lakehouse, text: str) -> str:
    """The SQL name of a table that a person named.

    Args:
        lakehouse: where to look.
        text: a contract's name (`search_gold.infant_growth`, or with what its schema is called here), the directory
            of a Delta table, or a name of Spark's catalog.

    Raises:
        DataError: there is no such table.
    """
    table = _contract(lakehouse, text)
    if table is not None:
        if not lakehouse.exists(table):
            raise DataError(f"{text} is not there yet; the command tables lists what is")
        return lakehouse.open(table)
    if (Path(text) / "_delta_log").is_dir():
        return f"delta.`{Path(text).absolute().as_posix()}`"
    if re.fullmatch(r"\w+(\.\w+){0,2}", text) and lakehouse.spark.catalog.tableExists(text):
        return text
    names = ", ".join(table.full_name for table in TABLES if lakehouse.exists(table))
    raise DataError(f"no table {text}; name one of {names or 'those that the jobs make'}, or a Delta directory")


def known_as(lakehouse: Lakehouse, text: str) -> str:
    """What to call a table that a person named, for whoever looks for it later and elsewhere."""
    table = _contract(lakehouse, text)
    if table is not None:
        return table.full_name
    return str(Path(text).absolute()) if Path(text).is_dir() else text


def _contract(lakehouse: Lakehouse, text: str) -> Table | None:
    for table in TABLES:
        own = f"{lakehouse.schemas[table.layer]}.{table.name}"
        if text in (table.full_name, own, f"{lakehouse.catalog}.{own}"):
            return table
    return None
