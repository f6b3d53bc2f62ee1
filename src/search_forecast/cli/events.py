"""One JSON line for each command that ended, for whatever watches over many of them: `--event-log FILE`."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from search_forecast.cli import output
from search_forecast.cli.call import Call

if TYPE_CHECKING:
    from search_forecast.lakehouse.tables import Lakehouse

# What Delta calls what a write and a MERGE added.
_ROWS, _BYTES = ("numOutputRows", "numTargetRowsInserted"), ("numOutputBytes", "numTargetBytesAdded")


@contextmanager
def recorded(call: Call) -> Iterator[None]:
    """Append a line to the file that the call names, if any, once the command in the block has ended.

    It says when the command began (UTC), its seconds, whether it succeeded, what it printed as its result, the error if
    there was one, and for each table that it wrote the version that it left and the rows and bytes that it added.
    """
    started_at, begin = call.now(), monotonic()
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        if call.event_log is not None:
            line = {
                "command": call.command,
                "started_at": started_at.isoformat(timespec="milliseconds"),
                "seconds": round(monotonic() - begin, 3),
                "lakehouse": _place(call),
                "ok": error is None,
                "error": None if error is None else " ".join(f"{type(error).__name__}: {error}".split())[:500],
                "result": dict(call.values),
                # After an error Spark may be what is broken; on this machine the log is read without it.
                "tables": {} if call.used is None or (error and call.used.root is None) else _readable(call.used),
                "process": os.getpid(),
                "release": version("search_forecast"),
            }
            _append(call.event_log, line)


def _place(call: Call) -> str:
    """The lakehouse's directory; a workspace's catalog."""
    if call.used is not None and call.used.root is not None:
        return str(call.used.root)
    return str(call.root) if call.catalog is None else call.catalog


def _append(path: Path, line: Mapping[str, Any]) -> None:
    """Append it in one write, so that lines of commands that end at once do not mix; what was done stays done."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
    except OSError as problem:
        output.logger.warning("%s: no line in %s: %s", line["command"], path, problem.strerror)


def _readable(lakehouse: "Lakehouse") -> dict[str, dict[str, int]]:
    """What was written, as far as the tables can be read: what the command did, or its error, is worth more."""
    try:
        return _written(lakehouse)
    except Exception as problem:  # Spark's too
        output.logger.warning("event log: the tables can't be read: %s", problem)
        return {}


def _written(lakehouse: "Lakehouse") -> dict[str, dict[str, int]]:
    from search_forecast.lakehouse.contracts import TABLES

    by_name = {table.full_name: table for table in TABLES}
    tables = {}
    for name, count in lakehouse.commits.items():
        commits = list(islice(lakehouse.history(by_name[name]), count))
        metrics = [commit["operationMetrics"] or {} for commit in commits]
        tables[name] = {
            "version": int(commits[0]["version"]), "rows": _sum(metrics, _ROWS), "bytes": _sum(metrics, _BYTES)
        }  # fmt: skip
    return tables


def _sum(metrics: list[Mapping[str, Any]], names: tuple[str, ...]) -> int:
    return sum(int(each.get(name, 0)) for each in metrics for name in names)
