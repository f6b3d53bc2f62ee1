"""What a contract is: columns with types and comments, a grain, checks; and whether a DataFrame keeps it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from search_forecast.errors import ContractError

Layer = Literal["bronze", "silver", "gold"]

STRING, LONG, DATE, TIMESTAMP = T.StringType(), T.LongType(), T.DateType(), T.TimestampType()
RATIO, BOOLEAN, STRINGS = T.DoubleType(), T.BooleanType(), T.ArrayType(T.StringType())
FINGERPRINT, CONSTRAINT = "search_forecast.contract", "delta.constraints."
STATS = "delta.dataSkippingStatsColumns"
TEXT_BY_NAME = T.MapType(T.StringType(), T.StringType())


@dataclass(frozen=True)
class TableColumn:
    """One column: its name, Spark type, meaning with unit, and whether it may be null.

    One that a later release added and that may not be null needs `backfill`: SQL for the rows from before.
    """

    name: str
    type: T.DataType
    comment: str
    nullable: bool = False
    backfill: str | None = None


@dataclass(frozen=True)
class Table:
    """One Delta table: where it lies, what one row is, what its rows must hold.

    Where `stats_columns` are named, Delta keeps the least and greatest values of those alone: of many texts it takes
    long to find them.
    """

    layer: Layer
    name: str
    grain: str
    columns: tuple[TableColumn, ...]
    checks: Mapping[str, str] = field(default_factory=dict)
    cluster_by: tuple[str, ...] = ()
    has_change_feed: bool = False
    stats_columns: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """Schema and name as the design spells them, such as `search_gold.term_summary`."""
        return f"search_{self.layer}.{self.name}"

    @property
    def schema(self) -> T.StructType:
        """The Spark schema, with nullability and comments."""
        return T.StructType([T.StructField(c.name, c.type, c.nullable, {"comment": c.comment}) for c in self.columns])

    @property
    def comment(self) -> str:
        """What the catalog says of the table."""
        return f"One row per {self.grain}."

    @property
    def properties(self) -> dict[str, str]:
        """Delta table properties; a CHECK constraint is a property, so it is there from the table's first version."""
        return {FINGERPRINT: self.fingerprint} | self._delta_properties

    @property
    def _delta_properties(self) -> dict[str, str]:
        feed = {"delta.enableChangeDataFeed": "true"} if self.has_change_feed else {}
        stats = {STATS: ",".join(self.stats_columns)} if self.stats_columns else {}
        return feed | stats | {f"{CONSTRAINT}{name}": check for name, check in self.checks.items()}

    @property
    def fingerprint(self) -> str:
        """A text that is another one for every other contract; the table has it as a property."""
        columns = [(c.name, c.type.simpleString(), c.comment, c.nullable, c.backfill) for c in self.columns]
        contract = repr((columns, self.comment, self.cluster_by, sorted(self._delta_properties.items())))
        return hashlib.sha256(contract.encode()).hexdigest()[:16]

    def create_statement(self, name: str, place: str = "") -> str:
        """The SQL that makes the table under a name, `place` being a location clause or nothing."""
        columns = ", ".join(
            f"`{c.name}` {c.type.simpleString()}{'' if c.nullable else ' not null'} comment {literal(c.comment)}"
            for c in self.columns
        )
        cluster = f"cluster by ({', '.join(self.cluster_by)})" if self.cluster_by else ""
        properties = ", ".join(f"{literal(key)} = {literal(value)}" for key, value in self.properties.items())
        return (
            f"create table if not exists {name} ({columns}) using delta {cluster} "
            f"comment {literal(self.comment)} tblproperties ({properties}) {place}"
        )

    def differences(self, schema: T.StructType) -> tuple[list[str], list[str]]:
        """What keeps rows of a schema from being of this table: missing columns, and everything else.

        Names and types count; order and nullability are free.
        """
        expected = {c.name: c.type.simpleString() for c in self.columns}
        actual = {f.name: f.dataType.simpleString() for f in schema.fields}
        missing = [f"missing column {name} {type_}" for name, type_ in expected.items() if name not in actual]
        others = [
            *(f"unknown column {name} {type_}" for name, type_ in actual.items() if name not in expected),
            *(
                f"column {name} is {actual[name]}, expected {type_}"
                for name, type_ in expected.items()
                if actual.get(name, type_) != type_
            ),
        ]
        return missing, others + (["a column name appears twice"] if len(schema.fields) != len(actual) else [])

    def check(self, df: DataFrame) -> None:
        """Raise ContractError unless names and types are exactly the contract's."""
        missing, others = self.differences(df.schema)
        if missing or others:
            raise ContractError(f"{self.full_name}: {'; '.join(missing + others)}")


def literal(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def literals(texts: Iterable[str]) -> str:
    """SQL string literals with commas, as they stand in a list."""
    return ", ".join(map(literal, texts))
