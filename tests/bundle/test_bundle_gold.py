"""What the bundle does to data: its job gives the gold of the single commands, its SQL runs on that gold."""

import json
from datetime import date, datetime, timezone
from pathlib import Path

import pytest
from deltalake import DeltaTable

from search_forecast.bundle.checks.sql import datasets
from search_forecast.bundle.configuration import User, load
from search_forecast.cli import main
from search_forecast.lakehouse.contracts import BACKTEST_METRICS, DEMAND_DRIFT, FORECAST_ACCURACY, TERM_FORECASTS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.queries import catalogue
from search_forecast.queries.local import LocalEngine
from search_forecast.queries.spark import SparkEngine
from support import reference
from support.delta import write
from support.places import PROJECT


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    """The dirty fixture: every kind of record in 40 lines."""
    directory = tmp_path_factory.mktemp("landing")
    (directory / "dirty.csv").write_bytes((PROJECT / "fixtures/landing/dirty_search_terms.csv").read_bytes())
    return directory


@pytest.fixture(scope="module")
def lake(spark, landing, tmp_path_factory) -> Path:
    """A lakehouse that the job of the bundle filled."""
    lake = tmp_path_factory.mktemp("bundle") / "lake"
    assert main(["--lakehouse", str(lake), "run", "medallion", "--param", f"source={landing}"]) == 0
    return lake


@pytest.fixture(scope="module")
def house(lake, spark) -> Lakehouse:
    """The lakehouse with a forecast in it, as the jobs demand_forecast and monitoring leave one."""
    made_on, first, last = date(2021, 11, 13), date(2021, 11, 14), date(2021, 11, 20)
    forecast = ("(total)", first, 1, 0.95, made_on, 1, 3.0, 1.0, 5.0, 3.0, "historic_mean", "search_demand")
    errors = (0.4, 0.9, 0.3, 1.1, 0.0, 0.95, 0.8, 0.4, 0.3, 3)
    verdict = (True, 0.5, "no better than the mean", None, 1.0)
    for table, forecast_rows in (
        (TERM_FORECASTS, [forecast]),
        (
            BACKTEST_METRICS,
            [
                (1, "historic_mean", "(total)", *errors, *verdict),
                (1, "historic_mean", "(all)", *errors, False, None, None, None, None),
            ],
        ),
        (FORECAST_ACCURACY, [(1, made_on, "1-7", first, last, 3, 20, 0.5, 0.4, 1.0, 0.9, -0.25)]),
        (DEMAND_DRIFT, [(1, f"{first}/{last}", first, last, 20, 40, 3, 0.0, 0.1, 2.0, 0.5, False)]),
    ):
        write(lake, {table.name: [dict(zip(table.schema.names, row, strict=True)) for row in forecast_rows]})
    house = Lakehouse(spark, lake, lake / "_staging")
    house.open(FORECAST_ACCURACY)  # an alert names it in full
    return house


def rows(lake: Path, table: str, schema: str = "search_gold") -> list[dict]:
    found = DeltaTable(str(lake / schema / table)).to_pyarrow_table().to_pylist()
    return sorted(({k: v for k, v in row.items() if not k.endswith("_at")} for row in found), key=str)


def dashboard() -> dict:
    return json.loads((PROJECT / "src/dashboards/search_demand.lvdash.json").read_text())


def alerts() -> dict[str, dict]:
    return load(PROJECT, user=User("ann"), has_prefix=False).resources("alerts")


def test_the_job_gives_the_gold_that_plain_python_gives(lake, landing):
    """test_flow holds the single commands to the same answer, so that both ways give the same gold."""
    records = reference.read_delivery(landing / "dirty.csv")
    expected = reference.expected(records, datetime.now(timezone.utc).date())

    counts = {(row["event_date"], row["term"]): row["search_count"] for row in rows(lake, "daily_term_counts")}
    assert counts == expected.daily_term_counts
    assert {r["term"]: r["search_count"] for r in rows(lake, "term_summary")} == expected.search_count_by_term
    assert {(r["term"], r["searched_as"]): r["search_count"] for r in rows(lake, "term_variants")} == expected.variants
    (batch,) = rows(lake, "batches")
    assert (batch["delivered_count"], batch["rejected_count"], batch["reconciled"]) == (40, 24, True)


def test_a_single_command_after_the_job_finds_nothing_left_to_do(lake, landing, capsys):
    assert main(["--lakehouse", str(lake), "ingest", "--source", str(landing), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["batch_id"] is None
    assert main(["--lakehouse", str(lake), "aggregate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["days"] == 0


def test_a_named_target_has_its_own_tables_and_the_volumes_are_directories(spark, landing, tmp_path, capsys):
    lake = tmp_path / "lake"
    volume = lake / "_volumes/main/staging_search_bronze/landing"
    volume.mkdir(parents=True)
    (volume / "dirty.csv").write_bytes((landing / "dirty.csv").read_bytes())
    arguments = ["--lakehouse", str(lake), "run", "medallion", "--target", "staging", "--task", "ingest", "--json"]

    assert main(arguments) == 0

    run = json.loads(capsys.readouterr().out)
    assert run["tasks"]["ingest"]["values"]["record_count"] == 40
    assert len(rows(lake, "raw_search_terms", "staging_search_bronze")) == 40
    assert not (lake / "search_bronze").exists()


def test_a_failed_run_names_the_log_and_a_repair_goes_on(spark, landing, tmp_path, capsys):
    lake = tmp_path / "lake"
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


@pytest.mark.parametrize("name", catalogue.names())
def test_a_query_gives_the_same_by_duckdb_and_by_spark(house, name):
    query = catalogue.load(name)
    bound = query.arguments({p.name: "laptop" for p in query.parameters if p.is_required})

    answer = LocalEngine(house.root, lambda: pytest.fail("needs Spark")).run(query.sql, bound, query.inputs)

    expected = SparkEngine(house).run(query.sql, bound, query.inputs)
    assert answer.columns == expected.columns
    if name != "hours_since_delivery":  # both look at the clock
        assert repr(answer.rows) == repr(expected.rows)


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
