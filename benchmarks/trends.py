"""How often a term is called rising or falling where nothing trends, and how many of known trends are found.

    python benchmarks/trends.py --seeds 3

Simulated shops whose shares are constant but for chance of several kinds, shops in which a tenth of the terms really
changes (a leap in one week), the project's own generated deliveries (`synthetic/demand.py`), and the
original search terms where they are. Prints the tables of docs/trends-rates.md.
"""

import argparse
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from search_forecast.lakehouse.contracts import DAILY_TOTALS
from search_forecast.lakehouse.session import session
from search_forecast.medallion import gold, trends
from search_forecast.synthetic.demand import TRENDS, demand
from search_forecast.synthetic.vocabulary import vocabulary

CALLS = ("rising", "falling", "lost")
TERMS, WEEKS, PER_DAY = 300, 26, 3000
MONDAY = date(2024, 1, 1)
ORIGINAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "searchterms.csv"
WEEKDAY = np.array([0.98, 0.95, 0.94, 0.97, 1.05, 1.12, 0.99])


def shares(terms: int = TERMS) -> np.ndarray:
    """Zipf's: the first term has 16 % of all searches, the last 0.05 %."""
    weights = 1 / np.arange(1, terms + 1)
    return weights / weights.sum()


def expected(factors: np.ndarray, per_day: int = PER_DAY) -> np.ndarray:
    """Searches to be expected per day and term, where shares are multiplied by day and term."""
    days = WEEKDAY[np.arange(len(factors)) % 7][:, None]
    return per_day * days * shares(factors.shape[1]) * factors


def steady(days: int = 7 * WEEKS, terms: int = TERMS) -> np.ndarray:
    """Factors of nothing that changes."""
    return np.ones((days, terms))


def negative_binomial(rng: np.random.Generator, mean: np.ndarray, size: float) -> np.ndarray:
    """Counts with variance mean + mean^2 / size."""
    return rng.poisson(mean * rng.gamma(size, 1 / size, mean.shape))


def wandering(rng: np.random.Generator, days: int, terms: int, deviation: float, memory: float) -> np.ndarray:
    """Factors that wander about 1 and come back, each day like the one before."""
    levels = np.zeros((days, terms))
    for day in range(1, days):
        levels[day] = memory * levels[day - 1] + rng.normal(0, deviation * (1 - memory**2) ** 0.5, terms)
    return np.exp(levels)


def judged(spark: Any, counts: np.ndarray, first: date = MONDAY) -> pd.DataFrame:
    """search_gold.term_trends of counts per day and term; terms are called by their number."""
    days, terms = np.nonzero(counts)
    rows = pd.DataFrame(
        {
            "event_date": [first + timedelta(days=int(day)) for day in days],
            "term": terms.astype(str),
            "search_count": counts[days, terms].astype("int64"),
        }
    )
    frame = spark.createDataFrame(rows, "event_date date, term string, search_count bigint")
    by_day = rows.groupby("event_date")["search_count"].agg(["sum", "count"])
    totals = gold.daily_totals({day: (int(total), int(terms)) for day, total, terms in by_day.itertuples()})
    last = first + timedelta(days=len(counts) - 1)
    found = trends.term_trends(frame, spark.createDataFrame(totals, DAILY_TOTALS.schema), first, last).toPandas()
    found["number"] = found["term"].astype(int)
    return found


def false_calls(found: pd.DataFrame) -> np.ndarray:
    """Where no call is right: periods with any call, periods, calls, terms tested."""
    tested = found[found.p_value.notna()]
    called = tested[tested.status.isin(CALLS)]
    periods = (frame.period_start_date.nunique() for frame in (called, tested))
    return np.array([*periods, len(called), len(tested)])


