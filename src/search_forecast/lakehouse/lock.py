"""One writer at a time on a local lakehouse: Delta on a plain file system can lose one of two (delta-io/delta#7567)."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from search_forecast.errors import DataError, EnvironmentProblem

logger = logging.getLogger(__name__)

WAIT_SECONDS = 600.0


@contextmanager
def exclusive(root: Path, command: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lakehouse for one command; the system lets go of it however the process ends.

    Raises:
        DataError: another command held it for longer than `wait_seconds`.
        EnvironmentProblem: the directory can't be written, or is another one by the end: then the first is as a kill
            would have left it, and what was written since lies in the other.
    """
    holder = root / ".lock.holder"
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.warning("waiting up to %.0f s for %s on %s", wait_seconds, _holder(holder), root)
            lock.acquire(timeout=wait_seconds)
    except Timeout as error:
        raise DataError(
            f"{command}: {_holder(holder)} still holds {root}; wait for it or stop it, then run again"
        ) from error
    except OSError as error:
        reason = "it is no directory" if isinstance(error, FileExistsError) else error.strerror
        place = error.filename or root  # of a lakehouse that others write too it may be their .lock
        raise EnvironmentProblem(f"{command}: cannot write {place}: {reason}; mend that and run it again") from error
    try:
        present = _identity(root)
        with suppress(OSError):  # a full disk is no reason not to look at a lakehouse, or to copy it to another one
            holder.write_text(f"{command} (process {os.getpid()})", encoding="utf-8")
        yield
        if _identity(root) != present:
            raise EnvironmentProblem(
                f"{command}: {root} was taken away or replaced while it was at work: put the directory that lay there "
                "back in its place and run it again"
            )
    finally:
        lock.release()


def is_held(root: Path) -> bool:
    """Whether a command is at work on the lakehouse with its lock, in this process or another."""
    if not (root / ".lock").is_file():
        return False
    lock = FileLock(root / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # read-only: nobody can write there
        return False
    lock.release()
    return False


def _identity(root: Path) -> tuple[int, int] | None:
    """Which directory a path leads to, by links or not; None where to none."""
    try:
        status = root.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace") or "another command"
    except OSError:
        return "another command"
