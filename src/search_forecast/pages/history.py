"""How often the most searched terms were searched, period by period, and their latest forecasts."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from search_forecast.queries.answers import Engine

TERM_COUNT = 1000
TOTAL, OTHER = "(total)", "(other)"
# Lengths that keep the page below 3 MB, whatever the counts are.
RECENT = {"day": 84, "week": 104, "month": 160}
_LONG = {"week": 160, "month": 160}

_TERMS = "select term from term_summary order by search_count desc, term limit :limit"
_COUNTS = f"""
with terms as ({_TERMS})
select daily_term_counts.term, {{start}} as start_date, sum(daily_term_counts.search_count) as search_count
from daily_term_counts
inner join terms on terms.term = daily_term_counts.term
where daily_term_counts.event_date between :begin and :last
group by daily_term_counts.term, {{start}}
"""  # noqa: S608 - of constants
_FORECASTS = """
with latest as (
  select
    max(made_on_date) as made_on_date,
    max_by(model_version, struct(made_on_date, scored_at, model_version)) as model_version
  from term_forecasts
)
select term_forecasts.term, term_forecasts.target_date, term_forecasts.interval_level, term_forecasts.horizon_days,
  round(term_forecasts.forecast, 2) as forecast, round(term_forecasts.lower, 2) as lower_end,
  round(term_forecasts.upper, 2) as upper_end, latest.made_on_date, latest.model_version
from term_forecasts
inner join latest
  on latest.made_on_date = term_forecasts.made_on_date and latest.model_version = term_forecasts.model_version
order by term_forecasts.term, term_forecasts.target_date
"""


def read(engine: Engine, days: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The history and the latest forecast of all searches and of the thousand most searched terms.

    Args:
        engine: what reads gold.
        days: of daily_totals: the complete days, without gaps.

    Returns:
        `terms`, all searches first; `recent` and, where the range is longer, `long`: grain, first days of the periods
        and the counts of each term, whole periods only; `forecasts`: by term, with the day they were made on, or None.
    """
    terms = [str(row[0]) for row in engine.run(_TERMS, {"limit": TERM_COUNT}, ["term_summary"]).rows]
    forecasts = _forecasts(engine, days, {TOTAL, *terms} - {OTHER})  # that is the rare terms' together, not its own
    grain = "week" if forecasts and forecasts["period_days"] == 7 else "day"
    recent = _series(engine, days, terms, grain, RECENT[grain])
    weeks = len(whole_periods(days, "week"))
    longer = "month" if grain == "week" or weeks > _LONG["week"] else "week"
    is_longer = len(whole_periods(days, grain)) > RECENT[grain]
    return {
        "terms": [TOTAL, *terms],
        "recent": recent,
        "long": _series(engine, days, terms, longer, _LONG[longer]) if is_longer else None,
        "forecasts": forecasts,
    }


def _series(engine: Engine, days: Sequence[dict[str, Any]], terms: list[str], grain: str, most: int) -> dict[str, Any]:
    periods = whole_periods(days, grain)[-most:]
    if not periods:
        return {"grain": grain, "dates": [], "counts": [[] for _ in [TOTAL, *terms]]}
    place = {start: number for number, start in enumerate(periods)}
    counts = {term: [0] * len(periods) for term in terms}
    last = max(day["event_date"] for day in days if start_of(day["event_date"], grain) == periods[-1])
    column = "daily_term_counts.event_date"
    statement = _COUNTS.format(start=column if grain == "day" else f"trunc({column}, '{grain}')")
    values = {"limit": TERM_COUNT, "begin": periods[0], "last": last}
    for term, start, count in engine.run(statement, values, ["daily_term_counts", "term_summary"]).rows:
        if term in counts:  # another, where the summary was written meanwhile: then all is read again
            counts[term][place[start]] = count
    totals = [0] * len(periods)
    for day in days:
        start = start_of(day["event_date"], grain)
        if start in place:
            totals[place[start]] += day["search_count"]
    return {"grain": grain, "dates": periods, "counts": [totals, *counts.values()]}


def whole_periods(days: Sequence[dict[str, Any]], grain: str) -> list[date]:
    """The first days of the periods of which every day is among the days, which have no gaps."""
    first, last = days[0]["event_date"], days[-1]["event_date"]
    starts = sorted({start_of(day["event_date"], grain) for day in days})
    ends = [*(start - timedelta(days=1) for start in starts[1:]), end_of(starts[-1], grain)]
    return [start for start, end in zip(starts, ends, strict=True) if first <= start and end <= last]


def start_of(day: date, grain: str) -> date:
    """The first day of the day, week or month that a day is in."""
    return day.replace(day=1) if grain == "month" else day - timedelta(days=day.weekday() if grain == "week" else 0)


def end_of(start: date, grain: str) -> date:
    """The last day of the period that begins on a day."""
    days = {"day": 1, "week": 7, "month": 31}[grain]
    after = start_of(start + timedelta(days=days), grain)
    return after - timedelta(days=1)


def _forecasts(engine: Engine, days: Sequence[dict[str, Any]], terms: set[str]) -> dict[str, Any] | None:
    if not engine.has("term_forecasts"):
        return None
    rows = [row for row in engine.run(_FORECASTS, {}, ["term_forecasts"]).rows if row[0] in terms]
    if not rows:
        return None
    by_term: dict[str, dict[date, dict[str, Any]]] = {}
    for term, target, level, _, forecast, lower, upper, *_ in rows:
        day = by_term.setdefault(term, {}).setdefault(target, {"date": target, "forecast": forecast})
        day[f"lower_{level * 100:.0f}"], day[f"upper_{level * 100:.0f}"] = lower, upper
    made_on_date, model_version = rows[0][-2:]
    # As in the query latest_forecasts: a daily forecast has a target one day ahead, a weekly one only whole weeks.
    period_days = 7 if min(row[3] for row in rows) % 7 == 0 else 1
    return {
        "made_on_date": made_on_date,
        "model_version": model_version,
        "period_days": period_days,
        "terms": {term: list(targets.values()) for term, targets in by_term.items()},
        "expected": _expected(by_term.get(TOTAL, {}), days, made_on_date, period_days),
    }


def _expected(
    targets: dict[date, dict[str, Any]], days: Sequence[dict[str, Any]], made_on_date: date, period_days: int
) -> dict[str, Any] | None:
    """All searches forecast for the next seven days (a weekly forecast's next week), and those of the last seven."""
    first = made_on_date + timedelta(days=period_days)
    over = max((days[-1]["event_date"] - first).days + 1, 0) // period_days  # periods that came since it was made
    first += timedelta(days=over * period_days)
    week = [row["forecast"] for target, row in targets.items() if first <= target < first + timedelta(days=7)]
    last = [day["search_count"] for day in days if first - timedelta(days=7) <= day["event_date"] < first]
    if len(week) * period_days != 7 or len(last) != 7 or not sum(last):
        return None
    return {"day_count": 7, "forecast": sum(week), "previous_count": sum(last)}
