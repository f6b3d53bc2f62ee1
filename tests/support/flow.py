"""What the tests of the whole flow share: plain Python's answer, and readers that are not Spark."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from search_forecast.lakehouse.tables import Lakehouse
from support import reference

HEADER = "day,month,year,searchterm\n"
STEPS = ("clean", "aggregate", "reconcile")


class KilledError(BaseException):
    """Ends a run at a chosen point, as a kill would: nothing of ours catches it."""


def killed_writing(name: str, *, is_before: bool = False) -> Callable[..., None]:
    """In place of `Lakehouse.write`: the process dies once a table of that name is written, or before."""
    write = Lakehouse.write

    def killed(house: Lakehouse, rows: Any, table: Any, **options: Any) -> None:
        if table.name != name or not is_before:
            write(house, rows, table, **options)
        if table.name == name:
            raise KilledError

    return killed


def pipeline(run: Callable[..., Any], source: Path) -> list[Any]:
    return [run("ingest", "--source", str(source)), *(run(step) for step in STEPS)]


def delivered(directory: Path) -> reference.Expected:
    """Plain Python's answer for every readable file of a directory, each content once."""
    contents = {reference.content_of(path): path for path in sorted(directory.iterdir()) if ".csv" in path.name}
    records = [record for path in contents.values() for record in reference.read_delivery(path)]
    return reference.expected(records, datetime.now(timezone.utc).date())


def rows(lake: Path, name: str) -> list[dict[str, Any]]:
    """A table's rows, read without Spark."""
    return DeltaTable(str(lake / name)).to_pyarrow_table().to_pylist()


def versions(lake: Path) -> dict[str, int]:
    """The version of every table of a lakehouse."""
    return {str(path): DeltaTable(str(path)).version() for path in lake.glob("search_*/*")}


def gold_rows(lake: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All gold tables but for the times of batches, as sorted rows."""
    return {
        path.name: sorted((timeless(row) for row in rows(lake, f"search_gold/{path.name}")), key=repr)
        for path in sorted((lake / "search_gold").iterdir())
    }


def timeless(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in row.items() if not name.endswith("_at"))


def assert_gold_is(lake: Path, expected: reference.Expected) -> None:
    counts = {(r["event_date"], r["term"]): r["search_count"] for r in rows(lake, "search_gold/daily_term_counts")}
    assert counts == expected.daily_term_counts
    totals = {r["event_date"]: r["search_count"] for r in rows(lake, "search_gold/daily_totals") if r["search_count"]}
    assert totals == expected.search_count_by_date
    summary = {r["term"]: r["search_count"] for r in rows(lake, "search_gold/term_summary")}
    assert summary == expected.search_count_by_term
    variants = {(r["term"], r["searched_as"]): r["search_count"] for r in rows(lake, "search_gold/term_variants")}
    assert variants == expected.variants
    reasons = Counter(tuple(r["reject_reasons"]) for r in rows(lake, "search_silver/rejected_records"))
    assert reasons == expected.rejected_by_reasons
