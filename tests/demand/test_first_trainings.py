"""Training where there is nothing yet, or next to nothing."""

from pathlib import Path

import pytest

from support.delta import write, write_counts
from support.forecasting import FIRST, command, searches, table
from support.places import PROJECT

pytestmark = pytest.mark.usefixtures("spark")


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
    assert trained["left_out"]["days_before_history"] == f"1 day: {FIRST}"
    reason = "a method that learns from at least 280 examples; there are fewer"
    assert trained["left_out"]["shared_autoregression"] == reason
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
