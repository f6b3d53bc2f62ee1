"""What the report shows, read from gold (and, of quality, the layers below) with the reader that answers queries."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from math import isfinite
from statistics import fmean
from typing import Any

from search_forecast.errors import DataError
from search_forecast.pages import history
from search_forecast.queries import catalogue
from search_forecast.queries.answers import Answer, Engine, answer

Facts = dict[str, Any]
Rows = list[Facts]

# Every table that the page reads, and the command that fills it where it isn't there or empty.
SOURCES = {
    "search_gold.daily_totals": "aggregate",
    "search_gold.daily_term_counts": "aggregate",
    "search_gold.term_summary": "aggregate",
    "search_gold.term_trends": "aggregate",
    "search_gold.term_forecasts": "run demand_forecast",
    "search_gold.backtest_metrics": "run demand_forecast",
    "search_gold.forecast_accuracy": "run monitoring",
    "search_gold.batches": "reconcile",
    "search_silver.rejected_records": "clean",
    "search_bronze.deliveries": "ingest",
}
_NEEDED = list(SOURCES)[:3]
_TOP_COUNT = 15
_TRENDS_OF_A_STATUS = 8
_LONGEST_PERIOD_DAYS = 28
_BASELINES = ("selection", "historic_mean", "seasonal_naive", "naive")

_PERIOD_TERMS = """
select
  term,
  sum(case when event_date >= :begin then search_count else 0 end) as search_count,
  sum(case when event_date < :begin then search_count else 0 end) as previous_count
from daily_term_counts
where event_date between :before and :last
group by term
order by search_count desc, term
"""
_TRENDS = """
with latest as (
  select grain, max(period_start_date) as period_start_date
  from term_trends
  where not is_partial_period
  group by grain
),

ranked as (
  select
    t.grain, t.period_start_date, t.status, t.term, t.search_count, t.previous_count, t.growth_ratio, t.p_value,
    t.rank, t.previous_rank,
    row_number() over (
      partition by t.grain, t.status order by abs(t.search_count - coalesce(t.previous_count, 0)) desc, t.term
    ) as place,
    count(*) over (partition by t.grain, t.status) as status_count
  from term_trends as t
  inner join latest on latest.grain = t.grain and latest.period_start_date = t.period_start_date
)

select grain, period_start_date, status, status_count, term, search_count, previous_count, growth_ratio, p_value,
  rank, previous_rank
from ranked
where place <= :limit
order by grain, status, place
"""
_REASONS = """
with broken as (select explode(reject_reasons) as reason from rejected_records)
select reason, count(*) as record_count from broken group by reason order by record_count desc, reason
"""
_BATCHES = """
select count(*) as batch_count, sum(delivered_count) as delivered_count, sum(raw_count) as raw_count,
  sum(event_count) as event_count, sum(rejected_count) as rejected_count, sum(search_count) as search_count,
  sum(case when reconciled then 1 else 0 end) as reconciled_count
