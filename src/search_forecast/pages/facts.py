"""What the report shows, read from gold (and, of quality, the layers below) with the reader that answers queries."""

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from statistics import fmean

from search_forecast.errors import DataError
from search_forecast.pages import history, quality
from search_forecast.pages.reading import NEEDED, Facts, Rows, is_there, known_days, left_out, plain, query, rows
from search_forecast.queries.answers import Engine, filled_by

# Every table that the page reads.
TABLES = (
    *NEEDED,
    *("search_gold.term_trends", "search_gold.term_forecasts", "search_gold.backtest_metrics"),
    *("search_gold.forecast_accuracy", "search_gold.batches"),
    *("search_silver.rejected_records", "search_bronze.deliveries"),
)
_TOP_COUNT = 15
_LONGEST_PERIOD_DAYS = 28

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


def gather(engine: Engine) -> Facts:
    """All that the page shows, of one state of the tables.

    Returns:
        Sections by name; one whose table is absent or empty is None. Dates are ISO text, ratios 0..1.

    Raises:
        DataError: there is no search in gold, or tables are written faster than they can be read.
    """
    for _ in range(3):
        before = _versions(engine)
        facts = _gather(engine)
        if _versions(engine) == before:
            return {**facts, "tables": [{**_size(engine, name), "version": before[name]} for name in before]}
    raise DataError("report: its tables were being written each time they were read; try again once that is done")


def _gather(engine: Engine) -> Facts:
    days, whole = known_days(engine, "report")
    sections: dict[str, Callable[[], object]] = {
        "range": lambda: _range(engine, days, whole),
        "period": lambda: _period(engine, whole),
        "history": lambda: history.read(engine, whole),
        "trends": lambda: _trends(engine),
        "breakouts": lambda: query(engine, "breakouts", limit="8"),
        "weekdays": lambda: _weekdays(whole),
        "rejected": lambda: quality.rejected(engine),
        "batches": lambda: quality.batches(engine),
        "deliveries": lambda: quality.deliveries(engine),
        "models": lambda: quality.models(engine),
        "accuracy": lambda: quality.accuracy(engine),
    }
    return {name: plain(section()) for name, section in sections.items()} | {
        "sources": {table: filled_by(table) for table in TABLES}
    }


def _range(engine: Engine, days: Rows, whole: Rows) -> Facts:
    [totals] = query(engine, "row_count")
    ends = {"first_date": days[0]["event_date"], "last_date": days[-1]["event_date"]}
    return {**totals, **ends, "incomplete_dates": left_out(days, whole)}


def _period(engine: Engine, whole: Rows) -> Facts:
    """The latest whole weeks, up to four, and the same number before them; all days where there are no two weeks."""
    length = min(_LONGEST_PERIOD_DAYS, len(whole) // 14 * 7)
    has_previous, length = length > 0, length or len(whole)
    last = whole[-1]["event_date"]
    begin, before = last - timedelta(days=length - 1), last - timedelta(days=2 * length - 1)
    values = {"begin": begin, "before": before if has_previous else begin, "last": last}
    terms = rows(engine.run(_PERIOD_TERMS, values, ["daily_term_counts"]))
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
    if not is_there(engine, "term_trends"):
        return None
    found: dict[str, Facts] = {}
    for row in query(engine, "latest_trends"):
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


def _versions(engine: Engine) -> dict[str, int]:
    return {name: engine.version(name) for name in TABLES if engine.has(name)}


def _size(engine: Engine, name: str) -> Facts:
    [(count,)] = engine.run(f"select count(*) as row_count from {name}", {}, [name]).rows  # noqa: S608
    return {"table": name, "row_count": count}
