"""Commands for Spark ML regressions and what they wrote: what the tests of training and importing share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from search_forecast import cli
from support.places import PROJECT

FIXTURE = PROJECT / "fixtures" / "infant_growth.csv"
TRAIN = ("train-regression", "--table", "search_gold.infant_growth", "--features", "height_cm", "--label", "weight_kg")
Run = Callable[..., Any]


def runner(lake: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; its JSON result, or (exit code, its one line of error) where it failed."""

    def run_command(*words: str) -> Any:
        capsys.readouterr()
        code = cli.main(["--lakehouse", str(lake), *words, "--json"])
        printed = capsys.readouterr()
        if code == 0:
            return json.loads(printed.out)
        errors = [line for line in printed.err.splitlines() if line.startswith("search-forecast: ")]
        assert len(errors) == 1
        assert "Traceback" not in printed.err
        return code, errors[0]

    return run_command


def scores(lake: Path) -> list[dict[str, Any]]:
    """search_gold.model_scores, read without Spark."""
    return list(DeltaTable(str(lake / "search_gold" / "model_scores")).to_pyarrow_table().to_pylist())
