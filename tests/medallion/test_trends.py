"""Trends of terms: every figure against numpy and scipy, the rate of false calls, and the task that publishes them."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import numpy as np
import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F
from scipy import special, stats

from search_forecast.lakehouse import contracts
from search_forecast.lakehouse.contracts import DAILY_TERM_COUNTS, DAILY_TOTALS, TERM_PROFILE, TERM_TRENDS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import significance, trends
from search_forecast.medallion.publish_trends import publish_trends, refresh
from search_forecast.medallion.quality import MAX_COUNT
from support import plans
from support.delta import write_counts
from support.places import ORIGINAL
from support.trend_reference import Shop, p_values, shifted, starts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COUNTS = "event_date date, term string, search_count bigint"
MONDAY = date(2024, 1, 1)
Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _interpreted(spark: SparkSession) -> Iterator[None]:
    """Small data: compiling code for each query takes longer than to run it."""
    settings = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
    before = {name: spark.conf.get(name) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, str(value))


def trends_of(spark: SparkSession, first: date, counts: dict[str, list[int]]) -> dict[tuple[str, date, str], Row]:
    """The rows of term_trends, where each term is searched so often on the days from `first` on."""
    rows = [
        (first + timedelta(days=n), term, count)
        for term, line in counts.items()
        for n, count in enumerate(line)
        if count
    ]
    sums = [sum(day) for day in zip(*counts.values(), strict=True)]
    days = [(first + timedelta(days=n), count, min(count, 1), True) for n, count in enumerate(sums)]
    totals = spark.createDataFrame(days, DAILY_TOTALS.schema)
    found = trends.term_trends(spark.createDataFrame(rows, COUNTS), totals, first, days[-1][0])
    TERM_TRENDS.check(found)
    return {(row["grain"], row["period_start_date"], row["term"]): row.asDict() for row in found.collect()}


def weekly(*weeks: int) -> list[int]:
    """So many searches in each of some weeks, shared out to its days."""
    return [count // 7 + (day < count % 7) for count in weeks for day in range(7)]


def test_the_tail_of_the_normal_is_right_far_out_and_an_unknown_stays_unknown(spark: SparkSession) -> None:
    scores = [0.0, 1e-9, 0.3, -1.0, 1.96, -3.0, 5.0, 8.0, 12.0, -30.0, 37.0]
    frame = spark.createDataFrame([(z,) for z in [*scores, None]], "z double")

    *found, unknown = (row[0] for row in frame.select(significance.two_sided_p(F.col("z"))).collect())

    assert found == pytest.approx([special.erfc(abs(z) / 2**0.5) for z in scores], rel=2e-7)
    assert unknown is None


def test_a_split_of_two_counts_is_about_as_unlikely_as_the_binomial_says(spark: SparkSession) -> None:
    splits = [(a, b, q) for b, q in ((9, 0.5), (40, 0.3), (300, 0.7), (0, 0.5)) for a in (0, 12, 60, 400) if a + b]
    z = significance.signed_root_deviance(F.col("a"), F.col("b"), F.col("q"))
    frame = spark.createDataFrame(splits, "a bigint, b bigint, q double")

    for row in frame.select("a", "b", "q", z.alias("z")).collect():
        a, whole, q = row["a"], row["a"] + row["b"], row["q"]
        seen = stats.binom.sf(a - 1, whole, q) if a > whole * q else stats.binom.cdf(a, whole, q)
        assert row["z"] == 0 or (row["z"] > 0) == (a > whole * q)
        if seen < 0.4:  # in logarithms, as far out in the tail only the order of magnitude counts
            assert stats.norm.logsf(abs(row["z"])) == pytest.approx(np.log(max(seen, 1e-300)), rel=0.05)


def test_p_values_are_corrected_within_their_group(spark: SparkSession) -> None:
    chance = {"a": [0.01, 0.04, 0.03, 0.2, 0.03], "b": [0.02], "c": [None, 0.5, 0.001]}
    frame = spark.createDataFrame([(g, p) for g, listed in chance.items() for p in listed], "grp string, p double")

    rows = frame.select("grp", "p", significance.benjamini_hochberg(F.col("p"), "grp").alias("q")).collect()

    for group, listed in chance.items():
        told = [p for p in listed if p is not None]
        expected = dict(zip(told, stats.false_discovery_control(told, method="bh"), strict=True))
        found = [(row["p"], row["q"]) for row in rows if row["grp"] == group]
        assert len(found) == len(listed)
        for p, q in found:
            assert q == (None if p is None else pytest.approx(expected[p], rel=1e-12))


def seasonal_shop() -> Shop:
    """470 days that begin in the middle of a week and end in the middle of a month, with a gap, seasons and leaps."""
    rng, days, first = np.random.default_rng(5), 470, date(2023, 3, 16)
    months = np.array([(first + timedelta(days=n)).month for n in range(days)])
    level = np.tile([60.0, 30.0, 12.0, 5.0, 1.0, 0.2, 8.0, 4.0], (days, 1))
    level[(months > 4) & (months < 8), 2] *= 3  # each summer
    level[400:, 3] *= 3
    level[:200, 6] = 0
    level[430:, 7] = 0
    level[100:121] = 0  # three weeks without delivery
    return Shop(first, rng.poisson(level * rng.gamma(12, 1 / 12, level.shape)))


def test_every_figure_is_what_numpy_and_scipy_say(spark: SparkSession) -> None:
    shop = seasonal_shop()
    names = [f"term {n}" for n in range(shop.counts.shape[1])]

    found = trends_of(spark, shop.first, dict(zip(names, shop.counts.T.tolist(), strict=True)))

    expected, called = {}, Counter()
    for grain in ("week", "month"):
        periods = starts(grain, shop.first, shop.last)
        shares = {s: shop.total(grain, s) / max(shop.total(grain, s).sum(), 1) for s in periods}
        for start, p, direction in p_values(shop, grain):
            now, before = shop.pair(grain, start) or pytest.fail("the period itself")
            count = shop.total(grain, start)
            is_partial = shop.first > start or shifted(grain, start, 1) - timedelta(days=1) > shop.last
            for i, name in enumerate(names):
                if not count[i] and not before[i]:
                    continue
                earlier = [s for s in periods if s < start and shares[s][i]]
                status = "stable"
                if start > periods[0] and count[i] and not earlier:
                    status = "new"
                elif p[i] <= 0.05:
                    status = "rising" if direction[i] > 0 else "falling" if count[i] else "lost"
                called[status] += 1
                growth = now[i] / now.sum() / (before[i] / before.sum()) - 1 if before[i] and now.sum() else None
                peak = max(share[i] for share in shares.values())
                expected[grain, start, name] = {
                    "search_count": count[i],
                    "previous_count": before[i],
                    "share_ratio": pytest.approx(shares[start][i], rel=1e-12),
                    "rank": 1 + (count > count[i]).sum() if count[i] else None,
                    "previous_rank": 1 + (before > before[i]).sum() if before[i] else None,
                    "growth_ratio": None if growth is None else pytest.approx(growth, rel=1e-9, abs=1e-12),
                    "index_0_100": int(100 * shares[start][i] / peak + 0.5),
                    "p_value": None if np.isnan(p[i]) else pytest.approx(p[i], rel=2e-4),
                    "status": status,
                    "is_partial_period": is_partial,
                }
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert {name: found[key][name] for name in values} == values, key
    assert called.keys() == {"new", "rising", "falling", "lost", "stable"}


def test_each_status_and_a_week_that_is_not_over(spark: SparkSession) -> None:
    weekend = [10, 10, 10, 10, 10, 90, 90]
    shop = {
        "as ever": weekly(*[900] * 7),
        "leaps": weekly(50, 50, 50, 50, 50, 150, 150),
        "sinks": weekly(150, 150, 150, 150, 150, 60, 60),
        "goes": weekly(40, 40, 40, 40, 40, 0, 0),
        "comes": weekly(0, 0, 0, 0, 0, 9, 9),
        "rare, this week not": weekly(1, 1, 1, 1, 1, 0, 0),
        "comes back": weekly(0, 3, 0, 0, 0, 2, 2),
        "garden": weekend * 7,
    }
    found = trends_of(spark, MONDAY, {term: line[:45] for term, line in shop.items()})
    sixth, cut = date(2024, 2, 5), date(2024, 2, 12)
    week = {term: row for (grain, start, term), row in found.items() if grain == "week" and start == sixth}

    assert {term: row["status"] for term, row in week.items()} == {
        "as ever": "stable",
        "leaps": "rising",
        "sinks": "falling",
        "goes": "lost",
        "comes": "new",
        "rare, this week not": "stable",
        "comes back": "stable",
        "garden": "stable",
    }
    assert {row["status"] for (grain, start, _), row in found.items() if start == MONDAY} == {"stable"}
    assert week["goes"]["growth_ratio"] == -1
    assert (week["goes"]["rank"], week["goes"]["previous_rank"], week["goes"]["index_0_100"]) == (None, 5, 0)
    assert (week["comes"]["p_value"], week["comes"]["growth_ratio"], week["comes"]["previous_rank"]) == (None,) * 3
    assert ("week", cut, "rare, this week not") not in found
    garden = found["week", cut, "garden"]
    assert (garden["search_count"], garden["previous_count"], garden["status"]) == (30, 30, "stable")
    assert (garden["is_partial_period"], week["garden"]["is_partial_period"]) == (True, False)


def test_a_rise_that_comes_every_year_is_none_and_one_beyond_it_is(spark: SparkSession) -> None:
    year = [70] * 48 + [280] * 4  # a term of December, by weeks
    found = trends_of(
        spark,
        MONDAY,
        {
            "gifts": weekly(*year, *year),
            "gifts and more": weekly(*year, *year[:48], *[900] * 4),
            "all else": weekly(*[2000] * 104),
        },
    )

    def status(term: str, week: int) -> str:
        return str(found["week", MONDAY + timedelta(days=7 * week), term]["status"])

    assert [status(term, 48) for term in ("gifts", "gifts and more")] == ["rising", "rising"]
    assert [status(term, 52 + 48) for term in ("gifts", "gifts and more")] == ["stable", "rising"]


def test_counts_as_large_as_a_record_may_hold_are_judged(spark: SparkSession) -> None:
    found = trends_of(spark, MONDAY, {"much": [MAX_COUNT] * 7 + [2 * MAX_COUNT] * 7, "rest": [4 * MAX_COUNT] * 14})

    row = found["week", MONDAY + timedelta(days=7), "much"]
    assert row["growth_ratio"] == pytest.approx((2 / 6) / (1 / 5) - 1)
    assert (row["status"], row["p_value"]) == ("rising", 0)


def test_where_nothing_trends_bursts_are_little_called(spark: SparkSession) -> None:
    counts = np.random.default_rng(17).negative_binomial(2, 1 / (1 + np.linspace(5, 60, 40) / 2), (84, 40))

    found = trends_of(spark, MONDAY, {f"{n}": line for n, line in enumerate(counts.T.tolist())})

    called = {start for (grain, start, _), row in found.items() if grain == "week" and row["status"] != "stable"}
    assert len(called) <= 2  # of eleven weeks, each of which may err once in twenty; by Poisson's variance all would


def test_the_profile_of_a_term_says_on_which_weekdays_and_in_which_months_it_is_searched(spark: SparkSession) -> None:
    sunday, new_year = date(2023, 12, 31), MONDAY
    counts = spark.createDataFrame(
        [(sunday, "tv", 3), (new_year, "tv", 1), (new_year + timedelta(days=7), "tv", 4), (sunday, "pen", 2)], COUNTS
    )
    expected = spark.createDataFrame(
        [
            ("tv", "weekday", 7, 3, 3 / 8),
            ("tv", "weekday", 1, 5, 5 / 8),
            ("tv", "month", 12, 3, 3 / 8),
            ("tv", "month", 1, 5, 5 / 8),
            ("pen", "weekday", 7, 2, 1.0),
            ("pen", "month", 12, 2, 1.0),
        ],
        contracts.TERM_PROFILE.schema,
    )

    actual = trends.term_profile(counts)

    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True, ignore_metadata=True)


@pytest.mark.skipif(not ORIGINAL.exists(), reason="../shared/data/searchterms.csv is not on this machine")
def test_of_the_original_terms_in_which_nothing_trends_none_is_called(spark: SparkSession) -> None:
    with (ORIGINAL / "searchterms.csv").open(encoding="utf-8-sig", newline="") as file:
        searches = Counter(
            (date(int(row["year"]), int(row["month"]), int(row["day"])), row["searchterm"])
            for row in csv.DictReader(file)
        )
    days = sorted({day for day, _ in searches})
    terms = {term: [searches[day, term] for day in days] for term in {term for _, term in searches}}

    found = trends_of(spark, days[0], terms)

    assert len(found) == 90
    assert {row["status"] for row in found.values()} == {"stable"}


def test_the_task_publishes_once_what_moved(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_counts(tmp_path, MONDAY, {"tv": weekly(70, 70, 300), "pen": weekly(700, 700, 700)})
    house = Lakehouse(spark, tmp_path, tmp_path / "_staging")
    refresh(house)
    assert not house.exists(TERM_TRENDS)  # never judged

    with plans.of_writes() as of_tables:
        assert publish_trends(house) == {"is_up_to_date": False, "counts_version": 1}
    assert of_tables.keys() == {"term_profile", "term_trends"}
    assert all("EvalPython" not in plan and "Cartesian" not in plan for plan in of_tables.values())
    [after] = of_tables["term_trends"].split("NestedLoopJoin")[1:]  # what all terms have in common meets each: one row
    assert re.findall(r"IdentityBroadcastMode.*\n.*?Aggregate\((keys=.*?),", after) == ["keys=[]"]
    assert Counter(row["grain"] for row in house.read(TERM_TRENDS).collect()) == {"week": 6, "month": 2}
    assert sum(row["search_count"] for row in house.read(TERM_PROFILE).collect()) == 2 * 2540

    judged = Mock(return_value=house.create([], TERM_TRENDS))
    monkeypatch.setattr(trends, "term_trends", judged)
    assert publish_trends(house)["is_up_to_date"]
    assert (judged.call_count, house.version(TERM_TRENDS), house.version(TERM_PROFILE)) == (0, 1, 1)
    assert not publish_trends(house, is_full=True)["is_up_to_date"]
    house.write(house.read(DAILY_TERM_COUNTS).where("term <> 'tv'"), DAILY_TERM_COUNTS)
    refresh(house)
    assert judged.call_count == 2
    assert {row["term"] for row in house.read(TERM_PROFILE).collect()} == {"pen"}