def nothing_trends(spark: Any, seeds: int) -> None:
    """How often something is called in shops in which shares are constant but for chance of several kinds."""
    rng = np.random.default_rng(1)
    mean = expected(steady())
    kinds: dict[str, Callable[[], np.ndarray]] = {
        "searches come one by one (Poisson)": lambda: rng.poisson(mean),
        "days differ by 22 % more (negative binomial, k 20)": lambda: negative_binomial(rng, mean, 20),
        "by 58 % more (k 3)": lambda: negative_binomial(rng, mean, 3),
        "six weeks only, k 3": lambda: negative_binomial(rng, mean[:42], 3),
        "shares wander by 20 %, half gone in 2 days": lambda: rng.poisson(mean * wandering(rng, *mean.shape, 0.2, 0.7)),
        "shares wander by 20 %, half gone in a week": lambda: rng.poisson(mean * wandering(rng, *mean.shape, 0.2, 0.9)),
    }
    print("| nothing trends, but | weeks with any call | of terms tested in weeks | months with any call | of terms |")
    print("|---|---|---|---|---|")
    for name, draw in kinds.items():
        found = [judged(spark, draw()) for _ in range(seeds)]
        cells = []
        for grain in trends.GRAINS:
            wrong, periods, calls, tests = sum(false_calls(each[each.grain == grain]) for each in found)
            cells += [f"{wrong} of {periods}", f"{1e4 * calls / tests:.1f} in 10,000"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def leaps(spark: Any) -> None:
    """How many leaps of a tenth of all terms, up and down, are called in the week in which they happen."""
    rng = np.random.default_rng(2)
    print("\n| a tenth of the terms, in one week | 10 to 49 searches a week | 50 to 199 | 200 and more | right calls |")
    print("|---|---|---|---|---|")
    for ratio in (1.25, 1.5, 2, 3):
        changed = rng.permutation(TERMS)[: TERMS // 10]
        factors = steady()
        factors[7 * 20 :, changed[::2]] *= ratio
        factors[7 * 20 :, changed[1::2]] /= ratio
        found = judged(spark, negative_binomial(rng, expected(factors), 20))
        week = found[(found.grain == "week") & (found.period_start_date == MONDAY + timedelta(days=7 * 20))]
        called = set(week[week.status.isin(CALLS)].number)
        before = expected(steady())[:7].sum(axis=0)
        cells = []
        for low, high in ((10, 50), (50, 200), (200, 1e9)):
            some = {n for n in changed if low <= before[n] < high}
            cells.append(f"{len(some & called)} of {len(some)}")
        print(
            f"| times or by {ratio:g} | {' | '.join(cells)} | {len(called & set(changed))} of {len(called)} |",
            flush=True,
        )


def generated(spark: Any, days: int = 91, per_day: int = 20_000) -> None:
    """The terms of `generate`, whose trends are known: how many are found, and how many calls are right."""
    made = demand(vocabulary(TERMS), days, 1)
    weights = np.array(
        [np.add.reduceat(np.diff(made.cumulative_weights(n), prepend=0), made.spelling_starts) for n in range(days)]
    )
    share = weights / weights.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(3)
    found = judged(spark, np.array([rng.multinomial(per_day, line) for line in share]))
    print(
        "\n| generated | rising terms ever called so | falling ones | dying called lost | calls in the true direction |"
    )
    print("|---|---|---|---|---|")
    for grain in trends.GRAINS:
        rows = found[found.grain == grain]
        cells = []
        for trend, status in (("rising", "rising"), ("falling", "falling"), ("dying", "lost")):
            members = {n for n in range(len(made.terms)) if TRENDS[made.trends[n]] == trend}
            cells.append(f"{len(members & set(rows[rows.status == status].number))} of {len(members)}")
        right = calls = 0
        for row in rows[rows.status.isin(CALLS)].itertuples():
            start = max((row.period_start_date - MONDAY).days, 0)
            length = 7 if grain == "week" else 30
            now, before = (share[max(low, 0) : low + length, row.number].mean() for low in (start, start - length))
            calls += 1
            right += (now > before * 1.01) if row.status == "rising" else (now < before * 0.99)
        print(f"| {grain} | {' | '.join(cells)} | {right} of {calls} |", flush=True)


def original(spark: Any, path: Path) -> None:
    """The original search terms, in which nothing trends."""
    if not path.exists():
        print(f"\nno {path}: the original terms are left out")
        return
    rows = pd.read_csv(path, encoding="utf-8-sig")
    rows.columns = [name.strip().lower() for name in rows.columns]
    days = pd.to_datetime(rows[["year", "month", "day"]])
    counts = pd.crosstab(days, rows["searchterm"])
    found = judged(spark, counts.to_numpy(), days.min().date())
    least = found.p_value.min()
    print(f"\nOriginal terms: {found.status.isin(CALLS).sum()} calls in {len(found)} rows, least p_value {least:.2f}.")


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="simulated shops of each kind")
    parser.add_argument("--original", type=Path, default=ORIGINAL, help="the original search terms")
    arguments = parser.parse_args()
    spark = session(size="small")
    nothing_trends(spark, arguments.seeds)
    leaps(spark)
    generated(spark)
    original(spark, arguments.original)


if __name__ == "__main__":
    main()
