"""train, promote, score, predict and reproduce through the command line, on gold tables of our own making."""

import contextlib
import io
import json
import shlex
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import uvicorn
from deltalake import DeltaTable
from mlflow.models import Model
from mlflow.pyfunc import scoring_server
from pyspark.sql import SparkSession

from search_forecast import cli
from search_forecast.cli.call import Call
from search_forecast.demand import monitor, outlook, reproduce, term_series
from search_forecast.demand.forecasting.history import Event
from search_forecast.demand.train import _champions
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.promotion import promote_latest
from search_forecast.models.registry import DIRECTORY, Registry, Version
from search_forecast.parameters import CANDIDATES, ForecastParameters
from support.delta import write, write_counts
from support.places import PROJECT

pytestmark = pytest.mark.usefixtures("spark")

FIRST = date(2025, 3, 3)  # a Monday
DAYS = 84
WEEKDAYS = np.array([1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8])
QUICK = ("--candidates", "theta", "--windows", "5")


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def searches() -> dict[str, list[int]]:
    """A growing term with a week's pattern, one of noise, one too rare for a series."""
    random = np.random.default_rng(11)
    return {
        "laptop": random.poisson(200 * WEEKDAYS[np.arange(DAYS) % 7] * (1 + np.arange(DAYS) / 42)).tolist(),
        "tv": random.poisson(40, DAYS).tolist(),
        "rare thing": [1 if number % 9 == 0 else 0 for number in range(DAYS)],
    }


