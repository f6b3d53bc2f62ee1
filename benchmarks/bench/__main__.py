"""How fast it is, beside others: `make bench`, or `.venv/bin/python benchmarks/bench --help`.

Generates deliveries of each size, has every contestant make the searches of each day and term of them, and compares
all counts with the generator's truth: one that differs ends the run. Every measurement is a process of its own,
repeated until there are `--repeats` or they took twenty seconds together. Medians are kept in results.json, in place of
the same measurement's earlier ones; docs/performance.md and its figure are made from that file.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import page
from deltalake import DeltaTable
from measure import Cost, measured

from search_forecast.lakehouse.toolchain import archive, jars, java
from search_forecast.queries.local import LocalEngine
from search_forecast.synthetic import generate

HERE = Path(__file__).resolve().parent
FIRST_DAY, DAY_RECORDS = date(2026, 1, 1), 20_000  # of what comes after the first load
ENOUGH_SECONDS, WARM_TIMES = 20, 20
PEERS = {"with_polars": page.POLARS, "with_duckdb": page.DUCKDB, "notebook": page.NOTEBOOK}
COUNTS = "select event_date, term, search_count from "
Counts = dict[tuple[str, str], int]
Measurement = tuple[Cost, dict[str, float]]  # and what else there is to say, by name


class Bench:
    """One run: its machine's Pythons, its results so far.

    Args:
        folder: for all files; empty.
        peers: the Python that has polars, duckdb and delta-rs.
        repeats: of each measurement, at most.
    """

    def __init__(self, folder: Path, peers: str, repeats: int) -> None:
        self.folder, self.repeats, self.results = folder, repeats, list[dict[str, Any]]()
        self.pythons = {"with_polars": peers, "with_duckdb": peers}
        self.environ = {"JAVA_HOME": str(java.find_java().home), "PYSPARK_PYTHON": sys.executable}

    def peer(self, script: str, *words: str) -> tuple[str, Cost]:
        """Run one of the scripts in peers/."""
        command = [self.pythons.get(script, sys.executable), str(HERE / "peers" / f"{script}.py"), *words]
        return measured(command, environ=self.environ)

    def ours(self, lake: Path, *words: str) -> tuple[dict[str, Any], Cost]:
        """Run a command of ours; its answer."""
        said, cost = measured([sys.executable, "-m", "search_forecast", "--lakehouse", str(lake), *words, "--json"])
        return json.loads(said), cost

    def repeat(self, what: str, who: str, records: int, once: Callable[[int], Measurement]) -> None:
        """Measure as often as is needed; keep the medians."""
        costs, notes, load = list[Cost](), list[dict[str, float]](), os.getloadavg()[0]
        while len(costs) < self.repeats and sum(cost.wall for cost in costs) < ENOUGH_SECONDS:
            cost, steps = once(len(costs))
            costs.append(cost)
            notes.append(steps)
        medians = {name: round(median(getattr(cost, name) for cost in costs), 2) for name in ("wall", "cpu", "peak")}
        steps = {name: round(median(note[name] for note in notes), 4) for name in notes[0]}
        about = {"runs": len(costs), "load": round(load, 1), "date": f"{datetime.now(timezone.utc):%Y-%m-%d}"}
        result = {"what": what, "who": who, "records": records, **medians, "steps": steps, **about}
        print(json.dumps(result), file=sys.stderr)
        self.results.append(result)

    def all(self, sizes: list[int]) -> None:
        """Everything, for first loads of so many records; without any only the page is made."""
        if sizes:
            self.start_up()
        for records in sizes:
            source = self.new("in")
            truth = counts_of(generate(source / "first", rows=records, seed=1))
            lake = self.first_load(source, records, truth)
            self.queries(lake, records)
            self.later(lake, source, records, truth)
            if records == sizes[0]:
                self.forecasts(lake, records, truth)

    def start_up(self) -> None:
        """From nothing to the first Delta table; jars, class archive and Ivy's cache are there before."""
        archive.find_archive(java.find_java(), jars.find_jars()).make()
        self.peer("notebook", "session")

        def once(how: str) -> Measurement:
            return self.peer("ours", "start", how, str(self.new("start")))[1], {}

        for who, how in ((page.NOTEBOOK, "documented"), ("ours, no class archive", "plain"), (page.OURS, "archive")):
            self.repeat(page.START, who, 0, lambda _, how=how: once(how))

    def first_load(self, source: Path, records: int, truth: Counts) -> Path:
        """Everybody's; our last lakehouse."""

        def peer(script: str) -> Measurement:
            table = self.new(script) / "daily_term_counts"
            _, cost = self.peer(script, "load", str(source), str(table))
            agree(f"{script}, {records:,} records", counts_in(table), truth)
            return cost, {}

        def ours(_: int) -> Measurement:
            lakes.append(self.new("lake"))
            return self.job(lakes[-1], source, truth)

        def staged() -> Measurement:
            said, cost = self.peer("ours", "stage", str(source), str(self.new("staging")))
            return cost, {"MB a CPU second": float(said)}

        lakes = list[Path]()
        for script, who in PEERS.items():
            self.repeat(page.LOAD, who, records, lambda _, script=script: peer(script))
        self.repeat(page.LOAD, page.OURS, records, ours)
        self.repeat(page.STAGE, page.OURS, records, lambda _: staged())
        return lakes[-1]

    def job(self, lake: Path, source: Path, truth: Counts) -> Measurement:
        """The medallion, as the bundle's job runs it; wall seconds of its tasks."""
        record, cost = self.ours(lake, "run", "medallion", "--param", f"source={source}")
        self.prove(lake, truth)
        return cost, {key: task["seconds"] for key, task in record["tasks"].items()}

    def prove(self, lake: Path, truth: Counts) -> None:
        """Compare our gold with the truth."""
        gold = LocalEngine(lake).ask(f"{COUNTS} daily_term_counts").rows
        agree(f"ours in {lake}", {(str(day), term): count for day, term, count in gold}, truth)

    def later(self, lake: Path, source: Path, records: int, truth: Counts) -> None:
        """A day's delivery; and nothing new."""

        def delivery() -> Measurement:
            when = FIRST_DAY + timedelta(days=len(list(source.glob("day-*"))))
            made = generate(source / f"day-{when}", rows=DAY_RECORDS, seed=2, first_date=when, last_date=when)
            truth.update(counts_of(made))
            return self.job(lake, source, truth)

        self.repeat(page.DAY, page.OURS, records, lambda _: delivery())
        self.repeat(page.NOTHING, page.OURS, records, lambda _: self.job(lake, source, truth))

    def queries(self, lake: Path, records: int) -> None:
        """The most searched terms of all days: a process that asks once, and seconds of asking again in one."""
        answer, _ = self.ours(lake, "query", "top_terms")
        expected = [[row["term"], row["search_count"]] for row in answer]

        def once(script: str) -> Measurement:
            where = str(lake if script == "ours" else lake / "search_gold" / "daily_term_counts")
            peer = script != "ours"
            _, cost = self.peer(script, "query", where, "0") if peer else self.ours(lake, "query", "top_terms")
            warm = json.loads(self.peer(script, "query", where, str(WARM_TIMES))[0])
            agree(f"{script}, top terms", warm["rows"], expected)
            return cost, {"asked again": warm["warm"]}

        for script, who in {**PEERS, "ours": page.OURS}.items():
            self.repeat(page.QUERY, who, records, lambda _, script=script: once(script))

    def forecasts(self, lake: Path, records: int, truth: Counts) -> None:
        """Train on the terms that are searched for most, the others pooled, and score."""
        totals = Counter[str]()
        for (_, term), count in truth.items():
            totals[term] += count
        floor = totals.most_common(page.TRAINED_TERMS)[-1][1]

        def once(turn: int) -> Measurement:
            _, train = self.ours(lake, "train", "--floor", str(floor))
            _, score = self.ours(lake, "score", "--version", str(turn + 1))
            return train + score, {"train": train.wall, "score": score.wall}

        self.repeat(page.FORECAST, page.OURS, records, once)

    def new(self, name: str) -> Path:
        """A new folder."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))


def counts_of(truth: dict[str, Any]) -> Counts:
    """Of the generator's truth."""
    return {(day, term): count for day, counts in truth["daily_term_counts"].items() for term, count in counts.items()}


