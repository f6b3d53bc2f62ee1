"""DuckDB and Spark give the same rows, values, types and order: the catalogue, and all SQL that is translated."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from search_forecast.queries import catalogue
from search_forecast.queries.answers import Answer
from search_forecast.queries.local import LocalEngine
from support.delta import arrow_table, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Row = dict[str, Any]
FIRST, LAST = date(1995, 1, 1), date(9999, 12, 31)
LONG = "é" * 20 + "😀" * 20  # longer than the part of a text that Delta's statistics hold
TERMS = (
    "(other)",
    "(total)",
    "",
    " ",
    '"',
    "'",
    "\\",
    "%_",
    "a",
    "Z",
    "ß",
    "e\u0301",
    "é",
    "日本",
    "😀",
    LONG,
    f"{LONG}x",
    "é 日本 a",
    "a ß",
)
WHOLE_WEEK = date(2024, 1, 1)
PERIODS = {
    "week": [WHOLE_WEEK - timedelta(days=364), WHOLE_WEEK - timedelta(days=7), WHOLE_WEEK],
    "month": [date(2023, 1, 1), date(2024, 1, 1)],
}


def generated(chance: random.Random) -> dict[str, list[Row]]:
    """Rows of every table that a query reads: nulls, ties, Unicode, days and numbers at the ends."""
    days = [FIRST, *(WHOLE_WEEK + timedelta(days=n) for n in range(40)), LAST]
    moments = [
        datetime(1995, 1, 1),
        *(datetime(2024, 1, 1, 0, n, 59, 999_999) for n in range(6)),
        datetime(9999, 12, 31),
    ]

    def ratio() -> float | None:
        return chance.choice(
            [None, 0.0, 0.5, 1.0, 2.675, 1e-7, -9511.845, 1e300, chance.random(), chance.gauss(0, 1e4)]
        )

    def number() -> float:
        return ratio() or 0.25

    counts = {(day, term): chance.randrange(1, 4) for day in days for term in chance.sample(TERMS, 6)}
    counts[WHOLE_WEEK + timedelta(days=35), "a"] = 90  # breaks out
    trends = [
        {
            "grain": grain,
            "period_start_date": start,
            "term": term,
            "search_count": chance.randrange(3),
            "previous_count": 1,
            "share_ratio": chance.choice([0.0, 0.1, 1 / 3]),
            "rank": chance.choice([None, 1, 2]),
            "previous_rank": chance.choice([None, 3]),
            "growth_ratio": ratio(),
            "index_0_100": chance.randrange(101),
            "p_value": chance.choice([None, 0.0, 0.04]),
            "status": chance.choice(["new", "rising", "falling", "lost", "stable"]),
            "is_partial_period": chance.choice([True, False]),
        }
        for grain, starts in PERIODS.items()
        for start in starts
        for term in TERMS
    ]
    profiles = [
        {"term": term, "profile": profile, "value": value, "search_count": value, "share_ratio": number()}
        for profile in ("weekday", "month")
        for term in TERMS
        for value in (1, 2, 7)
    ]
    summaries = [
        {
            "term": term,
            "search_count": chance.choice([1, 2, 2**40]),
            "share_ratio": chance.choice([0.1, 1 / 3]),
            "rank": chance.randrange(1, 7),
            "first_seen_date": chance.choice(days),
            "last_seen_date": LAST,
            "active_day_count": 1,
        }
        for term in TERMS
    ]
    batches = [
        {
            **dict.fromkeys(
                ("delivered_count", "event_count", "rejected_count", "search_count", "aggregated_count"), n
            ),
            "batch_id": f"batch-{n:06}",
            "raw_count": n % 3,
            "reconciled": n % 2 == 0,
            "started_at": moment,
            "finished_at": moment,
        }
        for n, moment in enumerate(moments)
    ]
    forecasts = [
        {
            "term": term,
            "target_date": made_on + timedelta(days=ahead),
            "model_version": version,
            "interval_level": level,
            "made_on_date": made_on,
            "horizon_days": ahead,
            **{name: number() for name in ("forecast", "lower", "upper", "mean_forecast")},
            "candidate": chance.choice(TERMS),
            "model_name": "search_demand",
            "scored_at": chance.choice(moments),
        }
        for made_on in (WHOLE_WEEK, WHOLE_WEEK + timedelta(days=30))
        for version in (1, 2)
        for term in TERMS[:8]
        for ahead in (1, 2)
        for level in (0.8, 0.95)
    ]
    errors = ("wape", "mase", "smape", "rmsse", "bias", "interval_coverage", "interval_coverage_80", "p_value")
    metrics = [
        {
            **{name: ratio() for name in (*errors, "poisson_floor_wape", "multinomial_floor_wape")},
            "model_version": version,
            "candidate": candidate,
            "term": term,
            "window_count": 1,
            "is_champion": candidate == "theta",
            "verdict": chance.choice([None, "forecastable"]),
            "reason": chance.choice([None, *TERMS]),
        }
        for version in (1, 2, 3)
        for candidate in ("historic_mean", "theta", "ets")
        for term in ("(all)", *TERMS[:6])
    ]
    accuracies = [
        {
            **{name: ratio() for name in ("wape", "mean_wape", "mase", "skill_ratio")},
            "model_version": chance.choice((1, 2)),
            "made_on_date": day,
            "window": window,
            "first_target_date": day,
            "last_target_date": day,
            "term_count": 1,
            "actual_count": 2,
            "interval_coverage": number(),
        }
        for day in days
        for window in ("1-7", "8-14")
    ]
    drifts = [
        {
            **{name: number() for name in ("psi", "js_distance", "chi_square", "p_value")},
            **dict.fromkeys(("search_count", "training_count", "term_count"), version),
            "model_version": version,
            "window": "",
            "first_date": FIRST,
            "last_date": day,
            "is_drifted": version > 1,
        }
        for day in days
        for version in (1, 2)
    ]
    fields = ("day", "month", "year", "date", "searchterm", "count", "malformed_record")
    rejects = [
        {
            **{name: chance.choice([None, "", "1", LONG]) for name in fields},
            "extra_fields": chance.choice([None, {}, {"shop": "é"}]),
            "reject_reasons": chance.choice([["empty_term"], ["bad_encoding", "empty_term"]]),
            **{name: chance.choice("ab") for name in ("delivery_id", "source_file", "batch_id")},
        }
        for _ in range(60)
    ]
    deliveries = [
        {
            "source_file": f"{n % 5}.csv",
            "bytes": 1,
            "record_count": chance.choice([None, 2**40]),
            "status": chance.choice(["ingested", "rejected"]),
            "reason": chance.choice([None, "not text"]),
            "batch_id": "",
            "received_at": chance.choice(moments),
        }
        for n in range(20)
    ]
    return {
        "daily_term_counts": [{"event_date": d, "term": term, "search_count": n} for (d, term), n in counts.items()],
        "daily_totals": [
            {"event_date": day, "search_count": 9, "distinct_term_count": 6, "is_complete_day": day > FIRST}
            for day in days
        ],
        "term_summary": summaries,
        "term_trends": trends,
        "term_profile": profiles,
        "batches": batches,
        "term_forecasts": forecasts,
        "backtest_metrics": metrics,
        "forecast_accuracy": accuracies,
        "demand_drift": drifts,
        "rejected_records": rejects,
        "deliveries": deliveries,
        "accepted_spellings": [{"variant": variant, "term": TERMS[0]} for variant in TERMS[1:4]],
        "term_variants": [
            {"term": TERMS[0] if variant else term, "variant": variant, "searched_as": term, "search_count": 2**n}
            | {"rule": "exact"}
            for n, term in enumerate(TERMS[:8])
            for variant in ((term,) if 1 <= n < 3 else (None,))
        ],
    }


Runner = Callable[[str, Mapping[str, object]], Answer]


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    return generated(random.Random(7))


@pytest.fixture(scope="module")
def by_spark(spark: SparkSession, rows: dict[str, list[Row]]) -> Iterator[Runner]:
    """Spark on the rows in memory."""
    for name, listed in rows.items():
        spark.createDataFrame(arrow_table(name, listed)).createOrReplaceTempView(name)

    def run(sql: str, values: Mapping[str, object]) -> Answer:
        result = spark.sql(re.sub(r"search_(gold|silver)\.", "", sql), args=dict(values))
        return Answer(result.columns, [tuple(row) for row in result.collect()])

    yield run
    for name in rows:
        spark.catalog.dropTempView(name)


@pytest.fixture(scope="module")
def by_duckdb(rows: dict[str, list[Row]], tmp_path_factory: pytest.TempPathFactory) -> LocalEngine:
    return LocalEngine(write(tmp_path_factory.mktemp("engines"), rows), lambda: pytest.fail("needs Spark"))


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")  # else Python shows Spark's timestamps in the local zone
    time.tzset()


VALUES = {
    "daily_counts": {"term": "\\"},
    "forecast": {"term": '"'},
    "term_count": {"term": LONG},
    "top_terms": {"from": "1995-01-01", "to": "9999-12-31", "limit": "2147483647"},
    "search_terms": {"part": "'"},
    "share_of_search": {"from": "2024-01-02", "limit": "100"},
    "new_terms": {"days": "2147483647", "limit": "100"},
    "backtest_candidates": {"version": "3"},
    "latest_forecasts": {"periods": "2147483647"},
    "forecast_accuracy_by_date": {"window": "8-14", "limit": "2147483647"},
    "rejected_by_reason": {"examples": "100"},
    "trend_of_term": {"term": "\\", "grain": "month"},
    "profile_of_term": {"term": "'"},
    "trending_terms": {"status": "lost", "grain": "month", "period": "2023-01-01"},
    "breakouts": {"day": "2024-02-05"},
    "word_pairs": {"least": "1", "word": "a"},
}
ONLY_SPARK = ("spelling_suggestions",)  # DuckDB counts bytes, not letters, between two texts


@pytest.mark.parametrize("name", [name for name in catalogue.names() if name not in ONLY_SPARK])
def test_a_query_of_the_catalogue_gives_the_same_by_both(by_spark: Runner, by_duckdb: LocalEngine, name: str) -> None:
    query = catalogue.load(name)
    bound = query.arguments(VALUES.get(name, {}))

    answer, expected = by_duckdb.run(query.sql, bound, query.inputs), by_spark(query.sql, bound)

    assert answer.columns == expected.columns
    if name == "hours_since_delivery":  # both look at the clock
        assert answer.rows[0][0] == pytest.approx(expected.rows[0][0], abs=0.11)
    else:
        assert repr(answer.rows) == repr(expected.rows)
        assert answer.rows


SQL = {
    "scalars": """
        select event_date, term, length(term) as l, contains(term, '😀') as c, startswith(term, 'é') as s,
          endswith(term, 'x') as e, term like '_%' as k, term rlike '[😀é-üB-Z]' as r,
          term in ('a', 'Z') as i, search_count between 2 and 3 as w, search_count % 2 as m, -search_count as n,
          search_count / 3 as q, search_count * 1e0 / search_count as o,
          case when search_count > 1 then 'more' end as t, if(search_count > 2, 1, null) as f, nullif(term, 'a') as u,
          coalesce(null, term, 'x') as v, greatest(search_count, 2) as g, least(search_count, null) as h,
          round(search_count) as aa, round(search_count, -1) as ab, 3 - search_count - 1 as ac,
          abs(1 - search_count) as x, floor(search_count / 2) as y, ceil(search_count / 2) as z, cast(1 as double) as j
        from daily_term_counts where term <> '(total)' or event_date is null order by event_date, term""",
    "days": """
        select event_date, date_add(event_date, 3) as a, date_sub(event_date, 3) as b, year(event_date) as c,
          month(event_date) as d, day(event_date) as e, trunc(event_date, 'week') as f, trunc(event_date, 'month') as g,
          trunc(event_date, 'quarter') as h, trunc(event_date, 'year') as i, date'2024-02-29' as j, event_date + 1 as k,
          event_date - 1 as p, datediff(event_date, date'2024-01-01') as l, event_date < '2024-01-05' as m,
          datediff(day, date'2024-01-01', event_date) as n, event_date = date'1995-01-01' as o
        from search_gold.daily_totals where event_date < '9999-01-01' order by 1 desc""",
    "moments": """
        select started_at, timestampdiff(minute, started_at, timestamp'2024-01-01 00:01:00') as a,
          finished_at - started_at as d, timestampdiff(hour, finished_at, timestamp'2024-01-01 00:30:00') as b,
          started_at > '2024-01-01' as c
        from batches order by started_at, batch_id""",
    "numbers": """
        select model_version, candidate, term, round(wape, 2) as a, round(mase) as b, wape > 0.5 as c, wape = mase as d,
          wape <=> mase as e, try_divide(wape, mase - mase) as f, wape / 0.5e0 as g, reason is not null as h,
          not is_champion as i
        from backtest_metrics order by wape desc, mase, model_version, candidate, term""",
    "groups": """
        select term, count(*) as a, count(wape) as b, count(distinct candidate, verdict) as c, avg(model_version) as h,
          count_if(wape > 0.1) as d, min(wape) as e, max(reason) as f, sum(model_version) as g,
          max_by(wape, struct(model_version, candidate)) as i, min_by(reason, struct(model_version, candidate)) as k,
          max_by(candidate, struct(verdict, model_version, candidate)) as n, sum(distinct model_version) as j,
          sum(model_version) filter (where is_champion) as l, max(distinct verdict) as m
        from backtest_metrics group by term having count(*) > 1 order by max(mase) nulls last, term limit 5 offset 1""",
    "windows": """
        select term, event_date, row_number() over (partition by term order by event_date desc) as a,
          rank() over (order by search_count) as b, dense_rank() over (order by search_count desc) as c,
          lag(search_count) over (partition by term order by event_date) as d,
          lead(term, 2, '-') over (order by event_date, term) as e, sum(search_count) over (order by event_date) as f,
          sum(search_count) over (partition by term order by event_date rows between 1 preceding and current row) as g
        from daily_term_counts order by term, event_date""",
    "sets": """
        with known as (select term, rank from term_summary where rank <= 3 order by rank, term limit 4)
        select k.term, k.rank, d.event_date from known as k left join daily_term_counts as d
          on d.term = k.term and d.search_count = 3 where not exists (select 1 from batches where raw_count > 99)
        union all
        (select term, 0, null from daily_term_counts where term in (select term from term_summary where rank > 5)
         except select term, 0, null from known)
        order by rank, term, event_date""",
    "names": "select count(*), sum(rank), max(term) as Most, 1 from term_summary",
    "arrays": """
        select explode(reject_reasons) as reason, * from search_silver.rejected_records
        order by 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 11""",
    "sorted by an expression of an alias": """
        select term, 2 - rank as rank from term_summary order by abs(rank) + rank * 3, term""",
    "a part called as the table": """
        with term_summary as (select * from term_summary where rank < 9) select term from TERM_SUMMARY order by term""",
}


@pytest.mark.parametrize("name", SQL)
def test_ones_own_sql_gives_the_same_by_both(by_spark: Runner, by_duckdb: LocalEngine, name: str) -> None:
    answer, expected = by_duckdb.ask(SQL[name]), by_spark(SQL[name], {})

    assert repr(answer.rows) == repr(expected.rows)
    assert answer.rows
    if name != "names":  # Spark calls count(*) count(1)
        assert answer.columns == expected.columns