def command(lake: Path, *words: str) -> Any:
    """A command's JSON result; the exit code where it failed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = cli.main(["--lakehouse", str(lake), *words, "--json"])
    return json.loads(printed.getvalue()) if code == 0 else code


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


def table(lake: Path, name: str) -> list[dict[str, Any]]:
    return DeltaTable(str(lake / "search_gold" / name)).to_pyarrow_table().to_pylist()


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


def test_scoring_again_adds_nothing(lake: Path) -> None:
    before = DeltaTable(str(lake / "search_gold" / "term_forecasts")).to_pyarrow_table().num_rows

    assert command(lake, "score")["added"] == 0
    assert DeltaTable(str(lake / "search_gold" / "term_forecasts")).to_pyarrow_table().num_rows == before


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


def test_weeks_are_forecast_by_weeks_and_coherent_forecasts_add_up_without_days_to_come(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    levels = {"tv": 10, "radio": 20}
    counts = {term: [*(random.poisson(level, 280) + 1).tolist(), *[999] * 20] for term, level in levels.items()}
    write_counts(tmp_path, FIRST, counts)

    weeks = ("--frequency", "week", "--horizon", "4", "--step", "2", "--as-of", day(279).isoformat())
    trained = command(tmp_path, "train", *weeks, "--coherent", "--candidates", "theta", "--windows", "5")
    command(tmp_path, "promote", "search_demand")
    command(tmp_path, "score", *weeks[-2:])

    rows = [row for row in table(tmp_path, "term_forecasts") if row["interval_level"] == 0.8]
    by_term = {term: [row for row in rows if row["term"] == term] for term in (*levels, "(total)")}
    assert trained["series"] == 3
    assert all(sorted(row["horizon_days"] for row in part) == [7, 14, 21, 28] for part in by_term.values())
    assert {row["target_date"].weekday() for row in rows} == {0}
    assert {row["made_on_date"] for row in rows} == {day(273)}  # the Monday of the last week
    assert all(60 < row["forecast"] < 95 for row in by_term["tv"])
    for total in by_term["(total)"]:
        parts = [row["forecast"] for row in rows if row["target_date"] == total["target_date"] and row != total]
        assert total["forecast"] == pytest.approx(sum(parts))


def test_nothing_to_train_on_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"daily_totals": []})

    assert command(tmp_path, "train") == 1
    assert "search_gold.daily_totals has no complete day: nothing to forecast from" in capsys.readouterr().err
    assert command(tmp_path, "score") == 2
    assert "no model search_demand" in capsys.readouterr().err
    assert command(tmp_path, "train", "--candidates", "prophet") == 2
    assert "train: no candidate 'prophet'; there are: ces, croston" in capsys.readouterr().err


def test_a_shop_of_three_days_gets_forecasts_too_but_none_of_a_training_that_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = [7, *[0] * 60]  # a misdated record, two months before the others
    write_counts(tmp_path, FIRST, {"tv": [*stray, 30, 30, 30], "radio": [*[0] * 61, 1, 0, 1]})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("search_forecast.demand.train.backtest_metrics", killed)
        assert command(tmp_path, "train") == 130
    refused = command(tmp_path, "promote", "search_demand")

    assert (refused["is_promoted"], refused["holder"]) == (False, None)
    assert "its training was cut off before its metrics were kept: train again" in refused["gate"]

    trained = command(tmp_path, "train")
    assert trained["forecastable"] == 0
    assert trained["left_out"]["days_before_history"] == f"1 days: {FIRST}"
    assert trained["left_out"]["shared_autoregression"] == "fewer than 280 examples to learn from"
    assert command(tmp_path, "promote", "search_demand")["is_promoted"] is True
    assert command(tmp_path, "score")["added"] > 0

    rows = [row for row in table(tmp_path, "backtest_metrics") if row["is_champion"]]
    assert {row["verdict"] for row in rows} == {"too short to tell"}
    assert all("a backtest needs 28" in row["reason"] for row in rows)


def test_monitoring_trains_where_there_is_no_champion_and_leaves_a_good_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    write_counts(tmp_path, FIRST, {"tv": searches()["tv"][:27]})  # too short for a backtest

    first = command(tmp_path, "run", "monitoring")
    second = command(tmp_path, "run", "monitoring")

    assert {key: task["state"] for key, task in first["tasks"].items()} == {
        "monitor": "SUCCESS",
        "needs_retrain": "SUCCESS",
        "retrain": "SUCCESS",
    }
    assert second["tasks"]["retrain"]["state"] == "EXCLUDED"
    assert [row["aliases"] for row in command(tmp_path, "models", "search_demand")] == ["challenger champion"]
    assert len(table(tmp_path, "term_forecasts")) == 2 * 14 * 2


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
    with pytest.raises(UsageError, match="forecast: 'rare thing' has no forecast of its own"):
        outlook.forecast(lakehouse, ["tv", "rare thing"])
    capsys.readouterr()
    drawn = tmp_path / "tv.svg"
    assert cli.main(["--lakehouse", str(lake), "forecast", " TV", "--plot", str(drawn)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "tv: • counted, ━ forecast, ░ 95 of 100 days"
    assert sum(line.count("━") for line in printed) == 1 + 14
    assert drawn.read_text(encoding="utf-8").count("tv") >= 1


def test_a_calendar_is_loaded_again_and_read_with_the_series(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = searches()["tv"]
    counts[40:43] = [0, 0, 0]  # the shop is closed
    lake = write_counts(tmp_path / "lake", FIRST, {"tv": counts})
    file = tmp_path / "events.csv"
    file.write_text(f"from,to,event,kind\n{day(40)},{day(42)},stocktaking,closure\n{day(90)},,sale,campaign\n")
    span = ("--country", "CH", "--from", "2025-01-01", "--to", "2025-12-31")

    command(lake, "load-calendar", "--country", "US", *span[2:])
    loaded = command(lake, "load-calendar", *span, "--events", str(file))
    assert command(lake, "load-calendar", "--events", str(file))["row_count"] == loaded["row_count"] == 4 + 4
    file.write_text("from,event,kind\n2025-99-01,sale,campaign\n")
    assert command(lake, "load-calendar", "--events", str(file)) == 1
    assert "line 2: from '2025-99-01' is no day such as 2026-11-27" in capsys.readouterr().err
    assert command(lake, "load-calendar") == 2
    assert command(lake, "load-calendar", "--country", "CH", "--from", "2025-02-01", "--to", "2025-01-01") == 2

    lakehouse = Lakehouse(spark, lake, lake / "_staging")
    series = term_series.read(lakehouse, ForecastParameters(), tmp_path / "series")
    assert series.left_out == {}
    assert series.calendar.of("tv")[day(90)] == Event("campaign", "sale")
    assert series.calendar.closures() == {day(40), day(41), day(42)}
    (packed,) = series.packed.where("term = 'tv'").collect()
    assert packed["counts"][40:43] == [0.0, 0.0, 0.0]
    assert outlook.past(lakehouse, ["tv"], day(44), is_weekly=False, periods=3)["tv"][0] == (day(42), 0.0)
    # A version that was trained before there was a calendar is reproduced without it.
    before = {name: version for name, version in series.delta_versions.items() if "calendar" not in name}
    again = term_series.read(lakehouse, ForecastParameters(), tmp_path / "again", delta_versions=before)
    assert again.calendar.of("tv") == {}
    assert again.left_out == {"days_without_delivery": f"3 days: {day(40)} to {day(42)}"}
