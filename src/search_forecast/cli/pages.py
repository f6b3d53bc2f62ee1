"""The commands `report` and `explore`: what people look at."""

import sys
import webbrowser
from pathlib import Path

import click

from search_forecast.cli import output
from search_forecast.cli.call import Call
from search_forecast.cli.command import PATH, Command
from search_forecast.cli.queries import local_engine
from search_forecast.errors import UsageError
from search_forecast.parameters import REPORT


@click.command("report", cls=Command, example="report --out searches.html")
@click.option("--out", type=PATH, metavar="FILE", help="the file to write (default report.html in the lakehouse)")
@click.option("--open", "is_opened", is_flag=True, help="show it in the browser")
@click.pass_obj
def report(call: Call, out: Path | None, is_opened: bool) -> int:
    """Write one HTML page to look at and to send: figures, trends, forecasts, quality; it needs no network."""
    if out is not None and not out.absolute().parent.is_dir():
        raise UsageError(f"report: no directory {out.absolute().parent}; make it, or say another --out")
    with local_engine(call) as engine:
        from search_forecast.pages.report import write_report

        path = out or call.root / REPORT
        written = write_report(engine, path, call.now())
    call.result(written)
    if not call.json:
        output.note(f"to see it, open {path.resolve().as_uri()} in a browser")
    if is_opened:
        webbrowser.open(path.resolve().as_uri())
    return 0


@click.command("explore", cls=Command, example="explore --port 8600")
@click.option("--port", type=click.IntRange(0, 65535), default=8600, show_default=True, help="0 for any that is free")
@click.option("--no-browser", "is_quiet", is_flag=True, help="only say the address")
@click.pass_obj
def explore(call: Call, port: int, is_quiet: bool) -> int:
    """Look at gold in the browser: find terms, compare them, download; on this machine only, until Ctrl-C."""

    def ready(address: str) -> None:
        call.result({"explore": address})
        if not call.json:
            output.note("Ctrl-C ends it")
        sys.stdout.flush()
        if not is_quiet:
            webbrowser.open(address)

    call.check_there()
    from search_forecast.pages.explore import serve
    from search_forecast.queries.remembering import RememberingEngine

    serve(RememberingEngine(call.root), port, ready)  # no Spark: a page can't wait for its start
    output.note("explore: ended")
    return 0


COMMANDS = (report, explore)
