"""The commands that bring files to gold."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from search_forecast.cli import output
from search_forecast.cli.call import Call
from search_forecast.cli.command import PATH, Command, at_most_one, layout_names
from search_forecast.errors import UsageError
from search_forecast.parameters import (
    PERSONAL_POLICIES,
    CleanParameters,
    CorrectParameters,
    EraseParameters,
    IngestParameters,
    Personal,
)

F = TypeVar("F", bound=Callable[..., Any])


@click.command("ingest", cls=Command, is_task=True, example="ingest --source fixtures/landing")
@click.option("--source", type=PATH, metavar="PATH", help="directory (or one file)")
@click.option(
    "--layout", shell_complete=layout_names, metavar="NAME", help="layout of all files (else by folder or columns)"
)
@click.option("--layouts", type=PATH, metavar="DIR", help="more layouts (*.yml)")
@click.option("--time-zone", default="UTC", show_default=True, metavar="ZONE", help="of the shop, for times")
@click.option("--processed", metavar="DIR", help="move files there once they are in (empty: don't)")
@click.option("--strict", is_flag=True, help="exit 1 if a file was rejected")
@click.option("--verify", is_flag=True, help="hash all files, also those whose size and times are as they were")
@click.option("--explain", type=PATH, metavar="FILE", help="say how a file would be read, and write nothing")
@click.pass_obj
def ingest(
    call: Call,
    source: Path | None,
    layout: str | None,
    layouts: Path | None,
    time_zone: str,
    processed: str | None,
    strict: bool,
    verify: bool,
    explain: Path | None,
) -> int:
    """Take new exports of searches into search_bronze: CSV, JSON lines, Parquet, packed or not."""
    path = source or explain
    if path is None:
        raise click.UsageError("Missing option '--source'.")
    if explain is not None and not explain.is_file():
        raise UsageError(f"ingest: --explain {explain} is no file")
    destination = Path(processed) if processed else None
    parameters = IngestParameters(path, strict, layout, layouts, time_zone, destination, verify)
    if explain is not None:
        return _explain(call, parameters, explain)
    from search_forecast.medallion.ingest import ingest, layout_choice

    layout_choice(parameters)  # a layout that can't be is said before Spark starts
    with call.opened(writes=True, source=path) as lakehouse:
        taken_in = ingest(lakehouse, parameters, call.now())
        return call.result(taken_in, next_step="clean" if taken_in["ingested"] else None)


def _explain(call: Call, parameters: IngestParameters, file: Path) -> int:
    """Print how a file would be read; 1 where it, or a member of a zip file, would not."""
    from search_forecast.medallion.explain import explain
    from search_forecast.medallion.ingest import layout_choice

    choice = layout_choice(parameters)  # what is wrong with a layout is said before Spark starts
    with output.progress("ingest: starting Spark"):
        from search_forecast.lakehouse.session import session

        spark = session(size="small")
    deliveries = explain(spark, file, choice, CleanParameters(parameters.time_zone).today(call.now()))
    if call.json:
        call.result({"deliveries": deliveries})
    else:
        for delivery in deliveries:
            records = delivery.pop("records", None)
            output.heading(delivery.pop("file"))
            for name, value in delivery.items():
                output.line(f"  {name}: {output.text_of(value)}")
            if records is not None:
                output.records(records)
    return int(any("problem" in delivery for delivery in deliveries))


def _cleaning(function: F) -> F:
    """The flags that say how silver is made of bronze; the function takes them as `cleaning`."""

    @wraps(function)
    def with_cleaning(
        *args: Any, time_zone: str, personal: str, country: str | None, raw_retention_days: int, **others: Any
    ) -> Any:
        parameters = CleanParameters(time_zone, Personal(personal, country or None), raw_retention_days)
        return function(*args, cleaning=parameters, **others)

    text = "e-mail addresses, telephone, card, account and identity numbers"
    policies = click.Choice(PERSONAL_POLICIES)
    options = (
        click.option("--time-zone", default="UTC", show_default=True, metavar="ZONE", help="of the shop"),
        click.option("--personal", type=policies, default="mask", show_default=True, help=text),
        click.option("--country", metavar="CC", help="of the shop: its telephone numbers without +41"),
        click.option(
            "--raw-retention-days",
            type=int,
            default=30,
            show_default=True,
            metavar="N",
            help="then they are masked in search_bronze too",
        ),
    )
    for option in reversed(options):
        with_cleaning = option(with_cleaning)
    return cast("F", with_cleaning)


@click.command("clean", cls=Command, is_task=True, example="clean --time-zone Pacific/Auckland --country NZ")
@_cleaning
@click.pass_obj
def clean(call: Call, cleaning: CleanParameters) -> int:
    """Turn raw records into searches and rejected records (search_silver), without personal data."""
    from search_forecast.medallion.clean import clean

    with call.opened(writes=True) as lakehouse:
        return call.result(clean(lakehouse, cleaning, call.now()), next_step="aggregate")


@click.command("aggregate", cls=Command, is_task=True, example="aggregate --full")
@click.option("--full", is_flag=True, help="rebuild everything")
@click.pass_obj
def aggregate(call: Call, full: bool) -> int:
    """Bring search_gold up to date, the days that changed."""
    from search_forecast.medallion.aggregate import aggregate

    with call.opened(writes=True, reads_all=full) as lakehouse:
        return call.result(aggregate(lakehouse, is_full=full), next_step="reconcile")


@click.command("load-spellings", cls=Command, is_task=True, example="load-spellings spellings.csv")
@click.argument("file", type=PATH)
@click.pass_obj
def load_spellings(call: Call, file: Path) -> int:
    """Let spellings count for another term: FILE is a CSV of variant,term, the whole list."""
    from search_forecast.medallion import spellings as task

    spellings = task.read_spellings(file)  # what is wrong with it is said before Spark starts
    with call.opened(writes=True) as lakehouse:
        return call.result(task.load_spellings(lakehouse, spellings), next_step="aggregate")


@click.command("reconcile", cls=Command, is_task=True, example="reconcile --all")
@click.option("--all", "is_full", is_flag=True, help="count every batch anew, not just those that are new or changed")
@click.pass_obj
def reconcile(call: Call, is_full: bool) -> int:
    """Prove that no record was lost or counted twice; exit 1 otherwise."""
    from search_forecast.medallion.reconcile import reconcile

    with call.opened(writes=True, reads_all=is_full) as lakehouse:
        return call.result(reconcile(lakehouse, call.now(), is_full=is_full), next_step="trends")


@click.command("trends", cls=Command, is_task=True, example="trends")
@click.option("--full", is_flag=True, help="judge anew even if no count moved")
@click.pass_obj
def trends(call: Call, full: bool) -> int:
    """Say which terms are new, rising, falling or lost by more than chance explains, by week and month."""
    from search_forecast.medallion.publish_trends import publish_trends

    with call.opened(writes=True) as lakehouse:
        return call.result(publish_trends(lakehouse, is_full=full), next_step="query trending_terms")


@click.command("correct", cls=Command, is_task=True, example='correct 3fa9c1 --withdraw --why "test data"')
@click.argument("delivery")
@click.option("--withdraw", is_flag=True, help="it counts no more")
@click.option("--by", "file", type=PATH, metavar="FILE", help="this file counts in its place")
@click.option("--restore", is_flag=True, help="it counts again")
@click.option("--why", metavar="TEXT", help="the reason; kept in search_gold.corrections")
@click.option("--layout", shell_complete=layout_names, metavar="NAME", help="layout of FILE (else by its columns)")
@click.option("--layouts", type=PATH, metavar="DIR", help="more layouts (*.yml)")
@_cleaning
@click.pass_obj
def correct(
    call: Call,
    delivery: str,
    withdraw: bool,
    file: Path | None,
    restore: bool,
    why: str | None,
    layout: str | None,
    layouts: Path | None,
    cleaning: CleanParameters,
) -> int:
    """Take a delivery out, replace it or bring it back; DELIVERY is the start of its delivery_id, or its file."""
    at_most_one(withdraw=withdraw, by=file, restore=restore)
    if not (withdraw or file or restore):
        raise UsageError("correct: say --withdraw, --by FILE or --restore")
    if why is None and not restore:
        raise UsageError("correct: say --why, it is kept with the delivery")
    replacement = None if file is None else IngestParameters(file, False, layout, layouts, cleaning.time_zone)
    parameters = CorrectParameters(delivery, why or "the correction was taken back", replacement, restore, cleaning)
    from search_forecast.medallion.correct import correct

    with call.opened(writes=True, source=file) as lakehouse:
        return call.result(correct(lakehouse, parameters, call.now()))


@click.command("erase", cls=Command, is_task=True, has_models=True, example='erase --term "jane doe" --why "case 17"')
@click.option("--term", metavar="T", help="this term")
@click.option("--matching", metavar="REGEX", help="all terms in which it is found (once normalised)")
@click.option("--delivery", metavar="D", help="all of a delivery: the start of its delivery_id, or its file")
@click.option("--why", required=True, metavar="TEXT", help="the reason; kept in search_gold.corrections")
@_cleaning
@click.pass_obj
def erase(
    call: Call, term: str | None, matching: str | None, delivery: str | None, why: str, cleaning: CleanParameters
) -> int:
    """Let nothing of a term or a delivery remain: tables and their history, staging, models, records of runs."""
    parameters = EraseParameters(why, term, matching, delivery, cleaning)
    from search_forecast.medallion import erase as task
    from search_forecast.models import erasure

    with call.opened(writes=True) as lakehouse:
        what = task.sought(lakehouse, parameters)
        # Models and records of runs first: what a delivery held can't be told once its records are gone.
        models = erasure.erase(call.registry(writes=True), what, [table.full_name for table in task.HOLDING_TEXT])
        removed_runs = 0
        if lakehouse.root is not None:
            from search_forecast.bundle import runs  # no part of the wheel that a workspace installs

            removed_runs = runs.remove_with(lakehouse.root, task.in_lines(lakehouse, what).is_in)
        result = task.erase(lakehouse, parameters, what, call.now())
    if lakehouse.root is None:
        output.note("old entries of the tables' logs stay until Delta removes them; see docs/correct-and-erase.md")
    output.note(
        "not looked at: delivered files, lists, event logs, pages and exports outside the lakehouse, and backups"
    )
    call.result({**result, **models, "removed_runs": removed_runs})
    if "search_gold.term_trends" in result["purged"]:
        call.hint("trends")  # what it said of other terms was counted with those that are gone
    if models["removed_versions"]:
        call.hint("train")
    return 0


COMMANDS = (ingest, clean, load_spellings, aggregate, reconcile, trends, correct, erase)
