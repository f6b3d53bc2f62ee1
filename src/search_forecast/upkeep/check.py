"""`check`: is a lakehouse on this machine whole? Looks at everything, changes nothing, and needs no Spark."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from search_forecast.errors import DataError, SearchForecastError
from search_forecast.lakehouse.contracts import (
    ACCEPTED_SPELLINGS,
    BACKTEST_METRICS,
    BATCHES,
    CORRECTIONS,
    DAILY_TERM_COUNTS,
    MODEL_SCORES,
    SEARCH_EVENTS,
    TABLES,
    TERM_FORECASTS,
    TERM_TRENDS,
    TERM_VARIANTS,
    Table,
)
from search_forecast.lakehouse.scratch import is_stale
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import batches
from search_forecast.medallion.reconcile import COUNTS, LAYERS, SUMMED, checked_batches, mismatch
from search_forecast.medallion.spellings import accepted
from search_forecast.models.registry import DIRECTORY, Registry
from search_forecast.upkeep import mending, table_state
from search_forecast.upkeep.finding import Finding

_FROM_BACKUP = f"bring {DIRECTORY} back from a backup"


@dataclass(frozen=True)
class Report:
    """What was looked at, and all that was found; the lakehouse is whole where no finding is harmful."""

    findings: list[Finding]
    table_count: int
    file_count: int
    size_bytes: int
    batch_count: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost, damaged, counted wrongly or left half done."""
        return all(finding.is_harmless for finding in self.findings)


def check(lakehouse: Lakehouse, root: Path, models: Registry | None, *, is_full: bool) -> Report:
    """Look at every table, count every batch anew, and compare what belongs together.

    Args:
        lakehouse: with a reader; nothing is asked of Spark.
        root: its directory.
        models: its registry; None where there is none yet.
        is_full: read all rows too, which finds flipped bits and rows that break a constraint, and all models' files.
    """
    there = {table.name: table for table in TABLES if lakehouse.exists(table)}
    places = {name: root / lakehouse.schemas[table.layer] / name for name, table in there.items()}
    states = {name: table_state.state(table, places[name], is_full=is_full) for name, table in there.items()}
    findings = [finding for state in states.values() for finding in state.findings]
    readable = {name for name, state in states.items() if state.is_readable}
    if is_full:
        for name in sorted(readable):
            findings += table_state.rows_against_contract(lakehouse, there[name], places[name])
    findings += _without_log(lakehouse, root)
    counted = [*_as_far_as_read("reconciliation", _counts(lakehouse, there, readable))]
    findings += [finding for finding in counted if isinstance(finding, Finding)]
    findings += _staging(lakehouse.staging)
    findings += filter(None, _as_far_as_read(DIRECTORY, _models(lakehouse, models, readable, is_full=is_full)))
    sizes = [(state.file_count, state.size_bytes) for state in states.values()]
    return Report(findings, len(there), sum(n for n, _ in sizes), sum(n for _, n in sizes), counted.count(None))


def _as_far_as_read(subject: str, findings: Iterator[Finding | None]) -> Iterator[Finding | None]:
    """What is found up to the first rows that can't be read, as of a file with a flipped bit that nobody looked for."""
    try:
        yield from findings
    except DataError as error:
        what, _, mend = str(error).partition("; ")
        yield Finding(subject, what, mend)


def _without_log(lakehouse: Lakehouse, root: Path) -> Iterator[Finding]:
    """Tables of which only data files are left: every command takes them for tables that aren't there yet."""
    for table in TABLES:
        location = root / lakehouse.schemas[table.layer] / table.name
        if not lakehouse.exists(table) and any(location.glob("*.parquet")):
            yield Finding(table.full_name, "has data files and no log", mending.of_log(table, location))


def _counts(lakehouse: Lakehouse, there: dict[str, Table], readable: set[str]) -> Iterator[Finding | None]:
    """What does not add up between the layers; a None for every batch that does."""
    unread = [table.full_name for table in LAYERS if table.name in there.keys() - readable]
    if unread:
        mend = "mend that, or let a command that writes bring it up to date, and check again"
        what = f"the batches were not counted, as {', '.join(unread)} can't be read as it is"
        yield Finding("reconciliation", what, mend, is_harmless=True)
        return
    checked = {row["batch_id"]: row for row in lakehouse.ask(checked_batches(), *LAYERS)}
    is_noted = BATCHES.name not in there.keys() - readable  # else that is said already
    rows = lakehouse.ask("select * from {batches}", BATCHES) if is_noted else checked.values()
    written = {row["batch_id"]: row for row in rows}
    for batch_id, row in sorted(checked.items()):
        if not row["reconciled"]:
            is_noted = bool(written.get(batch_id, {}).get("reconciled"))
            what, _, mend = mismatch(row, is_noted=is_noted).partition("; ")
            yield Finding("reconciliation", what, mend)
        elif any(row[name] != written.get(batch_id, {}).get(name) for name in (*COUNTS, "reconciled")):
            yield Finding(BATCHES.full_name, f"{batch_id} is missing or has other counts", "run reconcile")
        else:
            yield None
    for batch_id in sorted(written.keys() - checked.keys()):
        yield Finding(BATCHES.full_name, f"{batch_id} is in no other table", f"bring {batch_id} back from a backup")
    expected = sum(row["search_count"] for row in checked.values())
    is_silver_whole = all(row["raw_count"] == row["event_count"] + row["rejected_count"] for row in checked.values())
    for table in (DAILY_TERM_COUNTS, *SUMMED):
        # Gold may be right where silver is wrong, and where nothing was ever delivered: the demo's generated shop.
        if table.name in there.keys() - readable or not is_silver_whole or not (checked or written):
            continue
        [gold] = lakehouse.ask(f"select coalesce(sum(search_count), 0) as n from {{{table.name}}}", table)  # noqa: S608
        if gold["n"] != expected:
            what = f"{gold['n']} searches, expected {expected}"
            yield Finding(table.full_name, what, "run aggregate --full")
    yield from _steps(lakehouse, readable)


