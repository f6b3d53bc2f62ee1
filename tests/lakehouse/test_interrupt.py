from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from search_forecast.cli import application
from search_forecast.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STOPPED = "search-forecast: stopped; run the same command again to go on\n"


def test_ctrl_c_while_spark_works_stops_the_command_without_a_trace(
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    endless = spark.range(10**12).selectExpr("sum(hash(id)) as n")
    monkeypatch.setattr(application.ROOT, "main", lambda *_, **__: endless.collect())
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        assert application.main([]) == 130
    finally:
        spark.sparkContext.cancelAllJobs()

    assert caplog.records == []
    assert capfd.readouterr().err == STOPPED
    assert spark.range(3).count() == 3


@pytest.mark.parametrize("is_explained", [False, True])
def test_what_a_ctrl_c_made_fail_is_no_other_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], is_explained: bool
) -> None:
    """Leaving pyspark's code asks Spark once more, which may have hung up."""

    def interrupted(*_: object, **__: object) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            try:
                raise ConnectionError("Answer from Java side is empty")
            except ConnectionError as error:
                if is_explained:
                    raise DataError("no answer") from error
                raise

    monkeypatch.setattr(application.ROOT, "main", interrupted)

    assert application.main([]) == 130
    assert capfd.readouterr().err == STOPPED


def test_an_error_of_another_kind_stays_one(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def failing(*_: object, **__: object) -> None:
        raise DataError("wrong") from ValueError("x")

    monkeypatch.setattr(application.ROOT, "main", failing)

    assert application.main([]) == 1
    assert capfd.readouterr().err == "search-forecast: wrong\n"
