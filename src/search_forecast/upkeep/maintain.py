"""`maintain`: compact, cluster and vacuum all tables, so that years of small deliveries stay small and fast."""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from search_forecast.errors import DataError
from search_forecast.lakehouse import evolution, scratch
from search_forecast.lakehouse.contracts import SEARCH_EVENTS, TABLES, TERM_VARIANTS, Table
from search_forecast.lakehouse.contracts.base import literal
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import batches
from search_forecast.models.registry import Registry
from search_forecast.parameters import MaintainParameters
from search_forecast.upkeep import retention

logger = logging.getLogger(__name__)

COLUMNS = ("table", "files_before", "files", "bytes_before", "bytes", "kept_days", "protected_versions")
_SMALL_BYTES = 32 * 2**20  # files that hold less on average are many small ones
_DAY_SECONDS = 86_400


def maintain(
    lakehouse: Lakehouse, models: Registry | None, parameters: MaintainParameters, now: datetime
) -> Iterator[dict[str, Any]]:
    """Look after every table that is there, one after the other; killed at any point, it is simply run again.

    Whatever a registered version was trained on stays readable, and so do silver's changes that gold does not show yet.

    Args:
        lakehouse: where.
        models: the registry; None where there is none.
        parameters: what to keep.
        now: the time that ages are counted to.

    Yields:
        For each table the values of COLUMNS. Bytes are all that the table's directory takes; in a workspace, whose
        storage is not looked into, its current version.
    """
    protected = protected_versions(lakehouse, models, only_aliased=parameters.only_aliased)
    for table in TABLES:
        if lakehouse.exists(table):
            yield _maintained(lakehouse, table, sorted(protected.get(table.full_name, ())), parameters, now)
    batches.remove_stale(lakehouse.staging)
    scratch.remove_stale((lakehouse.staging / "scratch").glob("*"))


def protected_versions(lakehouse: Lakehouse, models: Registry | None, *, only_aliased: bool) -> dict[str, set[int]]:
    """Versions that must stay readable, by the table's full name: what models were trained on, and gold's position."""
    protected: dict[str, set[int]] = {}
    position = lakehouse.position(TERM_VARIANTS)
    if position is not None:
        protected[SEARCH_EVENTS.full_name] = {int(position.rpartition("@")[2])}
    for version in models.versions() if models is not None else []:
        if only_aliased and not version.aliases:
            continue
        try:
            recorded = models.record(version).get("tables", []) if models is not None else []
        except DataError as error:
            logger.warning("maintain: %s: what it was trained on is not known", error)
            continue
        for item in recorded:
            protected.setdefault(item["table"], set()).add(int(item["delta_version"]))
    return protected


def _maintained(
    lakehouse: Lakehouse, table: Table, protected: list[int], parameters: MaintainParameters, now: datetime
) -> dict[str, Any]:
    """Set what the table lost of its contract and how long it keeps what it no longer uses, compact it, vacuum it."""
    spark, name = lakehouse.spark, lakehouse.open(table)
    before = _size(lakehouse, table, name)
    seconds = spark.sql(f"describe history {name}").selectExpr("version", "cast(timestamp as double) as at").collect()
    ages = {int(row["version"]): (now.timestamp() - row["at"]) / _DAY_SECONDS for row in seconds}
    kept_days, properties = retention.properties(parameters.retention_days, ages, protected)
    present = before["properties"]
    if evolution.lost(table, present):  # another writer took them away
        evolution.follow(spark, table, name)
    if any(present.get(key) != value for key, value in properties.items()):
        settings = ", ".join(f"{literal(key)} = {literal(value)}" for key, value in properties.items())
        spark.sql(f"alter table {name} set tblproperties ({settings})")
    count = before["files"]
    if count >= parameters.least_files and before["current_bytes"] < count * _SMALL_BYTES:
        spark.sql(f"optimize {name}").collect()
    spark.sql(f"vacuum {name}").collect()
    after = _size(lakehouse, table, name)
    logger.info("maintain: %s: %d files of %d", table.full_name, after["files"], before["files"])
    values = (
        table.full_name, before["files"], after["files"], before["bytes"], after["bytes"], kept_days,
        len([version for version in protected if version in ages]),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _size(lakehouse: Lakehouse, table: Table, name: str) -> Mapping[str, Any]:
    detail = lakehouse.spark.sql(f"describe detail {name}").collect()[0]
    location = lakehouse.location(table)
    current = int(detail["sizeInBytes"])
    return {
        "files": int(detail["numFiles"]),
        "current_bytes": current,
        "bytes": current if location is None else scratch.bytes_below(location),
        "properties": detail["properties"],
    }