def _steps(lakehouse: Lakehouse, readable: set[str]) -> Iterator[Finding]:
    """Tables that show an older version of what they are made from."""
    is_list_readable = ACCEPTED_SPELLINGS.name in readable or not lakehouse.exists(ACCEPTED_SPELLINGS)
    for shown, source, command in (
        (TERM_VARIANTS, SEARCH_EVENTS, "aggregate"),
        (TERM_TRENDS, DAILY_TERM_COUNTS, "trends"),
    ):
        is_missed = shown is TERM_VARIANTS and not lakehouse.exists(shown)  # nobody need have asked for trends
        if source.name not in readable or not (is_missed or shown.name in readable):
            continue
        position = lakehouse.position(shown)
        if position is None:
            what = f"does not say which version of {source.full_name} it shows"
        elif lakehouse.has_changed(source, int(position.rpartition("@")[2])):
            what = f"shows {position}, and {source.full_name} has changed since"
        elif shown is TERM_VARIANTS and is_list_readable and not accepted(lakehouse).are_those_of(position):
            what = f"was not counted by {ACCEPTED_SPELLINGS.full_name} as it is"
        else:
            continue
        yield Finding(shown.full_name, what, f"run {command}", is_harmless=shown is TERM_TRENDS)


def _staging(staging: Path) -> Iterator[Finding]:
    """What killed runs left behind in staging."""
    try:
        for batch in batches.sealed(staging, is_read_only=True):
            what = f"{batch.batch_id} is staged whole and was not finished"
            yield Finding(str(batch.directory), what, "run ingest with any --source: it finishes that first")
    except DataError as error:
        what, _, mend = str(error).rpartition("; ")
        yield Finding(str(staging / "batches"), what, mend)
    for directory in sorted([*(staging / "batches").glob("*"), *(staging / "scratch").glob("*")]):
        if is_stale(directory) and not (directory / batches.MANIFEST).exists():
            yield Finding(str(directory), "a killed run left it", "maintain removes it", is_harmless=True)


def _models(lakehouse: Lakehouse, models: Registry | None, readable: set[str], *, is_full: bool) -> Iterator[Finding]:
    """A damaged registry, versions that tables name and it lacks, and versions whose files are gone or changed."""
    try:
        versions = models.versions() if models is not None else []
    except (SearchForecastError, json.JSONDecodeError) as error:
        yield Finding(DIRECTORY, str(error), _FROM_BACKUP)
        return
    damage = models.damage() if models is not None and is_full else None
    if damage is not None:
        yield Finding(DIRECTORY, f"mlflow.db is damaged: {damage}", _FROM_BACKUP)
    known = {(version.name, version.number) for version in versions}
    numbers = {number for _, number in known}
    # Without its versions a table is still right where `erase` removed them.
    is_erased = CORRECTIONS.name in readable and bool(
        lakehouse.ask("select 1 as n from {corrections} where what = 'erased' limit 1", CORRECTIONS)
    )
    for table in (TERM_FORECASTS, MODEL_SCORES, BACKTEST_METRICS):
        if table.name not in readable:
            continue
        name = "model_name" if table is not BACKTEST_METRICS else "null"
        sql = f"select distinct {name} as name, model_version from {{{table.name}}}"  # noqa: S608 - from a contract
        for row in lakehouse.ask(sql, table):
            number = int(row["model_version"])
            is_there = (row["name"], number) in known if row["name"] is not None else number in numbers
            if not is_there:
                what = f"has rows of {row['name'] or 'model'} version {number}, which the registry lacks"
                yield Finding(table.full_name, what, _FROM_BACKUP, is_harmless=is_erased)
    for version in versions:
        if models is not None and (is_full or version.aliases):
            try:
                models.files(version, Path())
            except DataError as error:
                yield Finding(DIRECTORY, str(error), f"{_FROM_BACKUP}, or promote another version")
