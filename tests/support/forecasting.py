"""A small shop's daily counts, and the commands that forecast them: what the tests of training and scoring share."""

import contextlib
import io
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from deltalake import DeltaTable

from search_forecast import cli

FIRST = date(2025, 3, 3)  # a Monday
DAYS = 84
WEEKDAYS = np.array([1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8])
QUICK = ("--candidates", "theta", "--windows", "5")


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def searches() -> dict[str, list[int]]:
    """A growing term with a week's pattern, one of noise, one too rare for a series."""
    random = np.random.default_rng(11)
    return {
        "laptop": random.poisson(200 * WEEKDAYS[np.arange(DAYS) % 7] * (1 + np.arange(DAYS) / 42)).tolist(),
        "tv": random.poisson(40, DAYS).tolist(),
        "rare thing": [1 if number % 9 == 0 else 0 for number in range(DAYS)],
    }


def command(lake: Path, *words: str) -> Any:
    """A command's JSON result; the exit code where it failed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = cli.main(["--lakehouse", str(lake), *words, "--json"])
    return json.loads(printed.getvalue()) if code == 0 else code


def table(lake: Path, name: str) -> list[dict[str, Any]]:
    return DeltaTable(str(lake / "search_gold" / name)).to_pyarrow_table().to_pylist()
