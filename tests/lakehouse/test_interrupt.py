from __future__ import annotations

import os
import signal
import threading
import time
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
    # Of many short tasks: cancelling a job starts no more of them, but one that runs goes on to its end.
    long, jobs = spark.range(0, 10**11, 1, 5000).selectExpr("sum(hash(id)) as n"), spark.sparkContext.statusTracker()
    monkeypatch.setattr(application.ROOT, "main", lambda *_, **__: long.collect())

    def interrupt() -> None:
        # A job that is not submitted yet can't be cancelled, and would keep both cores busy for all tests to come.
        while not jobs.getActiveStageIds():
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    # Where the tests run in a shell's background, SIGINT is ignored from the start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        assert application.main([]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
        while jobs.getActiveJobsIds():
            spark.sparkContext.cancelAllJobs()
            time.sleep(0.1)

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
