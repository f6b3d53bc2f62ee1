"""What `reproduce`, of regressions and of forecasts, takes for lost data, and what for an error; without Spark."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.errors import PySparkException

from search_forecast.errors import ContractError
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.reproduce import recorded_rows


def failing(error: Exception, place: Path) -> tuple[Lakehouse, dict[str, Any]]:
    """A lakehouse whose session can read nothing, and a record of a Delta directory."""

    def sql(_: str) -> None:
        raise error

    session: Any = SimpleNamespace(sql=sql, catalog=SimpleNamespace(tableExists=lambda _: False))
    (place / "sizes" / "_delta_log").mkdir(parents=True)
    table = {"table": str(place / "sizes"), "delta_version": 3, "content_hash": "sha256:0"}
    return Lakehouse(session, None, place), table


def test_data_that_is_gone_is_named(tmp_path: Path) -> None:
    lakehouse, table = failing(PySparkException("[DELTA_VERSION_NOT_FOUND] Cannot time travel\nmore"), tmp_path)
    rows, trouble = recorded_rows(lakehouse, table)
    assert rows is None
    assert trouble is not None
    gone = "sizes version 3 cannot be read any more (vacuumed or removed): [DELTA_VERSION_NOT_FOUND] Cannot time travel"
    assert trouble.endswith(gone)
    removed = recorded_rows(lakehouse, {**table, "table": "removed"})[1]
    assert removed is not None
    assert "removed version 3 cannot be read any more (vacuumed or removed): no table removed" in removed


@pytest.mark.parametrize(
    "error",
    [
        KeyError("content_hash"),
        TypeError("a bug of ours"),
        PySparkException("java.io.IOException: No space left on device"),
        ContractError("another version of search_forecast"),
    ],
)
def test_another_error_is_not_called_lost_data(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)):
        recorded_rows(*failing(error, tmp_path))
