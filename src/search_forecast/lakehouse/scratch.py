"""A directory that Python and Spark both see, for files on their way into or out of the registry."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
