"""One writer at a time on the tables of a catalog: two runs of `ingest` would take in the same files twice.

A row of a Delta table is the lock: of two commits that change it one is certain to fail, which nobody promises of a
file created exclusively in a volume. Its owner renews it while it works, so that a killed run's goes stale. On this
machine `lock` does the same with less.
"""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from search_forecast.errors import DataError
from search_forecast.lakehouse.contracts.base import STRING, TIMESTAMP, Table, TableColumn, literal
from search_forecast.lakehouse.spark_errors import first_line
from search_forecast.lakehouse.tables import Lakehouse

logger = logging.getLogger(__name__)

WAIT_SECONDS = 600.0
STALE_SECONDS = 300
RENEW_SECONDS = 60.0
POLL_SECONDS = 10.0
WRITERS = Table(
    "bronze",
    "writers",
    "lock: which command works on the tables from bronze to gold",
    (
        TableColumn("lock", STRING, "What is locked"),
        TableColumn("owner", STRING, "Command, user and run that has it; null where none has", nullable=True),
        TableColumn("renewed_at", TIMESTAMP, "When the owner last said that it is at work, UTC"),
    ),
)


@contextmanager
def exclusive(lakehouse: Lakehouse, command: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the tables from bronze to gold for one command, or take them over from a run that is gone.

    Raises:
        DataError: another run held them for longer than `wait_seconds`.
    """
    row = _Row(lakehouse, f"{command} by {lakehouse.user()} (run {uuid.uuid4().hex[:8]})")
    give_up, holder = time.monotonic() + wait_seconds, row.take()
    if holder is not None:
        logger.warning("waiting up to %.0f s for %s", wait_seconds, holder)
    while holder is not None:
        if time.monotonic() > give_up:
            raise DataError(
                f"{command}: {holder} still holds {WRITERS.full_name}; wait for it or stop it, then run again"
            )
        time.sleep(POLL_SECONDS)
        holder = row.take()
    done = threading.Event()
    renewing = threading.Thread(target=row.keep_renewing, args=(done,), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        row.release()


class _Row:
    """The lock's row, as one run sees it. Times are those of the server: one clock for all."""

    def __init__(self, lakehouse: Lakehouse, owner: str) -> None:
        self._spark, self._name, self._owner = lakehouse.spark, lakehouse.open(WRITERS), literal(owner)

    def take(self) -> str | None:
        """Take the lock if it is free; None where that succeeded, else who has it."""
        is_free = f"owner is null or renewed_at < current_timestamp() - interval {STALE_SECONDS} seconds"
        rows = self._spark.sql(f"select owner, {is_free} as is_free from {self._name}").collect()  # noqa: S608
        if rows and not rows[0]["is_free"]:
            return str(rows[0]["owner"])
        if rows and rows[0]["owner"]:
            logger.warning("taking over from %s, which has said nothing for %d s", rows[0]["owner"], STALE_SECONDS)
        # Of two that see it free, the commit of one fails, or it finds the row taken.
        statement = (
            f"merge into {self._name} t using (select 'medallion' as lock) n on t.lock = n.lock "  # noqa: S608
            f"when matched and ({is_free}) then update set owner = {self._owner}, renewed_at = current_timestamp() "
            "when not matched then insert (lock, owner, renewed_at) "
            f"values (n.lock, {self._owner}, current_timestamp())"
        )
        return None if self._changes(statement) else "another run"

    def keep_renewing(self, done: threading.Event) -> None:
        """Say every now and then that this run is at work."""
        while not done.wait(RENEW_SECONDS):
            try:
                self._update("renewed_at = current_timestamp()")
            except Exception as error:  # noqa: PERF203 - without the next one this run is taken for gone
                logger.warning("%s was not renewed: %s", WRITERS.full_name, first_line(error))

    def release(self) -> None:
        """Let go of the lock, if this run still has it."""
        if not self._update("owner = null"):
            logger.warning("%s had lost %s: run reconcile", self._owner, WRITERS.full_name)

    def _update(self, change: str) -> bool:
        return self._changes(f"update {self._name} set {change} where owner = {self._owner}")  # noqa: S608

    def _changes(self, statement: str) -> bool:
        """Run a statement; whether it changed the row, no other run having been faster."""
        try:
            return bool(self._spark.sql(statement).collect()[0]["num_affected_rows"])
        except Exception as error:
            if "DELTA_CONCURRENT" not in str(error):
                raise
            return False
