"""The command `demo`: files to gold and forecasts, and the answers that the origin of this project asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from search_forecast.cli import output
from search_forecast.cli.call import Call
from search_forecast.cli.command import PATH, Command
from search_forecast.errors import UsageError
from search_forecast.parameters import DEMAND_MODEL

if TYPE_CHECKING:
    from search_forecast.lakehouse.tables import Lakehouse
    from search_forecast.queries.answers import Engine

RAW_FIELDS = ("day", "month", "year", "searchterm")
TERM = "gaming laptop"
SHOP = "_generated_shop"
NEXT = (
    "query forecastable_terms",
    'query daily_counts term="ebooks data science"',
    "query top_terms limit=3 from=2021-12-01 --json",
    "generate --rows 100000 --seed 1 --dirty 0.05 --out more",
    "ingest --source more",
)


@click.command("demo", cls=Command, example="demo")
@click.option("--fixtures", type=PATH, default=Path("fixtures/landing"), metavar="DIR", help="files to ingest")
@click.pass_obj
def demo(call: Call, fixtures: Path) -> int:
    """Run everything on the fixtures and print the answers."""
    if not fixtures.is_dir():
        raise UsageError(f"demo: no {fixtures}; run it in the project's directory, or say --fixtures DIR")
    with call.opened(writes=True, source=fixtures) as lakehouse:
        _check_is_none_of_theirs(lakehouse, fixtures)
        answers = _run_all(call, lakehouse, fixtures)
    if call.json:
        return call.result(answers)
    _show(answers)
    return 0


def _check_is_none_of_theirs(lakehouse: "Lakehouse", fixtures: Path) -> None:
    """Raise UsageError where a shop's own deliveries lie and never a demo's."""
    from search_forecast.lakehouse.contracts import DELIVERIES

    rows = lakehouse.ask("select source_file from {deliveries}", DELIVERIES) if lakehouse.exists(DELIVERIES) else []
    files = [Path(row["source_file"]) for row in rows]
    if files and not any(file.is_relative_to(fixtures.absolute()) for file in files):
        theirs = f"those in {lakehouse.root}, such as {files[0]}"
        raise UsageError(f"demo: made-up searches would count among {theirs}; say another --lakehouse")


def _run_all(call: Call, lakehouse: "Lakehouse", source: Path) -> dict[str, Any]:
    """Run all tasks on `source`, and read the answers back from the tables."""
    from search_forecast.demand.score import score
    from search_forecast.demand.train import train
    from search_forecast.medallion.aggregate import aggregate
    from search_forecast.medallion.clean import clean
    from search_forecast.medallion.ingest import ingest
    from search_forecast.medallion.publish_trends import publish_trends
    from search_forecast.medallion.reconcile import reconcile
    from search_forecast.models.promotion import promote_latest
    from search_forecast.models.registry import CHAMPION
    from search_forecast.pages.report import write_report
    from search_forecast.parameters import REPORT, CleanParameters, ForecastParameters, IngestParameters
    from search_forecast.queries.local import LocalEngine
    from search_forecast.queries.spark import SparkEngine

    models, now = call.registry(writes=True), call.now
    engine = LocalEngine(call.root, lambda: SparkEngine(lakehouse))
    tasks: dict[str, Callable[[], dict[str, Any]]] = {
        "ingest": lambda: ingest(lakehouse, IngestParameters(source), now()),
        "clean": lambda: clean(lakehouse, CleanParameters(), now()),
        "aggregate": lambda: aggregate(lakehouse),
        "reconcile": lambda: reconcile(lakehouse, now()),
        "trends": lambda: publish_trends(lakehouse),
        "train": lambda: train(lakehouse, models, DEMAND_MODEL, ForecastParameters(), as_of=None, now=now()),
        "promote": lambda: promote_latest(models, DEMAND_MODEL, CHAMPION, now()),
        "score": lambda: score(lakehouse, models, models.find(DEMAND_MODEL, alias=CHAMPION), None, now()),
        "backtest of a generated shop": lambda: {"terms": _generated_shop(lakehouse)},
        "report": lambda: write_report(engine, call.root / REPORT, now()),
    }
    results = {}
    for number, (name, task) in enumerate(tasks.items(), start=1):
        with output.step(f"{number}/{len(tasks)} {name}"):
            results[name] = task()
    return {
        **_answers(lakehouse, engine),
        "forecast": _query(engine, "forecast", term=TERM),
        "terms": _query(engine, "forecastable_terms"),
        "training": results["train"],
        "generated_shop": results["backtest of a generated shop"]["terms"],
        "reconciliation": results["reconcile"],
        "report": results["report"]["report"],
        "lakehouse": str(lakehouse.root),
    }


def _generated_shop(lakehouse: "Lakehouse") -> list[dict[str, Any]]:
    """What a backtest says of a shop that chance alone does not make, in a lakehouse of its own below this one."""
    from datetime import timedelta

    from search_forecast.demand.outlook import backtest
    from search_forecast.lakehouse.contracts import DAILY_TERM_COUNTS, DAILY_TOTALS
    from search_forecast.lakehouse.tables import Lakehouse
    from search_forecast.parameters import ForecastParameters
    from search_forecast.synthetic import shop

    if lakehouse.root is None:
        raise UsageError("demo: it runs on this machine only")
    counts = shop.shop()
    days = [shop.FIRST_DATE + timedelta(days=number) for number in range(shop.DAYS)]
    root = lakehouse.root / SHOP
    own = Lakehouse(lakehouse.spark, root, root / "_staging")
    by_day = [(day, term, count) for term, line in counts.items() for day, count in zip(days, line, strict=True)]
    own.write(own.create([row for row in by_day if row[2]], DAILY_TERM_COUNTS), DAILY_TERM_COUNTS)
    sums = zip(days, zip(*counts.values(), strict=True), strict=True)
    totals = [(day, sum(line), sum(count > 0 for count in line), True) for day, line in sums]
    own.write(own.create(list(totals), DAILY_TOTALS), DAILY_TOTALS)
    columns, rows = backtest(own, ForecastParameters(candidates=("theta", "ets")), terms=list(counts))
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    of_mean = {row["term"]: row["wape"] for row in found if row["candidate"] == "historic_mean"}
    selections = [row for row in found if row["candidate"] == "selection"]
    return [
        {"term": row["term"], "verdict": row["verdict"], "wape": row["wape"], "mean_wape": of_mean[row["term"]]}
        for row in selections
    ]


def _answers(lakehouse: "Lakehouse", engine: "Engine") -> dict[str, Any]:
    """The questions, answered from bronze (as delivered), silver (rejected) and gold (counted)."""
    from pyspark.sql import functions as F

    from search_forecast.lakehouse.contracts import RAW_SEARCH_TERMS, REJECTED_RECORDS

    raw = lakehouse.read(RAW_SEARCH_TERMS)
    extra_count = F.coalesce(F.max(F.size("extra_fields")), F.lit(0))
    by_file = raw.groupBy("source_file").agg(F.count("*").alias("record_count"), extra_count.alias("extra_count"))
    files = [row.asDict() for row in by_file.orderBy(F.desc("record_count")).collect()]
    first_rows = raw.where(F.col("source_file") == files[0]["source_file"]) if files else raw
    reasons = lakehouse.ask(
        """
        select reason, count(*) as record_count
        from (select explode(reject_reasons) as reason from {rejected_records})
        group by reason
        order by reason
        """,
        REJECTED_RECORDS,
    )
    return {
        "files": [{**file, "column_count": len(RAW_FIELDS) + file.pop("extra_count")} for file in files],
        "first_rows": [row.asDict() for row in first_rows.select(*RAW_FIELDS).limit(5).collect()],
        "searchterm_type": raw.schema["searchterm"].dataType.simpleString(),
        "term": TERM,
        "term_count": _query(engine, "term_count", term=TERM)[0]["search_count"],
        "top_terms": _query(engine, "top_terms", limit="5"),
        "rejected_by_reason": {row["reason"]: row["record_count"] for row in reasons},
    }


def _query(engine: "Engine", name: str, **values: str) -> list[dict[str, Any]]:
    from search_forecast.queries import catalogue
    from search_forecast.queries.answers import answer

    answered = answer(engine, catalogue.load(name), values)
    return [dict(zip(answered.columns, row, strict=True)) for row in answered.rows]


def _show(answers: dict[str, Any]) -> None:
    """Print the answers for a person."""
    from search_forecast.lakehouse.contracts import TABLES

    files, checked = answers["files"], answers["reconciliation"]
    output.heading("What was delivered")
    for file in files:
        name = Path(file["source_file"]).name
        output.line(f"  {name}: {file['record_count']:,} rows, {file['column_count']} columns")
    output.heading("The first five rows")
    output.records(answers["first_rows"])
    output.heading("Answers")
    output.line(f"  The column searchterm is of type {answers['searchterm_type']}.")
    output.line(f'  "{answers["term"]}" was searched {answers["term_count"]:,} times.')
    output.heading("The five most searched terms")
    output.records(answers["top_terms"])
    output.heading("Records that are no searches (one can have several reasons)")
    output.records([{"reason": name, "records": count} for name, count in answers["rejected_by_reason"].items()])
    output.heading("Reconciled: nothing lost, nothing counted twice")
    output.line(f"  {checked['delivered_count']:,} records delivered = {checked['raw_count']:,} in bronze")
    output.line(f"  = {checked['event_count']:,} searches + {checked['rejected_count']:,} rejected in silver")
    output.line(f"  {checked['search_count']:,} searches counted in gold")
    _show_forecast(answers)
    output.heading(f"The tables, in {answers['lakehouse']}")
    output.records([{"table": table.full_name, "one row per": table.grain} for table in TABLES])
    output.heading("The same to look at: open this file in a browser")
    output.line(f"  {Path(answers['report']).resolve().as_uri()}")
    output.heading("Try next")
    for command in NEXT:
        output.line(f"  {output.program()} {command}")


def _show_forecast(answers: dict[str, Any]) -> None:
    training, days = answers["training"], answers["forecast"]
    output.heading(f'"{answers["term"]}" in the next two weeks: {days[0]["verdict"]}' if days else "No forecast")
    ends = ("lower_80", "upper_80", "lower_95", "upper_95")
    output.records([{name: row[name] for name in ("target_date", "forecast", *ends, "candidate")} for row in days[:7]])
    output.line("  ... 7 days more. Of 100 days, 80 and 95 are to lie between lower and upper.")
    output.heading("Can a term be forecast? The backtest's error beside the mean's, and what chance alone gives")
    errors = ("wape", "mean_wape", "poisson_floor_wape")
    output.records(
        [{name: row[name] for name in ("term", "verdict", "candidate", *errors)} for row in answers["terms"]]
    )
    output.line(
        f"  {training['forecastable']} of {training['series']} series can be forecast better than by their mean."
    )
    output.heading("A generated shop beside it, of which some terms can be forecast and some can't")
    output.records(answers["generated_shop"])
    output.line(f"  Its tables are in {answers['lakehouse']}/{SHOP}; any command takes that as its --lakehouse.")
    output.line("  docs/forecasting.md: what to make of these numbers.")


COMMANDS = (demo,)
