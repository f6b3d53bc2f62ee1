"""How the four commands scale: a first load, one per cent more spread over all days, and nothing new.

    python benchmarks/medallion_scale.py --rows 1000000

Generates deliveries with 5 % dirty records, runs each command as a process of its own, checks the counts against the
generator's truth, and prints seconds as a Markdown table. Each command includes the start of Python and Spark.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

STEPS = ("ingest", "clean", "aggregate", "reconcile")


def run(*words: str) -> dict[str, Any]:
    """Run a command; its JSON answer."""
    command = [sys.executable, "-m", "search_forecast", *words, "--json"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def pipeline(lake: Path, source: Path) -> tuple[list[float], dict[str, Any]]:
    """Seconds of each command, and what `reconcile` counted."""
    seconds, counts = [], {}
    for step in STEPS:
        started = time.monotonic()
        counts = run("--lakehouse", str(lake), step, *(["--source", str(source)] if step == "ingest" else []))
        seconds.append(time.monotonic() - started)
    return seconds, counts


def main() -> None:
    """Generate, load, add, repeat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake, expected, lines = Path(folder) / "lake", 0, []
        for name, rows, seed in (
            ("first load", given.rows, 1),
            ("1 % more", given.rows // 100, 2),
            ("nothing new", 0, 2),
        ):
            source = Path(folder) / str(seed)
            if rows:
                words = ("--rows", str(rows), "--seed", str(seed), "--dirty", "0.05", "--out", str(source))
                expected += run("generate", *words)["event_count"]
            seconds, counts = pipeline(lake, source)
            if counts["search_count"] != expected:
                sys.exit(f"{name}: gold holds {counts['search_count']} searches, the truth is {expected}")
            cells = " | ".join(f"{second:.0f}" for second in (*seconds, sum(seconds)))
            lines.append(f"| {name} | {rows:,} | {cells} |")
    machine = f"{os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    print(f"{datetime.now(timezone.utc):%Y-%m-%d}, {machine}; seconds, counts all right\n")
    print(f"| | records | {' | '.join(STEPS)} | all |\n|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
