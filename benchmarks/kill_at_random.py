"""Kill (-9) commands at random moments, run them again, and compare every count with the truth.

    python benchmarks/kill_at_random.py --rows 200000 --kills 12 --seed 1

Each kill hits the whole process group, Spark's JVM included. Prints what was killed when; ends with 1 on a wrong count.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

STEPS = ("ingest", "clean", "aggregate", "reconcile")


def command(lake: Path, source: Path, step: str) -> list[str]:
    """The command line of a step."""
    extra = ["--source", str(source)] if step == "ingest" else []
    return [sys.executable, "-m", "search_forecast", "--lakehouse", str(lake), step, *extra, "--json"]


def run_killed(words: list[str], seconds: float) -> bool:
    """Run a command and kill it after some seconds; whether it was still running then."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def main() -> int:
    """Generate, kill, repeat, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        source, lake = Path(folder) / "in", Path(folder) / "lake"
        size = ["--rows", str(given.rows), "--seed", str(given.seed), "--dirty", "0.05", "--out", str(source)]
        subprocess.run([sys.executable, "-m", "search_forecast", "generate", *size], check=True)
        truth = json.loads((source / "truth.json").read_text(encoding="utf-8"))
        for step in STEPS:
            for _ in range(given.kills // len(STEPS)):
                seconds = chance.uniform(3, 25)
                was_running = run_killed(command(lake, source, step), seconds)
                print(f"{step}: {'killed after' if was_running else 'done before'} {seconds:.1f} s", flush=True)
            answer = subprocess.run(command(lake, source, step), check=True, capture_output=True, text=True)
        counts = json.loads(answer.stdout)
        wanted = {
            "delivered_count": truth["record_count"],
            "raw_count": truth["record_count"],
            "event_count": truth["event_count"],
            "rejected_count": truth["rejected_count"],
            "search_count": truth["event_count"],
        }
        wrong = {name: (counts[name], count) for name, count in wanted.items() if counts[name] != count}
        print(f"then run to the end; counts {counts}; wrong: {wrong or 'none'}")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
