"""The queries of forecasts, backtests, accuracy and drift, against plain Python on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from search_forecast.errors import DataError
from search_forecast.queries import catalogue
from search_forecast.queries.answers import answer
from search_forecast.queries.local import LocalEngine
from support.delta import Rows, write

Row = dict[str, Any]
Tables = Mapping[str, Rows]

COLUMNS = {
    "forecast": "target_date forecast lower_80 upper_80 lower_95 upper_95 candidate verdict made_on_date model_version",
    "forecastable_terms": "term search_count verdict candidate p_value wape mean_wape poisson_floor_wape "
    "multinomial_floor_wape interval_coverage reason model_version",
    "backtest_candidates": "candidate term_count champion_count wape mase smape rmsse bias interval_coverage "
    "interval_coverage_80 poisson_floor_wape multinomial_floor_wape model_version",
    "forecast_accuracy_by_date": "made_on_date model_version first_target_date last_target_date term_count "
    "actual_count wape mean_wape skill_ratio mase interval_coverage",
    "demand_drift_by_window": "first_date last_date model_version search_count training_count term_count psi "
    "js_distance chi_square p_value is_drifted",
    "latest_forecasts": "term event_date kind search_count forecast lower_95 upper_95",
    "forecast_worse_than_mean": "worse_count",
}
NO_BETTER = "no better than the mean"
TERMS = ("laptop", "tv", "ink", "pen")  # ink and pen are rare: forecasts hold them as (other)
LAST = 40  # days of counts, from 1 January 2022 on; the first is incomplete
OLD, NEW = 35, 38  # days on which forecasts were made; counts went on coming since


def day(number: int) -> date:
    return date(2021, 12, 31) + timedelta(days=number)


def searched(term: str, number: int) -> int:
    every = {"laptop": 1, "tv": 2, "ink": 9, "pen": 5}[term]
    return 0 if number % every else 3 + number % 7


def total(number: int, terms: Sequence[str] = TERMS) -> int:
    return sum(searched(term, number) for term in terms)


def forecasts(term: str, made_on: int, version: int, *, days: int = 3, period: int = 1, hour: int = 0) -> list[Row]:
    """Forecasts whose numbers tell which they are."""
    rows = []
    for step in range(1, days + 1):
        value = made_on + version / 10 + step / 1000 + len(term)
        for level, half in ((0.8, 1.0), (0.95, 2.5)):
            rows.append(
                {
                    "term": term,
                    "target_date": day(made_on + step * period),
                    "model_version": version,
                    "interval_level": level,
                    "made_on_date": day(made_on),
                    "horizon_days": step * period,
                    "forecast": value,
                    "lower": value - half,
                    "upper": value + half,
                    "mean_forecast": value,
                    "candidate": f"theta_{version}",
                    "model_name": "search_demand",
                    "scored_at": datetime(2022, 2, 9, hour, tzinfo=timezone.utc),
                }
            )
    return rows


def metric(version: int, candidate: str, term: str, wape: float | None, verdict: str | None = None) -> Row:
    known = {} if wape is None else {"mase": wape * 2, "smape": wape / 3, "rmsse": wape * 4, "bias": -wape}
    return {
        "model_version": version,
        "candidate": candidate,
        "term": term,
        "wape": wape,
        **known,
        "interval_coverage": 0.9,
        "interval_coverage_80": 0.75,
        "poisson_floor_wape": 0.1,
        "multinomial_floor_wape": 0.05,
        "window_count": 3,
        "is_champion": verdict is not None,
        "p_value": None if verdict is None else 0.25,
        "verdict": verdict,
        "reason": "constant" if term == "(other)" else None,
    }


def accuracy(made_on: int, skill: float | None, version: int = 2, window: str = "1-7") -> Row:
    first, last = (int(number) for number in window.split("-"))
    return {
        "model_version": version,
        "made_on_date": day(made_on),
        "window": window,
        "first_target_date": day(made_on + first),
        "last_target_date": day(made_on + last),
        "term_count": 3,
        "actual_count": 100 + made_on,
        "wape": None if skill is None else 0.5 * (1 - skill),
        "mean_wape": 0.5,
        "mase": 0.8,
        "interval_coverage": 0.94,
        "skill_ratio": skill,
    }


def drift(first: int, version: int) -> Row:
    return {
        "model_version": version,
        "window": f"{day(first)}/{day(first + 6)}",
        "first_date": day(first),
        "last_date": day(first + 6),
        "search_count": 70 + first,
        "training_count": 700,
        "term_count": 4,
        "psi": first / 100,
        "js_distance": 0.1,
        "chi_square": 3.5,
        "p_value": 0.5,
        "is_drifted": first > 10,
    }


FORECASTS = [
    row
    for made_on, version, hour, terms in (
        (OLD, 3, 3, ("laptop", "gone")),  # scored last, but an older forecast
        (NEW, 1, 2, ("laptop", "tv", "gone")),  # as new and scored then too, but a lower version
        (NEW, 3, 1, ("laptop", "tv", "gone")),  # as new and a higher version, but then version 2 was gone back to
        (NEW, 2, 2, ("laptop", "tv", "(other)", "(total)")),
        (OLD, 2, 1, ("laptop", "tv", "(other)", "(total)")),
    )
    for term in terms
    for row in forecasts(term, made_on, version, hour=hour)
]
METRICS = [
    metric(1, "historic_mean", "laptop", 0.9, "forecastable"),
    metric(1, "theta", "(all)", 0.01),
    metric(2, "historic_mean", "laptop", 0.3),
    metric(2, "theta", "laptop", 0.2, "forecastable"),
    metric(2, "historic_mean", "tv", 0.5, NO_BETTER),
    metric(2, "theta", "tv", 0.6),
    metric(2, "historic_mean", "(other)", None, "too short to tell"),
    metric(2, "croston", "(other)", 1.5),
    metric(2, "historic_mean", "(total)", 0.1, NO_BETTER),
    metric(2, "theta", "(total)", 0.15),
    metric(2, "historic_mean", "(all)", 0.4),
    metric(2, "theta", "(all)", 0.35),
    metric(2, "croston", "(all)", 1.5),
    metric(2, "naive", "(all)", None),
    metric(2, "selection", "(all)", 0.38),
    metric(3, "theta", "laptop", 0.25, "forecastable"),  # trained last, but the latest forecasts are version 2's
    metric(3, "theta", "(all)", 0.45),
]
ACCURACY = [
    *(accuracy(number, (number % 5 - 2) / 10) for number in range(2, 30)),
    accuracy(29, 0.3, version=1),
    accuracy(28, 0.2, window="8-14"),
]
DRIFTS = [drift(first, version) for first, version in ((1, 1), (8, 1), (15, 1), (8, 2), (15, 2))]
EVERYTHING: Tables = {
    "daily_term_counts": [
        {"event_date": day(number), "term": term, "search_count": searched(term, number)}
        for number in range(1, LAST + 1)
        for term in TERMS
        if searched(term, number)
    ],
    "daily_totals": [
        {
            "event_date": day(number),
            "search_count": total(number),
            "distinct_term_count": 1,
            "is_complete_day": number > 1,
        }
        for number in range(1, LAST + 1)
    ],
    "term_summary": [
        {
            "term": term,
            "search_count": sum(searched(term, number) for number in range(1, LAST + 1)),
            "share_ratio": 0.1,
            "rank": 1,
            "first_seen_date": day(1),
            "last_seen_date": day(LAST),
            "active_day_count": 1,
        }
        for term in TERMS
    ],
    "term_forecasts": FORECASTS,
    "backtest_metrics": METRICS,
    "forecast_accuracy": ACCURACY,
    "demand_drift": DRIFTS,
}


Answer = Callable[..., list[tuple[Any, ...]]]


def rows_of(root: Path, name: str, values: dict[str, str]) -> list[tuple[Any, ...]]:
    answered = answer(LocalEngine(root, lambda: pytest.fail("needs Spark")), catalogue.load(name), values)
    assert answered.columns == COLUMNS[name].split()
    assert answered.note == (None if answered.rows else catalogue.load(name).no_rows)
    return answered.rows


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("forecast_queries"), EVERYTHING)


@pytest.fixture
def ask(lake: Path) -> Answer:
    """Rows of a query on the lakehouse."""
    return lambda name, **values: rows_of(lake, name, values)


@pytest.fixture
def ask_of(tmp_path: Path) -> Answer:
    """Rows of a query on tables of its own, empty where no rows are written."""

    def rows(name: str, tables: Tables, **values: str) -> list[tuple[Any, ...]]:
        empty: Tables = {table: [] for table in catalogue.load(name).inputs}
        return rows_of(write(tmp_path, {**empty, **tables}), name, values)

    return rows


def numbers(name: str, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in COLUMNS[name].split()) for row in rows]


def expected_forecast(term: str, verdict: str | None) -> list[tuple[Any, ...]]:
    """Of the latest date, 38, the version that scored last, 2."""
    wide = forecasts(term, NEW, 2)
    return [
        (
            narrow["target_date"],
            *(round(value, 2) for value in (narrow["forecast"], narrow["lower"], narrow["upper"])),
            *(round(value, 2) for value in (row["lower"], row["upper"])),
            "theta_2",
            verdict,
            day(NEW),
            2,
        )
        for narrow, row in zip(wide[::2], wide[1::2], strict=True)
    ]


@pytest.mark.parametrize(
    ("term", "verdict"),
    [("laptop", "forecastable"), ("tv", NO_BETTER), ("(other)", "too short to tell"), ("(total)", NO_BETTER)],
)
def test_a_terms_forecast_is_that_of_the_latest_date_that_was_scored_last(ask: Answer, term: str, verdict: str) -> None:
    assert ask("forecast", term=term) == expected_forecast(term, verdict)


def test_a_term_that_is_counted_as_other_has_no_forecast_of_its_own(ask: Answer) -> None:
    assert ask("forecast", term="pen") == []


def test_a_forecast_without_a_backtest_has_no_verdict(ask_of: Answer) -> None:
    tables = {**EVERYTHING, "backtest_metrics": [metric(1, "theta", "tv", 0.1, NO_BETTER)]}

    assert ask_of("forecast", tables, term="tv") == expected_forecast("tv", None)


def expected_terms() -> list[tuple[Any, ...]]:
    counts = {row["term"]: row["search_count"] for row in EVERYTHING["term_summary"]}
    counts |= {"(total)": sum(counts.values()), "(other)": counts["ink"] + counts["pen"]}
    means = {row["term"]: row["wape"] for row in METRICS if row["model_version"] == 2 and "mean" in row["candidate"]}
    rows = [
        row | {"search_count": counts[row["term"]], "mean_wape": means[row["term"]]}
        for row in METRICS
        if row["model_version"] == 2 and row["is_champion"]
    ]
    return numbers("forecastable_terms", sorted(rows, key=lambda row: -row["search_count"]))


def test_forecastable_terms_are_those_of_the_version_that_forecasts_biggest_first(ask: Answer) -> None:
    rows = ask("forecastable_terms")

    assert rows == expected_terms()
    assert [row[0] for row in rows] == ["(total)", "laptop", "tv", "(other)"]
    assert ask("forecastable_terms", limit="2") == rows[:2]


@pytest.mark.parametrize("name", ["forecastable_terms", "latest_forecasts"])
def test_terms_that_are_called_as_a_group_of_terms_count_in_it(ask: Answer, ask_of: Answer, name: str) -> None:
    called = {"ink": "(other)", "pen": "(total)"}
    tables = {
        table: [row | {"term": called.get(row["term"], row["term"])} for row in EVERYTHING[table]]
        for table in ("term_summary", "daily_term_counts")
    }

    assert ask_of(name, {**EVERYTHING, **tables}) == ask(name)


def test_another_version_is_shown_on_demand_and_the_newest_before_any_forecast(ask: Answer, tmp_path: Path) -> None:
    assert [row[:3] for row in ask("forecastable_terms", version="1")] == [("laptop", 240, "forecastable")]
    assert [(row[0], row[-1]) for row in ask("backtest_candidates", version="3")] == [("theta", 3)]

    alone = write(tmp_path, {"backtest_metrics": METRICS})  # no other table is there yet

    assert [row[:3] for row in rows_of(alone, "forecastable_terms", {})] == [("laptop", 0, "forecastable")]
    assert [row[-1] for row in rows_of(alone, "backtest_candidates", {})] == [3]


def test_candidates_are_those_of_the_version_that_forecasts_best_first(ask: Answer) -> None:
    counted = {  # terms measured, terms it forecasts; without (total)
        "theta": (2, 1),
        "selection": (0, 0),
        "historic_mean": (2, 2),
        "croston": (1, 0),
        "naive": (0, 0),
    }
    rows = [row for row in METRICS if row["term"] == "(all)" and row["model_version"] == 2]
    expected = [
        {"mase": None, "smape": None, "rmsse": None, "bias": None}
        | row
        | dict(zip(("term_count", "champion_count"), counted[row["candidate"]], strict=True))
        for row in sorted(rows, key=lambda row: (row["wape"] is None, row["wape"]))
    ]

    assert ask("backtest_candidates") == numbers("backtest_candidates", expected)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("forecastable_terms", {"version": "9"}, "no version 9; there are 1, 2, 3"),
        ("backtest_candidates", {"version": "4"}, "no version 4; there are 1, 2, 3"),
        ("forecast_accuracy_by_date", {"window": "1-14"}, "no window 1-14; there are 1-7, 8-14"),
        ("forecast_accuracy_by_date", {"window": ""}, "no window ; there are 1-7, 8-14"),
    ],
)
def test_a_value_that_no_row_has_is_answered_with_those_that_there_are(
    ask: Answer, name: str, values: dict[str, str], said: str
) -> None:
    with pytest.raises(DataError) as raised:
        ask(name, **values)

    assert str(raised.value) == f"query {name}: {said}"


def test_why_a_term_that_is_counted_as_other_has_no_rows_is_said(lake: Path) -> None:
    engine = LocalEngine(lake, lambda: pytest.fail("needs Spark"))

    answered = answer(engine, catalogue.load("forecast"), {"term": "pen"})

    assert (answered.rows, answered.note) == ([], "none for a term that the latest forecast counts in (other)")


def expected_accuracy(window: str, limit: int) -> list[tuple[Any, ...]]:
    rows = [row for row in ACCURACY if row["window"] == window]
    dates = sorted({row["made_on_date"] for row in rows})[-limit:] if limit else []
    latest = [row for row in rows if row["made_on_date"] in dates]
    newest = sorted(latest, key=lambda row: (row["made_on_date"], row["model_version"]), reverse=True)
    return numbers("forecast_accuracy_by_date", newest)


def test_accuracy_is_that_of_the_latest_twenty_dates_newest_first(ask: Answer) -> None:
    rows = ask("forecast_accuracy_by_date")

    assert rows == expected_accuracy("1-7", 20)
    assert len(rows) == 21  # two versions on the latest date
    assert ask("forecast_accuracy_by_date", limit="1") == rows[:2]
    assert ask("forecast_accuracy_by_date", limit="0") == []
    assert ask("forecast_accuracy_by_date", window="8-14") == expected_accuracy("8-14", 20) != []


def test_drift_is_shown_newest_first(ask: Answer) -> None:
    newest = sorted(DRIFTS, key=lambda row: (row["last_date"], row["model_version"]), reverse=True)

    assert ask("demand_drift_by_window") == numbers("demand_drift_by_window", newest)
    assert ask("demand_drift_by_window", limit="1") == numbers("demand_drift_by_window", newest)[:1]


def expected_chart(periods: int) -> list[tuple[Any, ...]]:
    """What was searched up to the forecast, then the forecast with its 95 % interval; the first day is incomplete."""
    actual: dict[str, Callable[[int], int]] = {
        "(other)": lambda number: total(number, ("ink", "pen")),
        "(total)": total,
        "laptop": lambda number: searched("laptop", number),
        "tv": lambda number: searched("tv", number),
    }
    rows: list[tuple[Any, ...]] = []
    for term, counted in actual.items():
        days = range(max(NEW - periods + 1, 2), NEW + 1)
        rows += [(term, day(number), "actual", counted(number), None, None, None) for number in days]
        for row in forecasts(term, NEW, 2)[1::2]:
            ends = (round(row[name], 2) for name in ("forecast", "lower", "upper"))
            rows.append((term, row["target_date"], "forecast", None, *ends))
    return rows


@pytest.mark.parametrize("periods", [28, 1, 0, 2**31 - 1])
def test_the_chart_draws_the_latest_forecast_of_every_term_after_what_was_searched(ask: Answer, periods: int) -> None:
    values = {} if periods == 28 else {"periods": str(periods)}

    assert ask("latest_forecasts", **values) == expected_chart(periods)


def test_a_weekly_forecast_is_drawn_after_whole_weeks(ask_of: Answer) -> None:
    monday = 31  # 31 January 2022; its week ends on day 37
    weeks = {monday - 7 * back: range(monday - 7 * back, monday - 7 * back + 7) for back in range(5)}
    tables = {**EVERYTHING, "term_forecasts": forecasts("laptop", monday, 1, days=2, period=7)}

    rows = ask_of("latest_forecasts", tables, periods="100")

    assert day(monday).weekday() == 0
    assert [row[1:4] for row in rows if row[2] == "actual"] == [
        (day(start), "actual", sum(searched("laptop", number) for number in days))
        for start, days in sorted(weeks.items())
        if start > 1
    ]
    assert [row[1] for row in rows if row[2] == "forecast"] == [day(monday + 7), day(monday + 14)]
    assert len(ask_of("latest_forecasts", tables, periods="2")) == 4


def test_a_forecast_made_before_any_complete_day_is_drawn_alone(ask_of: Answer) -> None:
    rows = ask_of("latest_forecasts", {"term_forecasts": forecasts("tv", NEW, 2)})

    assert [(row[0], row[2]) for row in rows] == [("tv", "forecast")] * 3


@pytest.mark.parametrize(
    ("rows", "worse"),
    [
        pytest.param([accuracy(7 * n, -0.5) for n in range(1, 9)], 5, id="the latest five"),
        pytest.param([accuracy(7 * n, -0.5 if n < 4 else 0.1) for n in range(1, 9)], 0, id="bad ones are long ago"),
        pytest.param([accuracy(7 * n, s) for n, s in enumerate((-0.06, -0.04, 0.0, 0.2))], 1, id="by more than 5 %"),
        pytest.param([accuracy(7, -0.5), accuracy(14, None)], 1, id="nothing was searched"),
        pytest.param([accuracy(n, -0.5) for n in range(1, 8)], 1, id="one bad week of forecasts made daily"),
        pytest.param([accuracy(n, -0.5) for n in range(1, 16)], 3, id="two bad weeks and a day"),
        pytest.param([accuracy(7, -0.5, 3), accuracy(14, 0.2, 1), accuracy(14, -0.3, 2)], 1, id="highest of latest"),
        pytest.param([accuracy(7, -0.5, 2), accuracy(14, 0.2, 1)], 0, id="another version's"),
        pytest.param([accuracy(7, -0.5, window="8-14"), accuracy(0, 0.5)], 0, id="another window's"),
        pytest.param([accuracy(7 * n, -0.5, window="1-5") for n in range(1, 4)], 3, id="forecasts of five days"),
        pytest.param([accuracy(7 * n, -0.5, window="1-14") for n in range(1, 4)], 0, id="whole forecasts"),
        pytest.param([], 0, id="no forecast yet"),
    ],
)
def test_forecasts_worse_than_the_mean_are_counted(ask_of: Answer, rows: list[Row], worse: int) -> None:
    assert ask_of("forecast_worse_than_mean", {"forecast_accuracy": rows}) == [(worse,)]


@pytest.mark.parametrize(("hours", "worse"), [((1, 2), 0), ((2, 1), 1), ((1, 1), 0), ((1, None), 1)])
def test_forecasts_worse_than_the_mean_are_those_of_the_version_scored_last(
    ask_of: Answer, hours: tuple[int, int | None], worse: int
) -> None:
    rows = [accuracy(14, -0.5, version=1), accuracy(14, 0.2, version=2)]
    scored = [
        row
        for version, hour in enumerate(hours, start=1)
        if hour is not None
        for row in forecasts("(total)", 14, version, days=7, hour=hour)
    ]

    assert ask_of("forecast_worse_than_mean", {"forecast_accuracy": rows, "term_forecasts": scored}) == [(worse,)]


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "forecast_worse_than_mean"])
def test_a_query_on_empty_tables_gives_no_rows(ask_of: Answer, name: str) -> None:
    assert ask_of(name, {}, **({"term": "(total)"} if name == "forecast" else {})) == []
