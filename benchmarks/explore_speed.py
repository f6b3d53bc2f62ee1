"""How fast `explore` starts and answers on 100,000 different terms and three years.

    python benchmarks/explore_speed.py [--lakehouse DIR]

Writes the lakehouse without Spark where DIR has none yet (a shop with 5,000 searches a day), starts the command as a
process of its own and asks it as the page does. Prints a Markdown table: wall time and, as machines are shared, the
command's own CPU time, milliseconds each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

TERMS, DAYS, FIRST = 100_000, 1096, date(2023, 7, 3)
SEARCHES_A_DAY = 5_000
FORECAST_TERMS, MADE_WEEKLY = 1_000, 26


def generate(root: Path) -> None:
    """Write gold: counts of a Zipf-like demand, their sums, trends and forecasts, in files as months of jobs leave."""
    random = np.random.default_rng(1)
    kinds = ("red", "small", "wireless", "garden", "kids", "running", "waterproof")
    things = ("shoes", "lamp", "cable", "tent", "kettle")
    terms = np.array([f"{kinds[n % 7]} {things[n % 5]} {n}" for n in range(TERMS)])
    rates = 1 / (np.arange(TERMS) + 20)
    rates *= SEARCHES_A_DAY / rates.sum()
    days = [FIRST + timedelta(days=n) for n in range(DAYS)]
    weeks = np.zeros((TERMS, -(-DAYS // 7)), dtype=np.int64)
    totals = []

    def write(name: str, **columns: object) -> None:
        write_deltalake(str(root / "search_gold" / name), pa.table(columns), mode="append")

    for start in range(0, DAYS, 30):
        found = [random.poisson(rates) for _ in days[start : start + 30]]
        at = [np.flatnonzero(counts) for counts in found]
        write(
            "daily_term_counts",
            event_date=[days[start + n] for n, places in enumerate(at) for _ in places],
            term=terms[np.concatenate(at)],
            search_count=np.concatenate([counts[places] for counts, places in zip(found, at, strict=True)]),
        )
        for n, counts in enumerate(found):
            weeks[:, (start + n) // 7] += counts
            totals.append((int(counts.sum()), int((counts > 0).sum())))
    write(
        "daily_totals",
        event_date=days,
        search_count=[count for count, _ in totals],
        distinct_term_count=[count for _, count in totals],
        is_complete_day=[True] * DAYS,
    )
    sums = weeks.sum(axis=1)
    order = np.argsort(-sums, kind="stable")
    rank = np.empty(TERMS, dtype=np.int64)
    rank[order] = np.arange(1, TERMS + 1)
    write(
        "term_summary",
        term=terms,
        search_count=sums,
        share_ratio=sums / sums.sum(),
        rank=rank,
        first_seen_date=[FIRST] * TERMS,
        last_seen_date=[days[-1]] * TERMS,
        active_day_count=np.full(TERMS, DAYS),
    )
    for grain, length in (("week", 1), ("month", 4)):  # months of four weeks will do here
        for n in range(0, weeks.shape[1] - length, length):
            counts, before = (weeks[:, max(m, 0) : m + length].sum(axis=1) for m in (n, n - length))
            at = np.flatnonzero(counts + before)
            ratio = np.where(before[at] > 0, counts[at] / np.maximum(before[at], 1) - 1, np.nan)
            write(
                "term_trends",
                grain=[grain] * len(at),
                period_start_date=[FIRST + timedelta(days=7 * n)] * len(at),
                term=terms[at],
                search_count=counts[at],
                previous_count=before[at],
                share_ratio=counts[at] / counts.sum(),
                rank=rank[at],
                previous_rank=rank[at],
                growth_ratio=pa.array(ratio, from_pandas=True),
                index_0_100=np.full(len(at), 50),
                p_value=np.ones(len(at)),
                status=np.where(ratio > 2, "rising", "stable"),
                is_partial_period=np.zeros(len(at), dtype=bool),
            )
    for n in range(MADE_WEEKLY):
        made, ahead = days[-1] - timedelta(days=7 * n), range(1, 29)
        of = [
            (term, step, level)
            for term in ["(total)", *terms[:FORECAST_TERMS]]
            for step in ahead
            for level in (0.8, 0.95)
        ]
        mean = np.array([20.0 + step for _, step, _ in of])
        write(
            "term_forecasts",
            term=[str(term) for term, *_ in of],
            target_date=[made + timedelta(days=step) for _, step, _ in of],
            model_version=np.full(len(of), MADE_WEEKLY - n),
            interval_level=[level for *_, level in of],
            made_on_date=[made] * len(of),
            horizon_days=[step for _, step, _ in of],
            forecast=mean,
            lower=mean / 2,
            upper=mean * 2,
            candidate=["ets"] * len(of),
        )
    write(
        "backtest_metrics",
        model_version=[MADE_WEEKLY], term=["(total)"], is_champion=[True], verdict=["forecastable"],
    )  # fmt: skip


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def measure(root: Path) -> None:
    """Start the command twice (the first bundles the page's JavaScript, once on a machine) and ask."""
    words = [
        sys.executable,
        "-m",
        "search_forecast",
        "--lakehouse",
        str(root),
        "explore",
        "--no-browser",
        "--port",
        "0",
    ]
    print("| what | wall, ms | CPU, ms |\n|---|---|---|")
    for is_warm in (False, True):
        started = time.monotonic()
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            address = (process.stdout or sys.stdin).readline().removeprefix("explore: ").strip()
            wall = time.monotonic() - started
            if is_warm:
                print(f"| start, until it answers | {wall * 1e3:.0f} | {cpu_seconds(process.pid) * 1e3:.0f} |")
                for name, path in questions(address):
                    before, started = cpu_seconds(process.pid), time.monotonic()
                    urllib.request.urlopen(address + path).read()
                    spent = cpu_seconds(process.pid) - before
                    print(f"| {name} | {(time.monotonic() - started) * 1e3:.0f} | {spent * 1e3:.0f} |")
            process.terminate()


def questions(address: str) -> Iterator[tuple[str, str]]:
    """What the page asks as somebody clicks through it; no question comes twice, as an answer is remembered."""
    yield "the page", ""
    yield "all searches", "api/comparison?term=(total)"
    yield "most searched", "api/list?list=top"
    yield "search as one types: la", "api/terms?part=la"
    yield "search as one types: lamp 9", "api/terms?part=lamp%209"
    with urllib.request.urlopen(f"{address}api/terms?part=tent%201") as response:
        terms = [quote(row["term"]) for row in json.loads(response.read())]
    for number in range(1, 7):
        named = "&".join(f"term={term}" for term in terms[:number])
        yield f"a term more ({number} now), 84 days", f"api/comparison?{named}"
    yield "the same 6 terms by week, 104 weeks", f"api/comparison?{named}&grain=week"
    whole = f"from={FIRST}&to={FIRST + timedelta(days=DAYS - 1)}"
    yield "another term by day, three years", f"api/comparison?term={terms[6]}&{whole}"
    yield "rising terms", "api/list?list=rising"
    yield "breakouts", "api/list?list=breakouts"
    yield "most searched, a year", f"api/list?from={FIRST + timedelta(days=DAYS - 366)}"


def main() -> None:
    """Generate, start, ask, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lakehouse", type=Path)
    root = parser.parse_args().lakehouse or Path(tempfile.mkdtemp()) / "lake"
    if not root.is_dir():
        generate(root)
    measure(root)


if __name__ == "__main__":
    main()
