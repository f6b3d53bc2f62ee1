"""Many at once, and many files: readers beside a writer, two writers, a delivery of ten thousand files."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from search_forecast.queries.local import LocalEngine
from support import erasing, lakes, reference
from support.flow import HEADER, STEPS, assert_gold_is, delivered, rows
from support.processes import assert_whole, started

pytestmark = [pytest.mark.usefixtures("spark"), pytest.mark.timeout(4 * 3600)]
READERS, DELIVERIES = 8, 3
RECORDS = 40  # of a delivery, each on a day of its own


def deliver(source: Path, number: int) -> None:
    records = "".join(f"{number},3,2024,term {n % 7}\n" for n in range(RECORDS))
    (source / f"{number}.csv").write_text(HEADER + records, encoding="utf-8")


def test_readers_see_whole_deliveries_while_a_writer_appends(
    run: Callable[..., Any], tmp_path: Path, note: Callable[[str, str, str], None]
) -> None:
    """Promised: a table is read as of one commit, so a day in it is whole or not there at all; and no table shows what
    the one that it is made from does not have: gold's sum is at most silver's, if gold is looked at first."""
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    deliver(source, 1)
    lakes.taken_in(lake, source / "1.csv")
    is_over, seen, wrong = threading.Event(), set(), []

    def read(number: int) -> None:
        while not is_over.wait(0.3):  # each a process's share of two cores, which the writer needs too
            if number % 2:  # delta-rs, and DuckDB
                gold = sum(row["search_count"] for row in rows(lake, "search_gold/daily_term_counts"))
                silver = DeltaTable(str(lake / "search_silver/search_events")).to_pyarrow_table().num_rows
            else:
                sql = "select (select sum(search_count) from daily_term_counts) as g"
                engine = LocalEngine(lake)
                gold = engine.ask(sql).rows[0][0]
                silver = engine.ask("select count(*) as n from search_silver.search_events").rows[0][0]
            seen.add((gold, silver))
            if gold % RECORDS or silver % RECORDS or gold > silver:
                wrong.append((gold, silver))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        for number in range(2, 2 + DELIVERIES):
            deliver(source, number)
            run("ingest", "--source", str(source))
            for step in STEPS:
                run(step)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()

    assert wrong == []
    assert len(seen) > DELIVERIES, seen
    assert_gold_is(lake, delivered(source))
    note(
        f"{READERS} readers (delta-rs, DuckDB) beside a writer",
        f"{DELIVERIES} deliveries; {len(seen)} states seen",
        "a day whole or not there; gold never more than silver",
    )


def test_of_two_processes_that_ingest_the_same_one_waits_and_nothing_counts_twice(
    tmp_path: Path, note: Callable[[str, str, str], None]
) -> None:
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    deliver(source, 1)
    lakes.taken_in(lake, source / "1.csv")
    deliver(source, 2)

    words = ("run", "medallion", "--param", f"source={source}")
    with started(lake, *words) as one, started(lake, *words) as other:
        said = [process.communicate()[1] for process in (one, other)]

    assert (one.returncode, other.returncode) == (0, 0), said
    assert sum("waiting up to" in text for text in said) == 1
    assert_gold_is(lake, delivered(source))
    assert len(rows(lake, "search_bronze/deliveries")) == 2
    note("two processes run the medallion on one delivery", "2 processes", "one waited; counted once")


def test_all_that_write_started_at_once_wait_for_each_other(
    tmp_path: Path, request: pytest.FixtureRequest, note: Callable[[str, str, str], None]
) -> None:
    """In whatever order they come to it. What is withdrawn, erased and new does not overlap, so there is one answer.

    On a slow machine one may wait for more than ten minutes and give up with its line, which says to run it again."""
    source, lake = tmp_path / "in", tmp_path / "lake"
    source.mkdir()
    deliver(source, 1)
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(120)]
    records = [f"{day.day},{day.month},{day.year},term {n}\n" for day in days for n in range(3)]
    erased = [f"{day.day},{day.month},{day.year},{term}\n" for day in days[::9] for term in ("zebra lamp", "yak wool")]
    (source / "2.csv").write_text(HEADER + "".join(records + erased), encoding="utf-8")
    lakes.taken_in(lake, source / "1.csv", source / "2.csv")
    deliver(source, 3)
    commands = [
        *(("erase", "--term", term, "--why", "test") for term in ("zebra lamp", "zebra lamp", "yak wool")),
        *(("correct", "1.csv", "--withdraw", "--why", "test"), ("ingest", "--source", str(source))),
        *(("aggregate",), ("maintain",), ("train", "--candidates", "theta", "--windows", "2", "--floor", "1")),
    ]
    random.Random(request.config.getoption("--seed")).shuffle(commands)

    with ExitStack() as stack:
        processes = [stack.enter_context(started(lake, *words)) for words in commands]
        said = [process.communicate()[1] for process in processes]
    late = [place for place, text in enumerate(said) if text.endswith("stop it, then run again\n")]  # after ten minutes
    failed = [text for place, text in enumerate(said) if processes[place].returncode and place not in late]
    assert failed == []
    for place in late:
        with started(lake, *commands[place]) as again:
            _, why = again.communicate()
        assert again.returncode == 0, why
    with started(lake, "run", "medallion", "--param", f"source={source}") as after:
        _, why = after.communicate()

    assert after.returncode == 0, why
    kept = [reference.read_delivery(source / "3.csv"), reference.read_delivery(source / "2.csv")[: len(records)]]
    assert_gold_is(lake, reference.expected([record for each in kept for record in each], date(2030, 1, 1)))
    assert [erasing.holding(lake, term) for term in ("zebra", "yak")] == [[], []]
    assert_whole(lake)
    note(
        "erase (twice the same, and another), correct, ingest, aggregate, maintain, train started at once",
        f"{len(commands)} processes",
        "each waited its turn; gold as plain Python counts; `check --full` finds it whole",
    )


def test_ten_thousand_files_in_one_delivery(
    run: Callable[..., Any], tmp_path: Path, request: pytest.FixtureRequest, note: Callable[[str, str, str], None]
) -> None:
    count, source, lake = request.config.getoption("--files"), tmp_path / "in", tmp_path / "lake"
    seconds = {}
    for share in (10, 1):  # a tenth first: what grows faster than the number of files shows
        folder = source / f"every {share}"
        folder.mkdir(parents=True)
        for number in range(count // share):
            text = HEADER + f"{1 + number % 28},3,2024,term {number} {share}\n"
            (folder / f"{number}.csv").write_text(text, encoding="utf-8")
        start = time.perf_counter()
        assert run("ingest", "--source", str(folder))["ingested"] == count // share
        seconds[share] = time.perf_counter() - start
    start = time.perf_counter()
    assert run("ingest", "--source", str(source))["known"] == count + count // 10
    again = time.perf_counter() - start
    run("clean")

    assert len(rows(lake, "search_silver/search_events")) == count + count // 10
    assert seconds[1] < 15 * seconds[10] + 30
    note(
        f"{count:,} files in one delivery",
        "one search each",
        f"{seconds[1]:.0f} s ({count // 10:,} files before: {seconds[10]:.0f} s); looked at again {again:.0f} s",
    )
