"""`backup` and `restore`: a lakehouse of this machine, whole, in a directory that says what is in it."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.hashing import file_sha256

MANIFEST = "backup.json"
CONTENT = "lakehouse"
_PART = ".part"
_NOT_COPIED = (".lock", ".lock.holder")
DATABASE = ".db"
_BESIDE_DATABASE = (".db-journal", ".db-wal", ".db-shm")  # SQLite's own backup takes them in


@dataclass(frozen=True)
class Entry:
    """A file of a backup: size in bytes, time of the last change in ns since 1970, hash of its content."""

    size: int
    mtime_ns: int
    sha256: str


def backup(root: Path, into: Path, now: datetime) -> dict[str, Any]:
    """Copy a lakehouse, which nobody writes meanwhile, into a new directory below `into`.

    A file that the backup before it holds unchanged is linked to, not copied: Delta never changes a file. The directory
    gets its name last, so a backup that has one is whole.

    Args:
        root: the lakehouse.
        into: where backups are, outside the lakehouse.
        now: the backup's name, UTC.

    Returns:
        backup: its directory; files, bytes; copied_bytes: of those that were new.

    Raises:
        UsageError: `into` is in the lakehouse.
        DataError: there is a backup of this second.
    """
    if into.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"backup: {into} is in the lakehouse itself; say a directory outside it, on another disk")
    name = now.strftime("%Y%m%d-%H%M%S")
    place, part = into / name, into / f"{name}{_PART}"
    if place.exists():
        raise DataError(f"backup: {place} is there already; run it again in a second")
    for abandoned in into.glob(f"*{_PART}"):
        shutil.rmtree(abandoned)
    previous = max((path.parent for path in into.glob(f"*/{MANIFEST}")), default=None)
    entries_before = read_manifest(previous) if previous is not None else {}
    entries: dict[str, Entry] = {}
    copied = 0
    for path in _files(root):
        relative, status = path.relative_to(root).as_posix(), path.stat()
        copy, before = part / CONTENT / relative, entries_before.get(relative)
        copy.parent.mkdir(parents=True, exist_ok=True)
        is_known = before is not None and (before.size, before.mtime_ns) == (status.st_size, status.st_mtime_ns)
        if previous is not None and before is not None and is_known and _linked(previous / CONTENT / relative, copy):
            entries[relative] = before
            continue
        if path.suffix == DATABASE:
            _copy_database(path, copy)
        else:
            shutil.copy2(path, copy)
        size = copy.stat().st_size
        copied += size
        # A database's time says little of its content, so the next backup shall not know it by that.
        entries[relative] = Entry(size, 0 if path.suffix == DATABASE else status.st_mtime_ns, file_sha256(copy))
    if not entries:
        raise DataError(f"backup: {root} holds no file; say --lakehouse DIR")
    manifest = {"lakehouse": str(root), "made_at": now.isoformat(), "files": {k: asdict(v) for k, v in entries.items()}}
    (part / MANIFEST).write_text(json.dumps(manifest, indent=0), encoding="utf-8")
    part.rename(place)
    total = sum(entry.size for entry in entries.values())
    return {"backup": str(place), "files": len(entries), "bytes": total, "copied_bytes": copied}


def restore(place: Path, root: Path) -> dict[str, Any]:
    """Make a lakehouse of a backup, where there is none yet; every file is compared with its hash first.

    Args:
        place: a backup's directory.
        root: the lakehouse to make.

    Returns:
        lakehouse, files, bytes.

    Raises:
        UsageError: something is at `root` already.
        DataError: `place` is no backup, or a file of it is gone or changed.
    """
    if root.exists() and any(path.name not in _NOT_COPIED for path in root.iterdir()):
        raise UsageError(f"restore: {root} is there already; move it away, or say another --lakehouse")
    entries = read_manifest(place)
    part = root.with_name(f"{root.name}{_PART}")
    shutil.rmtree(part, ignore_errors=True)
    for relative, entry in entries.items():
        source, copy = place / CONTENT / relative, part / relative
        if not copy.resolve().is_relative_to(part.resolve()):
            raise DataError(f"restore: {place / MANIFEST} names {relative}, which is outside the lakehouse")
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(source, copy)
        except FileNotFoundError:
            raise DataError(f"restore: {source} is gone; take another backup") from None
        if file_sha256(copy) != entry.sha256:
            raise DataError(f"restore: {source} is not what was backed up; take another backup")
    shutil.rmtree(root, ignore_errors=True)  # nothing but a lock
    part.rename(root)
    return {"lakehouse": str(root), "files": len(entries), "bytes": sum(entry.size for entry in entries.values())}


def read_manifest(place: Path) -> dict[str, Entry]:
    """The files of a backup, by their path in the lakehouse.

    Raises:
        DataError: it is none, or its manifest can't be read.
    """
    try:
        files = json.loads((place / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {relative: Entry(**entry) for relative, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        known = sorted(path.parent.name for path in place.glob(f"*/{MANIFEST}"))
        hint = f"; it holds backups: {', '.join(known[-3:])}" if known else ""
        raise DataError(f"{place} is no backup, or its {MANIFEST} can't be read{hint}") from error


def _files(root: Path) -> Iterator[Path]:
    """The files of a lakehouse; scratch, locks and what SQLite keeps beside its database are none of it."""
    for path in sorted(root.rglob("*")):
        is_scratch = path.is_relative_to(root / "_staging" / "scratch")
        is_copied = path.name not in _NOT_COPIED and not path.name.endswith(_BESIDE_DATABASE)
        if is_copied and not is_scratch and path.is_file():
            yield path


def _linked(file: Path, copy: Path) -> bool:
    """Link to a file; False where it is gone, or the file system knows no links."""
    try:
        os.link(file, copy)
    except OSError:
        return False
    return True


def _copy_database(path: Path, copy: Path) -> None:
    """Copy MLflow's database as SQLite itself does: whole, though a page may be half written."""
    source = closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True))
    with source as opened, closing(sqlite3.connect(copy)) as target:
        opened.backup(target)
