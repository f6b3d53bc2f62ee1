"""Files under way, where Python and Spark both see them: on their way to the registry, or rows that took long."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

STALE_SECONDS = 24 * 3600


@contextmanager
def scratch(staging: Path) -> Iterator[Path]:
    """A new directory that is gone at the end; what killed runs left there more than a day ago goes too.

    Args:
        staging: of the lakehouse; on Databricks a directory of a volume, which Spark's executors can read.
    """
    root = staging / "scratch"
    remove_stale(root.glob("*"))
    directory = new_directory(root)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def new_directory(root: Path, prefix: str = "") -> Path:
    """A directory below `root` that no other run has; each kind of scratch has a root of its own."""
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=root))


def remove_stale(directories: Iterable[Path]) -> None:
    """Remove those that are so old that no run can be at work in them any more."""
    for directory in filter(is_stale, directories):
        shutil.rmtree(directory, ignore_errors=True)


def is_stale(directory: Path) -> bool:
    """Whether it is so old that no run can be at work in it any more."""
    try:
        return time.time() - directory.stat().st_mtime > STALE_SECONDS
    except FileNotFoundError:  # its run has ended since it was listed
        return False


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
    return spark.read.parquet(literal_path(directory))


def literal_path(path: Path) -> str:
    """A path for Spark to read, which would take brackets, braces and stars in it for a pattern."""
    return re.sub(r"[\\{}\[\]*?]", r"\\\g<0>", path.absolute().as_posix())


def bytes_below(path: Path, pattern: str = "*") -> int:
    """The bytes of a file, or of the files below a directory."""
    files = [path] if path.is_file() else path.rglob(pattern)
    return sum(file.stat().st_size for file in files if file.is_file())