def counts_in(table: Path) -> Counts:
    """Of what a peer wrote: a Delta table, or a folder of Parquet files."""
    files = DeltaTable(str(table)).file_uris() if (table / "_delta_log").is_dir() else [f"{table}/*.parquet"]
    rows = duckdb.execute(f"{COUNTS} read_parquet(?)", [files]).fetchall()
    return {(str(day), term): count for day, term, count in rows}


def agree(who: str, found: object, expected: object) -> None:
    """End the run where they differ."""
    if found != expected:
        sys.exit(f"bench: {who}: the counts are not those of the generator's truth")


def main() -> None:
    """Measure, and make the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=float, nargs="*", default=[1, 10], help="millions of records (default 1 10)")
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement, at most (default 3)")
    parser.add_argument("--peers", default=sys.executable, help="a Python that has polars, duckdb and delta-rs")
    given = parser.parse_args()
    given.peers = os.path.abspath(given.peers)  # noqa: PTH100 - the link itself is what makes it another environment
    os.chdir(page.PROJECT)  # where `run` finds the jobs
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder), given.peers, given.repeats)
        try:
            bench.all([round(millions * 1e6) for millions in sorted(given.sizes)])
        finally:  # what was measured before something failed is kept
            page.remake(bench.results, given.peers)


if __name__ == "__main__":
    main()
