"""How often monitoring raises an alarm where nothing shifts, and how soon where something does, in simulated shops.

    python benchmarks/monitoring_rates.py --seeds 20 [--of drift shift accuracy] [--per-day 1000 30]

The shops are those of tests/demand/test_false_alarms.py; what is measured is the code that runs in the job. Prints a
table.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "demand"))

from test_false_alarms import TRAINING_DAYS, WINDOWS, by_term, shop, verdicts

from search_forecast.lakehouse.session import session
from support.monitored import counts_of, drift_of_rows

SHOPS = (1000, 30)
MEASURES = ("drift", "shift", "accuracy")


def drift_alarms(spark: Any, seed: int, per_day: int) -> int:
    """Alarms for drift in 100 weeks in which nothing shifts."""
    counts = counts_of(spark, by_term(shop(1000 + seed, per_day, TRAINING_DAYS + 7 * WINDOWS)))
    return sum(row.is_drifted for row in drift_of_rows(counts, TRAINING_DAYS, TRAINING_DAYS + 7 * WINDOWS - 1))


def weeks_to_alarm(spark: Any, seed: int, per_day: int) -> int:
    """Full weeks from a shift in mid-week until drift is seen; 0: in that week already, 9: not within three."""
    shift_on = TRAINING_DAYS + 7 * 2 + 3
    counts = counts_of(spark, by_term(shop(2000 + seed, per_day, TRAINING_DAYS + 7 * 6, shift_on)))
    found = drift_of_rows(counts, TRAINING_DAYS, TRAINING_DAYS + 7 * 6 - 1)[2:]
    return next((week for week, row in enumerate(found) if row.is_drifted), 9)


def accuracy_alarms(spark: Any, seed: int, per_day: int) -> dict[int, int]:
    """Alarms for accuracy in 100 weeks, of a champion better than the mean (1) and of one a little worse (2)."""
    found = verdicts(spark, shop(3000 + seed, per_day, TRAINING_DAYS + 7 * WINDOWS))
    return {version: sum(is_needed for is_needed, _ in answers) for version, answers in found.items()}


def rate(alarms: Sequence[int]) -> str:
    """Alarms a shop, for people."""
    return f"{sum(alarms) / len(alarms):.2f} alarms in {WINDOWS} weeks, at most {max(alarms)}"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="simulated shops of each kind")
    parser.add_argument("--of", nargs="+", choices=MEASURES, default=MEASURES, help="what to measure")
    parser.add_argument("--per-day", type=int, nargs="+", default=SHOPS, help="searches a day of the shops")
    given = parser.parse_args()
    seeds = given.seeds
    spark = session(size="small")

    def over(measure: Callable[[Any, int, int], Any], per_day: int) -> list[Any]:
        return [measure(spark, seed, per_day) for seed in range(seeds)]

    for per_day in given.per_day:
        print(f"{per_day} searches a day, {seeds} shops", flush=True)
        if "drift" in given.of:
            alarms = over(drift_alarms, per_day)
            print(f"  drift, nothing shifts: {rate(alarms)}", flush=True)
        if "shift" in given.of:
            weeks = over(weeks_to_alarm, per_day)
            print(f"  drift after a shift in mid-week: seen by {weeks.count(0)} in that week, {weeks.count(1)} in the")
            print(
                f"    next, {weeks.count(2)} in the one after, {sum(week > 2 for week in weeks)} later or never",
                flush=True,
            )
        if "accuracy" in given.of:
            counted = over(accuracy_alarms, per_day)
            for version, champion in ((1, "better than the mean"), (2, "2 % worse")):
                print(f"  accuracy, champion {champion}: {rate([item[version] for item in counted])}", flush=True)


if __name__ == "__main__":
    main()
