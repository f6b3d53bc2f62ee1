"""The latest forecast of a term beside its past: from gold, without Spark."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from search_forecast import cli
from search_forecast.cli.call import reader
from search_forecast.demand import outlook
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse import session
from search_forecast.lakehouse.tables import Lakehouse
from support import lakes, shop

CLOSED = shop.LAST_COMPLETE - timedelta(days=3)
ODD = "it's {odd}"
SILENT = [shop.day(number) for number in range(100, 104)]  # nothing was delivered


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's gold, with four days of silence and one on which it was closed."""
    root = tmp_path_factory.mktemp("outlook")
    gold, quiet = shop.gold(), {*SILENT, CLOSED}
    totals = [row | ({"search_count": 0} if row["event_date"] in quiet else {}) for row in gold["daily_totals"]]
    ahead = shop.forecasts()["term_forecasts"]
    lakes.append(root, "term_forecasts", [*ahead, *(row | {"term": ODD} for row in ahead if row["term"] == "(total)")])
    lakes.append(root, "daily_totals", totals)
    counts = [row for row in gold["daily_term_counts"] if row["event_date"] not in quiet]
    lakes.append(root, "daily_term_counts", counts)
    closed = {"event_date": CLOSED, "event": "inventory", "kind": "closure", "term": None}
    lakes.append(root, "calendar_events", [closed])
    return root


@pytest.fixture
def lakehouse(root: Path) -> Lakehouse:
    return Lakehouse(lambda: pytest.fail("needs Spark"), root, root / "_staging", reader=reader(root))


def test_the_command_answers_without_spark(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "session", lambda **_: pytest.fail("needs Spark"))

    assert cli.main(["--lakehouse", str(root), "forecast", "Gaming  Laptop", "(total)", "--json"]) == 0

    rows = json.loads(capsys.readouterr().out)
    steps = range(1, shop.HORIZON + 1)
    assert [(row["term"], row["target_date"], row["forecast"]) for row in rows] == [
        (term, str(shop.LAST_COMPLETE + timedelta(days=step)), shop.forecast(term, step))
        for term in ("(total)", "gaming laptop")
        for step in steps
    ]
    last = shop.forecast("gaming laptop", shop.HORIZON)
    assert rows[-1] == {
        "term": "gaming laptop",
        "target_date": str(shop.LAST_COMPLETE + timedelta(days=shop.HORIZON)),
        "forecast": last,
        "lower_80": last - 4,
        "upper_80": last + 4,
        "lower_95": last - 6,
        "upper_95": last + 6,
        "mean_forecast": 5.0,
        "candidate": "ets 62 %, theta 38 %",
        "events": None,
        "made_on_date": str(shop.LAST_COMPLETE),
        "model_version": 2,
    }

    assert cli.main(["--lakehouse", str(root), "forecast", "gaming laptop"]) == 0
    assert "gaming laptop: • counted, ━ forecast" in capsys.readouterr().out


def test_a_term_may_hold_quotes_and_braces_and_one_without_a_forecast_is_said(lakehouse: Lakehouse) -> None:
    assert len(outlook.forecast(lakehouse, [ODD])[1]) == shop.HORIZON
    with pytest.raises(UsageError, match="forecast: 'fan heater' has no forecast of its own"):
        outlook.forecast(lakehouse, [ODD, shop.BREAKOUT])


def test_without_any_forecast_what_makes_one_is_said(tmp_path: Path) -> None:
    lakes.append(tmp_path, "term_forecasts", [])
    lakehouse = Lakehouse(lambda: pytest.fail("needs Spark"), tmp_path, tmp_path / "_staging", reader=reader(tmp_path))

    with pytest.raises(DataError, match=r"term_forecasts holds nothing yet: run demand_forecast first"):
        outlook.forecast(lakehouse, ["tv"])


def counted(term: str, day: date) -> float | None:
    if day in SILENT:
        return None
    return 0 if day == CLOSED else shop.total(day, day, None if term == "(total)" else term)


def test_the_past_is_what_was_counted_with_gaps_where_nothing_was_delivered(lakehouse: Lakehouse) -> None:
    terms = ("camping tent", "(total)", "never searched")

    past = outlook.past(lakehouse, [*terms, "(other)"], shop.LAST_COMPLETE, is_weekly=False)

    days = [shop.LAST_COMPLETE - timedelta(days=back) for back in reversed(range(42))]
    assert past == {term: [(day, counted(term, day)) for day in days] for term in terms}
    assert None in [count for _, count in past["(total)"]]


def test_the_past_of_a_weekly_forecast_is_of_whole_weeks(lakehouse: Lakehouse) -> None:
    monday = shop.LAST_COMPLETE - timedelta(days=shop.LAST_COMPLETE.weekday() + 7)

    past = outlook.past(lakehouse, ["camping tent"], monday, is_weekly=True)

    expected = []
    for start in (monday - timedelta(days=7 * back) for back in reversed(range((monday - shop.FIRST).days // 7 + 1))):
        counts = [counted("camping tent", start + timedelta(days=day)) for day in range(7)]
        expected.append((start, None if None in counts else sum(count or 0 for count in counts)))
    assert past == {"camping tent": expected}
    assert None in [count for _, count in past["camping tent"]]
