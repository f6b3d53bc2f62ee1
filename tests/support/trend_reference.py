"""search_gold.term_trends by numpy and scipy, from a matrix of counts by day and term: what Spark is compared with."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from scipy import stats

Matrix = np.ndarray  # searches: a row per day, a column per term


def starts(grain: str, first: date, last: date) -> list[date]:
    """The first days of the periods that days from first to last lie in."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return sorted({day - timedelta(days=day.weekday()) if grain == "week" else day.replace(day=1) for day in days})


def shifted(grain: str, start: date, periods: int = 0, years: int = 0) -> date:
    if grain == "week":
        return start + timedelta(days=7 * periods + 364 * years)
    months = start.year * 12 + start.month - 1 + periods + 12 * years
    return date(months // 12, months % 12 + 1, 1)


@dataclass
class Shop:
    """Counts of days that follow one another."""

    first: date
    counts: Matrix

    @property
    def last(self) -> date:
        return self.first + timedelta(days=len(self.counts) - 1)

    def total(self, grain: str, start: date, low: int = 0, high: int = 31) -> Matrix:
        """By term, searches of the days of a period whose place in it is from low to high."""
        end = shifted(grain, start, 1)
        places = [n for n in range(len(self.counts)) if start <= self.first + timedelta(days=n) < end]
        return self.counts[[n for n in places if low <= (self.first + timedelta(days=n) - start).days <= high]].sum(
            axis=0
        )

    def pair(self, grain: str, start: date, like: date | None = None) -> tuple[Matrix, Matrix] | None:
        """Searches of a period and the one before, over the days that both have (and a later one like them has)."""
        before = shifted(grain, start, -1)
        if like is not None and before < self.first:
            return None  # a year ago the data had not begun
        end = shifted(grain, like or start, 1) - timedelta(days=1)
        high = 31 if end <= self.last else (self.last - (like or start)).days
        low = max((self.first - before).days, 0) if before >= starts(grain, self.first, self.first)[0] else 0
        return self.total(grain, start, low, 31 if like is None else high), self.total(grain, before, low, high)


def z_scores(shop: Shop, grain: str) -> dict[date, Matrix]:
    """How far each term's share moved, where nothing but chance of single searches moves it; nan where untold."""
    scores = {}
    for start in starts(grain, shop.first, shop.last):
        now, before = shop.pair(grain, start) or (None, None)
        year = shop.pair(grain, shifted(grain, start, years=-1), like=start)
        scores[start] = np.array(
            [
                z_score(
                    *(int(n) for n in (now[i], before[i], now.sum(), before.sum())),
                    year and [(int(c[i]), int(c.sum())) for c in year],
                )
                for i in range(shop.counts.shape[1])
            ]
        )
    return scores


def z_score(a: int, b: int, all_a: int, all_b: int, year: list[tuple[int, int]] | None) -> float:
    if a + b < 10 or not all_a or not all_b or a + b == all_a + all_b:
        return np.nan
    season, certainty = 1.0, 1.0
    if year and all(whole for _, whole in year) and sum(n for n, _ in year) >= max(10, (a + b) / 4):
        (c, all_c), (d, all_d) = year
        season = ((c + 0.5) / all_c) / ((d + 0.5) / all_d)
        own, other = (1 / (x + 0.5) + 1 / (y + 0.5) for x, y in ((a, b), (c, d)))
        certainty = own / (own + other)
    mean = (a + b) * all_a * season / (all_a * season + all_b)
    near = mean + np.sign(a - mean) * max(abs(a - mean) - 0.5, 0)
    seen, due = np.array([near, a + b - near]), np.array([mean, a + b - mean])
    deviance = stats.entropy(seen, due) * 2 * (a + b) if a + b else 0.0  # Kullback and Leibler's distance, of shares
    return float(np.sign(a - mean) * np.sqrt(max(deviance, 0) * certainty / (1 - (a + b) / (all_a + all_b))))


def dispersions(shop: Shop, grain: str) -> Matrix:
    """By term, how much more than chance its counts vary."""
    terms = shop.counts.shape[1]
    chi, freedom = np.zeros(terms), np.zeros(terms)
    for start in starts("week", shop.first, shop.last):
        rows = [n for n in range(len(shop.counts)) if 0 <= (shop.first + timedelta(days=n) - start).days < 7]
        week = shop.counts[[n for n in rows if shop.counts[n].sum()]]
        for i in range(terms):
            share = week[:, i].sum() / max(week.sum(), 1)
            if week[:, i].sum() >= 10 and share < 1 and len(week) > 1:
                due = week.sum(axis=1) * share
                chi[i] += ((week[:, i] - due) ** 2 / due).sum() / (1 - share)
                freedom[i] += len(week) - 1
    pool = chi.sum() / freedom.sum() if freedom.sum() else 1.0
    result = np.maximum(1, (chi + 30 * pool) / (freedom + 30))
    for each in {"week", grain}:
        every = np.array(list(z_scores(shop, each).values()))
        if (~np.isnan(every)).any(axis=1).sum() < 5:
            continue
        pool = scale(every[~np.isnan(every)], "inverted_cdf")  # as Spark's approximation of many
        for i in range(terms):
            own = every[~np.isnan(every[:, i]), i]
            of_term = len(own) * scale(own) if len(own) else 0.0
            result[i] = max(result[i], (of_term + 8 * pool) / (len(own) + 8))
    return result


def scale(values: Matrix, method: str = "linear") -> float:
    return float(np.subtract(*np.percentile(values, [75, 25], method=method)) / 1.349) ** 2


def p_values(shop: Shop, grain: str) -> Iterator[tuple[date, Matrix, Matrix]]:
    """For each period by term: p, corrected within the period, and the direction."""
    scores = z_scores(shop, grain)
    spread = np.sqrt(dispersions(shop, grain))
    for start, score in scores.items():
        chance, told = 2 * stats.norm.sf(np.abs(score / spread)), ~np.isnan(score)
        if told.any():
            chance[told] = stats.false_discovery_control(chance[told], method="bh")
        yield start, chance, np.sign(score)
