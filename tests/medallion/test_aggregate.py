"""Gold follows silver by what changed: whatever comes and goes, it is what plain Python counts from all searches."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from search_forecast.cli.call import reader
from search_forecast.lakehouse.contracts import (
    DAILY_TERM_COUNTS,
    DAILY_TOTALS,
    SEARCH_EVENTS,
    TERM_SUMMARY,
    TERM_VARIANTS,
)
from search_forecast.lakehouse.contracts.base import literals
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import gold
from search_forecast.medallion.aggregate import AGGREGATED, aggregate
from search_forecast.medallion.spellings import Spellings, load_spellings
from support import delta, lakes, plans
from support.flow import KilledError, killed_writing, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

FIRST = date(2024, 3, 1)
Search = tuple[date, str, str, int]  # event_date, term, searched_as, search_count


class Shop:
    """Silver as batches of random searches, and what gold must hold of it."""

    def __init__(self, house: Lakehouse, root: Path) -> None:
        self.house, self.root, self.batches = house, root, dict[str, list[Search]]()
        self.own_terms: dict[str, str] = {}
        self._random = random.Random(13)

    def begin(self, searches: list[Search], **own_terms: str) -> None:
        """Write the first batch, the accepted spellings, and gold that shows them, without Spark."""
        self.batches, self.own_terms = {"batch-000001": searches}, own_terms
        spellings = [{"variant": variant, "term": term} for variant, term in own_terms.items()]
        lakes.append(self.root, "accepted_spellings", spellings)
        values = [dict(zip(SEARCH_EVENTS.schema.names, row, strict=True)) for row in self._events("batch-000001")]
        lakes.append(self.root, "search_events", values)
        for name, content in self._gold().items():
            names = delta.CONTRACTS[name].schema.names
            values = [dict(zip(names, row, strict=True)) for row in content]
            lakes.append(self.root, name, values, self.spellings.position(1) if name.startswith("term_") else None)

    @property
    def spellings(self) -> Spellings:
        return Spellings(tuple(sorted(self.own_terms.items())))

    def put(self, **batches: list[Search]) -> None:
        """Let batches hold these searches, as `clean` writes them."""
        news = {f"batch-{name[1:]:0>6}": searches for name, searches in batches.items()}
        self.batches |= news
        values = [row for name in news for row in self._events(name)]
        own_rows = f"batch_id in ({literals(list(news))})"
        self.house.write(self.house.create(values, SEARCH_EVENTS), SEARCH_EVENTS, where=own_rows)

    def accept(self, **own_terms: str) -> None:
        """Let spellings count for other terms, and only these."""
        self.own_terms = own_terms
        load_spellings(self.house, self.spellings)

    def _events(self, batch_id: str) -> list[tuple[object, ...]]:
        return [(*search, "d", batch_id) for search in self.batches[batch_id]]

    def searches(self, count: int, days: list[int], terms: str) -> list[Search]:
        """Random searches on some days since the first, for terms of one letter or in capitals."""
        drawn = [(self._random.choice(days), self._random.choice(terms)) for _ in range(count)]
        typed = [self._random.choice((term, term.upper())) for _, term in drawn]
        return [
            (FIRST + timedelta(days=day), term, text, self._random.randint(1, 3))
            for (day, term), text in zip(drawn, typed, strict=True)
        ]

    def assert_gold_is_right(self) -> None:
        for name, content in self._gold().items():
            assert self._rows(name) == content, name

    def _gold(self) -> dict[str, set[tuple[Any, ...]]]:
        """What plain Python counts."""
        by_day_term, variants = Counter[tuple[date, str]](), Counter[tuple[str, str | None, str, str]]()
        for day, typed, text, count in (search for batch in self.batches.values() for search in batch):
            term, rule = self.own_terms.get(typed, typed), "exact" if typed == text else "case"
            by_day_term[day, term] += count
            variants[term, None if term == typed else typed, text, rule] += count
        by_day, by_term, days = Counter[date](), Counter[str](), defaultdict[str, list[date]](list)
        for (day, term), count in by_day_term.items():
            by_day[day] += count
            by_term[term] += count
            days[term].append(day)
        everything = sum(by_term.values())
        summary = {
            (term, n, n / everything, 1 + sum(m > n for m in by_term.values()), min(on), max(on), len(on))
            for term, n in by_term.items()
            if (on := days[term])
        }

        first, last = min(by_day), max(by_day)
        quietest = min((n for day, n in by_day.items() if first < day < last), default=0)
        totals = {
            (day, by_day[day], sum(d == day for d, _ in by_day_term), first < day < last or by_day[day] >= quietest)
            for day in (first + timedelta(days=number) for number in range((last - first).days + 1))
        }
        return {
            "daily_term_counts": {(day, term, n) for (day, term), n in by_day_term.items()},
            "daily_totals": totals,
            "term_summary": summary,
            "term_variants": {(*of, text, n, rule) for (*of, text, rule), n in variants.items()},
        }

    def _rows(self, name: str) -> set[tuple[Any, ...]]:
        found = rows(self.root, f"search_gold/{name}")
        assert len({tuple(row.values()) for row in found}) == len(found)
        return {tuple(row.values()) for row in found}


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    root = tmp_path_factory.mktemp("aggregate")
    return Shop(Lakehouse(spark, root, root / "_staging", reader=reader(root)), root)


@contextmanager
def plans_and_rows(shop: Shop) -> Iterator[tuple[dict[str, str], list[int]]]:
    """The plan of each table that is written meanwhile, and how many rows each `collect` brings."""
    collected, collect = list[int](), type(shop.house.spark.range(0)).collect

    def counting(df: DataFrame) -> list[Any]:
        collected.append(len(found := collect(df)))
        return found

    with plans.of_writes() as of_tables, mock.patch.object(type(shop.house.spark.range(0)), "collect", counting):
        yield of_tables, collected


def aggregate_killed_writing(shop: Shop, name: str) -> None:
    with mock.patch.object(Lakehouse, "write", killed_writing(name)), pytest.raises(KilledError):
        aggregate(shop.house)


def test_gold_is_right_whatever_comes_and_goes(shop: Shop) -> None:
    shop.begin(shop.searches(60, list(range(20)), "abcdef"), e="f", i="a", x="y")
    news = [*shop.searches(20, [21, 24], "aefgh"), *shop.searches(2, [3], "ai")]
    shop.put(b2=news, b3=shop.searches(30, [25], "abxyz"))
    with (
        plans_and_rows(shop) as (of_tables, collected),
        mock.patch.object(gold, "term_summary", side_effect=gold.term_summary) as summed,
    ):
        aggregate_killed_writing(shop, "term_summary")
        done = aggregate(shop.house)
    assert done == {"is_full": False, "days": 4, "silver_version": shop.house.version(SEARCH_EVENTS)}
    [call] = summed.call_args_list  # it was there already after the kill
    assert len(call.args) == 3  # from what it held
    shop.assert_gold_is_right()
    assert_plans_are_those_of_a_few_days(of_tables)
    assert of_tables.keys() == {table.name for table in AGGREGATED}
    assert max(collected) == 4

    shop.put(b2=news[5:], b3=[])  # corrected; withdrawn: the range ends earlier, terms vanish
    corrected = aggregate(shop.house)
    assert (corrected["is_full"], corrected["days"] > 1) == (False, True)
    shop.assert_gold_is_right()

    shop.put(b4=[])  # of rejected records only
    before = [shop.house.version(table) for table in (DAILY_TERM_COUNTS, DAILY_TOTALS)]
    assert aggregate(shop.house)["days"] == 0
    assert aggregate(shop.house)["days"] == 0
    assert [shop.house.version(table) for table in (DAILY_TERM_COUNTS, DAILY_TOTALS)] == before

    shop.accept(e="g")
    aggregate_killed_writing(shop, "term_variants")
    assert shop.house.position(TERM_VARIANTS) is None  # or the list of before, loaded again, would find gold up to date
    assert aggregate(shop.house)["is_full"]
    shop.assert_gold_is_right()
    assert shop.house.position(TERM_SUMMARY) == shop.spellings.position(shop.house.version(SEARCH_EVENTS))

    shop.accept()
    assert aggregate(shop.house)["is_full"]
    shop.assert_gold_is_right()
    assert shop.house.position(TERM_SUMMARY) == f"search_events@{shop.house.version(SEARCH_EVENTS)}"


def assert_plans_are_those_of_a_few_days(of_tables: dict[str, str]) -> None:
    """No row goes through Python or meets all rows of a table, and a table by day is read by its days."""
    for name, plan in of_tables.items():
        assert "EvalPython" not in plan, name
        assert "NestedLoop" not in plan, name
        assert "Cartesian" not in plan, name
        physical = plan.partition("== Physical Plan ==")[2]
        scans = [line for line in physical.splitlines() if "FileScan parquet" in line and "event_date" in line]
        assert bool(scans) == (name in ("daily_term_counts", "term_summary")), name
        assert all("event_date" in line.partition("DataFilters: [")[2].partition("]")[0] for line in scans), scans
