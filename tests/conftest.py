import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from search_forecast import cli
from search_forecast.lakehouse.session import session

settings.register_profile("no deadline", deadline=None)  # a busy machine is no bug
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    """One session for all tests of a process: starting one costs seconds."""
    return session(size="small")


@pytest.fixture
def lakehouse(tmp_path: Path) -> Path:
    return tmp_path / "lakehouse"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command on the test's lakehouse; its JSON result, or (exit code, error line) where it failed."""

    def run_command(*words: str) -> Any:
        capsys.readouterr()
        code = cli.main(["--lakehouse", str(tmp_path / "lake"), *words, "--json"])
        printed = capsys.readouterr()
        return (code, printed.err) if code else json.loads(printed.out)

    return run_command
