"""The queries on words inside terms, slips and the concentration of demand, against plain Python."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search_forecast.errors import DataError
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion.spellings import read_spellings
from search_forecast.queries import catalogue
from search_forecast.queries.answers import answer
from search_forecast.queries.local import LocalEngine
from search_forecast.queries.spark import SparkEngine
from support.delta import write, write_counts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TERMS = {
    "gaming laptop": 30, "laptop": 100, "laptop 14 inch": 20, "tablet 10 inch": 25, "gaming chair": 15, "chair": 60,
    "laptop laptop": 2, "größe 10": 4,
}  # fmt: skip


def asked(root: Path, name: str, **values: str) -> list[tuple[Any, ...]]:
    engine = LocalEngine(root, lambda: pytest.fail("needs Spark"))
    return [tuple(row) for row in answer(engine, catalogue.load(name), values).rows]


def written(root: Path, terms: dict[str, int]) -> Path:
    common = {"share_ratio": 0.1, "rank": 1, "active_day_count": 1}
    days = {"first_seen_date": date(2024, 1, 1), "last_seen_date": date(2024, 1, 1)}
    rows = [{"term": term, "search_count": count, **common, **days} for term, count in terms.items()]
    return write(root, {"term_summary": rows})


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("words"), TERMS)


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


def test_what_the_list_merged_is_told_with_the_counts_apart_and_together(tmp_path: Path) -> None:
    spellings = {("lpatop", "laptop"), ("labtop", "laptop"), ("tvv", "tv"), ("penn", "pen")}
    typed = [
        ("laptop", None, "Laptop", 5), ("laptop", None, "laptop", 7), ("laptop", "lpatop", "LPATOP", 2),
        ("laptop", "lpatop", "lpatop", 1), ("laptop", "labtop", "labtop", 4), ("tv", "tvv", "tvv", 6),
    ]  # fmt: skip
    names = ("term", "variant", "searched_as", "search_count")
    rows = [{**dict(zip(names, row, strict=True)), "rule": "exact"} for row in typed]
    written(tmp_path, {"laptop": 19, "tv": 6})
    write(tmp_path, {"accepted_spellings": [{"variant": v, "term": t} for v, t in spellings], "term_variants": rows})

    assert asked(tmp_path, "merged_spellings") == [
        ("tvv", "tv", 6, 0, 6), ("labtop", "laptop", 4, 12, 19), ("lpatop", "laptop", 3, 12, 19),
        ("penn", "pen", 0, 0, 0),
    ]  # fmt: skip
    with pytest.raises(DataError, match='query term_count: "lpatop" is an accepted spelling of "laptop"; ask for that'):
        asked(tmp_path, "term_count", term="LPATOP")


def test_how_much_a_few_terms_have_of_each_month(tmp_path: Path) -> None:
    equal = {f"term {number}": [5] * 31 + [0] for number in range(20)}
    lake = write_counts(tmp_path, date(2024, 1, 1), {**equal, "big": [0] * 31 + [95], "small": [0] * 31 + [5]})

    february, january = asked(lake, "demand_concentration")

    assert january == (date(2024, 1, 1), 3100, 20, 0.5, 1.0, 16, 20.0)
    assert february == (date(2024, 2, 1), 100, 2, 1.0, 1.0, 1, round(1 / (0.95**2 + 0.05**2), 2))


def slips(term: str) -> set[str]:
    """What one slip makes of a term: a letter more, less or other, or two swapped."""
    letters = sorted({*"abcdefghijklmnopqrstuvwxyz é", *term})
    cuts = [(term[:n], term[n:]) for n in range(len(term) + 1)]
    less = {head + tail[1:] for head, tail in cuts if tail}
    other = {head + letter + tail[1:] for head, tail in cuts if tail for letter in letters}
    more = {head + letter + tail for head, tail in cuts for letter in letters}
    pairs = combinations(range(len(term)), 2)
    swapped = {term[:i] + term[j] + term[i + 1 : j] + term[i] + term[j + 1 :] for i, j in pairs}
    return (less | other | more | swapped) - {term}


def test_a_slip_of_a_frequent_term_is_suggested_and_merged_with_nothing(spark: SparkSession, tmp_path: Path) -> None:
    frequent = {
        "laptop": 900, "gaming chair": 500, "café crème": 300, "iphone 13": 400, "pen": 800, "tower": 700, "power": 800,
    }  # fmt: skip
    rare = (
        "lpatop", "laptp", "lapptop", "laptip", "aptop", "laptopp", "latpop", "tablet", "cafe crème", "gaming char",
        "gamign chair", "gmaing chiar", "iphone 12", "iphone 31", "ihpone 13", "pan",
        "xower",
    )  # fmt: skip
    terms = {**frequent, **{term: 30 - number for number, term in enumerate(rare)}, "laptops": 200, "labtopp": 2}
    lake = written(tmp_path, terms)
    house = Lakehouse(spark, lake, lake / "_staging", is_writable=False)
    near = {
        term: [other for other in frequent if term in slips(other)]
        for term in rare
        if len(term) >= 5 and term[-2:] not in ("12", "31")
    }
    near["labtopp"] = ["laptopp"]  # whose own slip it is: a list may hold both
    best = {term: max(others, key=lambda other: terms[other]) for term, others in near.items() if others}
    expected = [(term, other, terms[term], terms[other]) for term, other in best.items()]

    found = answer(LocalEngine(lake, lambda: SparkEngine(house)), catalogue.load("spelling_suggestions"), {})

    assert [tuple(row) for row in found.rows] == expected
    assert {row[0] for row in expected} == {*rare[:7], *rare[8:11], "ihpone 13", "xower", "labtopp"}
    assert best["xower"] == "power"
    (tmp_path / "list.csv").write_text("variant,term\n" + "".join(f"{row[0]},{row[1]}\n" for row in expected))
    assert dict(read_spellings(tmp_path / "list.csv").rows) == {**best, "labtopp": "laptop"}
    assert found.note is not None