from batches
"""
_DELIVERIES = """
select status, count(*) as delivery_count, coalesce(sum(record_count), 0) as record_count
from deliveries
group by status
order by status
"""
_VERSIONS = """
select model_version, candidate, wape, mase, rmsse, interval_coverage, window_count
from backtest_metrics
where term = '(all)'
order by model_version desc, candidate
"""


def gather(engine: Engine) -> Facts:
    """All that the page shows, of one state of the tables.

    Returns:
        Sections by name; one whose table is absent or empty is None. Dates are ISO text, ratios 0..1.

    Raises:
        DataError: there is no search in gold, or tables are written faster than they can be read.
    """
    for table in _NEEDED:
        if not engine.has(table):
            raise DataError(f"report: no {table} yet; run {SOURCES[table]} first")
    for _ in range(3):
        before = _versions(engine)
        facts = _gather(engine)
        if _versions(engine) == before:
            return {**facts, "tables": [{**_size(engine, name), "version": before[name]} for name in before]}
    raise DataError("report: its tables were being written each time they were read; try again once that is done")


def _gather(engine: Engine) -> Facts:
    days = _query(engine, "daily_activity")
    if not days:
        raise DataError("report: no searches in search_gold.daily_totals; run ingest, clean and aggregate first")
    whole = [day for day in days if day["is_complete_day"]] or days
    sections: dict[str, Callable[[], object]] = {
        "range": lambda: _range(engine, days, whole),
        "period": lambda: _period(engine, whole),
        "history": lambda: history.read(engine, whole),
        "trends": lambda: _trends(engine),
        "weekdays": lambda: _weekdays(whole),
        "rejected": lambda: _rejected(engine),
        "batches": lambda: _batches(engine),
        "deliveries": lambda: _deliveries(engine),
        "models": lambda: _models(engine),
        "accuracy": lambda: (
            _query(engine, "forecast_accuracy_by_date") if _is_there(engine, "forecast_accuracy") else None
        ),
    }
    return {name: _plain(section()) for name, section in sections.items()} | {"sources": SOURCES}


def _range(engine: Engine, days: Rows, whole: Rows) -> Facts:
    [totals] = _query(engine, "row_count")
    ends = {"first_date": days[0]["event_date"], "last_date": days[-1]["event_date"]}
    left_out = [day["event_date"] for day in days if day not in whole]
    return {**totals, **ends, "incomplete_dates": left_out}


def _period(engine: Engine, whole: Rows) -> Facts:
    """The latest whole weeks, up to four, and the same number before them; all days where there are no two weeks."""
    length = min(_LONGEST_PERIOD_DAYS, len(whole) // 14 * 7)
    has_previous, length = length > 0, length or len(whole)
    last = whole[-1]["event_date"]
    begin, before = last - timedelta(days=length - 1), last - timedelta(days=2 * length - 1)
    values = {"begin": begin, "before": before if has_previous else begin, "last": last}
    terms = _rows(engine.run(_PERIOD_TERMS, values, ["daily_term_counts"]))
    total, previous = (sum(term[name] for term in terms) for name in ("search_count", "previous_count"))
    return {
        "day_count": length,
        "first_date": begin,
        "last_date": last,
        "previous_first_date": before if has_previous else None,
        "search_count": total,
        "previous_count": previous if has_previous else None,
        "term_count": sum(term["search_count"] > 0 for term in terms),
        "previous_term_count": sum(term["previous_count"] > 0 for term in terms) if has_previous else None,
        "top_ten_ratio": _top_ten_ratio(terms, "search_count"),
        "previous_top_ten_ratio": _top_ten_ratio(terms, "previous_count") if has_previous else None,
        "top": [
            {**term, "share_ratio": term["search_count"] / total, **({} if has_previous else {"previous_count": None})}
            for term in terms[:_TOP_COUNT]
            if term["search_count"]
        ],
    }


def _top_ten_ratio(terms: Rows, name: str) -> float | None:
    counts = sorted((term[name] for term in terms), reverse=True)
    return sum(counts[:10]) / sum(counts) if sum(counts) else None


def _trends(engine: Engine) -> Rows | None:
    """The last whole week and month: how many terms have each status, and those that changed most."""
    if not _is_there(engine, "term_trends"):
        return None
    found: dict[str, Facts] = {}
    for row in _rows(engine.run(_TRENDS, {"limit": _TRENDS_OF_A_STATUS}, ["term_trends"])):
        grain = found.setdefault(
            row["grain"], {name: row[name] for name in ("grain", "period_start_date")} | {"counts": {}, "terms": []}
        )
        grain["counts"][row["status"]] = row.pop("status_count")
        if row["status"] != "stable":
            grain["terms"].append(row)
    return [found[grain] for grain in ("week", "month") if grain in found]


def _weekdays(whole: Rows) -> Rows:
    """Mean searches of each day of the week, 1 for Monday, over the complete days."""
    by_weekday = defaultdict(list)
    for day in whole:
        by_weekday[day["event_date"].isoweekday()].append(day["search_count"])
    return [{"weekday": n, "search_count": fmean(c), "day_count": len(c)} for n, c in sorted(by_weekday.items())]


def _rejected(engine: Engine) -> Rows | None:
    has = engine.has("search_silver.rejected_records")
    return _rows(engine.run(_REASONS, {}, ["rejected_records"])) if has else None


def _batches(engine: Engine) -> Facts | None:
    if not _is_there(engine, "batches"):
        return None
    [totals] = _rows(engine.run(_BATCHES, {}, ["batches"]))
    return {**totals, "latest": _query(engine, "batch_checks", limit="10")}


def _deliveries(engine: Engine) -> Rows | None:
    """How many files had each fate: not which, as the page is made to be sent."""
    if not _is_there(engine, "deliveries"):
        return None
    return _rows(engine.run(_DELIVERIES, {}, ["deliveries"]))


def _models(engine: Engine) -> Facts | None:
    """The backtest of the version that forecasts, candidate by candidate and term by term; all versions' in short."""
    if not _is_there(engine, "backtest_metrics"):
        return None
    candidates = _query(engine, "backtest_candidates")
    # Errors compare only where they were measured on the same terms.
    term_count = max((row["term_count"] for row in candidates if row["candidate"] == "selection"), default=0)
    terms = _query(engine, "forecastable_terms", limit="1000")
    return {
        "version": candidates[0]["model_version"] if candidates else None,
        "candidates": [row for row in candidates if row["term_count"] == term_count and row["wape"] is not None],
        "terms": terms[:50],
        "verdicts": Counter(row["verdict"] for row in terms),
        "versions": [
            row for row in _rows(engine.run(_VERSIONS, {}, ["backtest_metrics"])) if row["candidate"] in _BASELINES
        ],
    }


def _accuracy(engine: Engine) -> Rows | None:
    return _query(engine, "forecast_accuracy_by_date") if _is_there(engine, "forecast_accuracy") else None


def _versions(engine: Engine) -> dict[str, int]:
    return {name: engine.version(name) for name in SOURCES if engine.has(name)}


def _size(engine: Engine, name: str) -> Facts:
    [(count,)] = engine.run(f"select count(*) as row_count from {name}", {}, [name]).rows  # noqa: S608
    return {"table": name, "row_count": count}


def _is_there(engine: Engine, name: str) -> bool:
    """Whether a table has rows."""
    return engine.has(name) and bool(engine.run(f"select 1 as one from {name} limit 1", {}, [name]).rows)  # noqa: S608


def _query(engine: Engine, name: str, **values: str) -> Rows:
    return _rows(answer(engine, catalogue.load(name), values))


def _rows(answered: Answer) -> Rows:
    return [dict(zip(answered.columns, row, strict=True)) for row in answered.rows]


def _plain(value: object) -> object:
    """A value as JSON has it: days and times as ISO text, no number that is none."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='seconds')}Z"
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and not isfinite(value) else value
