from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_ctrl_c_while_spark_works_stops_the_command_without_a_trace(
    spark: SparkSession, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    endless = spark.range(10**12).selectExpr("sum(hash(id)) as n")
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            endless.collect()
    finally:
        spark.sparkContext.cancelAllJobs()

    assert caplog.records == []
    assert capfd.readouterr().err == ""
    assert spark.range(3).count() == 3
