"""The exports of other systems, in every container: staged without Spark, then once through everything."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from search_forecast.errors import DataError
from search_forecast.medallion import landing, layouts
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.synthetic import exports
from search_forecast.synthetic.exports import EXPORTS, Search
from support.flow import pipeline, rows
from support.places import FIXTURES

LAYOUTS = layouts.load()
REFUSED = sorted(name for name, layout in LAYOUTS.items() if layout.refuse)
# Day, term as typed, how often; the term twice in two spellings, and what CSV, JSON and Spark could trip over.
SEARCHES = (
    (date(2024, 3, 1), "standing desk", 3),
    (date(2024, 3, 1), "Standing  Desk", 1),
    (date(2024, 3, 2), 'tv 55" oled, "4k"', 2),
    (date(2024, 3, 2), "größe 42; schuhe", 1),
    (date(2024, 3, 29), "a\\b \\\" , 'c' # tab\tlamp", 2),
    (date(2024, 12, 31), "ポータブル電源 \x1f {}[]", 1),
)
PAIRS = [(name, container) for name, export in EXPORTS.items() for container in export.containers()]


def written(name: str, container: str | None) -> tuple[bytes, Counter[str]]:
    export = EXPORTS[name]
    searches = [
        Search(export.day(day), term, str(count if export.is_counted else 1))
        for day, term, count in SEARCHES
        for _ in range(1 if export.is_counted else count)
    ]
    return exports.content(name, searches, container)


def staged(path: Path, directory: Path, name: str) -> list[dict[str, str]]:
    """The staged records of all deliveries of a file, by role."""
    found = []
    for part in landing.survey(path).parts:
        delivery = landing.stage(part, directory, Choice(path, name))
        layout = delivery.layout
        assert layout is not None
        assert delivery.layout_name == name
        lines = (directory / f"{delivery.delivery_id}.lines").read_bytes().decode().split("\n")[:-1]
        assert len(lines) == delivery.record_count
        for fields in csv.reader(lines, delimiter=layout.delimiter, strict=True):
            if len(fields) == len(layout.columns):
                cells = dict(zip(layout.columns, fields, strict=True))
                found.append({role: cells[role] for role in layout.roles})
    return found


@pytest.mark.parametrize(("name", "container"), PAIRS)
def test_every_layout_is_read_from_every_container(tmp_path: Path, name: str, container: str) -> None:
    content, _ = written(name, container)
    (tmp_path / f"searches{container}").write_bytes(content)

    records = staged(tmp_path / f"searches{container}", tmp_path, name)

    typed = [term for _, term, count in SEARCHES for _ in range(1 if EXPORTS[name].is_counted else count)]
    assert [record["searchterm"] for record in records if record["searchterm"]] == typed
    if EXPORTS[name].is_counted:
        counts = [record["count"] for record in records if record["searchterm"]]
        assert [count.partition(".")[0] for count in counts] == [str(count) for _, _, count in SEARCHES]


@pytest.mark.parametrize("name", sorted(LAYOUTS.keys() - {"spark_csv"}))
def test_every_layout_has_a_fixture_that_fits_no_other(tmp_path: Path, name: str) -> None:
    paths = sorted((FIXTURES / "exports" / name).iterdir())
    assert paths
    for path in paths:
        part = Part(path)
        if name in REFUSED:
            with pytest.raises(DataError, match=f"{name}: .* without a day"):
                landing.stage(part, tmp_path, Choice(path))
        else:
            assert landing.stage(part, tmp_path, Choice(path)).layout_name == name


def test_the_same_searches_in_every_layout_give_the_same_gold(
    spark: Any, run: Callable[..., Any], tmp_path: Path
) -> None:
    """Each layout has days of its own, so that one run does for all of them."""
    expected: Counter[tuple[date, str]] = Counter()
    rejected: Counter[str] = Counter()
    records = 0
    for place, (name, export) in enumerate(EXPORTS.items()):
        shift = timedelta(days=400 * place - 4000)
        searches = [
            Search(export.day(day + shift), term, str(count if export.is_counted else 1))
            for day, term, count in SEARCHES
            for _ in range(1 if export.is_counted else count)
        ]
        container = export.containers()[place] if place % 2 else ".zip"
        content, noise = exports.content(name, searches, container)
        rejected += noise
        records += len(searches) + sum(noise.values())
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / f"searches{container}").write_bytes(content)
        for day, typed, count in SEARCHES:
            expected[day + shift, " ".join(typed.casefold().replace("größe", "grösse").split())] += count

    ingested, _, _, checked = pipeline(run, tmp_path / "in")

    assert (ingested["ingested"], ingested["rejected"]) == (len(EXPORTS), 0)
    assert (checked["raw_count"], checked["rejected_count"]) == (records, sum(rejected.values()))
    assert checked["search_count"] == expected.total() == sum(count for _, _, count in SEARCHES) * len(EXPORTS)
    lake = tmp_path / "lake"
    counts = {(r["event_date"], r["term"]): r["search_count"] for r in rows(lake, "search_gold/daily_term_counts")}
    assert counts == expected
    reasons = Counter(r["reject_reasons"][0] for r in rows(lake, "search_silver/rejected_records"))
    assert reasons == rejected
    assert {r["layout"] for r in rows(lake, "search_bronze/deliveries")} == EXPORTS.keys()
