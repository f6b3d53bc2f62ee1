"""The queries on words inside terms and on the concentration of demand, by DuckDB, against plain Python."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from search_forecast.queries import catalogue
from search_forecast.queries.answers import answer
from search_forecast.queries.local import LocalEngine
from support.delta import write, write_counts

TERMS = {
    "gaming laptop": 30, "laptop": 100, "laptop 14 inch": 20, "tablet 10 inch": 25, "gaming chair": 15, "chair": 60,
    "laptop laptop": 2, "größe 10": 4,
}  # fmt: skip


def asked(root: Path, name: str, **values: str) -> list[tuple[Any, ...]]:
    engine = LocalEngine(root, lambda: pytest.fail("needs Spark"))
    return [tuple(row) for row in answer(engine, catalogue.load(name), values).rows]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    common = {"share_ratio": 0.1, "rank": 1, "active_day_count": 1}
    days = {"first_seen_date": date(2024, 1, 1), "last_seen_date": date(2024, 1, 1)}
    rows = [{"term": term, "search_count": count, **common, **days} for term, count in TERMS.items()]
    return write(tmp_path_factory.mktemp("words"), {"term_summary": rows})


def test_a_word_has_the_searches_of_all_terms_that_it_stands_in_once_each(lake: Path) -> None:
    counts, terms = Counter[str](), Counter[str]()
    for term, count in TERMS.items():
        for word in set(term.split()):
            counts[word] += count
            terms[word] += 1
    expected = sorted(((word, count, terms[word]) for word, count in counts.items()), key=lambda row: (-row[1], row[0]))

    assert asked(lake, "words", limit="100") == expected
    assert expected[0] == ("laptop", 152, 4)


def test_pairs_are_ordered_by_how_far_beyond_chance_they_are(lake: Path) -> None:
    total, singles, pairs = sum(TERMS.values()), Counter[str](), Counter[tuple[str, str]]()
    for term, count in TERMS.items():
        words = sorted(set(term.split()))
        singles.update(dict.fromkeys(words, count))
        pairs.update(dict.fromkeys(combinations(words, 2), count))
    lifts = {pair: count * total / (singles[pair[0]] * singles[pair[1]]) for pair, count in pairs.items()}

    found = asked(lake, "word_pairs", least="1")

    assert {row[:2]: row[4] for row in found} == pytest.approx(lifts)
    assert [row[4] for row in found] == sorted(lifts.values(), reverse=True)
    assert {row[:2] for row in asked(lake, "word_pairs", word="gaming")} == {("gaming", "laptop"), ("chair", "gaming")}
    assert min(row[2] for row in asked(lake, "word_pairs", least="20")) == 20


def test_how_much_a_few_terms_have_of_each_month(tmp_path: Path) -> None:
    equal = {f"term {number}": [5] * 31 + [0] for number in range(20)}
    lake = write_counts(tmp_path, date(2024, 1, 1), {**equal, "big": [0] * 31 + [95], "small": [0] * 31 + [5]})

    february, january = asked(lake, "demand_concentration")

    assert january == (date(2024, 1, 1), 3100, 20, 0.5, 1.0, 16, 20.0)
    assert february == (date(2024, 2, 1), 100, 2, 1.0, 1.0, 1, round(1 / (0.95**2 + 0.05**2), 2))
