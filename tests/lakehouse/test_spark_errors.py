"""Whose an exception is, and what of Spark's pages is shown."""

import pytest
from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, PySparkException

from search_forecast.lakehouse.spark_errors import first_line, is_gone, is_sparks

UDF = """An error occurred while calling o6.collectToPython.
: org.apache.spark.SparkException: [FAILED_EXECUTE_UDF] User defined function (`Model$$Lambda`: (string) => double) failed due to: org.apache.spark.SparkException: Unseen label: z. SQLSTATE: 39000
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.failed(QueryExecutionErrors.scala:198)
Caused by: org.apache.spark.SparkException: Unseen label: z."""  # noqa: E501 - Spark's own line
FILE = ": org.apache.spark.SparkException: [FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading a.parquet"


@pytest.mark.parametrize("error", [PySparkException("no"), AnalysisException("no"), Py4JError("no")])
def test_what_spark_raises_is_sparks(error: Exception) -> None:
    assert is_sparks(error)


@pytest.mark.parametrize("error", [KeyError("stageUids"), ValueError("x"), TypeError(), AttributeError(), OSError()])
def test_what_python_raises_is_ours(error: Exception) -> None:
    assert not is_sparks(error)
    assert not is_gone(error)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (UDF, "org.apache.spark.SparkException: Unseen label: z. SQLSTATE: 39000"),
        (FILE, FILE.removeprefix(": org.apache.spark.SparkException: ")),
        ("[CAST_INVALID_INPUT] The value 'x'\nJVM stacktrace:\nmore", "[CAST_INVALID_INPUT] The value 'x'"),
        ("Job aborted\nAnException: a\n IOException: No space left on device", "IOException: No space left on device"),
        ("a\n: java.lang.OutOfMemoryError: Java heap space\n\tat x", "java.lang.OutOfMemoryError: Java heap space"),
        ("", "PySparkException"),
    ],
)  # fmt: skip
def test_one_line_says_what_went_wrong(text: str, line: str) -> None:
    assert first_line(PySparkException(text)) == line


@pytest.mark.parametrize(
    ("text", "is_missing"),
    [
        ("[DELTA_VERSION_NOT_FOUND] Cannot time travel", True),
        ("[DELTA_UNSUPPORTED_TIME_TRAVEL_BEYOND_DELETED_FILE_RETENTION_DURATION] Cannot", True),
        (FILE, True),
        (": x.DeltaFileNotFoundException: [DELTA_TRUNCATED_TRANSACTION_LOG] file", True),
        ("[TABLE_OR_VIEW_NOT_FOUND] The table", True),
        ("[DELTA_MISSING_CHANGE_DATA] Error getting change data for range [2 , 2] as change data was not", True),
        ("[FAILED_READ_FILE.DBR_FILE_NOT_EXIST] gone", True),
        ("java.io.IOException: No space left on device", False),
        ("[CAST_INVALID_INPUT] The value", False),
        ("[UNABLE_TO_ACQUIRE_MEMORY] Unable", False),
    ],
)
def test_only_what_is_missing_is_gone(text: str, is_missing: bool) -> None:
    assert is_gone(PySparkException(text)) is is_missing
