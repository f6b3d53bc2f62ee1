"""How often days are taken for days without a delivery where there are none, and how often gaps are found, by shop.

    python benchmarks/silence_rates.py --shops 200

Each shop is two years of simulated counts, with a week's pattern. Prints a table.
"""

import argparse
from collections.abc import Callable

import numpy as np

from search_forecast.demand.known_days import Counts, undelivered

DAYS = np.arange(730)
WEEKDAYS = np.array([1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8])[DAYS % 7]
GAPS = (1, 3, 7, 21)
AT = 200  # where a gap is put


def _steady(level: float, size: float = np.inf) -> Callable[[np.random.Generator], Counts]:
    """Counts around a level, negative binomial of that size; Poisson where it is infinite."""

    def draw(random: np.random.Generator) -> Counts:
        rates = level * WEEKDAYS
        return random.poisson(rates if np.isinf(size) else random.gamma(size, rates / size))

    return draw


def _closed(level: float, first_weekday: int) -> Callable[[np.random.Generator], Counts]:
    return lambda random: _steady(level, 5)(random) * (first_weekday > DAYS % 7)


def _seasonal(level: float) -> Callable[[np.random.Generator], Counts]:
    return lambda random: random.poisson(level * np.maximum(np.sin(2 * np.pi * DAYS / 365), 0.01))


SHOPS = {
    **{f"{level:g} a day": _steady(level) for level in (0.05, 0.2, 0.5, 1, 2, 3, 5, 20, 1000)},
    **{
        f"{level} a day, restless ({size:g})": _steady(level, size)
        for level, size in ((1, 1), (3, 0.5), (10, 1), (30, 1), (100, 2), (1000, 3))
    },
    "3 a day, closed on Sundays": _closed(3, 6),
    "300 a day, closed on Sundays": _closed(300, 6),
    "300 a day, closed at weekends": _closed(300, 5),
    "up to 5 a day in season": _seasonal(5),
    "up to 1000 a day in season": _seasonal(1000),
    "growing from 0.05 to 1000 a day": lambda random: random.poisson(np.exp(np.linspace(-3, 7, len(DAYS)))),
}


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shops", type=int, default=200, help="simulated shops of each kind")
    shops = parser.parse_args().shops
    print(f"shop | with a false gap | days in false gaps | gaps found of {', '.join(map(str, GAPS))} days")
    for name, draw in SHOPS.items():
        counts = [draw(np.random.default_rng(seed)) for seed in range(shops)]
        false = [undelivered(one)[0].sum() for one in counts]
        found = []
        for days in GAPS:
            cut = [one * ~np.isin(DAYS, range(AT, AT + days)) for one in counts]
            found.append(np.mean([undelivered(one)[0][AT : AT + days].any() for one in cut]))
        days_ratio = sum(false) / shops / len(DAYS)
        print(
            f"{name} | {np.mean(np.array(false) > 0):.1%} | {days_ratio:.3%} | {', '.join(f'{x:.0%}' for x in found)}"
        )


if __name__ == "__main__":
    main()
