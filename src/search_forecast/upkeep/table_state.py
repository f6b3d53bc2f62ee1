"""Is one table whole: its log, its files, its contract."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable
from pyspark.sql import types as T

from search_forecast.errors import DataError, counted
from search_forecast.lakehouse import evolution
from search_forecast.lakehouse.contracts import Table
from search_forecast.lakehouse.contracts.base import FINGERPRINT
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.queries import snapshots
from search_forecast.upkeep import delta_files, mending
from search_forecast.upkeep.finding import Finding


@dataclass(frozen=True)
class TableState:
    """What was found at a table, how large it is now, and whether its rows can be asked for without Spark."""

    findings: list[Finding]
    file_count: int
    size_bytes: int
    is_readable: bool


def state(table: Table, location: Path, *, is_full: bool) -> TableState:
    """Look at a table in a directory; with `is_full` every byte of its data is read."""
    broken = [
        Finding(table.full_name, fault, mending.of_log(table, location)) for fault in delta_files.log_faults(location)
    ]
    opened = delta_files.opened(location)
    if isinstance(opened, str):
        unread = Finding(table.full_name, opened, mending.of_log(table, location))
        return TableState(broken or [unread], 0, 0, is_readable=False)
    files = delta_files.data_files(location, opened)
    unlisted = delta_files.sum_fault(location, int(opened.version()), files)
    broken += [Finding(table.full_name, unlisted, mending.of_log(table, location))] if unlisted else []
    broken += [
        Finding(table.full_name, fault, mending.of_rows(table, location))
        for fault in delta_files.data_faults(files, opened, is_full=is_full)
    ]
    contract = list(_contract(table, location, opened))
    for_spark = list(_for_spark(table, location, opened))
    is_current = opened.metadata().configuration.get(FINGERPRINT) == table.fingerprint
    findings = [*broken, *contract, *for_spark, *_orphans(table, location, files)]
    size = sum(file.size_bytes for file in files)
    return TableState(findings, len(files), size, is_readable=is_current and not broken and not for_spark)


def _contract(table: Table, location: Path, opened: DeltaTable) -> Iterator[Finding]:
    """What differs from the contract: columns, constraints, the release that made it."""
    metadata = opened.metadata()
    fingerprint = metadata.configuration.get(FINGERPRINT)
    missing, others = table.differences(T.StructType.fromJson(json.loads(opened.schema().to_json())))
    is_ours = fingerprint is not None or (metadata.description or "").startswith("One row per ")
    if not is_ours:
        yield Finding(table.full_name, "another program made it", mending.of_log(table, location))
    elif others or (missing and fingerprint == table.fingerprint):
        yield Finding(table.full_name, "; ".join(missing + others), mending.of_log(table, location))
    elif fingerprint != table.fingerprint:
        what = "another release made it" + (f" ({'; '.join(missing)})" if missing else "")
        yield Finding(table.full_name, what, "any command that writes it brings it up to date", is_harmless=True)
    else:
        for key, value in evolution.lost(table, metadata.configuration).items():
            what = f"{key} is {metadata.configuration.get(key) or 'not set'}, expected {value}"
            yield Finding(table.full_name, what, "run maintain, which sets it again")


def _for_spark(table: Table, location: Path, opened: DeltaTable) -> Iterator[Finding]:
    """What keeps all but Spark from reading the rows, such as deletion vectors, which other writers may leave."""
    try:
        snapshots.snapshot(location.parent.parent, f"{location.parent.name}.{location.name}", opened)
    except snapshots.NeedsSpark as reason:
        what = f"{str(reason).partition(' ')[2]}: its rows were not looked at"
        yield Finding(table.full_name, what, "run reconcile --all, which counts by Spark", is_harmless=True)


def _orphans(table: Table, location: Path, files: list[delta_files.DataFile]) -> Iterator[Finding]:
    paths = delta_files.orphans(location, files)
    if paths:
        size = sum(path.stat().st_size for path in paths)
        what = f"{counted(len(paths), 'file')} ({size} bytes) that no version refers to, as a killed run leaves them"
        mend = "maintain removes them once they are older than its retention"
        yield Finding(table.full_name, what, mend, is_harmless=True)


def rows_against_contract(lakehouse: Lakehouse, table: Table, location: Path) -> Iterator[Finding]:
    """Rows that break a constraint or hold a null where none may be: no write of ours lets one through.

    A constraint that only Spark judges for sure is left out.
    """
    required = [column.name for column in table.columns if not column.nullable]
    questions = [{f"null in {name}": f"{name} is null" for name in required}]
    questions += [{f"not {check}": f"not ({check})"} for check in table.checks.values()]
    for conditions in filter(None, questions):
        counts = ", ".join(
            f"count(case when {condition} then 1 end) as n{number}"
            for number, condition in enumerate(conditions.values())
        )
        escaped = counts.replace("{", "{{").replace("}", "}}")
        try:
            [row] = lakehouse.ask(f"select {escaped} from {{{table.name}}}", table)  # noqa: S608 - from a contract
        except DataError:
            continue
        for text, count in zip(conditions, row.values(), strict=True):
            if count:
                yield Finding(table.full_name, f"{counted(count, 'row')}: {text}", mending.of_rows(table, location))
