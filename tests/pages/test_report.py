"""The report without a browser: its facts against plain Python's, its size, what it lets in, what it says of gaps."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema

from search_forecast import cli
from search_forecast.errors import DataError
from search_forecast.pages import charts, facts
from search_forecast.pages.report import write_report
from search_forecast.parameters import BASELINES, CANDIDATES
from search_forecast.queries.answers import Answer
from search_forecast.queries.local import LocalEngine
from support import shop
from support.delta import CONTRACTS, write, write_counts
from support.places import PROJECT
from support.shop import day

PAGES = PROJECT / "src" / "search_forecast" / "pages"
NOW = datetime(2026, 11, 26, 4, 0, 5, tzinfo=timezone.utc)
LARGEST = 3_000_000  # bytes
STRINGS = json.loads((PAGES / "strings.json").read_text())
PLACEHOLDER = re.compile(r"\{\w*\}")


def engine(root: Path) -> LocalEngine:
    return LocalEngine(root, lambda: pytest.fail("needs Spark"))


def embedded(page: str, name: str) -> Any:
    [text] = re.findall(f'<script type="application/json" id="{name}">(.*?)</script>', page)
    return json.loads(text)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = shop.lakehouse(tmp_path_factory.mktemp("shop"))
    out = root / "report.html"
    written = write_report(engine(root), out, NOW)
    assert written == {"report": str(out), "bytes": out.stat().st_size, "term_count": 1000}
    assert [path.name for path in root.iterdir() if path.is_file()] == ["report.html"]
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown(page: str) -> Any:
    return embedded(page, "data")


def test_the_headlines_compare_four_whole_weeks_with_the_four_before(shown: Any) -> None:
    last, begin, before = shop.LAST_COMPLETE, day(112), day(84)
    now, previous = shop.ranking(begin, last), shop.ranking(before, day(111))
    period = shown["period"]

    assert (period["day_count"], period["first_date"], period["previous_first_date"]) == (
        28,
        "2026-06-22",
        "2026-05-25",
    )
    assert (period["search_count"], period["previous_count"]) == (shop.total(begin, last), shop.total(before, day(111)))
    assert (period["term_count"], period["previous_term_count"]) == (len(now), len(previous))
    shares = [sum(n for _, n in found[:10]) / sum(n for _, n in found) for found in (now, previous)]
    assert [period["top_ten_ratio"], period["previous_top_ten_ratio"]] == pytest.approx(shares)
    assert [(row["term"], row["search_count"]) for row in period["top"]] == now[:15]
    assert [row["previous_count"] for row in period["top"]] == [dict(previous).get(term, 0) for term, _ in now[:15]]
    everything = (shop.FIRST, day(shop.DAY_COUNT))
    assert shown["range"]["search_count"] == shop.total(*everything)
    assert shown["range"]["incomplete_dates"] == [str(day(140))]


def test_a_term_has_its_last_days_and_all_its_weeks_in_whole_periods(shown: Any) -> None:
    history, terms = shown["history"], shown["history"]["terms"]
    assert terms == ["(total)", *(term for term, _ in shop.ranking(shop.FIRST, day(140))[:1000])]
    assert set(shop.HOSTILE) < set(terms)
    assert history["recent"]["dates"] == [str(day(number)) for number in range(56, 140)]
    assert history["long"]["grain"] == "week"
    assert history["long"]["dates"] == [str(day(7 * week)) for week in range(20)]

    for term in ("gaming laptop", "__proto__", terms[-1]):
        place = terms.index(term)
        days = [shop.total(day(number), day(number), term) for number in range(56, 140)]
        weeks = [shop.total(day(7 * week), day(7 * week + 6), term) for week in range(20)]
        assert (history["recent"]["counts"][place], history["long"]["counts"][place]) == (days, weeks)
    assert history["long"]["counts"][0] == [shop.total(day(7 * week), day(7 * week + 6)) for week in range(20)]


def test_forecasts_are_the_latest_with_both_intervals(shown: Any) -> None:
    forecasts = shown["history"]["forecasts"]
    assert (forecasts["made_on_date"], forecasts["model_version"]) == (str(shop.LAST_COMPLETE), 2)
    assert set(forecasts["terms"]) == {"(total)", *shop.FORECAST}
    value = shop.forecast("usb-c cable", 3)
    assert forecasts["terms"]["usb-c cable"][2] == {
        "date": str(day(142)),
        "forecast": value,
        "lower_80": value - 4,
        "upper_80": value + 4,
        "lower_95": value - 6,
        "upper_95": value + 6,
    }
    assert len(forecasts["terms"]["(total)"]) == shop.HORIZON
    assert forecasts["expected"] == {
        "day_count": 7,
        "forecast": pytest.approx(sum(shop.forecast("(total)", step) for step in range(1, 8))),
        "previous_count": shop.total(day(133), shop.LAST_COMPLETE),
    }


def test_trends_are_those_of_the_last_whole_week_and_month(shown: Any) -> None:
    week, month = shown["trends"]
    assert (week["grain"], week["period_start_date"]) == ("week", "2026-07-13")
    assert (month["grain"], month["period_start_date"]) == ("month", "2026-06-01")
    assert week["counts"] == {"rising": 2, "falling": 1, "stable": 2, "new": 1, "lost": 1}
    assert {(row["term"], row["status"], row["search_count"], row["growth_ratio"]) for row in week["terms"]} == {
        ("camping tent", "rising", 180, 0.55),
        (shop.HOSTILE[0], "rising", 62, 0.4),
        ("coffee machine", "falling", 40, -0.45),
        ("constructor", "new", 66, None),
        ("w" * 256, "lost", 0, -1.0),
    }
    assert [(row["term"], row["search_count"], row["expected_count"]) for row in shown["breakouts"]] == [
        (shop.BREAKOUT, 70, 0)
    ]


def test_weekdays_quality_and_models_are_those_of_the_tables(shown: Any) -> None:
    means = [fmean(shop.total(day(n), day(n)) for n in range(weekday, 140, 7)) for weekday in range(7)]
    assert [row["search_count"] for row in shown["weekdays"]] == pytest.approx(means)
    assert {row["reason"]: row["record_count"] for row in shown["rejected"]} == {
        "empty_term": 9,
        "impossible_date": 6,
        "term_too_long": 6,
        "malformed_record": 3,
    }
    sums = [shown["batches"][name] for name in ("delivered_count", "event_count", "rejected_count", "reconciled_count")]
    assert sums == [6000, 5982, 18, 2]
    assert [(row["status"], row["delivery_count"]) for row in shown["deliveries"]] == [("ingested", 2), ("rejected", 1)]
    assert "secret" not in json.dumps(shown)  # where files lay, and what was rejected
    models = shown["models"]
    assert [row["candidate"] for row in models["candidates"]] == [
        "selection",
        "ets",
        "historic_mean",
        "seasonal_naive",
        "naive",
    ]
    assert models["verdicts"] == {"forecastable": 5, "no better than the mean": 1}
    assert {(row["model_version"], row["candidate"]): row["wape"] for row in models["versions"]} == {
        (version, candidate): pytest.approx(wape + (2 - version) / 50)
        for version in (1, 2)
        for candidate, wape in (
            ("selection", 0.11),
            ("historic_mean", 0.16),
            ("seasonal_naive", 0.2),
            ("naive", 0.3),
        )
    }
    assert [row["wape"] for row in shown["accuracy"]] == pytest.approx([0.13, 0.14, 0.12, 0.13, 0.14, 0.12])
    assert all(table["version"] == 1 for table in shown["tables"])  # two commits each
    assert {"table": "search_gold.daily_totals", "row_count": 141, "version": 1} in shown["tables"]
    assert (shown["made_at"], shown["version"]) == ("2026-11-26T04:00:05+00:00", "0.1.0")


def test_the_page_fetches_nothing_and_runs_only_its_own_scripts(page: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    [policy] = re.findall('http-equiv="Content-Security-Policy" content="(.*?)"', page)
    directives = dict(directive.split(" ", 1) for directive in policy.split("; "))
    rest = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)

    assert len(page.encode()) < LARGEST
    assert directives["default-src"] == "'none'"
    assert directives["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert re.findall(r"\b(?:src|href|action)=|url\(|@import|https?:", rest) == []
    assert len(re.findall("</script", page)) == len(re.findall("<script", page)) == 5  # none of them from a term


def test_a_thousand_terms_often_searched_for_three_years_fit(tmp_path: Path) -> None:
    day_count, terms = 3 * 365, [f"term {place:04} of a usual length" for place in range(1000)]
    first = np.datetime64("2023-01-01")
    searched = [
        n for n in range(day_count) if n % 7 == 0 or n >= day_count - 84
    ]  # as many numbers on the page as daily
    days, places = np.meshgrid(searched, np.arange(1000), indexing="ij")
    rows = pa.table(
        {
            "event_date": pa.array((first + days.ravel()).astype("datetime64[D]")),
            "term": pa.array(np.array(terms, dtype=object)[places.ravel()]),
            "search_count": pa.array(100_000 + (days * 7919 + places * 104_729).ravel() % 900_000),
        }
    ).cast(to_arrow_schema(CONTRACTS["daily_term_counts"].schema))
    write_deltalake(str(tmp_path / "search_gold" / "daily_term_counts"), rows)
    seen = {"first_seen_date": date(2023, 1, 1), "last_seen_date": date(2025, 12, 30), "active_day_count": day_count}
    summary = [{"term": term, "search_count": 1, "share_ratio": 0.001, "rank": 1, **seen} for term in terms]
    totals = [
        {"event_date": date(2023, 1, 1) + timedelta(days=n), "search_count": 10**9, "distinct_term_count": 1000}
        | {"is_complete_day": True}
        for n in range(day_count)
    ]
    write(tmp_path, {"term_summary": summary, "daily_totals": totals})

    written = write_report(engine(tmp_path), tmp_path / "report.html", NOW)

    assert written["term_count"] == 1000
    assert 2_000_000 < written["bytes"] < LARGEST


def test_weekly_forecasts_are_drawn_after_weeks(tmp_path: Path) -> None:
    monday = date(2026, 1, 5)
    lake = write_counts(tmp_path, monday - timedelta(days=2), {"pen": range(1, 24), "tv": [2] * 23})
    term = {"search_count": 1, "share_ratio": 0.5, "rank": 1, "first_seen_date": monday, "last_seen_date": monday}
    summary = [{"term": name, "active_day_count": 1, **term} for name in ("pen", "tv")]
    forecasts = [
        {"term": name, "target_date": monday + timedelta(days=7 * n), "model_version": 1, "interval_level": 0.8}
        | {
            "scored_at": datetime.now(timezone.utc),
            "made_on_date": monday + timedelta(days=14),
            "horizon_days": 7 * n - 14,
            "forecast": 9.0,
            "lower": 1.0,
        }
        | {"upper": 12.0, "mean_forecast": 1.0, "candidate": "ets", "model_name": "search_demand"}
        for name in ("pen", "(total)")
        for n in (3, 4)
    ]
    write(lake, {"term_summary": summary, "term_forecasts": forecasts})

    history = facts.gather(engine(lake))["history"]

    assert history["recent"] == {
        "grain": "week",
        "dates": ["2026-01-05", "2026-01-12", "2026-01-19"],
        "counts": [[42 + 14, 91 + 14, 140 + 14], [42, 91, 140], [14, 14, 14]],
    }
    assert history["long"] is None
    assert history["forecasts"]["period_days"] == 7
    assert history["forecasts"]["expected"] == {"day_count": 7, "forecast": 9.0, "previous_count": 154}


def test_the_forecast_of_the_rare_terms_is_not_that_of_a_term_called_as_they_are(tmp_path: Path) -> None:
    first = date(2026, 1, 5)
    lake = write_counts(tmp_path, first, {"(other)": range(1, 8), "tv": [2] * 7})
    term = {"search_count": 1, "share_ratio": 0.5, "rank": 1, "first_seen_date": first, "last_seen_date": first}
    summary = [{"term": name, "active_day_count": 1, **term} for name in ("(other)", "tv")]
    forecasts = [
        {"term": name, "target_date": first + timedelta(days=7), "model_version": 1, "interval_level": 0.8}
        | {
            "scored_at": datetime.now(timezone.utc),
            "made_on_date": first + timedelta(days=6),
            "horizon_days": 1,
            "forecast": 9.0,
            "lower": 1.0,
        }
        | {"upper": 12.0, "mean_forecast": 1.0, "candidate": "ets", "model_name": "search_demand"}
        for name in ("(other)", "tv")
    ]
    write(lake, {"term_summary": summary, "term_forecasts": forecasts})

    assert list(facts.gather(engine(lake))["history"]["forecasts"]["terms"]) == ["tv"]


@pytest.mark.parametrize(
    ("made_on", "period_days", "expected"),
    [
        (29, 1, (sum(range(1, 8)), range(23, 30))),
        (26, 1, (sum(range(4, 11)), range(23, 30))),  # three of its days have come
        (21, 1, None),  # it does not reach that far any more
        (15, 7, (7, range(15, 22))),
        (14, 7, (7, range(14, 21))),
        (8, 7, (14, range(15, 22))),  # the first of its weeks has come
    ],
)
def test_what_is_expected_is_of_the_days_that_are_still_to_come(
    made_on: int, period_days: int, expected: tuple[int, range] | None
) -> None:
    days = [{"event_date": day(n), "search_count": n + 1} for n in range(22 if period_days == 7 else 30)]
    targets = {day(made_on + step): {"forecast": step} for step in range(period_days, 15, period_days)}

    found = facts.history._expected(targets, days, day(made_on), period_days)

    if expected is None:
        assert found is None
    else:
        assert found == {"day_count": 7, "forecast": expected[0], "previous_count": sum(n + 1 for n in expected[1])}


def test_what_is_not_there_yet_is_none_and_says_which_command_fills_it(tmp_path: Path) -> None:
    lake = write_counts(tmp_path, date(2026, 1, 1), {"pen": [3] * 9})
    write(lake, {"term_summary": shop.gold()["term_summary"][:1], "rejected_records": []})

    found = facts.gather(engine(lake))

    gaps = {name for name, section in found.items() if section is None}
    assert gaps == {"trends", "batches", "deliveries", "models", "accuracy"}
    assert (found["rejected"], found["history"]["forecasts"]) == ([], None)
    assert (found["period"]["day_count"], found["period"]["previous_count"]) == (9, None)
    commands = {command.split()[0] for command in found["sources"].values()}
    assert commands <= cli.application.ROOT.commands.keys()


def test_of_a_shop_too_short_to_be_measured_the_version_is_told(tmp_path: Path) -> None:
    lake = write_counts(tmp_path, date(2026, 1, 1), {"pen": [3] * 9})
    short = {"model_version": 7, "candidate": "selection", "window_count": 0, "is_champion": True}
    measured = [{**short, "term": term, "verdict": "too short to tell"} for term in ("pen", "(total)")]
    write(lake, {"term_summary": shop.gold()["term_summary"][:1], "backtest_metrics": measured})

    models = facts.gather(engine(lake))["models"]

    assert (models["version"], models["candidates"], models["verdicts"]) == (7, [], {"too short to tell": 2})


def test_of_more_series_than_the_page_names_all_are_counted_and_each_term_drawn_has_its_verdict(tmp_path: Path) -> None:
    seen = {"first_seen_date": date(2026, 1, 1), "last_seen_date": date(2026, 1, 9), "active_day_count": 9}
    summary = [
        {"term": f"term {n:04}", "search_count": 9000 - n, "share_ratio": 0.1, "rank": n, **seen} for n in range(1200)
    ]
    lake = write_counts(tmp_path, date(2026, 1, 1), {row["term"]: [3] for row in summary})
    verdicts = {row["term"]: ("forecastable", "too short to tell")[n % 3 == 0] for n, row in enumerate(summary)}
    measured = [
        {"model_version": 1, "candidate": "selection", "term": term, "window_count": 6}
        | {"is_champion": verdict is not None, "verdict": verdict}
        for term, verdict in {"(all)": None, "(total)": "forecastable", "(other)": "forecastable", **verdicts}.items()
    ]

    models = facts.gather(engine(write(lake, {"term_summary": summary, "backtest_metrics": measured})))["models"]

    assert models["verdicts"] == {"forecastable": 802, "too short to tell": 400}
    assert len(models["terms"]) == 50
    shown = ["(total)", *(row["term"] for row in summary[:1000])]
    assert [models["verdict_of"][term] for term in shown[1:]] == [verdicts[term] for term in shown[1:]]


def test_tables_that_change_meanwhile_are_read_again(tmp_path: Path) -> None:
    lake = write_counts(tmp_path, date(2026, 1, 1), {"pen": [3] * 9})
    write(lake, {"term_summary": shop.gold()["term_summary"][:1]})

    class Moving(LocalEngine):
        def __init__(self, changes: int) -> None:
            super().__init__(lake, lambda: pytest.fail("needs Spark"))
            self.changes, self.asked = changes, 0

        def version(self, table: str) -> int:
            self.asked += 1
            return min(self.asked, self.changes)

    assert facts.gather(Moving(9))["tables"][0]["version"] == 9
    with pytest.raises(DataError, match="were being written"):
        facts.gather(Moving(1000))


def test_a_term_that_comes_while_the_counts_are_read_is_read_with_the_next_state(tmp_path: Path) -> None:
    lake = write_counts(tmp_path, date(2026, 1, 1), {"pen": [3] * 9, "tv": [1] * 9})
    seen = {"first_seen_date": date(2026, 1, 1), "last_seen_date": date(2026, 1, 9), "active_day_count": 9}
    pen, tv = ({"term": term, "search_count": 1, "share_ratio": 0.5, "rank": 1, **seen} for term in ("pen", "tv"))
    write(lake, {"term_summary": [pen]})

    class Growing(LocalEngine):
        def run(self, sql: str, *more: Any) -> Answer:
            answer = super().run(sql, *more)
            if sql == facts.history._TERMS and len(answer.rows) == 1:
                write(lake, {"term_summary": [tv]})
            return answer

    found = facts.gather(Growing(lake, lambda: pytest.fail("needs Spark")))["history"]

    assert found["terms"] == ["(total)", "pen", "tv"]
    assert found["recent"]["counts"] == [[4] * 9, [3] * 9, [1] * 9]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (None, "report: no lakehouse at"),
        ({}, "report: no search_gold.daily_totals yet; run aggregate first"),
        (
            {"daily_totals": [], "daily_term_counts": [], "term_summary": []},
            "report: no searches in search_gold.daily_totals; run ingest, clean and aggregate first",
        ),
    ],
)
def test_an_empty_lakehouse_is_one_line_with_the_next_command(
    tmp_path: Path, run: Callable[..., Any], tables: dict[str, Any] | None, said: str
) -> None:
    if tables is not None:
        (tmp_path / "lake").mkdir()
        write(tmp_path / "lake", tables)

    code, line = run("report")

    assert code == 1
    assert said in line
    assert line.count("\n") == 1
    assert not (tmp_path / "lake" / "report.html").exists()


def test_the_command_says_where_the_page_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = write_counts(tmp_path / "lake", date(2026, 1, 1), {"pen": [3] * 9})
    write(lake, {"term_summary": shop.gold()["term_summary"][:1]})

    assert cli.main(["--lakehouse", str(lake), "report"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"report: {lake}/report.html\n")
    assert printed.err == f"to see it, open file://{lake}/report.html in a browser\n"
    assert cli.main(["--lakehouse", str(lake), "report", "--out", str(tmp_path / "no" / "x.html")]) == 2
    assert (
        capsys.readouterr().err
        == f"search-forecast: report: no directory {tmp_path}/no; make it, or say another --out\n"
    )


def test_a_pipe_or_a_link_is_written_to_and_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = write_counts(tmp_path / "lake", date(2026, 1, 1), {"pen": [3] * 9})
    write(lake, {"term_summary": shop.gold()["term_summary"][:1]})
    pipe, link, page = tmp_path / "pipe", tmp_path / "link.html", tmp_path / "page.html"
    os.mkfifo(pipe)
    link.symlink_to(page)

    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_bytes)
        other_end = os.open(pipe, os.O_WRONLY)  # so that the reader ends, whatever becomes of the pipe's name
        assert cli.main(["--lakehouse", str(lake), "report", "--out", str(pipe)]) == 0
        os.close(other_end)
    assert cli.main(["--lakehouse", str(lake), "report", "--out", str(link)]) == 0

    assert link.is_symlink()
    assert len(read.result()) == page.stat().st_size
    capsys.readouterr()
    monkeypatch.setattr(Path, "write_bytes", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    assert cli.main(["--lakehouse", str(lake), "report", "--out", str(page)]) == 3
    said = f"search-forecast: report: cannot write {page}: No space left on device; say another --out\n"
    assert capsys.readouterr().err == said


def test_both_languages_have_a_word_for_everything() -> None:
    english, spanish = STRINGS["en"], STRINGS["es"]
    html = "".join(path.read_text() for path in PAGES.glob("*.html"))
    scripts = [path.read_text() for path in PAGES.glob("*.js")]
    figures = set(re.findall(r'"@(\w+)"', json.dumps(charts.specifications())))
    names = (
        {"selection", *BASELINES, *CANDIDATES, *figures}
        | set(re.findall(r'data-text="(\w+)"', html))
        | set(re.findall(r'say\("(\w+)"', "".join(scripts)))
    )

    assert english.keys() == spanish.keys()
    assert {
        key for key in english if sorted(PLACEHOLDER.findall(english[key])) != sorted(PLACEHOLDER.findall(spanish[key]))
    } == set()
    assert len(names) > 60
    assert names <= english.keys()
