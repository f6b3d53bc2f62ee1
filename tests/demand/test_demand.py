"""train, promote, score, predict and reproduce through the command line, on gold tables of our own making."""

import json
import operator
import shlex
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import uvicorn
from mlflow.models import Model
from mlflow.pyfunc import scoring_server
from pyspark.sql import SparkSession

from search_forecast import cli
from search_forecast.cli.call import Call
from search_forecast.demand import monitor, outlook, reproduce
from search_forecast.demand.train import _champions
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.promotion import promote_latest
from search_forecast.models.registry import DIRECTORY, Registry, Version
from search_forecast.parameters import CANDIDATES, ForecastParameters
from support import lakes
from support.delta import write_counts
from support.forecasting import DAYS, FIRST, QUICK, command, day, searches, table

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse with a promoted version 1 and its forecasts. Tests may add to it, none removes."""
    root = tmp_path_factory.mktemp("demand") / "lake"
    write_counts(root, FIRST, searches())
    first, last = day(DAYS - 1), day(DAYS + 5)  # one week: the next would begin the day after
    (week,) = command(root, "replay", "--from", first.isoformat(), "--to", last.isoformat(), *QUICK)
    assert (week["as_of"], week["champion"], week["is_trained"], week["is_promoted"]) == (str(first), 1, True, True)
    assert week["added"] == 4 * 14 * 2
    assert "no champion yet" in week["reason"]
    assert command(root, "models", "search_demand", "1")["tags"]["trained_to"] == str(first)
    return root


def test_each_term_has_one_champion_and_a_verdict(lake: Path) -> None:
    rows = [row for row in table(lake, "backtest_metrics") if row["model_version"] == 1]
    champions = {row["term"]: row for row in rows if row["is_champion"]}
    weights = {(row["term"], row["candidate"]): row["weight_ratio"] for row in rows if row["weight_ratio"] is not None}

    assert set(champions) == {"laptop", "tv", "(other)", "(total)"}
    assert {row["candidate"] for row in champions.values()} == {"selection"}
    assert champions["laptop"]["verdict"] == "forecastable"
    assert champions["tv"]["verdict"] == "no better than the mean"
    assert weights["tv", "historic_mean"] > 0.8
    assert weights["laptop", "historic_mean"] < 0.05
    for term in champions:
        assert sum(weight for key, weight in weights.items() if key[0] == term) == pytest.approx(1.0)
    assert champions["laptop"]["p_value"] < 0.05 <= champions["tv"]["p_value"]
    assert {row["term"] for row in rows} == {*champions, "(all)"}
    assert all(row["window_count"] == 5 for row in rows if row["wape"] is not None)


def test_the_naive_forecasts_errors_are_what_plain_python_says(lake: Path) -> None:
    counts = searches()["tv"]
    windows = [DAYS - 14 - 7 * number for number in range(5)]
    errors = [abs(counts[cutoff - 1] - actual) for cutoff in windows for actual in counts[cutoff : cutoff + 14]]
    actuals = [actual for cutoff in windows for actual in counts[cutoff : cutoff + 14]]

    found = [
        (row["wape"], row["bias"])
        for row in table(lake, "backtest_metrics")
        if (row["term"], row["candidate"], row["model_version"]) == ("tv", "naive", 1)
    ]

    bias = sum(counts[cutoff - 1] - actual for cutoff in windows for actual in counts[cutoff : cutoff + 14])
    assert found == [(pytest.approx(sum(errors) / sum(actuals)), pytest.approx(bias / sum(actuals)))]


def test_forecasts_start_after_the_last_complete_day_with_both_intervals(lake: Path) -> None:
    rows = [row for row in table(lake, "term_forecasts") if row["model_version"] == 1 and row["term"] == "tv"]

    mean = np.mean(searches()["tv"])
    assert {row["made_on_date"] for row in rows} == {day(DAYS - 1)}
    assert sorted({row["target_date"] for row in rows}) == [day(DAYS - 1 + n) for n in range(1, 15)]
    assert all(row["forecast"] == pytest.approx(mean, rel=0.05) for row in rows)
    assert all(row["mean_forecast"] == pytest.approx(mean) for row in rows)
    assert {row["candidate"].split(" ")[0].rstrip(",") for row in rows} == {"historic_mean"}
    by_level = {level: [r for r in rows if r["interval_level"] == level] for level in (0.8, 0.95)}
    assert [len(found) for found in by_level.values()] == [14, 14]
    widths = {level: [row["upper"] - row["lower"] for row in found] for level, found in by_level.items()}
    assert all(narrow < wide for narrow, wide in zip(widths[0.8], widths[0.95], strict=True))


def test_scoring_again_adds_nothing_and_shows_what_is_there_after_another_versions(lake: Path) -> None:
    before = table(lake, "term_forecasts")
    other = before[0] | {"model_version": 99, "scored_at": datetime.now(timezone.utc)}
    lakes.append(lake, "term_forecasts", [other])

    assert command(lake, "score")["added"] == 0  # by the champion, version 1, that somebody went back to

    after = table(lake, "term_forecasts")
    assert {row["scored_at"] > other["scored_at"] for row in after if row["model_version"] == 1} == {True}
    when = {"scored_at": None}
    key = operator.itemgetter("term", "target_date", "model_version", "interval_level", "made_on_date")
    assert sorted((row | when for row in after), key=key) == sorted((r | when for r in [*before, other]), key=key)


def test_a_version_does_not_forecast_days_that_it_was_trained_on(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(lake, "score", "--as-of", day(60).isoformat()) == 2
    assert f"as of {day(60)} it would know the future: train --as-of {day(60)} first" in capsys.readouterr().err


def test_replay_does_not_know_the_future(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(lake, "replay", "--from", day(60).isoformat(), "--to", day(90).isoformat()) == 2
    said = capsys.readouterr().err
    assert "replay: a version of search_demand was trained on days up to" in said
    assert f"so it would know the future; go on --from {day(DAYS - 1) + timedelta(days=7)}, or" in said
    (lake / "search_gold" / "term_forecasts").rename(lake / "before")  # as a kill in that week leaves it
    assert command(lake, "replay", "--from", day(60).isoformat(), "--to", day(90).isoformat()) == 2
    assert f"go on --from {day(DAYS - 1)}, or" in capsys.readouterr().err
    (lake / "before").rename(lake / "search_gold" / "term_forecasts")
    assert command(lake, "replay", "--from", "2025-06-01", "--to", "2025-05-01") == 2
    assert command(lake, "replay", "--from", "June", "--to", "2025-05-01") == 2


def test_one_gold_schema_holds_one_demand_model(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(lake, "train", "--name", "another") == 1
    assert "holds forecasts of search_demand: one demand model a gold schema" in capsys.readouterr().err


def test_another_horizon_than_the_champions_is_not_compared(spark: SparkSession, lake: Path, tmp_path: Path) -> None:
    models = Registry(lake / DIRECTORY)
    champion = models.find("search_demand", 1)

    _, obstacle = _champions(
        Lakehouse(spark, lake, tmp_path), models, champion, ForecastParameters(horizon=7), tmp_path
    )

    assert str(obstacle).startswith("its horizon is 7, version 1's is 14")


def test_the_gate_stays_closed_where_the_champion_cannot_be_read(tmp_path: Path) -> None:
    class Damaged:
        def files(self, version: Version, _: Path) -> Path:
            raise DataError(f"{version}: about.json is not what was registered")

    champion = Version("search_demand", 3, ("champion",), {}, 0, "")
    _, obstacle = _champions(None, Damaged(), champion, ForecastParameters(), tmp_path)  # type: ignore[arg-type]

    assert str(obstacle).startswith("version 3, the champion, cannot be read, so nothing can be better than it (")
    assert str(obstacle).endswith("about.json is not what was registered); promote by number with --force")


OLD = {
    "parameters": {"horizon": 14, "candidates": ["ets", "linear_regression"]},
    "last_day": "2025-05-25",
    "multipliers": [],
    "regressions": [{"name": "linear_regression"}],
}


@pytest.mark.parametrize(
    "about", [OLD, OLD | {"shared": None}, OLD | {"parameters": {"calendar": 1, "candidates": []}}]
)
def test_a_champion_of_another_release_is_said_with_what_to_do(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, about: dict[str, Any]
) -> None:
    (tmp_path / "about.json").write_text(json.dumps(about))
    monkeypatch.setattr(Registry, "files", lambda *_: tmp_path)
    (tmp_path / "work").mkdir()
    models = Registry(lake / DIRECTORY)

    assert command(lake, "score") == 1
    said = capsys.readouterr().err.strip().splitlines()[-1].partition(": ")[2]
    assert said.startswith("search_demand version 1 (")
    assert "champion) cannot be read (its files are those of another search_forecast, or damaged: " in said
    assert said.endswith("): train, then promote search_demand NUMBER --force REASON")
    monkeypatch.setattr(monitor, "monitor", lambda *_, **__: {"needs_retrain": "false", "reason": "all is well"})
    newer = Version("search_demand", 2, (), {"trained_to": "2025-05-26"}, 0, "")
    for newest, is_needed in ((newer, "false"), (models.find("search_demand", 1), "true")):
        monkeypatch.setattr(Registry, "latest", lambda *_, newest=newest: newest)
        seen = command(lake, "monitor")
        assert seen == {"needs_retrain": is_needed, "reason": f"{said}; all is well"}
    champion = models.find("search_demand", 1)
    _, obstacle = _champions(None, models, champion, ForecastParameters(), tmp_path / "work")  # type: ignore[arg-type]
    assert str(obstacle).startswith("version 1, the champion, cannot be read, so nothing can be better than it (its fi")


def test_what_another_release_trained_is_not_reproduced_and_the_reason_is_said(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {"tables": [], "as_of": None, "parameters": OLD["parameters"]}
    monkeypatch.setattr(Registry, "record", lambda *_: record)
    monkeypatch.setattr(reproduce, "changed_since", lambda *_: [])

    found = reproduce.reproduce_forecasts(None, Registry(lake / DIRECTORY), Version("m", 1, (), {}, 0, ""))  # type: ignore[arg-type]

    assert found["verdict"] == "different"
    assert found["changed_since"] == [
        "trained by another search_forecast: no candidate 'linear_regression'; there are: "
        + ", ".join(sorted(CANDIDATES))
    ]


NO_SPARK = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pyspark", "search_forecast", "statsforecast"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = pd.DataFrame({"term": ["laptop", "tv", "no such term"], "horizon": [1, 14, 3]})
wide = model.predict(rows)
narrow = model.predict(rows, params={"interval_level": 0.8})
print(json.dumps([wide.astype({"target_date": str}).values.tolist(), narrow["lower"].tolist()]))
"""


