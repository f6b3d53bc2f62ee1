"""The SQL of dashboard and alerts runs on gold; a run that failed is repaired."""

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from search_forecast.bundle.checks.sql import datasets
from search_forecast.bundle.configuration import User, load
from search_forecast.cli import main
from search_forecast.lakehouse.contracts import (
    BACKTEST_METRICS,
    BATCHES,
    DAILY_TERM_COUNTS,
    DAILY_TOTALS,
    DEMAND_DRIFT,
    FORECAST_ACCURACY,
    TERM_FORECASTS,
    TERM_SUMMARY,
    TERM_TRENDS,
)
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.queries import catalogue
from search_forecast.queries.local import LocalEngine
from search_forecast.queries.spark import SparkEngine
from support.delta import write, write_counts
from support.places import PROJECT


@pytest.fixture(scope="module")
def house(spark, tmp_path_factory) -> Lakehouse:
    """Gold as the jobs medallion, demand_forecast and monitoring leave it, small."""
    lake = tmp_path_factory.mktemp("bundle") / "lake"
    made_on, first, last = date(2021, 11, 13), date(2021, 11, 14), date(2021, 11, 20)
    made = (3.0, 1.0, 5.0, 3.0, "historic_mean", "search_demand", None, datetime.now(timezone.utc))
    forecast = ("(total)", first, 1, 0.95, made_on, 1, *made)
    errors = (0.4, 0.9, 0.3, 1.1, 0.0, 0.95, 0.8, 0.4, 0.3, 3)
    verdict = (True, 0.5, "no better than the mean", None, 1.0)
    now = datetime.now(timezone.utc)
    # Weeks before, against which the last day's kettle breaks out.
    counts = {"laptop": [1] * 28 + [3, 0, 4], "tv": [1] * 28 + [1, 1, 0], "kettle": [0] * 30 + [30]}
    write_counts(lake, made_on - timedelta(days=28), counts)
    trend = ("week", date(2021, 11, 8), "laptop", 7, 3, 0.5, 1, 2, 1.3, 80, 0.01, "rising", False)
    for table, rows in (
        (TERM_SUMMARY, [("laptop", 7, 7 / 9, 1, made_on, first, 2), ("tv", 2, 2 / 9, 2, made_on, first, 2)]),
        (BATCHES, [("batch-000001", 40, 40, 16, 24, 16, 16, True, now, now)]),
        (TERM_FORECASTS, [forecast]),
        (
            BACKTEST_METRICS,
            [
                (1, "historic_mean", "(total)", *errors, *verdict),
                (1, "historic_mean", "(all)", *errors, False, None, None, None, None),
            ],
        ),
        (FORECAST_ACCURACY, [(1, made_on, "1-7", first, last, 3, 20, 0.5, 0.4, 1.0, 0.9, -0.25)]),
        (TERM_TRENDS, [trend]),
        (DEMAND_DRIFT, [(1, f"{first}/{last}", first, last, 20, 40, 3, 0.0, 0.1, 2.0, 0.5, False)]),
    ):
        write(lake, {table.name: [dict(zip(table.schema.names, row, strict=True)) for row in rows]})
    house = Lakehouse(spark, lake, lake / "_staging", is_writable=False)
    for table in (BATCHES, DAILY_TERM_COUNTS, DAILY_TOTALS, FORECAST_ACCURACY, TERM_FORECASTS):
        house.open(table)  # an alert names it in full
    return house


def dashboard() -> dict:
    return json.loads((PROJECT / "src/dashboards/search_demand.lvdash.json").read_text())


def alerts() -> dict[str, dict]:
    return load(PROJECT, user=User("ann"), has_prefix=False).resources("alerts")


def test_a_failed_run_names_the_log_and_a_repair_goes_on(spark, tmp_path, capsys):
    lake, landing = tmp_path / "lake", tmp_path / "in"
    landing.mkdir()
    (landing / "a.csv").write_text("day,month,year,searchterm\n1,3,2024,hat\n")
    assert main(["--lakehouse", str(lake), "run", "medallion", "--param", f"source={tmp_path / 'none'}"]) == 1

    said = capsys.readouterr().err.splitlines()[-1]
    assert "ingest: ingest: --source" in said
    log = Path(said.partition("log: ")[2].partition(";")[0])
    assert "does not exist" in log.read_text()

    again = ["--lakehouse", str(lake), "run", "medallion", "--from-failed", "--task", "ingest"]
    again += ["--param", f"source={landing}"]
    assert main([*again, "--json"]) == 0
    run = json.loads(capsys.readouterr().out)
    assert (run["state"], run["repairs"]) == ("SUCCESS", 1)
    assert main(again) == 0
    assert "nothing to repair" in capsys.readouterr().out


@pytest.mark.parametrize("item", dashboard()["datasets"], ids=lambda item: item["name"])
def test_a_dataset_of_the_dashboard_has_rows_and_every_field_of_its_widgets(house, item):
    content, query = dashboard(), catalogue.load(item["name"])
    bound = query.arguments(
        {p["keyword"]: p["defaultSelection"]["values"]["values"][0]["value"] for p in item.get("parameters", [])}
    )
    assert bound == query.arguments({}), "the dashboard's defaults are not the query's"

    answer = LocalEngine(house.root, lambda: pytest.fail("needs Spark")).run(
        datasets(content)[query.name], bound, query.inputs
    )

    shown = {
        field["expression"].strip("`")
        for page in content["pages"]
        for place in page["layout"]
        for widget_query in place["widget"]["queries"]
        if widget_query["query"]["datasetName"] == query.name
        for field in widget_query["query"]["fields"]
    }
    assert shown, f"no widget shows {query.name}"
    assert shown <= set(answer.columns)
    assert answer.rows


@pytest.mark.parametrize("key", sorted(alerts()))
def test_an_alert_runs_on_gold_and_gives_the_number_it_looks_at(house, key):
    alert = alerts()[key]
    assert house.spark.catalog.currentCatalog() == "spark_catalog"
    text = alert["query_text"].replace("`main`.", "`spark_catalog`.")

    (row,) = house.spark.sql(text).collect()

    assert row[alert["evaluation"]["source"]["name"]] is not None


def test_alerts_see_what_they_are_for(house):
    def answer(name):
        query = catalogue.load(name)
        return SparkEngine(house).run(query.sql, {}, query.inputs).rows

    ((hours,),) = answer("hours_since_delivery")
    assert 0 <= hours < 1
    assert answer("rejected_share") == [(24 / 40,)]
    assert answer("unreconciled_batches") == [(0,)]
    assert answer("forecast_worse_than_mean") == [(1,)]
