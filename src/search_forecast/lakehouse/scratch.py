"""Files under way, where Python and Spark both see them: on their way to the registry, or rows that took long."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

_PREFIX = "model-"
_STALE_SECONDS = 24 * 3600


@contextmanager
def scratch(staging: Path) -> Iterator[Path]:
    """A new directory that is gone at the end; what killed runs left there more than a day ago goes too.

    Args:
        staging: of the lakehouse; on Databricks a directory of a volume, which Spark's executors can read.
    """
    staging.mkdir(parents=True, exist_ok=True)
    for old in staging.glob(f"{_PREFIX}*"):
        if time.time() - old.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=staging))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def save_rows(df: DataFrame, directory: Path) -> DataFrame:
    """Write rows to files and read them back: done once what took long, as serverless compute has no cache.

    Args:
        df: the rows.
        directory: new, where Python and Spark both see it; on Databricks in a volume.
    """
    df.write.parquet(directory.as_posix())
    return load_rows(df.sparkSession, directory)


def load_rows(spark: SparkSession, directory: Path) -> DataFrame:
    """The rows that `save_rows` wrote."""
    return spark.read.parquet(directory.absolute().as_posix())
