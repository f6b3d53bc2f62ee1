"""The commands that ask gold, and list what is there."""

import sys

import click

from search_forecast.cli.call import Call
from search_forecast.cli.command import Command, KeyValue


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from search_forecast.queries import catalogue

    return [name for name in catalogue.names() if name.startswith(incomplete)]


@click.command("query", cls=Command, is_task=True, has_csv=True, example="query top_terms limit=5 from=2021-12-01")
@click.argument("name", required=False, shell_complete=_names)
@click.argument("values", nargs=-1, type=KeyValue(), metavar="[k=v]...")
@click.pass_obj
def query(call: Call, name: str | None, values: tuple[tuple[str, str], ...]) -> int:
    """Run a query on gold; without a name, list them."""
    from search_forecast.queries import catalogue

    if name is None:
        queries = [catalogue.load(name) for name in catalogue.names()]
        rows = [(q.name, " ".join(map(str, q.parameters)), q.summary) for q in queries]
        return call.rows(["query", "parameters", "answers"], rows)
    chosen = catalogue.load(name)
    bound = chosen.arguments(dict(values))
    from search_forecast.queries.answers import query

    with call.opened(writes=False) as lakehouse:
        return call.rows(*query(lakehouse, chosen, bound))


@click.command("tables", cls=Command, is_task=True, has_csv=True, example="tables")
@click.option("--contracts", is_flag=True, help="print what each table holds, as Markdown")
@click.pass_obj
def tables(call: Call, contracts: bool) -> int:
    """List the tables of the lakehouse."""
    from search_forecast.lakehouse import contracts as declared
    from search_forecast.lakehouse.inventory import list_tables

    if contracts:
        sys.stdout.write(declared.documentation())
        return 0
    with call.opened(writes=False) as lakehouse:
        return call.rows(*list_tables(lakehouse))


COMMANDS = (query, tables)
