"""The commands that ask gold, and list what is there."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from search_forecast.cli import output
from search_forecast.cli.call import Call
from search_forecast.cli.command import Command, KeyValue, at_most_one, each_once

if TYPE_CHECKING:
    from search_forecast.queries.answers import Answer, Engine
    from search_forecast.queries.local import LocalEngine
    from search_forecast.queries.spark import SparkEngine


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from search_forecast.queries import catalogue

    return [name for name in catalogue.names() if name.startswith(incomplete)]


def _parameters(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from search_forecast.queries import catalogue

    if ctx.params.get("name") not in catalogue.names():
        return []
    given = {name for name, _ in ctx.params.get("values") or ()}
    names = [each.name for each in catalogue.load(ctx.params["name"]).parameters]
    return [f"{name}=" for name in names if name.startswith(incomplete) and name not in given]


@contextmanager
def local_engine(call: Call) -> "Iterator[LocalEngine]":
    """What answers on this machine."""
    call.check_there()
    from search_forecast.queries.local import LocalEngine

    with ExitStack() as stack:

        def spark() -> "SparkEngine":
            from search_forecast.queries.spark import SparkEngine

            return SparkEngine(stack.enter_context(call.opened(writes=False)))

        yield LocalEngine(call.root, spark)


@contextmanager
def _engine(call: Call) -> "Iterator[Engine]":
    """What answers: Spark in a workspace and in a job's task, DuckDB here."""
    if call.task_lakehouse is None and call.catalog is None:
        with local_engine(call) as engine:
            yield engine
    else:
        from search_forecast.queries.spark import SparkEngine

        with call.opened(writes=False) as lakehouse:
            yield SparkEngine(lakehouse)


class _Query(Command):
    """The command whose help is that of a query, where one is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, once the words are kept: the flag --help is acted on before the name is read."""
        ctx.meta[__name__] = list(args)
        return super().parse_args(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What the query answers, and what its parameters mean."""
        from search_forecast.queries import catalogue

        known = catalogue.names()
        name = next((word for word in ctx.meta.get(__name__, ()) if word in known), None)
        if name is None:
            return super().format_help_text(ctx, formatter)
        chosen = catalogue.load(name)
        formatter.write_paragraph()
        formatter.write_text(f"{chosen.name}: {chosen.summary}")
        if chosen.parameters:
            with formatter.section("Parameters"):
                formatter.write_dl([(str(each), each.comment) for each in chosen.parameters])
        return None


def _show(call: Call, answer: "Answer") -> int:
    if answer.note:
        output.note(output.printable(answer.note))
    return call.rows(answer.columns, answer.rows)


@click.command("query", cls=_Query, is_task=True, has_csv=True, example="query top_terms limit=5 from=2021-12-01")
@click.argument("name", required=False, shell_complete=_names)
@click.argument("values", nargs=-1, type=KeyValue(), callback=each_once, metavar="[k=v]...", shell_complete=_parameters)
@click.pass_obj
def query(call: Call, name: str | None, values: tuple[tuple[str, str], ...]) -> int:
    """Run a query on gold; without a name, list them."""
    from search_forecast.queries import catalogue

    if name is None:
        queries = [catalogue.load(name) for name in catalogue.names()]
        rows = [(q.name, " ".join(map(str, q.parameters)), q.summary) for q in queries]
        if output.console.is_terminal and not (call.json or call.csv):
            for each, parameters, answers in rows:
                output.entry(f"{each} {parameters}".rstrip(), answers)
        else:
            call.rows(["query", "parameters", "answers"], rows)
        output.note("query NAME --help says what its parameters mean")
        return 0
    chosen = catalogue.load(name)
    chosen.arguments(dict(values))  # refused before anything is opened
    from search_forecast.queries.answers import answer

    with _engine(call) as engine:
        return _show(call, answer(engine, chosen, dict(values)))


@click.command("sql", cls=Command, has_csv=True, example='sql "select term, rank from term_summary where rank <= 5"')
@click.argument("statement")
@click.pass_obj
def sql(call: Call, statement: str) -> int:
    """Answer a query of your own, in Spark's SQL, on the tables of the lakehouse."""
    with local_engine(call) as engine:
        return _show(call, engine.ask(statement))


@click.command("tables", cls=Command, is_task=True, has_csv=True, example="tables")
@click.option("--contracts", is_flag=True, help="print what each table holds, as Markdown")
@click.pass_obj
def tables(call: Call, contracts: bool) -> int:
    """List the tables of the lakehouse."""
    at_most_one(contracts=contracts, json=call.json, csv=call.csv)
    from search_forecast.lakehouse import contracts as declared
    from search_forecast.queries.inventory import list_tables

    if contracts:
        sys.stdout.write(declared.documentation())
        return 0
    with _engine(call) as engine:
        return _show(call, list_tables(engine))


COMMANDS = (query, sql, tables)
