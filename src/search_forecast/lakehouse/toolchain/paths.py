"""Where this user's cached jars, archives and logs lie, and how files get there without ever being half there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from search_forecast.errors import EnvironmentProblem

_LOCK_SECONDS = 600
_STALE_SECONDS = 86_400


def cache_dir() -> Path:
    """Returns the per-user cache directory, made if need be.

    Returns:
        `$SEARCH_FORECAST_CACHE` if set, else the platform's own place (on Linux `$XDG_CACHE_HOME/search_forecast`).

    Raises:
        EnvironmentProblem: The directory cannot be made or written.
    """
    chosen = os.environ.get("SEARCH_FORECAST_CACHE")
    path = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("search_forecast", appauthor=False))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot make the cache directory {path} ({error.strerror}): "
            "set SEARCH_FORECAST_CACHE to a directory that you may write"
        ) from error
    return path.resolve()


def is_writable(path: Path) -> bool:
    """Returns whether files can be made in a directory, or in the nearest parent that exists.

    `os.access` is not asked: it is wrong for root and for read-only mounts.
    """
    while not path.exists():
        path = path.parent
    try:
        with tempfile.TemporaryFile(dir=path):
            return True
    except OSError:
        return False


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Holds a lock for one file of the cache, so that of two processes only one makes it.

    Raises:
        EnvironmentProblem: Another process held the lock for ten minutes, or the cache cannot be written.
    """
    lock = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise EnvironmentProblem(
            f"another process has held {lock} for {_LOCK_SECONDS} s: stop it and try again"
        ) from error
    except PermissionError as error:
        raise EnvironmentProblem(f"cannot write {error.filename or target.parent}: check the cache's owner") from error


@contextmanager
def scratch_dir(parent: Path) -> Iterator[Path]:
    """Gives an empty directory on the same file system as `parent`, removed at the end; move results out of it."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(".making-*"):  # by a process that was killed
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=parent, ignore_cleanup_errors=True) as name:
        yield Path(name)
