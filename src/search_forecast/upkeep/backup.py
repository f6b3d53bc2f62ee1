"""`backup` and `restore`: a lakehouse of this machine, whole, in a directory that says what is in it."""

import json
import logging
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse import half_restored
from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.lakehouse.lock import exclusive

logger = logging.getLogger(__name__)

MANIFEST = "backup.json"
CONTENT = "lakehouse"
_PART = ".part"
_OURS = re.compile(r"\d{8}-\d{6}\.part")  # a backup that was killed
_RESTORING = f".restore{_PART}"
_NOT_COPIED = (".lock", ".lock.holder", _RESTORING, half_restored.NOTE)
DATABASE = ".db"
_BESIDE_DATABASE = (".db-journal", ".db-wal", ".db-shm")  # SQLite's own backup takes them in


@dataclass(frozen=True)
class Entry:
    """A file of a backup: size in bytes, time of the last change in ns since 1970, hash of its content."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: of which lakehouse it is, and its files by their path there."""

    lakehouse: str
    made_at: str
    files: dict[str, Entry]


def backup(root: Path, into: Path, now: datetime, *, is_verified: bool = False) -> dict[str, Any]:
    """Copy a lakehouse, which nobody writes meanwhile, into a new directory below `into`.

    A file that the lakehouse's backup before it holds unchanged is linked to, not copied or read: Delta never changes a
    file. The directory gets its name last, so a backup that has one is whole.

    Args:
        root: the lakehouse.
        into: where backups are, outside the lakehouse; one backup at a time goes there.
        now: the backup's name, UTC.
        is_verified: whether to read what would be linked to as well, and to copy again what rotted there.

    Returns:
        backup: its directory; files, bytes; copied_bytes: of those that were new.

    Raises:
        UsageError: `into` is in the lakehouse.
        DataError: there is a backup of this second, or MLflow's database can't be read.
    """
    root = root.resolve()
    if into.resolve().is_relative_to(root):
        raise UsageError(f"backup: {into} is in the lakehouse itself; say a directory outside it, on another disk")
    with exclusive(into, "backup"):
        return _backup(root, into, now, is_verified=is_verified)


def _backup(root: Path, into: Path, now: datetime, *, is_verified: bool) -> dict[str, Any]:
    name = now.strftime("%Y%m%d-%H%M%S")
    place, part = into / name, into / f"{name}{_PART}"
    if place.exists():
        raise DataError(f"backup: {place} is there already; run it again in a second")
    for abandoned in into.iterdir():
        if _OURS.fullmatch(abandoned.name) and abandoned.is_dir():
            shutil.rmtree(abandoned)
    previous, known = _latest(into, str(root))
    entries: dict[str, Entry] = {}
    copied = 0
    for path in _files(root):
        relative, status = path.relative_to(root).as_posix(), path.stat()
        copy, before = part / CONTENT / relative, known.get(relative)
        copy.parent.mkdir(parents=True, exist_ok=True)
        is_known = before is not None and (before.size, before.mtime_ns) == (status.st_size, status.st_mtime_ns)
        if before is not None and is_known and _linked(previous / CONTENT / relative, copy):
            if not is_verified or _content(copy) == before.sha256:
                entries[relative] = before
                continue
            logger.warning("backup: %s rotted in %s and earlier ones; copied again here", relative, previous)
            copy.unlink()
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
    (part / MANIFEST).write_text(json.dumps(asdict(Manifest(str(root), now.isoformat(), entries))), encoding="utf-8")
    _copy_modes(root, part / CONTENT)
    shutil.copymode(root, part)
    part.rename(place)
    total = sum(entry.size for entry in entries.values())
    return {"backup": str(place), "files": len(entries), "bytes": total, "copied_bytes": copied}


def restore(place: Path, root: Path) -> dict[str, Any]:
    """Make a lakehouse of a backup, where there is none yet; every file is compared with its hash first.

    One that was killed while it put directories in their places left a note: others refuse that half lakehouse, and
    the next restore begins anew.

    Args:
        place: a backup's directory.
        root: the lakehouse to make; whoever writes there waits.

    Returns:
        lakehouse, files, bytes.

    Raises:
        UsageError: something is at `root` already.
        DataError: `place` is no backup, or a file of it is gone or changed.
    """
    entries, was_there = read_manifest(place).files, root.is_dir()
    part, half = root / _RESTORING, root / half_restored.NOTE
    if was_there and not half.exists():
        _check_empty(root)
    try:
        with exclusive(root, "restore"):
            if half.exists():
                _take_back(root, entries, part)
            _check_empty(root)
            shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
            try:
                _copy_checked(place, entries, part)
                _check_empty(root)
                half.write_bytes(os.fsencode(place.absolute()))
                for path in sorted(part.iterdir()):
                    path.rename(root / path.name)
                    # Not before: what may not be written can't be moved either.
                    _copy_modes(place / CONTENT / path.name, root / path.name)
                half.unlink()
            finally:
                shutil.rmtree(part, ignore_errors=True)
            shutil.copymode(place / CONTENT, root)
    except BaseException:
        if not was_there and root.is_dir() and all(path.name in _NOT_COPIED for path in root.iterdir()):
            shutil.rmtree(root)
        raise
    return {"lakehouse": str(root), "files": len(entries), "bytes": sum(entry.size for entry in entries.values())}


