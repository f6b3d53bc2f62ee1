from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from search_forecast.session import session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    """One session for the whole suite: starting one costs seconds."""
    return session(size="small")


@pytest.fixture
def lakehouse(tmp_path: Path) -> Path:
    return tmp_path / "lakehouse"