def test_a_version_loads_without_spark_and_says_what_score_wrote(lake: Path) -> None:
    models = Registry(lake / DIRECTORY)
    model = models.files(models.find("search_demand", 1), lake).parent

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NO_SPARK, str(model)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    wide, narrow = json.loads(done.stdout)
    latest = max(row["made_on_date"] for row in table(lake, "term_forecasts"))
    written = {
        (row["term"], row["horizon_days"], row["interval_level"]): row
        for row in table(lake, "term_forecasts")
        if row["made_on_date"] == latest and row["model_version"] == 1
    }
    for found, low, key in zip(wide, narrow, [("laptop", 1), ("tv", 14)], strict=False):
        row = written[(*key, 0.95)]
        assert found[0][:10] == row["target_date"].isoformat()
        assert found[1:] == pytest.approx([row["forecast"], row["lower"], row["upper"]])
        assert low == pytest.approx(written[(*key, 0.8)]["lower"])
    assert wide[2][1:] == [None, None, None]


def test_mlflows_server_answers_for_terms_and_horizons(lake: Path) -> None:
    models = Registry(lake / DIRECTORY)
    place = models.files(models.find("search_demand", 1), lake / "served").parent
    served = mlflow.pyfunc.load_model(str(place))
    server = uvicorn.Server(uvicorn.Config(scoring_server.init(served), host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]

    def ask(question: dict[str, Any]) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps(question).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    rows = [["laptop", 1], ["tv", 14], ["no such term", 3]]
    try:
        status, wide = ask({"dataframe_split": {"columns": ["term", "horizon"], "data": rows}})
        _, narrow = ask({"dataframe_records": [{"term": "tv", "horizon": 14}], "params": {"interval_level": 0.8}})
        example = ask(json.loads((place / "serving_input_example.json").read_text()))
        refused, complaint = ask({"dataframe_split": {"columns": ["term", "horizon"], "data": [["tv", 15]]}})
    finally:
        server.should_exit = True
        thread.join(timeout=30)

    expected = command(lake, "predict", "search_demand", "term=tv", "horizon=14", "--version", "1")
    laptop, tv, unknown = wide["predictions"]
    assert status == 200
    assert tv["target_date"][:10] == expected["target_date"]
    assert [tv[name] for name in ("forecast", "lower", "upper")] == [
        pytest.approx(expected[name]) for name in ("forecast", "lower", "upper")
    ]
    assert tv["lower"] < narrow["predictions"][0]["lower"] < tv["forecast"] < laptop["forecast"]
    assert (unknown["forecast"], unknown["upper"]) == (None, None)
    assert example[0] == 200
    assert example[1]["predictions"][0]["forecast"] > laptop["forecast"]  # that of all searches
    assert refused == 400
    assert "this version forecasts 1 to 14 periods ahead" in complaint["stack_trace"]
    described = Model.load(str(place))
    assert described.signature.inputs.input_names() == ["term", "horizon"]
    assert described.load_input_example(str(place)).to_dict("records") == [{"term": "(total)", "horizon": 1}]


def test_predict_shows_one_forecast_and_says_what_is_wrong(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = command(lake, "predict", "search_demand", "term=laptop", "horizon=2", "--version", "1")

    assert 50 < answer["lower"] < answer["forecast"] < answer["upper"] < 1500
    assert command(lake, "predict", "search_demand", "term= LAPTOP ", "horizon=2", "--version", "1") == answer
    assert command(lake, "predict", "search_demand", "term=Laptops", "horizon=2") == 2
    assert "'laptops' has no series of its own" in capsys.readouterr().err
    assert command(lake, "predict", "search_demand", "term=tv", "horizon=15") == 2
    assert "forecasts 1 to 14 periods ahead" in capsys.readouterr().err
    assert command(lake, "score-model", "search_demand", "--input", "term=tv") == 2


def test_a_version_that_is_no_better_stays_a_challenger_and_the_job_goes_on(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--lakehouse", str(lake), "train", *QUICK]) == 0
    printed = capsys.readouterr()
    trained = {"version": max(row["version"] for row in command(lake, "models", "search_demand"))}
    promoted = command(lake, "promote", "search_demand")

    assert "failed: no better than version 1: error 0." in printed.out
    assert "its gate is closed: the champion stays, unless you give a reason, which is recorded" in printed.err
    hinted = command(lake, *shlex.split(printed.err.splitlines()[-1])[2:], "--alias", "tried")
    assert (hinted["version"], hinted["forced_because"]) == (trained["version"], "it was better in our test")
    assert (promoted["is_promoted"], promoted["holder"]) == (False, 1)
    versions = {row["version"]: row for row in command(lake, "models", "search_demand")}
    assert versions[1]["aliases"] == "champion"
    known = command(lake, "models", "search_demand", str(trained["version"]))
    assert known["tags"]["champion_refused_because"] in promoted["gate"]
    assert {item["table"] for item in known["tables"]} == {"search_gold.daily_totals", "search_gold.daily_term_counts"}
    assert known["tables"][0]["content_hash"].startswith("sha256:")
    assert command(lake, "promote", "search_demand", str(trained["version"])) == 1  # said by number it must pass

    models = Registry(lake / DIRECTORY)
    latest = models.find("search_demand", trained["version"])
    models.tag(latest, {"gate": "passed", "gate_against": "77"})
    gone = promote_latest(models, "search_demand", "champion", Call.now())
    assert gone["is_promoted"] is False
    assert "compared with version 77, but champion is version 1 now: train again" in gone["gate"]


def test_a_version_is_reproduced_from_what_it_recorded(lake: Path) -> None:
    found = command(lake, "reproduce", "search_demand", "1")

    assert (found["verdict"], found["is_reproduced"], found["differences"]) == ("identical", True, {})


def test_people_see_forecasts_and_candidates_without_registering_anything(
    lake: Path, spark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lakehouse = Lakehouse(spark, lake, lake / "_staging")
    versions = len(Registry(lake / DIRECTORY).versions("search_demand"))

    columns, rows = outlook.forecast(lakehouse, ["tv", "laptop"])
    quick = ForecastParameters(candidates=(), windows=5)
    heads, compared = outlook.backtest(lakehouse, quick, terms=["tv"])

    assert [row[0] for row in rows] == ["laptop"] * 14 + ["tv"] * 14
    past = outlook.past(lakehouse, ["tv", "(total)"], day(DAYS - 1), is_weekly=False)
    assert past["tv"] == [(day(n), searches()["tv"][n]) for n in range(DAYS - 42, DAYS)]
    assert [count for _, count in past["(total)"]] == [sum(line) for line in zip(*searches().values(), strict=True)][
        -42:
    ]
    first = dict(zip(columns, rows[0], strict=True))
    assert first["lower_95"] < first["lower_80"] < first["forecast"] < first["upper_80"] < first["upper_95"]
    by_name = {row[1]: dict(zip(heads, row, strict=True)) for row in compared}
    assert set(by_name) == {"selection", "historic_mean", "window_average", "seasonal_naive", "naive"}
    assert by_name["historic_mean"]["wape"] < by_name["naive"]["wape"]
    assert len(Registry(lake / DIRECTORY).versions("search_demand")) == versions
    with pytest.raises(UsageError, match=r"forecast: 'rare thing' has no forecast of its own \(misspelt, "):
        outlook.forecast(lakehouse, ["tv", "rare thing"])
    capsys.readouterr()
    drawn = tmp_path / "tv.svg"
    assert cli.main(["--lakehouse", str(lake), "forecast", " TV", "--plot", str(drawn)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "tv: • counted, ━ forecast, ░ 95 of 100 days"
    assert sum(line.count("━") for line in printed) == 1 + 14
    assert drawn.read_text(encoding="utf-8").count("tv") >= 1
