"""The tables of a lakehouse on this machine as Delta's log says they are now, for a reader that is not Spark."""

from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.schema import ArrayType, DataType, MapType, StructType

from search_forecast.lakehouse import delta_log

SCHEMAS = ("search_gold", "search_silver", "search_bronze")  # a name without schema is looked for in this order
# Reader features after which a table's rows still are those of the Parquet files in its log, column by column.
_HARMLESS = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
_SQL_TYPES = {"string": "varchar", "long": "bigint", "short": "smallint", "byte": "tinyint", "binary": "blob"}


@dataclass(frozen=True)
class Snapshot:
    """A table whose rows are exactly those of its Parquet files; columns with the type that DuckDB has for each."""

    version: int
    columns: dict[str, str]
    files: list[Path]


class NeedsSpark(Exception):
    """What was asked can't be answered rightly without Spark; the text says why."""


def names(root: Path) -> list[str]:
    """The tables of a lakehouse, such as `search_gold.term_summary`."""
    places = (place for schema in SCHEMAS for place in sorted((root / schema).glob("*")) if delta_log.is_there(place))
    return [f"{place.parent.name}.{place.name}" for place in places]


def places(root: Path) -> list[Path]:
    """The directory of a lakehouse, and those elsewhere, on another disk say, to which its schemas and tables link."""
    links = [path for each in SCHEMAS for path in (root / each, *(root / each).glob("*")) if path.is_symlink()]
    return [root, *(link.resolve() for link in links)]


def full_name(root: Path, name: str) -> str | None:
    """What a table is called with its schema, by its name in any case of letters; None where there is none."""
    schema, dot, table = name.lower().rpartition(".")
    places = (place for each in SCHEMAS if each == schema or not dot for place in (root / each).glob("*"))
    found = (place for place in places if place.name.lower() == table and delta_log.is_there(place))
    return next((f"{place.parent.name}.{place.name}" for place in found), None)


def opened(root: Path, name: str) -> DeltaTable:
    """A table as its log says it is now, by its full name; another one once something has come to it or gone.

    Raises:
        NeedsSpark: delta-rs can't read its log.
        DataError: an entry of its log is empty.
    """
    try:
        return delta_log.table(root.joinpath(*name.split(".")))
    except DeltaError as error:
        raise NeedsSpark(f"{name}: {str(error).splitlines()[0]}") from error


def snapshot(root: Path, name: str, table: DeltaTable) -> Snapshot:
    """The rows of a table that was opened.

    Raises:
        NeedsSpark: they are not just those of its files.
    """
    directory, paths = root.joinpath(*name.split(".")), delta_log.paths(table)
    protocol = table.protocol()
    # Reader version 2 is column mapping, from before features had names; delta-rs reads such columns as nulls.
    features = {2: ["columnMapping"]}.get(protocol.min_reader_version, protocol.reader_features or [])
    strange = [
        *({*features} - _HARMLESS),
        *(["partitions"] if table.metadata().partition_columns else []),
        *(["files of another table"] if any(path.startswith("/") for path in paths) else []),
    ]
    if strange:
        raise NeedsSpark(f"{name} has {', '.join(sorted(strange))}")
    columns = {field.name: _sql_type(field.type) for field in table.schema().fields}
    return Snapshot(table.version(), columns, [directory / path for path in paths])


def _sql_type(kind: DataType) -> str:
    """A column's type as DuckDB spells it; a timestamp is in UTC, without saying so."""
    if isinstance(kind, ArrayType):
        return f"{_sql_type(kind.element_type)}[]"
    if isinstance(kind, MapType):
        return f"map({_sql_type(kind.key_type)}, {_sql_type(kind.value_type)})"
    if isinstance(kind, StructType):
        fields = (f'"{field.name}" {_sql_type(field.type)}' for field in kind.fields)
        return f"struct({', '.join(fields)})"
    name = kind.type
    return _SQL_TYPES.get(name, name.removesuffix("_ntz"))