def _take_back(root: Path, entries: dict[str, Entry], part: Path) -> None:
    """Move back what a killed restore had put in its place, but nothing that the backup does not name."""
    part.mkdir(exist_ok=True)
    names = {Path(relative).parts[0] for relative in entries}
    for path in sorted(root.iterdir()):
        if path.name in names:
            path.rename(part / path.name)


def _copy_checked(place: Path, entries: dict[str, Entry], part: Path) -> None:
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


def _check_empty(root: Path) -> None:
    if any(path.name not in _NOT_COPIED for path in root.iterdir()):
        raise UsageError(f"restore: {root} is there already; move it away, or say another --lakehouse")


def read_manifest(place: Path) -> Manifest:
    """What a backup holds.

    Raises:
        DataError: it is none, or its manifest can't be read.
    """
    try:
        # Not by pydantic's own reader of JSON: that refuses the name of a file that is no UTF-8.
        manifest = TypeAdapter(Manifest).validate_python(json.loads((place / MANIFEST).read_bytes()))
        if not manifest.files or any("\0" in relative for relative in manifest.files):
            raise ValueError(place)
        return manifest
    except (OSError, ValueError, RecursionError) as error:
        known = sorted(path.parent.name for path in place.glob(f"*/{MANIFEST}"))
        hint = f"; it holds backups: {', '.join(known[-3:])}" if known else ""
        raise DataError(f"{place} is no backup, or its {MANIFEST} can't be read{hint}") from error


def _latest(into: Path, lakehouse: str) -> tuple[Path, dict[str, Entry]]:
    """The latest backup of a lakehouse whose manifest can be read, and its files; no files where there is none."""
    for path in sorted(into.glob(f"*/{MANIFEST}"), reverse=True):
        try:
            manifest = read_manifest(path.parent)
        except DataError as error:
            logger.warning("backup: %s: nothing is linked to it", error)
            continue
        if manifest.lakehouse == lakehouse:
            return path.parent, manifest.files
    return into, {}


def _files(root: Path) -> Iterator[Path]:
    """The files of a lakehouse; scratch, locks and what SQLite keeps beside its database are none of it."""
    scratch = (root / "_staging" / "scratch", root / _RESTORING)
    # A table may lie on another disk, or in another directory, behind a link; one that leads back up is not followed.
    for place, directories, names in os.walk(root, followlinks=True, onerror=_raise):
        above = map(os.path.realpath, Path(place).parents)
        if Path(place) in scratch or os.path.realpath(place) in above:
            directories.clear()
            continue
        directories.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.is_symlink() and not path.exists():
                raise DataError(f"backup: {path} is a link to what is not there: bring that back, or remove the link")
            if name not in _NOT_COPIED and not name.endswith(_BESIDE_DATABASE) and path.is_file():
                yield path


def _raise(error: OSError) -> None:
    raise error


def _copy_modes(source: Path, copy: Path) -> None:
    """Give the directories of a copy the modes of those that they were copied from, the innermost first."""
    for place, _, _ in os.walk(copy, topdown=False):
        shutil.copymode(source / Path(place).relative_to(copy), place)


def _content(copy: Path) -> str | None:
    """The hash of a file; None where the disk no longer gives it."""
    try:
        return file_sha256(copy)
    except OSError:
        return None


def _linked(file: Path, copy: Path) -> bool:
    """Link to a file; False where it is gone, or the file system knows no links."""
    try:
        os.link(file, copy)
    except OSError:
        return False
    return True


def _copy_database(path: Path, copy: Path) -> None:
    """Copy MLflow's database as SQLite itself does: whole, though a page may be half written."""
    try:
        source = closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True))
        with source as opened, closing(sqlite3.connect(copy)) as target:
            opened.backup(target)
    except sqlite3.Error as error:
        mend = "bring it back from an earlier backup, or move it away"
        raise DataError(f"backup: {path} can't be read ({error}); {mend}") from error
    shutil.copymode(path, copy)
