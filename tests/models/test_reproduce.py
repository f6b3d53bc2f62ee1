"""What `reproduce`, of regressions and of forecasts, takes for lost data, and what for an error; without Spark."""

from types import SimpleNamespace

import pytest
from pyspark.errors import PySparkException

from search_forecast.errors import ContractError, DataError
from search_forecast.models.reproduce import recorded_rows

TABLE = {"table": "search_gold.infant_growth", "delta_version": 3, "content_hash": "sha256:0"}


def failing(error: Exception) -> SimpleNamespace:
    """A lakehouse that can't be read."""

    def at(source: str, version: int) -> None:
        raise error

    return SimpleNamespace(resolve=lambda name: name, at=at)


@pytest.mark.parametrize(
    "error", [PySparkException("[DELTA_VERSION_NOT_FOUND] Cannot time travel\nmore"), DataError("no table x")]
)
def test_data_that_is_gone_is_named(error: Exception) -> None:
    rows, trouble = recorded_rows(failing(error), TABLE)  # type: ignore[arg-type]
    assert rows is None
    assert trouble is not None
    assert trouble.startswith("search_gold.infant_growth version 3 cannot be read any more (vacuumed or removed): ")
    assert "\n" not in trouble


@pytest.mark.parametrize(
    "error",
    [
        KeyError("content_hash"),
        TypeError("a bug of ours"),
        PySparkException("java.io.IOException: No space left on device"),
        ContractError("another version of search_forecast"),
    ],
)
def test_another_error_is_not_called_lost_data(error: Exception) -> None:
    with pytest.raises(type(error)):
        recorded_rows(failing(error), TABLE)  # type: ignore[arg-type]
