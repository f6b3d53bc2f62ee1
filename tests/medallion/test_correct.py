"""What was delivered wrongly is taken out, replaced, brought back: gold is what plain Python counts of what is left.

Killed at every point, and restored, by `make torture`.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search_forecast.cli.call import Call
from support import kills, lakes, reference
from support.flow import HEADER, assert_gold_is, rows, versions

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("spark")


def write(path: Path, *records: str) -> Path:
    path.write_text(HEADER + "".join(f"{record}\n" for record in records), encoding="utf-8")
    return path


def statuses(lake: Path) -> dict[str, str]:
    return {Path(r["source_file"]).name: r["status"] for r in rows(lake, "search_bronze/deliveries")}


def logged(lake: Path) -> list[tuple[str, str, int]]:
    noted = sorted(rows(lake, "search_gold/corrections"), key=lambda r: (r["corrected_at"], r["record_count"]))
    return [(r["what"], r["why"], r["record_count"]) for r in noted]


def test_a_delivery_is_withdrawn_and_replaced_and_gold_follows_though_the_clock_is_put_back(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = tmp_path / "lake"
    (tmp_path / "in").mkdir()
    (tmp_path / "mended").mkdir()
    a = write(tmp_path / "in" / "a.csv", "1,3,2024,hat", "2,3,2024,Hat", "2,3,2024,")
    b = write(tmp_path / "in" / "b.csv", "2,3,2024,hat", "3,3,2024,shoes")
    lakes.taken_in(lake, a, b)
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    monkeypatch.setattr(Call, "now", staticmethod(lambda: yesterday))
    withdrawn = ("correct", "a.csv", "--withdraw", "--why", "test data")
    assert kills.kill(run, withdrawn, ("deliveries", "after"))  # decided: what comes next does the rest

    mended = write(tmp_path / "mended" / "b.csv", "2,3,2024,hat", "3,3,2024,boots", "4,3,2024,boots")
    by_mended = ("correct", "b.csv", "--by", str(mended), "--why", "they are boots")
    assert kills.kill(run, by_mended, ("raw_search_terms", "before"))
    out = run(*by_mended)  # it is staged: what b.csv is called by now is the one that counts

    assert (out["status"], out["cleaned"]) == ("ingested", ["batch-000001", "batch-000002", "batch-000003"])
    assert_gold_is(lake, reference.of_files(mended))
    assert logged(lake) == [("withdrawn", "test data", 3), ("replaced", "they are boots", 2)]
    checked = sorted(rows(lake, "search_gold/batches"), key=lambda r: r["batch_id"])  # they come in the order of files
    assert [(r["delivered_count"], r["raw_count"], r["reconciled"]) for r in checked] == [
        (0, 0, True),
        (0, 0, True),
        (3, 3, True),
    ]
    before = versions(lake)
    again = run(*withdrawn)
    assert (again["status"], again["record_count"], again["cleaned"]) == ("withdrawn", 3, [])
    assert versions(lake) == before
    known = run("ingest", "--source", str(tmp_path / "in"))
    assert (known["known"], known["batch_id"]) == (2, None)


def test_the_same_export_with_other_line_ends_columns_and_a_day_more_is_noticed(
    tmp_path: Path, run: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    records = [(day, term) for day in range(1, 7) for term in ("hat", "shoes", "Red  boots", "mop")[: 3 + day % 2]]
    lakes.taken_in(lake, write(source / "march.csv", *(f"{day},3,2023,{term}" for day, term in records)))
    more = "".join(f"{term};2023;{day};3\r\n" for day, term in [*records, (7, "hat")])
    (source / "march_2.csv").write_text(f"searchterm;year;day;month\r\n{more}", encoding="utf-8", newline="")
    write(source / "other.csv", *(f"{day},3,2023,{term}" for day, term in records for _ in range(2)))

    code, line = run("ingest", "--source", str(source), "--strict")

    assert code == 1
    assert "march_2.csv not taken: 6 days have as many searches as in" in line
    assert statuses(lake) == {"march.csv": "ingested", "other.csv": "ingested"}

    (source / "march_3.tsv").write_text(f"searchterm\tyear\tday\tmonth\n{more.replace(';', chr(9))}", encoding="utf-8")
    two_days = [(day, f"term {n}") for n in range(10) for day in (20, 21)]  # so few agree by chance: terms must too
    write(source / "two_1.csv", *(f"{day},3,2023,{term}" for day, term in two_days))
    write(source / "two_2.csv", *(f"{day},3,2023,{term.upper()}" for day, term in two_days[::-1]))
    write(source / "two_3.csv", *(f"{day},3,2023,another {term}" for day, term in two_days))
    taken = run("ingest", "--source", str(source))

    assert taken["ingested"] == 5
    warnings = {Path(r["source_file"]).name: r["warning"] for r in rows(lake, "search_bronze/deliveries")}
    assert {name for name, warning in warnings.items() if warning is None} == {
        "march.csv", "other.csv", "two_1.csv", "two_3.csv"
    }  # fmt: skip
    alike = ("march_2.csv", "march.csv", 6), ("march_3.tsv", "march_2.csv", 7), ("two_2.csv", "two_1.csv", 2)
    for name, other, count in alike:
        assert warnings[name] == f"{count} days have as many searches as in {source / other}: is it the same export?"
    assert sum("is it the same export?" in record.getMessage() for record in caplog.records) >= 2
