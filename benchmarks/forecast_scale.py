"""Scale: 100, 500 and 2,000 series of 730 days backtested with the default candidates; seconds and memory.

    .venv/bin/python benchmarks/forecast_scale.py [--sizes 100 500 2000]

Each size is a process of its own, from Spark's start to the forecasts in files, as in `train`. The series are made by
Spark's workers (Poisson and negative binomial counts, levels from 0.1 to 1,000 a day, weekday pattern, trend, some
with a year's wave): the driver never holds them. Memory is resident memory, read from /proc (Linux) twice a second; of
several Python workers the sum at one time, shared pages counted for each. Seconds are CPU seconds of all these
processes, by step and together: what to compare where others use the machine too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from forecast_run import PACKED, machine, table, train
from search_forecast.lakehouse.session import session
from search_forecast.parameters import ForecastParameters

DAYS = 730
SEED = 20251123
STEPS = ("backtests", "forecasts", "all")  # CPU seconds
MEMORY = ("driver", "JVM", "Python workers", "together")


def counts(number: int) -> np.ndarray:
    """The series of this number: about a third each of plain, overdispersed and intermittent ones."""
    random = np.random.default_rng([SEED, number])
    days = np.arange(DAYS)
    level = 10 ** random.uniform(-1, 0.3) if number % 3 == 2 else 10 ** random.uniform(0.5, 3)
    week = np.exp(random.normal(0, 0.25, 7))[days % 7]
    trend = np.exp(random.normal(0, 0.4) * days / DAYS)
    year = np.exp(0.3 * np.sin(2 * np.pi * days / 365.25 + random.uniform(0, 6))) if random.random() < 0.3 else 1.0
    expected = level * week * trend * year
    if number % 3 == 1:
        expected = expected * random.gamma(5, 1 / 5, DAYS)  # Poisson of it is negative binomial
    return random.poisson(expected).astype(float)


def synthetic(spark: SparkSession, count: int) -> DataFrame:
    """Packed series, made where they are used."""

    def make(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for number in batch["id"]:
                row = {"term": f"term {number:05d}", "share_ratio": 1 / count, "counts": counts(int(number)).tolist()}
                yield pd.DataFrame([row])

    return spark.range(0, count, 1, 4).mapInPandas(make, PACKED)


def processes(jvm: int) -> dict[str, list[int]]:
    """This process, the JVM, and the Python processes that the JVM started (what it forks otherwise is a moment's)."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it has ended
            if "(python" in stat:
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [jvm]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return {"driver": [os.getpid()], "JVM": [jvm], "Python workers": found[1:]}


def resident(pid: int) -> float:
    """MiB of memory that a process holds; 0 once it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        pages = 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(pid: int) -> float:
    """What a process and those that it started and outlived have used so far; 0 once it has ended."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    except OSError:
        return 0.0
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def cpu_clock(spark: SparkSession) -> Callable[[], float]:
    """What the driver, the JVM and the Python workers have used so far, in CPU seconds."""
    jvm = spark.sparkContext._gateway.proc.pid
    return lambda: sum(cpu_seconds(pid) for pids in processes(jvm).values() for pid in pids)


def watch(jvm: int, peaks: dict[str, float], is_over: threading.Event) -> None:
    """Keep the most memory seen until it is over."""
    while not is_over.wait(0.5):
        found = processes(jvm)
        now = {name: sum(map(resident, pids)) for name, pids in found.items()}
        for name, value in {**now, "together": sum(now.values())}.items():
            peaks[name] = max(peaks.get(name, 0.0), value)


def measure(count: int) -> dict[str, float]:
    """One size: CPU seconds of each step and peaks of memory."""
    started = time.monotonic()
    spark = session(size="large")
    gateway, clock = spark.sparkContext._gateway, cpu_clock(spark)
    peaks: dict[str, float] = {}
    is_over = threading.Event()
    watcher = threading.Thread(target=watch, args=(gateway.proc.pid, peaks, is_over), daemon=True)
    watcher.start()
    with tempfile.TemporaryDirectory() as folder:
        run = train(synthetic(spark, count), count, date(2025, 11, 23), ForecastParameters(), Path(folder), clock=clock)
        rows = {"forecasts": run.forecasts.count(), "champions": run.covered.where("is_champion").count()}
    is_over.set()
    watcher.join()
    if rows != {"forecasts": 14 * count, "champions": count}:
        sys.exit(f"{count} series gave {rows}")
    return {**run.seconds, "all": clock(), "wall": time.monotonic() - started, **peaks}


def main() -> None:
    """Measure the sizes one after the other, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 500, 2000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one)))
        return
    print(f"{machine()}; {DAYS} days, candidates {', '.join(ForecastParameters().candidates)}")
    lines = []
    for size in given.sizes:
        load = os.getloadavg()[0]
        command = [sys.executable, __file__, "--one", str(size)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(answer.stdout.splitlines()[-1])
        steps = [f"{found[step]:.0f}" for step in STEPS]
        rates = [f"{1000 * found[step] / size:.0f}" for step in ("backtests", "all")]
        memory = [f"{found[part]:,.0f}" for part in MEMORY]
        lines.append([f"{size:,}", *steps, *rates, f"{found['wall']:.0f}", *memory, f"{load:.1f}"])
        print(lines[-1], file=sys.stderr, flush=True)
    heads = ["series", *(f"{step}, CPU s" for step in STEPS), "backtests, CPU ms a series", "all, CPU ms a series"]
    heads.append("all, s by the clock")
    print(table([*heads, *(f"{part}, MiB" for part in MEMORY), "load before"], lines))


if __name__ == "__main__":
    main()
