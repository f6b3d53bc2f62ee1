"""A year of deliveries, a day each, against the same searches in one load: size and time of the queries."""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from search_forecast.queries import answers, catalogue
from search_forecast.queries.local import LocalEngine
from search_forecast.queries.snapshots import NeedsSpark
from support.flow import HEADER, STEPS, assert_gold_is, delivered, gold_rows

pytestmark = [pytest.mark.usefixtures("spark"), pytest.mark.timeout(4 * 3600)]
FIRST = date(2024, 1, 1)
RECORDS, TERMS = 300, 120  # of a day; of the shop
GOAL_RATIO = 1.5
LEAST_DAYS = 10  # `maintain` compacts no table of fewer than eight files


def day_file(folder: Path, number: int, chance: random.Random) -> None:
    day = FIRST + timedelta(days=number)
    terms = [f"term {int(chance.paretovariate(0.7)) % TERMS}" for _ in range(RECORDS)]
    records = "".join(f"{day.day},{day.month},{day.year},{term}\n" for term in (*terms, "", " "))
    (folder / f"{day}.csv").write_text(HEADER + records, encoding="utf-8")


def current_bytes(lake: Path) -> int:
    """What the tables consist of; what they consisted of goes by VACUUM, once it is older than a month."""
    tables = [DeltaTable(str(path)) for path in lake.glob("search_*/*")]
    return sum(sum(pa.table(table.get_add_actions())["size_bytes"].to_pylist()) for table in tables)


def let_a_day_pass(lake: Path) -> None:
    """Make all files a day older: once they are thirty days old, Delta lets go of its log's entries."""
    for file in lake.rglob("*"):
        if file.is_file():
            modified = file.stat().st_mtime_ns - 24 * 3600 * 10**9
            os.utime(file, ns=(modified, modified))


def no_spark() -> NoReturn:
    raise NeedsSpark("its seconds are another engine's")


def query_seconds(lake: Path) -> float:
    """CPU of all queries of the catalogue that ask for nothing, in a new engine each time: the median of seven."""
    queries = [q for q in map(catalogue.load, catalogue.names()) if not any(p.is_required for p in q.parameters)]
    seconds = []
    for _ in range(7):
        start, engine = time.process_time(), LocalEngine(lake, no_spark)
        for query in queries:
            if all(engine.has(table) for table in query.inputs):
                try:
                    answers.answer(engine, query, {})
                except NeedsSpark:
                    continue
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def cpu_seconds() -> float:
    """CPU that the processes of this group took so far: Python, Java and its workers."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            fields = path.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15])) if int(fields[2]) == os.getpgrp() else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def test_many_daily_deliveries_are_as_small_and_fast_as_one_load(
    run: Callable[..., Any], tmp_path: Path, request: pytest.FixtureRequest, note: Callable[[str, str, str], None]
) -> None:
    days, chance = request.config.getoption("--days"), random.Random(request.config.getoption("--seed"))
    source, daily, whole = tmp_path / "in", tmp_path / "lake", tmp_path / "whole"
    source.mkdir()
    seconds: list[float] = []
    end = time.monotonic() + 60 * request.config.getoption("--minutes")
    for number in range(days):
        if number >= LEAST_DAYS and time.monotonic() > end:  # as many as fit: the page says how many that were
            days = number
            break
        day_file(source, number, chance)
        start = cpu_seconds()
        assert run("ingest", "--source", str(source))["ingested"] == 1
        for step in STEPS:
            run(step)
        seconds.append(cpu_seconds() - start)
        let_a_day_pass(daily)
        print(f"delivery {number + 1}: {seconds[-1]:.1f} s", file=sys.__stderr__)
    before = current_bytes(daily), query_seconds(daily)
    run("maintain")
    after = current_bytes(daily), query_seconds(daily)
    for step in ("ingest", *STEPS):
        run("--lakehouse", str(whole), step, *(["--source", str(source)] if step == "ingest" else []))
    load = current_bytes(whole), query_seconds(whole)

    assert_gold_is(daily, delivered(source))
    of_both = gold_rows(daily), gold_rows(whole)
    assert {name: rows for name, rows in of_both[0].items() if name != "batches"} == {
        name: rows for name, rows in of_both[1].items() if name != "batches"
    }
    ratios = [f"{size / load[0]:.2f}x bytes, {took / load[1]:.2f}x time" for size, took in (before, after)]
    note(
        f"{days} daily deliveries",
        f"{days * (RECORDS + 2):,} records; then `maintain`",
        f"a delivery took {statistics.median(seconds[:10]):.1f} CPU s at first, "
        f"{statistics.median(seconds[-10:]):.1f} at last; "
        f"against one load ({load[0]:,} bytes, all queries {load[1]:.2f} CPU s) {ratios[0]} before `maintain`, "
        f"{ratios[1]} after",
    )
    assert after[0] <= GOAL_RATIO * load[0]
    assert after[1] <= GOAL_RATIO * load[1]
