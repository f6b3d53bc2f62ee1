"""The commands that forecast demand."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from search_forecast.cli import output
from search_forecast.cli.call import Call
from search_forecast.cli.command import PATH, VERSION, Command, at_most_one, flags
from search_forecast.errors import UsageError, counted
from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.parameters import DEMAND_MODEL, ForecastParameters, MonitorParameters

if TYPE_CHECKING:
    from search_forecast.cli.plot import Coming, Past
    from search_forecast.lakehouse.tables import Lakehouse

F = TypeVar("F", bound=Callable[..., Any])
WEEK_DAYS = 7
_DEFAULTS = ForecastParameters()
ALL_TERMS = "(all)"
_TRAIN = {
    "horizon": "periods ahead",
    "step": "periods between the cutoffs of the backtest",
    "windows": "cutoffs of the backtest, at most",
    "floor_count": "terms with fewer searches are pooled into (other)",
    "history_periods": "periods that the series reach back",
    "alpha": "level of the test",
}
_MONITOR = {
    "accuracy_windows": "latest forecasts to look at",
    "worse_windows": "how many of them must be bad",
    "worse_by_ratio": "how much larger than the mean's an error is to count as worse",
    "least_coverage_ratio": "share of counts inside the 95 % interval below which it is bad",
    "drift_alpha": "p-value below which chance does not explain a mix of terms",
    "drift_psi": "population stability index above which a change matters",
    "cooldown_days": "days after the last training data in which nothing is trained again",
}


def _model(function: F) -> F:
    name = click.option("--name", default=DEMAND_MODEL, show_default=True, help="the registered model")
    as_of = click.option("--as-of", metavar="DATE", help="as if it were then: counts up to this day only")
    return name(as_of(function))


def _backtested(function: F) -> F:
    """The flags of a backtest."""
    for option in (
        click.option("--candidates", metavar="A,B", help=f"default {', '.join(_DEFAULTS.candidates)}"),
        click.option(
            "--frequency", type=click.Choice(["day", "week"]), default="day", show_default=True, help="of periods"
        ),
        flags(_DEFAULTS, _TRAIN, {"floor_count": "--floor", "history_periods": "--history"}),
    ):
        function = option(function)
    return function


def _parameters(candidates: str | None, **values: Any) -> ForecastParameters:
    if candidates is not None:
        values["candidates"] = tuple(name.strip() for name in candidates.split(",") if name.strip())
    return ForecastParameters(**values)


@click.command("train", cls=Command, is_task=True, has_models=True, example="train --horizon 28 --candidates theta,ets")
@_model
@_backtested
@click.option("--coherent", is_flag=True, help="make the terms' forecasts add up to the total's")
@click.pass_obj
def train(call: Call, /, name: str, as_of: str | None, candidates: str | None, coherent: bool, **values: Any) -> int:
    """Backtest and choose how to forecast each term, and register it."""
    parameters, day = _parameters(candidates, is_coherent=coherent, **values), _day(call, as_of)
    from search_forecast.demand.train import train

    with call.opened(writes=True) as lakehouse:
        models = call.registry(writes=True)
        trained = train(lakehouse, models, name, parameters, as_of=day, now=call.now())
    if trained["gate"].startswith("passed"):
        return call.result(trained, next_step=f"promote {name}")
    if not call.json:
        output.note("its gate is closed: the champion stays, unless you give a reason, which is recorded")
    return call.result(trained, next_step=f"promote {name} {trained['version']} --force 'it was better in our test'")


@click.command("score", cls=Command, is_task=True, has_models=True, example="score --version 2")
@_model
@click.option("--version", type=VERSION, metavar="V", help="this version")
@click.option("--alias", metavar="A", help="the version with this alias (default: champion)")
@click.pass_obj
def score(call: Call, name: str, as_of: str | None, version: int | None, alias: str | None) -> int:
    """Add the champion's forecasts to search_gold.term_forecasts."""
    at_most_one(version=version, alias=alias)
    day = _day(call, as_of)
    from search_forecast.demand.score import score

    models = call.registry()
    chosen = models.find(name, version, alias or (None if version else "champion"))
    with call.opened(writes=True) as lakehouse:
        return call.result(score(lakehouse, models, chosen, day, call.now()), next_step="query forecast term=...")


@click.command("monitor", cls=Command, is_task=True, has_models=True, example="monitor --as-of 2025-12-31")
@_model
@flags(MonitorParameters(), _MONITOR)
@click.pass_obj
def monitor(call: Call, /, name: str, as_of: str | None, **values: Any) -> int:
    """Compare past forecasts with what came, and say whether to train again."""
    parameters, day = MonitorParameters(**values), _day(call, as_of)
    from search_forecast.demand.monitor import monitor_champion

    models = call.registry(writes=True)
    with call.opened(writes=True) as lakehouse:
        return call.result(monitor_champion(lakehouse, models, name, parameters, day))


