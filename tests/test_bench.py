"""benchmarks/bench: what it measures, whom it compares, and the page that it makes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

from search_forecast.synthetic import generate
from support.places import PROJECT

BENCH = PROJECT / "benchmarks" / "bench"
GRANDCHILD = (
    "import time; held = bytearray(200 << 20); end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
)
CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {GRANDCHILD!r}])"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_page", BENCH / "page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(module, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(module, "_setting", lambda peers: "2 cores")
    return module


def result(who: str, records: int, cpu: float) -> dict[str, Any]:
    of_all = {
        "what": "first load",
        "wall": 2 * cpu,
        "peak": cpu / 64,
        "steps": {},
        "runs": 3,
        "load": 1,
        "date": "2026-11-26",
    }
    return {**of_all, "who": who, "records": records, "cpu": cpu}


def test_a_process_that_outlives_its_parent_counts_with_its_time_and_memory() -> None:
    code = f"import sys, measure; print(measure.measured([sys.executable, '-c', {CHILD!r}])[1])"
    # A process of its own, as measuring waits for all children that there are.
    said = subprocess.run([sys.executable, "-c", code], cwd=BENCH, capture_output=True, text=True, check=True).stdout
    wall, cpu, peak = (float(part.rstrip(")\n").partition("=")[2]) for part in said.split(", "))

    assert 0.5 <= cpu < 5
    assert 0.19 <= peak < 0.5
    assert wall > 0


def test_a_command_that_fails_ends_the_run_with_what_it_said() -> None:
    code = "import sys, measure; measure.measured([sys.executable, '-c', 'raise SystemExit(\"no such table\")'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCH, capture_output=True, text=True, check=False)

    assert "exit 1\nno such table" in done.stderr


def test_a_peer_counts_what_the_generator_wrote(tmp_path: Path) -> None:
    truth = generate(tmp_path / "in", rows=3000, seed=3)["daily_term_counts"]
    script = BENCH / "peers" / "with_duckdb.py"
    subprocess.run([sys.executable, str(script), "load", str(tmp_path / "in"), str(tmp_path / "out")], check=True)
    rows = duckdb.execute(f"select * from read_parquet('{tmp_path}/out/*')").fetchall()

    assert {(str(day), term): count for day, term, count in rows} == {
        (day, term): count for day, counts in truth.items() for term, count in counts.items()
    }
    assert len(rows) > 1000


def test_a_measurement_takes_the_place_of_its_earlier_one_and_prose_stays(page: ModuleType) -> None:
    page.PAGE.write_text(f"# Speed\nBefore.\n{page.BEGIN}\nold\n{page.END}\nAfter.\n")

    page.remake([result("ours", 1_000_000, 50), result("duckdb", 1_000_000, 2)], sys.executable)
    page.remake([result("ours", 10_000_000, 140), result("ours", 1_000_000, 41)], sys.executable)

    text = page.PAGE.read_text()
    assert text.startswith(f"# Speed\nBefore.\n{page.BEGIN}\n2 cores\n\n| | records |")
    assert text.endswith(f"{page.END}\nAfter.\n")
    assert "old" not in text
    assert "| first load | 1,000,000 | ours | 82.0 | 41.0 | 0.64 |  | 3 | 1 | 2026-11-26 |" in text
    assert "| 50.0 |" not in text
    assert text.count("\n| first load |") == len(json.loads(page.RESULTS.read_text())["results"]) == 3
    assert "Each further million records of a first load: ours 11.0 CPU s and 176 MiB." in text
    assert page.PAGE.with_suffix(".png").stat().st_size > 5000
