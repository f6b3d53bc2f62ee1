"""The commands that bring files to gold."""

from pathlib import Path

import click

from search_forecast.cli.call import Call
from search_forecast.cli.command import PATH, Command
from search_forecast.parameters import CleanParameters, IngestParameters


@click.command("ingest", cls=Command, is_task=True, example="ingest --source fixtures/landing")
@click.option("--source", type=PATH, required=True, metavar="PATH", help="directory (or one file)")
@click.option("--strict", is_flag=True, help="exit 1 if a file was rejected")
@click.pass_obj
def ingest(call: Call, source: Path, strict: bool) -> int:
    """Take new .csv and .csv.gz files into search_bronze."""
    parameters = IngestParameters(source, strict)
    from search_forecast.medallion.ingest import ingest

    with call.opened(writes=True, source=source) as lakehouse:
        return call.result(ingest(lakehouse, parameters, call.now()), next_step="clean")


@click.command("clean", cls=Command, is_task=True, example="clean --time-zone Pacific/Auckland")
@click.option("--time-zone", default="UTC", show_default=True, metavar="ZONE", help="of the shop")
@click.pass_obj
def clean(call: Call, time_zone: str) -> int:
    """Turn raw records into searches and rejected records (search_silver)."""
    parameters = CleanParameters(time_zone)
    from search_forecast.medallion.clean import clean

    with call.opened(writes=True) as lakehouse:
        return call.result(clean(lakehouse, parameters, call.now()), next_step="aggregate")


@click.command("aggregate", cls=Command, is_task=True, example="aggregate --full")
@click.option("--full", is_flag=True, help="rebuild everything")
@click.pass_obj
def aggregate(call: Call, full: bool) -> int:
    """Bring search_gold up to date, the days that changed."""
    from search_forecast.medallion.aggregate import aggregate

    with call.opened(writes=True) as lakehouse:
        return call.result(aggregate(lakehouse, is_full=full), next_step="reconcile")


@click.command("reconcile", cls=Command, is_task=True, example="reconcile")
@click.pass_obj
def reconcile(call: Call) -> int:
    """Prove that no record was lost or counted twice; exit 1 otherwise."""
    from search_forecast.medallion.reconcile import reconcile

    with call.opened(writes=True) as lakehouse:
        return call.result(reconcile(lakehouse, call.now()), next_step="query top_terms")


COMMANDS = (ingest, clean, aggregate, reconcile)
