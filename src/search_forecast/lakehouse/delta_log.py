"""The log of a table on this machine, read in milliseconds by delta-rs, which is not installed on Databricks."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from search_forecast.errors import DataError

if TYPE_CHECKING:
    from deltalake import DeltaTable

_COMMIT = re.compile(r"(\d{20})\.json")
_seen: dict[Path, tuple[object, "DeltaTable"]] = {}


@dataclass(frozen=True)
class DeltaLog:
    """What a log says: the table's latest version, reader features, and the files of its rows."""

    version: int
    reader_features: frozenset[str]
    files: tuple[Path, ...]


def is_there(location: Path) -> bool:
    """Whether a table lies in a directory: not where one was killed before its first commit, which left no file."""
    log = location / "_delta_log"
    if not log.is_dir():
        return False
    own = (path for path in chain(log.iterdir(), location.iterdir()) if path != log and path.name[0] != ".")
    return any(not path.is_dir() or any(path.iterdir()) for path in own)  # Delta makes _staged_commits first


def remove_unmade(location: Path) -> None:
    """Remove what a table left that was killed before its first commit: Delta makes none where anything lies."""
    shutil.rmtree(location / "_delta_log", ignore_errors=True)


def read(location: Path) -> DeltaLog:
    """Read the log of the table in a directory.

    Raises:
        DataError: it can't be read.
    """
    from deltalake.exceptions import DeltaError  # noqa: PLC0415

    try:
        opened = table(location)
        files = tuple(location / path for path in paths(opened))
        features = frozenset(opened.protocol().reader_features or [])
    except DeltaError as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"the log of {location} can't be read: {reason}; the command check says more") from error
    return DeltaLog(opened.version(), features, files)


def written_at(location: Path) -> int:
    """When the table in a directory got its latest commit, by the file's time: nanoseconds; 0 where there is none."""
    return max((entry.stat().st_mtime_ns for entry in location.glob("_delta_log/*.json")), default=0)


def opened(location: Path) -> "DeltaTable | None":
    """The table in a directory; None where only Spark can read it, if anything.

    Raises:
        DataError: an entry of its log is empty.
    """
    from deltalake.exceptions import DeltaError  # noqa: PLC0415

    try:
        return table(location)
    except DeltaError:
        return None


def row_count(location: Path) -> int | None:
    """How many rows the table in a directory has now; None where its log can't be read or does not say so."""
    from deltalake.exceptions import DeltaError  # noqa: PLC0415

    try:
        counts = table(location).get_add_actions().column("num_records").to_pylist()
    except (DataError, DeltaError, KeyError):
        return None
    return None if None in counts else sum(counts)


def entries(location: Path) -> tuple[tuple[str, int, int, int, int], ...]:
    """The files of a table's log, with bytes and what tells a file: other ones with every commit, or made anew.

    Empty where there is no log, or where one of them went while they were looked at.
    """
    try:
        with os.scandir(location / "_delta_log") as listed:
            files = [(file.name, file.stat()) for file in listed]
    except FileNotFoundError:
        return ()
    return tuple(sorted((name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for name, s in files))


def commits(location: Path) -> dict[int, Path]:
    """The entries of the log of the table in a directory, by version, oldest first."""
    files = sorted((location / "_delta_log").iterdir())
    return {int(name[1]): path for path in files if (name := _COMMIT.fullmatch(path.name))}


def history(location: Path) -> Iterator[dict[str, Any]]:
    """What each commit says of itself, newest first, read as it is asked for; of a damaged one only the version.

    Read here, as delta-rs says of a table whose path has a # in it that it has no history.
    """
    for version, path in reversed(commits(location).items()):
        said = [action["commitInfo"] for action in actions(path) or [] if isinstance(action.get("commitInfo"), dict)]
        yield {**(said[0] if said else {}), "version": version}


def actions(path: Path) -> list[dict[str, Any]] | None:
    """The lines of a file of a log; None where it is none any more."""
    try:
        # Not splitlines(), which takes more for the end of one than JSON does: U+2028 in a text, among others.
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, ValueError):
        return None
    return lines if lines and all(isinstance(line, dict) for line in lines) else None


def table(location: Path) -> "DeltaTable":
    """The table in a directory as its log says it is now; read again only when something has come to it or gone.

    Raises:
        DataError: an entry of the log is empty, cut off by a power failure say: readers take it for no change.
        DeltaError: delta-rs can't read it.
    """
    from deltalake import DeltaTable  # noqa: PLC0415

    place, present = location.absolute(), entries(location)
    for name, size, *_ in present:
        if name.endswith(".json") and not size:
            path = place / "_delta_log" / name
            raise DataError(f"{path} is empty, a commit that was cut off; the command check says more")
    before, known = _seen.get(place, (None, None))
    if known is None or before != present or not present:
        known = DeltaTable(place.as_uri())
        _seen[place] = present, known
    return known


def paths(opened: "DeltaTable") -> list[str]:
    """The data files of a table now: paths below its directory, absolute ones where they are another table's."""
    uris = opened.get_add_actions().column("path").to_pylist()
    return [unquote(urlsplit(uri).path if "://" in uri else uri) for uri in uris]