@click.command("forecast", cls=Command, has_csv=True, example="forecast 'gaming laptop' laptop")
@click.argument("terms", nargs=-1, required=True, metavar="TERM...")
@click.option("--plot", "file", type=PATH, metavar="FILE", help="draw it too, as .png or .svg")
@click.pass_obj
def forecast(call: Call, terms: tuple[str, ...], file: Path | None) -> int:
    """Show the latest forecast of terms: what is expected of the coming days, and what it is made of."""
    from search_forecast.cli import plot
    from search_forecast.demand import outlook

    if file is not None:
        plot.check_ending(file)
    is_drawn = not (call.json or call.csv)
    with call.opened(writes=False) as lakehouse:
        columns, rows = outlook.forecast(lakehouse, [normaliser()(term) for term in terms])
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        pictures = _pictures(lakehouse, named) if is_drawn or file else []
    if file is not None:
        plot.write_plot(file, pictures)
        output.note(f"drawn: {file}")
    for term, past, coming in pictures if is_drawn else []:
        output.heading(f"{term}: {plot.COUNTED} counted, {plot.EXPECTED} forecast, {plot.INSIDE} 95 of 100 days")
        for line in plot.text_plot(past, coming, min(plot.WIDTH, output.console.width)):
            output.line(line)
    return call.rows(columns, rows)


def _pictures(lakehouse: "Lakehouse", rows: list[dict[str, Any]]) -> "list[tuple[str, Past, list[Coming]]]":
    """Of each term its past and its forecast."""
    from search_forecast.cli.plot import Coming
    from search_forecast.demand.outlook import past

    by_term: dict[str, list[Coming]] = {}
    for row in rows:
        one = Coming(row["target_date"], row["forecast"], row["lower_95"], row["upper_95"])
        by_term.setdefault(row["term"], []).append(one)
    made_on = rows[0]["made_on_date"]
    is_weekly = all((row["target_date"] - made_on).days % WEEK_DAYS == 0 for row in rows)
    counted = past(lakehouse, list(by_term), made_on, is_weekly=is_weekly)
    return [(term, counted.get(term, []), coming) for term, coming in by_term.items()]


@click.command("replay", cls=Command, has_csv=True, example="replay --from 2025-09-01 --to 2025-12-01 --train-every 4")
@click.option("--name", default=DEMAND_MODEL, show_default=True, help="the registered model")
@click.option("--from", "first", metavar="DATE", required=True, help="the first day to act as of")
@click.option("--to", "last", metavar="DATE", required=True, help="none after it")
@click.option("--train-every", type=VERSION, default=1, show_default=True, metavar="N", help="weeks between trainings")
@_backtested
@click.pass_obj
def replay(
    call: Call, /, name: str, first: str, last: str, train_every: int, candidates: str | None, **values: Any
) -> int:
    """Walk through history: each week monitor, train, promote and score with what was known then."""
    parameters = _parameters(candidates, **values)
    start, end = _day(call, first, "--from"), _day(call, last, "--to")
    if start is None or end is None:
        raise UsageError("replay: say --from DATE --to DATE")
    from search_forecast.demand.replay import COLUMNS, replay

    rows = []
    with call.opened(writes=True) as lakehouse:
        models = call.registry(writes=True)
        weeks = replay(
            lakehouse, models, name,
            first=start, last=end, parameters=parameters, train_every=train_every, now=call.now,
        )  # fmt: skip
        for week in weeks:
            output.note(f"replay: as of {week['as_of']}: version {week['champion']}, {counted(week['added'], 'row')}")
            rows.append([week[column] for column in COLUMNS])
    return call.rows(COLUMNS, rows)


@click.command("load-calendar", cls=Command, is_task=True, example="load-calendar --country DE --region BY")
@click.option("--country", metavar="CODE", help="load its public holidays; ISO 3166, such as CH")
@click.option("--region", metavar="CODE", help="with those of a part of it, such as ZH")
@click.option("--from", "first", metavar="DATE", help="first day of the holidays (default: three years ago)")
@click.option("--to", "last", metavar="DATE", help="last day of the holidays (default: the end of next year)")
@click.option("--events", type=PATH, metavar="FILE", help="CSV of campaigns and closures: from,to,event,kind,term")
@click.pass_obj
def load_calendar(
    call: Call, country: str | None, region: str | None, first: str | None, last: str | None, events: Path | None
) -> int:
    """Load holidays, campaigns and closures, past and to come, into search_gold.calendar_events."""
    this_year = call.now().year
    from search_forecast.demand.load_calendar import load_calendar

    start, end = _day(call, first, "--from"), _day(call, last, "--to")
    with call.opened(writes=True) as lakehouse:
        loaded = load_calendar(
            lakehouse,
            first=start or date(this_year - 3, 1, 1),
            last=end or date(this_year + 1, 12, 31),
            country=country,
            region=region,
            source=events,
        )
    return call.result(loaded, next_step="train")


@click.command("backtest", cls=Command, has_csv=True, example="backtest laptop --candidates theta,ets")
@click.argument("terms", nargs=-1, metavar="[TERM]...")
@click.option("--as-of", metavar="DATE", help="as if it were then: counts up to this day only")
@_backtested
@click.pass_obj
def backtest(call: Call, /, terms: tuple[str, ...], as_of: str | None, candidates: str | None, **values: Any) -> int:
    """Compare the candidates on past windows, all terms together or some; register nothing."""
    parameters, day = _parameters(candidates, **values), _day(call, as_of)
    from search_forecast.demand.outlook import backtest

    chosen = [normaliser()(term) for term in terms] or [ALL_TERMS]
    with call.opened(writes=False) as lakehouse:
        return call.rows(*backtest(lakehouse, parameters, terms=chosen, as_of=day))


def _day(call: Call, text: str | None, flag: str = "--as-of") -> date | None:
    """A day; a job's parameter may be empty."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError(f"{call.command}: {flag} {text} is no day such as 2025-12-31") from None


COMMANDS = (train, score, monitor, forecast, backtest, replay, load_calendar)
