"""What `explore` shows: some terms beside each other, period by period, and lists of terms to go on from."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from search_forecast import __version__
from search_forecast.errors import UsageError
from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.pages.history import OTHER, RECENT, TOTAL, end_of, start_of, whole_periods
from search_forecast.pages.reading import Facts, Rows, known_days, left_out, query
from search_forecast.pages.reading import rows as rows_of
from search_forecast.queries.answers import Engine, filled_by

MOST_TERMS = 6
GRAINS = ("day", "week", "month")
LISTS = ("top", "rising", "falling", "new", "lost", "breakouts")
_LIST_LENGTH, _FOUND_LENGTH = "20", "12"
_TREND_DAYS = 62  # the last whole week or month lies in them
_FORECAST = ("forecast", "lower_80", "upper_80", "lower_95", "upper_95")
COLUMNS = ("date", "term", "search_count", *_FORECAST)
_DAYS = """
select term, event_date, search_count from daily_term_counts
where term in ({terms}) and event_date between :first and :last
"""


@dataclass(frozen=True)
class Period:
    """By what to count, and the days to look at; where neither end is said, the latest."""

    grain: str = "day"
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.grain not in GRAINS:
            raise UsageError(f"explore: grain={self.grain} is not {', '.join(GRAINS)}")
        if self.first and self.last and self.first > self.last:
            raise UsageError(f"explore: from={self.first} is after to={self.last}")

    def holds(self, start: date) -> bool:
        """Whether a period of the grain that begins on a day lies within."""
        return (self.first is None or start >= self.first) and (
            self.last is None or end_of(start, self.grain) <= self.last
        )


def start(engine: Engine) -> Facts:
    """What the page says before anything is chosen.

    Raises:
        DataError: gold has no searches yet.
    """
    days, whole = known_days(engine, "explore")
    sources = {name: filled_by(name) for name in ("search_gold.term_trends", "search_gold.term_forecasts")}
    return {
        "range": {
            "first_date": days[0]["event_date"],
            "last_date": days[-1]["event_date"],
            "last_complete_date": whole[-1]["event_date"],
            "search_count": sum(day["search_count"] for day in days),
        },
        "sources": sources,
        "missing": [name for name in sources if not engine.has(name)],
        "most_terms": MOST_TERMS,
        "version": __version__,
    }


def found(engine: Engine, part: str) -> Rows:
    """The terms that hold a text, the most searched ones."""
    return query(engine, "search_terms", part=part, limit=_FOUND_LENGTH)


def listed(engine: Engine, name: str, period: Period) -> Rows | None:
    """One of the lists of terms; of the most searched ones those of the days, of the others those of the last period.

    Returns:
        Its rows, most important first; None where the table that it is from isn't there.

    Raises:
        UsageError: there is no such list.
    """
    if name not in LISTS:
        raise UsageError(f"explore: list={name} is not {', '.join(LISTS)}")
    if name == "breakouts":
        return query(engine, "breakouts", limit=_LIST_LENGTH)
    if name == "top":
        days = {"from": period.first, "to": period.last}
        chosen = {key: day.isoformat() for key, day in days.items() if day is not None}
        return query(engine, "top_terms" if chosen else "term_ranking", limit=_LIST_LENGTH, **chosen)
    if not engine.has("term_trends"):
        return None
    return query(engine, "trending_terms", status=name, grain=_trend_grain(period), limit=_LIST_LENGTH)


def compared(engine: Engine, terms: list[str], period: Period) -> Facts:
    """How often terms were searched in each whole period, what is forecast for them, and what they did last.

    Args:
        engine: what reads gold.
        terms: `(total)` is all searches.
        period: which days, by what.

    Raises:
        DataError: a term was never searched.
    """
    days, whole = known_days(engine, "explore")
    all_starts = whole_periods(whole, period.grain)
    starts = [start for start in all_starts if period.holds(start)]
    if period.first is None and period.last is None:
        starts = starts[-RECENT[period.grain] :]
    total = sum(_counts(days, starts, period.grain))
    is_latest = starts[-1:] == all_starts[-1:]
    by_day = {TOTAL: days} | _days(engine, [term for term in terms if term != TOTAL], starts, period.grain)
    shown = [
        _term(engine, term, days[-1]["event_date"], _counts(by_day[term], starts, period.grain), period)
        | {"forecast": _forecast(engine, term, period.grain, is_latest=is_latest)}
        for term in terms
    ]
    return {
        "grain": period.grain,
        "dates": starts,
        "last_date": end_of(starts[-1], period.grain) if starts else None,
        "incomplete_dates": left_out(days, whole),
        "terms": [row | {"share_ratio": row["search_count"] / total if total else None} for row in shown],
    }


def rows(comparison: Facts) -> list[list[Any]]:
    """What is compared as rows of `COLUMNS`: the past of each term, then its forecast."""
    listed: list[list[Any]] = []
    for shown in comparison["terms"]:
        past = zip(comparison["dates"], shown["counts"], strict=True)
        listed += [[day, shown["term"], count, *[None] * len(_FORECAST)] for day, count in past]
        ahead = shown["forecast"]["rows"] if shown["forecast"] else []
        listed += [[row["target_date"], shown["term"], None, *(row[name] for name in _FORECAST)] for row in ahead]
    return listed


def _term(engine: Engine, term: str, last_day: date, counts: list[int], period: Period) -> Facts:
    """What is known of one term but its share of all."""
    has_trend = term != TOTAL and engine.has("term_trends")
    since = {"from": (last_day - timedelta(days=_TREND_DAYS)).isoformat()}
    trend = query(engine, "trend_of_term", term=term, grain=_trend_grain(period), **since) if has_trend else []
    over = [row for row in trend if not row["is_partial_period"]]
    return {"term": term, "counts": counts, "search_count": sum(counts), "trend": over[-1] if over else None}


def _days(engine: Engine, terms: list[str], starts: list[date], grain: str) -> dict[str, Rows]:
    """The days that are shown on which terms were searched: of all terms by one scan, as that is what costs.

    Raises:
        DataError: one was never searched.
    """
    for term in terms:
        query(engine, "term_count", term=term)
    normalise = normaliser()
    own = {term: normalise(term) for term in terms}
    by_term: dict[str, Rows] = {term: [] for term in own.values()}
    if by_term and starts:
        values: dict[str, object] = {f"term_{place}": term for place, term in enumerate(by_term)}
        sql = _DAYS.format(terms=", ".join(f":{name}" for name in values))
        values |= {"first": starts[0], "last": end_of(starts[-1], grain)}
        for row in rows_of(engine.run(sql, values, ["daily_term_counts"])):
            by_term[row["term"]].append(row)
    return {term: by_term[normal] for term, normal in own.items()}


def _forecast(engine: Engine, term: str, grain: str, *, is_latest: bool) -> Facts | None:
    """The latest forecast; its rows only where it is one of such periods, and follows what is shown."""
    # What forecasts call (other) are the rare terms together, no term that somebody searched for.
    is_forecast = term != OTHER and engine.has("term_forecasts")
    ahead = query(engine, "forecast", term=term) if is_forecast else []
    if not ahead:
        return None
    made = ahead[0]["made_on_date"]
    # As in the query latest_forecasts: a daily forecast has a target one day ahead, a weekly one only whole weeks.
    of = "week" if min((row["target_date"] - made).days for row in ahead) % 7 == 0 else "day"
    first = {name: ahead[0][name] for name in ("made_on_date", "model_version", "verdict")}
    return {**first, "grain": of, "rows": ahead if of == grain and is_latest else []}


def _counts(days: Rows, starts: list[date], grain: str) -> list[int]:
    counts = dict.fromkeys(starts, 0)
    for day in days:
        start = start_of(day["event_date"], grain)
        if start in counts:
            counts[start] += day["search_count"]
    return list(counts.values())


def _trend_grain(period: Period) -> str:
    return "month" if period.grain == "month" else "week"
