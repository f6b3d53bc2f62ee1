"""What a contract is: columns with types and comments, a grain, checks; and whether a DataFrame keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from search_forecast.errors import ContractError

Layer = Literal["bronze", "silver", "gold"]

STRING, LONG, DATE, TIMESTAMP = T.StringType(), T.LongType(), T.DateType(), T.TimestampType()
RATIO, BOOLEAN, STRINGS = T.DoubleType(), T.BooleanType(), T.ArrayType(T.StringType())
TEXT_BY_NAME = T.MapType(T.StringType(), T.StringType())


@dataclass(frozen=True)
class TableColumn:
    """One column: its name, Spark type, meaning with unit, and whether it may be null."""

    name: str
    type: T.DataType
    comment: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One Delta table: where it lies, what one row is, what its rows must hold."""

    layer: Layer
    name: str
    grain: str
    columns: tuple[TableColumn, ...]
    checks: Mapping[str, str] = field(default_factory=dict)
    cluster_by: tuple[str, ...] = ()
    has_change_feed: bool = False

    @property
    def full_name(self) -> str:
        """Schema and name as the design spells them, such as `search_gold.term_summary`."""
        return f"search_{self.layer}.{self.name}"

    @property
    def schema(self) -> T.StructType:
        """The Spark schema, with nullability and comments."""
        return T.StructType([T.StructField(c.name, c.type, c.nullable, {"comment": c.comment}) for c in self.columns])

    @property
    def properties(self) -> dict[str, str]:
        """Delta table properties; a CHECK constraint is a property, so it is there from the table's first version."""
        feed = {"delta.enableChangeDataFeed": "true"} if self.has_change_feed else {}
        return feed | {f"delta.constraints.{name}": check for name, check in self.checks.items()}

    def check(self, df: DataFrame) -> None:
        """Raise ContractError unless names and types are exactly the contract's (order and nullability are free)."""
        expected = {c.name: c.type.simpleString() for c in self.columns}
        got = {f.name: f.dataType.simpleString() for f in df.schema.fields}
        problems = [
            *(f"missing column {name} {expected[name]}" for name in expected if name not in got),
            *(f"unknown column {name} {got[name]}" for name in got if name not in expected),
            *(
                f"column {name} is {got[name]}, expected {expected[name]}"
                for name in expected
                if name in got and got[name] != expected[name]
            ),
        ]
        if len(df.columns) != len(got):
            problems.append("a column name appears twice")
        if problems:
            raise ContractError(f"{self.full_name}: {'; '.join(problems)}")
