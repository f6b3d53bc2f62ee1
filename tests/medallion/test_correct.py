"""What was delivered wrongly is taken out, replaced, brought back: gold is what plain Python counts of what is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from search_forecast import cli
from support import reference
from support.flow import HEADER, STEPS, assert_gold_is, rows, versions

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("spark")


class Killed(BaseException):
    """Ends a run right after a commit, as a kill would."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop's folder: landing in `in`, what was mended in `mended`, the lakehouse in `lake`."""
    place = tmp_path_factory.mktemp("corrections")
    (place / "in").mkdir()
    (place / "mended").mkdir()
    return place


@pytest.fixture
def run(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command on the module's lakehouse; its JSON result, or (exit code, error line) where it failed."""

    def run_command(*words: str) -> Any:
        capsys.readouterr()
        code = cli.main(["--lakehouse", str(place / "lake"), *words, "--json"])
        printed = capsys.readouterr()
        return (code, printed.err) if code else json.loads(printed.out)

    return run_command


def write(path: Path, *records: str) -> Path:
    path.write_text(HEADER + "".join(f"{record}\n" for record in records), encoding="utf-8")
    return path


def counted(*files: Path) -> reference.Expected:
    """Plain Python's answer for some files."""
    records = [record for path in files for record in reference.read_delivery(path)]
    return reference.expected(records, reference.date(2030, 1, 1))


def statuses(lake: Path) -> dict[str, str]:
    return {Path(r["source_file"]).name: r["status"] for r in rows(lake, "search_bronze/deliveries")}


def logged(lake: Path) -> list[tuple[str, str, int]]:
    noted = sorted(rows(lake, "search_gold/corrections"), key=lambda r: (r["corrected_at"], r["record_count"]))
    return [(r["what"], r["why"], r["record_count"]) for r in noted]


def test_a_delivery_is_withdrawn_replaced_and_restored_and_gold_follows(place: Path, run: Callable[..., Any]) -> None:
    lake = place / "lake"
    a = write(place / "in" / "a.csv", "1,3,2024,hat", "2,3,2024,Hat", "2,3,2024,")
    b = write(place / "in" / "b.csv", "2,3,2024,hat", "3,3,2024,shoes")
    run("ingest", "--source", str(place / "in"))
    for step in STEPS:
        run(step)
    assert_gold_is(lake, counted(a, b))

    out = run("correct", "a.csv", "--withdraw", "--why", "test data")

    assert (out["status"], out["record_count"], out["cleaned"], out["days"]) == (
        "withdrawn", 3, ["batch-000001"], 2,
    )  # fmt: skip
    assert_gold_is(lake, counted(b))
    assert [(r["delivered_count"], r["raw_count"], r["reconciled"]) for r in rows(lake, "search_gold/batches")] == [
        (2, 2, True)
    ]
    before = versions(lake)
    assert run("correct", out["delivery_id"][:8], "--withdraw", "--why", "again")["status"] == "withdrawn"
    assert versions(lake) == before

    mended = write(place / "mended" / "b.csv", "2,3,2024,hat", "3,3,2024,boots", "4,3,2024,boots")
    out = run("correct", "b.csv", "--by", str(mended), "--why", "they are boots")

    assert (out["status"], out["cleaned"]) == ("replaced", ["batch-000001", "batch-000002"])
    assert_gold_is(lake, counted(mended))
    again = run("ingest", "--source", str(place / "in"))
    assert (again["known"], again["batch_id"]) == (2, None)

    assert run("correct", str(b), "--restore")["status"] == "ingested"
    assert_gold_is(lake, counted(b))
    assert run("correct", "a.csv", "--restore", "--why", "no test")["status"] == "ingested"
    assert_gold_is(lake, counted(a, b))
    assert logged(lake) == [
        ("withdrawn", "test data", 3),
        ("replaced", "they are boots", 2),
        ("restored", "the correction was taken back", 2),
        ("replaced", "the correction was taken back", 3),
        ("restored", "no test", 3),
    ]
