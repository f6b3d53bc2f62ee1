"""Tables of an earlier release, brought up to their contracts in place: plain SQL, a commit for each change.

A kill between two of them does no harm: the fingerprint of the contract is written last, and what was done is not seen
as a difference again.
"""

import logging
from collections.abc import Iterator, Mapping

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from search_forecast.errors import ContractError
from search_forecast.lakehouse.contracts.base import CONSTRAINT, FINGERPRINT, STATS, Table, literal

logger = logging.getLogger(__name__)
_IS_SET = "_is_set"  # ends the name of the constraint that a column is not null


def is_outdated(spark: SparkSession, table: Table, name: str) -> bool:
    """Whether the table called `name` was made, or last changed, for another contract than `table`."""
    shown = spark.sql(f"show tblproperties {name} ({literal(FINGERPRINT)})").collect()
    return [row["value"] for row in shown] != [table.fingerprint]


def lost(table: Table, properties: Mapping[str, str]) -> dict[str, str]:
    """The properties of the contract, its constraints among them, that a table has not, or otherwise."""
    return {key: value for key, value in table.properties.items() if _differ(value, properties.get(key))}


def follow(spark: SparkSession, table: Table, name: str) -> None:
    """Make the table called `name` what its contract says; see `statements`."""
    for statement in statements(spark, table, name):
        logger.info("%s: %s", table.full_name, statement)
        spark.sql(statement)


def statements(spark: SparkSession, table: Table, name: str) -> list[str]:
    """The SQL statements, in order, that make the table called `name` what its contract says.

    None for a table that is not ours to change: ours have a fingerprint, or the comment that the first release gave.

    Raises:
        ContractError: a new column may not be null, and the contract does not say what it is in the rows there are.
    """
    detail = spark.sql(f"describe detail {name}").collect()[0].asDict()
    if FINGERPRINT not in detail["properties"] and not (detail["description"] or "").startswith("One row per "):
        return []
    present = {field.name: field for field in spark.table(name).schema.fields}
    constraints = _constraints(table, present)
    before = {
        key.removeprefix(CONSTRAINT): check for key, check in detail["properties"].items() if key.startswith(CONSTRAINT)
    }
    dropped = [constraint for constraint, check in before.items() if _differ(check, constraints.get(constraint))]
    added = {constraint: check for constraint, check in constraints.items() if _differ(check, before.get(constraint))}
    changes = [
        *(f"drop constraint if exists `{constraint}`" for constraint in dropped),
        *_added_columns(table, present),
        *_changed_columns(table, present),
        *_stats(table, detail["properties"].get(STATS)),
        *_clustering(table, detail["clusteringColumns"]),
    ]
    backfills = {
        column.name: column.backfill
        for column in table.columns
        if f"{column.name}{_IS_SET}" in added and column.backfill
    }
    settings = ", ".join(
        f"{literal(key)} = {literal(value)}"
        for key, value in table.properties.items()
        if not key.startswith(CONSTRAINT)
    )
    return [
        *(f"alter table {name} {change}" for change in changes),
        *([f"comment on table {name} is {literal(table.comment)}"] if detail["description"] != table.comment else []),
        *(
            f"update {name} set `{column}` = {value} where `{column}` is null"  # noqa: S608 - from a contract
            for column, value in backfills.items()
        ),
        *(f"alter table {name} add constraint `{constraint}` check ({check})" for constraint, check in added.items()),
        f"alter table {name} set tblproperties ({settings})",
    ]


def _differ(check: str, other: str | None) -> bool:
    """Whether two conditions differ by more than spaces, which ADD CONSTRAINT puts between all words."""
    return other is None or "".join(check.split()) != "".join(other.split())


def _constraints(table: Table, present: dict[str, T.StructField]) -> dict[str, str]:
    """CHECK constraints by name: the contract's, and one for each column that only a new table could have NOT NULL."""
    late = (c.name for c in table.columns if not c.nullable and (c.name not in present or present[c.name].nullable))
    return dict(table.checks) | {f"{column}{_IS_SET}": f"{column} is not null" for column in late}


def _added_columns(table: Table, present: dict[str, T.StructField]) -> Iterator[str]:
    place = "first"
    for column in table.columns:
        if column.name not in present:
            if not column.nullable and column.backfill is None:
                raise ContractError(f"{table.full_name}: the new column {column.name} needs a backfill, or may be null")
            definition = f"`{column.name}` {column.type.simpleString()} comment {literal(column.comment)}"
            yield f"add columns ({definition} {place})"
        place = f"after `{column.name}`"


def _changed_columns(table: Table, present: dict[str, T.StructField]) -> Iterator[str]:
    for column in table.columns:
        field = present.get(column.name)
        if field is not None and column.nullable and not field.nullable:
            yield f"alter column `{column.name}` drop not null"
        if field is not None and column.comment != field.metadata.get("comment"):
            yield f"alter column `{column.name}` comment {literal(column.comment)}"


def _stats(table: Table, before: str | None) -> Iterator[str]:
    """What must have statistics before it can be clustered by."""
    after = table.properties.get(STATS)
    if after is not None and after != before:
        yield f"set tblproperties ({literal(STATS)} = {literal(after)})"


def _clustering(table: Table, before: list[str]) -> Iterator[str]:
    if list(before) != list(table.cluster_by):
        columns = ", ".join(f"`{column}`" for column in table.cluster_by)
        yield f"cluster by {f'({columns})' if columns else 'none'}"
