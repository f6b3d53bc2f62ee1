"""How the four commands scale: a first load, a day's delivery on top, and nothing new.

    python benchmarks/medallion_scale.py --rows 1000000

Generates deliveries with 5 % dirty records, runs each command as a process of its own, checks the counts against the
generator's truth, and prints CPU and wall seconds as a Markdown table. Each command includes the start of Python and,
where it needs one, of Spark.
"""

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

from search_forecast.synthetic import generate

STEPS = ("ingest", "clean", "aggregate", "reconcile")
PR_SET_CHILD_SUBREAPER = 36  # Linux
DAY, DAY_ROWS = date(2026, 1, 1), 20_000  # the day after the generator's last one


def run(*words: str) -> dict[str, Any]:
    """Run a command; its JSON answer."""
    command = [sys.executable, "-m", "search_forecast", *words, "--json"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def timed(*words: str) -> tuple[dict[str, Any], float, float]:
    """Run a command; its answer, CPU seconds of all its processes, and wall seconds."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = run(*words)
    with suppress(ChildProcessError):  # the JVM, which outlives the process that started it by a moment
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return answer, cpu, time.monotonic() - started


def main() -> None:
    """Generate, load, add, repeat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # so that processes whose parent has gone are counted too
    print(f"load before: {os.getloadavg()[0]:.1f}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        root, expected, lines = Path(folder), 0, []
        days: dict[str, Any] = {"first_date": DAY, "last_date": DAY}
        for name, rows, options in (
            ("first load", given.rows, {}),
            ("a day's delivery", DAY_ROWS, days),
            ("nothing new", 0, {}),
        ):
            source = root / "in" / name.replace(" ", "_")
            if rows:
                truth = generate(source, rows=rows, seed=len(lines) + 1, dirty_ratio=0.05, **options)
                expected += truth["event_count"]
            cells, totals = [], [0.0, 0.0]
            for step in STEPS:
                words = ("--source", str(root / "in")) if step == "ingest" else ()
                answer, cpu, wall = timed("--lakehouse", str(root / "lake"), step, *words)
                cells.append(f"{cpu:.1f} ({wall:.1f})")
                totals = [totals[0] + cpu, totals[1] + wall]
            if answer["search_count"] != expected:
                sys.exit(f"{name}: gold holds {answer['search_count']} searches, the truth is {expected}")
            lines.append(f"| {name} | {rows:,} | {' | '.join(cells)} | {totals[0]:.1f} ({totals[1]:.1f}) |")
            print(lines[-1], file=sys.stderr)
    machine = f"{os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    print(f"load after: {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(f"{datetime.now(timezone.utc):%Y-%m-%d}, {machine}; CPU seconds (wall seconds), counts all right\n")
    print(f"| | records | {' | '.join(STEPS)} | all |\n|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
