from __future__ import annotations

import logging
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.errors import PySparkException

from search_forecast.errors import DataError
from search_forecast.lakehouse import writers
from search_forecast.lakehouse.tables import Lakehouse

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def house(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    root: Path = tmp_path_factory.mktemp("writers")
    return Lakehouse(spark, root, root / "_staging")


def test_of_two_that_start_at_once_one_waits_for_the_other(house: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "POLL_SECONDS", 0.2)
    monkeypatch.setattr(writers, "RENEW_SECONDS", 0.1)
    house.open(writers.WRITERS)
    at_work, seen, errors = [], [], []

    def work(command: str) -> None:
        try:
            with writers.exclusive(house, command, 60):
                at_work.append(command)
                time.sleep(0.5)
                seen.append(list(at_work))
                at_work.remove(command)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(command,)) for command in ("ingest", "clean")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sorted(seen) == [["clean"], ["ingest"]]
    assert [row["owner"] for row in house.read(writers.WRITERS).collect()] == [None]


def test_who_waits_too_long_is_told_for_whom_and_a_silent_run_is_succeeded(
    house: Lakehouse, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, logger="search_forecast")
    monkeypatch.setattr(writers, "POLL_SECONDS", 0.1)
    with writers.exclusive(house, "ingest"):
        with pytest.raises(
            DataError, match=r"clean: ingest by \w+ \(run \w{8}\) still holds search_bronze.writers; wait"
        ):
            writers.exclusive(house, "clean", 0).__enter__()
        monkeypatch.setattr(writers, "STALE_SECONDS", 0)

        with writers.exclusive(house, "clean", 0):
            owners = [row["owner"] for row in house.read(writers.WRITERS).collect()]

    assert len(owners) == 1
    assert owners[0].startswith("clean by ")
    assert "taking over from ingest by " in caplog.text
    assert "had lost search_bronze.writers" in caplog.text


def test_a_renewal_that_fails_is_tried_again_or_another_run_would_take_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "RENEW_SECONDS", 0.01)
    statements, done = [], threading.Event()

    def sql(statement: str) -> Any:
        statements.append(statement)
        if len(statements) == 1:
            raise PySparkException("the connection was lost")
        done.set()
        return SimpleNamespace(collect=lambda: [{"num_affected_rows": 1}])

    house: Any = SimpleNamespace(spark=SimpleNamespace(sql=sql), open=lambda _: "writers")
    writers._Row(house, "ingest").keep_renewing(done)

    assert len(statements) == 2
