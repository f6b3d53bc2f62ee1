"""What `reconcile` counts, and what it finds, on small tables written without Spark."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from search_forecast.cli.call import reader
from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts import BATCHES, Table
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion.reconcile import COUNTS, LAYERS, reconcile
from support import lakes

if TYPE_CHECKING:
    from pathlib import Path

LATER = lakes.AT + timedelta(days=1)
RIGHT = {"batches": 2, "checked": 0, **dict.fromkeys(COUNTS[:2], 6), **dict.fromkeys(COUNTS[2:], 4)}
RIGHT |= {"rejected_count": 2}


@dataclass(frozen=True)
class House(Lakehouse):
    """A lakehouse without Spark: notes which tables are asked, and what would be written to search_gold.batches."""

    asked: set[str] = field(default_factory=set)
    written: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, sql: str, *tables: Table) -> list[dict[str, Any]]:
        self.asked.update(table.name for table in tables)
        return super().ask(sql, *tables)

    def create(self, rows: Any, table: Table) -> Any:
        assert table is BATCHES
        return [dict(zip(table.schema.names, row, strict=True)) for row in rows]

    def write(self, df: Any, table: Table, **options: Any) -> None:
        self.written.extend(df)


def no_spark() -> Any:
    raise AssertionError("Spark was started")


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two batches of two searches and a rejected record, a day each; all proven."""
    for number in (1, 2):
        add(tmp_path, number)
    totals = [{"term": term, "search_count": 2, "searched_as": term, "rule": "exact"} for term in ("hat", "tv")]
    lakes.append(tmp_path, "term_variants", totals)
    common = {"share_ratio": 0.5, "rank": 1, "first_seen_date": lakes.DAY, "last_seen_date": lakes.DAY}
    rows = [{**common, "term": term, "search_count": 2, "active_day_count": 2} for term in ("hat", "tv")]
    lakes.append(tmp_path, "term_summary", rows)
    return House(no_spark, tmp_path, tmp_path / "_staging", reader=reader(tmp_path))


def root_of(house: House) -> Path:
    assert house.root is not None
    return house.root


def add(root: Path, number: int) -> None:
    """Append a batch with its day of daily_totals."""
    tables = lakes.batch(number)
    day = {"event_date": lakes.DAY.replace(day=number), "search_count": 2, "distinct_term_count": 2}
    lakes.add(root, {**tables, "daily_totals": [{**day, "is_complete_day": True}]})


def test_what_was_proven_and_did_not_change_is_not_counted_again(house: House) -> None:
    assert reconcile(house, LATER) == RIGHT
    assert not house.asked & {table.name for table in LAYERS[1:]}

    assert reconcile(house, LATER, is_full=True) == {**RIGHT, "checked": 2}
    assert house.asked >= {table.name for table in LAYERS}
    assert house.written == []


@pytest.mark.parametrize(
    "change",
    [
        {"correction": "restored", "corrected_at": LATER, "corrected_by": "me", "reason": "why"},
        {"masked_at": LATER},
    ],
    ids=["corrected", "masked"],
)
def test_a_batch_that_changed_since_is_counted_again_and_noted(house: House, change: dict[str, Any]) -> None:
    root = root_of(house)
    row = {**lakes.batch(2)["deliveries"][0], **change}
    first = lakes.batch(1)["deliveries"]
    place = root / "search_bronze" / "deliveries"
    lakes.append(root, "deliveries", [*first, row], replacing={p.name: 0 for p in place.glob("*.parquet")})
    note = {"delivery_id": row["delivery_id"], "what": "restored", "why": "why", "record_count": 3}
    lakes.append(root, "corrections", [{**note, "corrected_at": LATER, "by": "me"}])

    assert reconcile(house, LATER) == {**RIGHT, "checked": 1}
    assert house.written == [{**lakes.batch(2)["batches"][0], "finished_at": LATER}]


def test_a_batch_that_did_not_add_up_is_counted_until_it_does(house: House) -> None:
    root = root_of(house)
    wrong = {**lakes.batch(2)["batches"][0], "event_count": 1, "aggregated_count": 1, "reconciled": False}
    place = root / "search_gold" / "batches"
    rows = [lakes.batch(1)["batches"][0], wrong]
    lakes.append(root, "batches", rows, replacing={p.name: 0 for p in place.glob("*.parquet")})

    assert reconcile(house, LATER) == {**RIGHT, "checked": 1}


def test_what_is_wrong_with_a_new_batch_or_a_sum_of_gold_is_found_at_once(house: House) -> None:
    root = root_of(house)
    for name, rows in lakes.batch(3).items():
        if name not in ("batches", "search_events"):
            lakes.append(root, name, rows)

    with pytest.raises(DataError, match="batch-000003: silver holds 1 of its records, expected 3; run clean"):
        reconcile(house, LATER)

    assert [row["batch_id"] for row in house.written] == ["batch-000003"]
    lakes.append(root, "search_events", lakes.batch(3)["search_events"])
    said = "gold: 4 searches in search_gold.daily_totals, expected 6; run aggregate --full; where it stays so"
    with pytest.raises(DataError, match=said):
        reconcile(house, LATER)


def test_a_tampered_day_of_a_batch_that_was_proven_is_found_by_the_full_proof(house: House) -> None:
    root = root_of(house)
    lakes.append(root, "daily_term_counts", [{"event_date": lakes.DAY, "term": "hat", "search_count": 1}])

    assert reconcile(house, LATER) == RIGHT
    with pytest.raises(DataError, match="batch-000001: gold holds 0 of its records, expected 2"):
        reconcile(house, LATER, is_full=True)


@pytest.mark.parametrize(("table", "layer"), [("search_events", "silver"), ("raw_search_terms", "bronze")])
def test_a_batch_that_another_program_wrote_is_told_and_not_noted(house: House, table: str, layer: str) -> None:
    lakes.append(root_of(house), table, lakes.batch(3)[table][:2])

    advice = (
        "no delivery has that batch: run ingest, which finishes it if it is staged, or restore the table that another "
        "program changed from its Delta history"
    )
    with pytest.raises(DataError, match=f"batch-000003: {layer} holds 2 of its records, expected 0; {advice}"):
        reconcile(house, LATER, is_full=True)

    assert house.written == []
