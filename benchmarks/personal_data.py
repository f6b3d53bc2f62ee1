"""How often the rule on personal data takes a product search for it, and which numbers made up pass it.

    python benchmarks/personal_data.py [--numbers 100000] [--terms FILE ...] > docs/personal-data-rates.md

Three measurements: searches (the fixtures, product_searches.txt beside this file, and any CSV files of the origin's
layout); numbers made up, by their length; and each national number's own check. Reproducible: the numbers are drawn
with a fixed seed.
"""

import argparse
import csv
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.medallion.personal import IDENTITY_NUMBERS, SUSPECT, placeholder
from search_forecast.medallion.terms import NOT_SIMPLE

ROOT = Path(__file__).resolve().parent.parent
COUNTRIES = (None, "CH", "DE", "FR", "GB", "IT", "US")
LENGTHS = range(8, 20)
NEEDS_PYTHON = re.compile(rf"{NOT_SIMPLE}|@|%40|(?:[0-9][^0-9]*){{7}}")  # as terms.NEEDS_PYTHON
DIGITS, LETTERS = "0123456789", "abcdefghijklmnopqrstuvwxyz"


def terms_of(path: Path) -> list[str]:
    """The terms of a file: the column `searchterm` of a CSV file, else its lines."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if path.suffix != ".csv":
        return text.splitlines()
    return [row["searchterm"] or "" for row in csv.DictReader(text.splitlines())]


def searches(paths: list[Path]) -> Iterator[str]:
    """Lines of a table: each file's terms, how many Python looks at, and how many it takes for personal."""
    columns = ["searches", "terms", "to be looked at", "taken for personal data", *map(str, COUNTRIES[1:])]
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for path in paths:
        terms = list(map(normaliser(), terms_of(path)))
        suspects = [term for term in terms if NEEDS_PYTHON.search(term)]
        taken = [sum(placeholder(term, country) is not None for term in suspects) for country in COUNTRIES]
        numbers = " | ".join(f"{count} ({count / len(terms):.2%})" for count in taken)
        yield f"| {path.name} | {len(terms):,} | {len(suspects):,} | {numbers} |"


def numbers(count: int) -> Iterator[str]:
    """Lines of a table: numbers made up, digits in a row, by their length."""
    yield "| digits | taken for personal data | most often for | of those with the check digit of an article |"
    yield "|---|---|---|---|"
    chance = random.Random(1)
    for length in LENGTHS:
        made_up = ["".join(chance.choices(DIGITS, k=length)) for _ in range(count)]
        kinds = Counter(filter(None, map(placeholder, made_up)))
        often = ", ".join(f"{kind[1:-1]} {number / count:.2%}" for kind, number in kinds.most_common(2))
        articles = [article(text) for text in made_up] if length in {8, 12, 13, 14} else []
        passed = f"{sum(map(bool, map(placeholder, articles))) / count:.2%}" if articles else ""
        yield f"| {length} | {sum(kinds.values()) / count:.2%} | {often} | {passed} |"


def article(number: str) -> str:
    """A number with the last digit that makes it an EAN, UPC or GTIN-14."""
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(number[:-1])))
    return f"{number[:-1]}{-total % 10}"


def checks(count: int) -> Iterator[str]:
    """Lines of a table: each national number, and how many of its shape pass its check."""
    yield "| number | passes, of texts made up in its shape |"
    yield "|---|---|"
    chance = random.Random(2)
    for name, shape in sorted(IDENTITY_NUMBERS.items()):
        made_up = list(made_up_in(shape, chance, count))
        passed = sum(import_module(f"stdnum.{name}").is_valid(text) for text in made_up)
        yield f"| {name} | {passed / len(made_up):.2%} |"


def made_up_in(shape: str, chance: random.Random, count: int) -> Iterator[str]:
    """Texts that match a regular expression of digits, letters and optional separators, each symbol evenly likely."""
    without_century = shape.replace("(?:19|20[01])?", "")
    symbols = []
    for symbol, times in re.findall(r"(\[[^]]+\]|\\?.)(\{\d+\}|\?)?", without_century):
        if times != "?":
            options = [c for c in f"{DIGITS}{LETTERS}-+/" if re.fullmatch(symbol, c)]
            symbols += [options] * int(times.strip("{}") or 1)
    for _ in range(count):
        yield "".join(map(chance.choice, symbols))


def speed(paths: list[Path]) -> float:
    """Suspicious terms that one core judges a second."""
    terms = [term for path in paths for term in map(normaliser(), terms_of(path)) if SUSPECT.search(term)] * 20
    began = time.perf_counter()
    for term in terms:
        placeholder(term)
    return len(terms) / (time.perf_counter() - began)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--numbers", type=int, default=100_000)
    parser.add_argument("--terms", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    products = Path(__file__).with_name("product_searches.txt")
    paths = [*sorted((ROOT / "fixtures" / "landing").glob("*.csv")), products, *arguments.terms]
    sections = {
        "Searches": searches(paths),
        "Numbers made up": numbers(arguments.numbers),
        "Checks of national numbers": checks(arguments.numbers),
    }
    print("# Personal data: how often the rule is wrong\n")
    print(f"Made by `benchmarks/personal_data.py` with {arguments.numbers:,} numbers of each kind (fixed seed).")
    print("What it means: [personal data](personal-data.md). Columns of countries: with `--country`.")
    for title, lines in sections.items():
        print(f"\n## {title}", *lines, sep="\n")
    rate = f"{round(speed([products]), -3):,.0f}"
    machine = f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores"
    print(f"\nOne core judges {rate} of the suspicious product searches a second ({machine}).")


if __name__ == "__main__":
    main()
