"""The commands that look after a lakehouse."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import click

from search_forecast.cli import output
from search_forecast.cli.call import Call, reader
from search_forecast.cli.command import PATH, Command, flags
from search_forecast.errors import DataError, UsageError
from search_forecast.parameters import MaintainParameters

_MAINTAIN = {
    "retention_days": "days that unused files are kept, 7 or more; longer where a model was trained on them",
    "least_files": "small files from which on a table is compacted",
}


@click.command("check", cls=Command, is_task=True, example="check --full")
@click.option("--full", is_flag=True, help="read all rows and all models' files too: finds flipped bits")
@click.pass_obj
def check(call: Call, full: bool) -> int:
    """Say whether the lakehouse is whole, what is wrong and which command mends it; exit 1 where it is not."""
    if call.catalog is not None or call.task_lakehouse is not None:
        raise UsageError("check: looks into the files of a lakehouse on this machine; in a workspace run reconcile")
    call.check_there()
    from search_forecast.lakehouse.tables import Lakehouse
    from search_forecast.models.registry import DIRECTORY, Registry
    from search_forecast.upkeep.check import check

    def no_spark() -> NoReturn:
        raise DataError(
            "not all rows can be read; run check --full, which names a file that is damaged, or reconcile --all"
        )

    root = call.root
    house = Lakehouse(no_spark, root, root / "_staging", is_writable=False, reader=reader(root))
    # Where MLflow's database isn't there, or is empty, opening it would make one.
    database = root / DIRECTORY / "mlflow.db"
    models = Registry(root / DIRECTORY) if database.is_file() and database.stat().st_size else None
    # What runs meanwhile would look half done; a lakehouse that can't be written has no writer to wait for.
    with call.locked() if os.access(root, os.W_OK) else nullcontext():
        report = check(house, root, models, is_full=full)
    if not report.table_count and not report.findings:
        raise DataError(f"check: no table in {root}; run demo or ingest first, or say --lakehouse DIR")
    sizes = {"tables": report.table_count, "files": report.file_count, "bytes": report.size_bytes}
    found = [vars(finding) for finding in report.findings]
    if call.json:
        call.result({"is_whole": report.is_whole, **sizes, "batches_reconciled": report.batch_count, "findings": found})
    else:
        for finding in report.findings:
            kind = "harmless: " if finding.is_harmless else ""
            output.line(f"{kind}{finding.where}: {finding.what}; {finding.mend}")
        call.result({"is_whole": report.is_whole, **sizes, "batches_reconciled": report.batch_count})
    return 0 if report.is_whole else DataError.exit_code


@click.command("maintain", cls=Command, is_task=True, has_models=True, example="maintain --retention-days 90")
@flags(MaintainParameters(), _MAINTAIN)
@click.option("--only-aliased", is_flag=True, help="keep only versions with an alias reproducible, not all")
@click.pass_obj
def maintain(call: Call, /, retention_days: int, least_files: int, only_aliased: bool) -> int:
    """Compact, cluster and vacuum the tables, trim staging and records of runs; what reproduce reads stays."""
    parameters = MaintainParameters(retention_days, least_files, only_aliased)
    from search_forecast.models.registry import DIRECTORY
    from search_forecast.upkeep.maintain import COLUMNS, maintain

    with call.opened(writes=True) as lakehouse:
        root = lakehouse.root
        models = call.registry(writes=True) if root is None or (root / DIRECTORY).is_dir() else None
        tables = list(maintain(lakehouse, models, parameters, call.now()))
        removed_runs = 0 if root is None else _trimmed(root)
    totals = {name: sum(row[name] for row in tables) for name in COLUMNS[1:5]}
    if not call.json:
        call.rows(COLUMNS, [[row[name] for name in COLUMNS] for row in tables])
    return call.result({**totals, "removed_runs": removed_runs, **({"tables": tables} if call.json else {})})


def _trimmed(root: Path) -> int:
    from search_forecast.bundle import runs  # no part of the wheel that a workspace installs

    return runs.trim(root)


@click.command("backup", cls=Command, example="backup /mnt/backups")
@click.argument("into", type=PATH, metavar="DIR")
@click.option("--verify", is_flag=True, help="read what would be linked too, and copy again what rotted there")
@click.pass_obj
def backup(call: Call, into: Path, verify: bool) -> int:
    """Copy the lakehouse, models included, into a new directory below DIR; what the last one there holds is linked."""
    call.check_there()
    from search_forecast.upkeep.backup import backup

    with call.locked() if os.access(call.root, os.W_OK) else nullcontext():
        done = backup(call.root, into, call.now(), is_verified=verify)
    call.result(done)
    if not call.json:
        place = output.printable(output.shell_word(done["backup"]))
        output.note(f"next: {output.program()} restore {place} --lakehouse NEW_DIR, should it be needed")
    return 0


@click.command("restore", cls=Command, example="restore /mnt/backups/20261126-073000 --lakehouse restored")
@click.argument("place", type=PATH, metavar="BACKUP")
@click.pass_obj
def restore(call: Call, place: Path) -> int:
    """Make a lakehouse of a backup, where there is none; each file is compared with its hash."""
    from search_forecast.upkeep.backup import restore

    return call.result(restore(place, call.root), next_step="check --full")


COMMANDS = (check, maintain, backup, restore)
