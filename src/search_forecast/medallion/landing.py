"""Delivered files: find, hash, check, and stage them for one batch.

A staged file holds exactly the records of one delivery as bronze has them, named by its content's hash: Spark reads
it without minding odd file names, compression, encodings, delimiters, quotes, byte order marks, header or blank lines,
and nobody can change it meanwhile.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from search_forecast.errors import DataError
from search_forecast.medallion import batches, bronze, containers, layouts, objects, records
from search_forecast.medallion.batches import Delivery
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.layouts import ExportLayout

T = TypeVar("T")
START_BYTES = 2**16  # by which a file's layout is told
OURS = {"truth.json": "what generate writes on its deliveries"}


@dataclass(frozen=True)
class Survey:
    """What lies at a source.

    Attributes:
        parts: The deliveries, sorted by name.
        passed_over: What is not read, by name, with the reason.
    """

    parts: tuple[Part, ...]
    passed_over: dict[str, str]


def survey(source: Path) -> Survey:
    """Every file below `source` (or `source` itself) that can be read, zip files by their members, and every other one.

    Files that start with a dot are uploads under way; folders that start with a dot or an underscore are a program's
    own, and may hold copies of deliveries.
    """
    parts: list[Part] = []
    passed_over: dict[str, str] = {}
    tables: dict[Path, bool] = {}
    for path in _files(source):
        try:
            reason = _why_passed_over(path, source, tables)
        except PermissionError as error:  # its folder may be listed, and not looked into
            reason = f"it can't be looked at ({error.strerror})"
        if reason is not None:
            passed_over[Part(path).name] = reason
            continue
        inside, others = containers.parts(path, source if source.is_dir() else None)
        parts += inside
        passed_over |= others
    return Survey(tuple(parts), passed_over)


def more_layouts(source: Path) -> list[Path]:
    """The folder of layouts in a landing directory, if it has one.

    Raises:
        DataError: it, or a file in it, is a link that leads out of that directory.
    """
    directory = source / layouts.DIRECTORY
    if not directory.is_dir():
        return []
    for path in (directory, *directory.iterdir()):
        if _leads_out(path, source):
            raise DataError(f"{path} is a link that leads out of the source: name the folder it leads to as --layouts")
    return [directory]


def file_size(path: Path) -> int:
    """Size in bytes, 0 where the file has gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def content_id(part: Part) -> str | None:
    """The sha256 of a delivery's uncompressed content, hex; None where it can't be read.

    A broken compressed file still has bytes: their hash tells it from its mended successor.
    """
    try:
        with containers.opened(part) as content:
            return _Content(content).read_all()
    except DataError:
        if part.member is not None:
            return None
        try:
            with containers.open_file(part) as content:
                return _Content(content).read_all()
        except (DataError, OSError):
            return None


def begins_with(part: Part, size: int, sha256: str) -> bool:
    """Whether so many bytes at the start of a file have a hash: when they were taken in it was still being written."""
    with containers.open_file(part) as file:
        content = _Content(file)
        while (left := size - file.tell()) > 0 and content.read(min(left, records.BLOCK_BYTES)):
            pass
        return file.tell() == size and content.sha256.hexdigest() == sha256


def stage(part: Part, directory: Path, choice: Choice | None = None) -> Delivery:
    """Write the records of one delivery to a batch's directory, hashing, splitting and counting them on the way.

    Raises:
        DataError: it cannot be read as a file of searches, or not at all; nothing of it is staged.
    """
    choice = choice or Choice(part.path)
    try:
        with containers.opened(part) as file:
            opened = open_records(part, file, directory, choice)
            reading = opened.export.reading(choice.time_zone, opened.layout.columns)
            record_count = batches.write(opened.blocks, opened.layout, reading, directory / "partial")
    except RecursionError as error:
        raise DataError("a record is nested too deeply to be read") from error
    delivery_id = opened.content.sha256.hexdigest()
    batches.settle(directory / "partial", delivery_id, directory)
    return Delivery(
        *(delivery_id, part.name, file_size(part.path), record_count, "ingested", None),
        *(opened.export.name, reading.text),
    )


class _Content:
    """The bytes of a delivery, hashed while they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._start = file, b""
        self.sha256 = hashlib.sha256()

    def start(self, size: int = START_BYTES) -> bytes:
        """The first bytes, which will be read again."""
        while len(self._start) < size and (block := self._read(records.BLOCK_BYTES)):
            self._start += block
        return self._start[:size]

    def told_by(self, tell: Callable[[bytes], T]) -> T:
        """What the first bytes tell, or, where they tell nothing, many more: a header or first record may be long."""
        start = self.start()  # a packed file that breaks here is not tried twice
        try:
            return tell(start)
        except DataError:
            return tell(self.start(records.MAX_LINE_BYTES))

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many."""
        if self._start:
            block, self._start = self._start[:size], self._start[size:]
            return block
        return self._read(size)

    def read_all(self) -> str:
        """Read to the end; the hash of it all."""
        while self.read(records.BLOCK_BYTES):
            pass
        return self.sha256.hexdigest()

    def copy(self, path: Path) -> Path:
        """Write all of it to a file."""
        with path.open("wb") as file:
            while block := self.read(records.BLOCK_BYTES):
                file.write(block)
        return path

    def _read(self, size: int) -> bytes:
        block = self._file.read(size)
        self.sha256.update(block)
        return block


@dataclass(frozen=True)
class Opened:
    """A delivery that is being read.

    Attributes:
        content: Its bytes; hashed whole once all blocks are read.
        export: Its layout.
        why: Why that one.
        layout: How its records are laid out in lines.
        blocks: The records.
    """

    content: _Content
    export: ExportLayout
    why: str
    layout: bronze.Layout
    blocks: Iterator[bytes]


def open_records(part: Part, file: BinaryIO, directory: Path, choice: Choice) -> Opened:
    """Begin to read a delivery.

    Args:
        part: The delivery.
        file: Its uncompressed content.
        directory: Where a copy can lie of what must be read more than once.
        choice: What says its layout.

    Raises:
        DataError: it has no layout.
    """
    content = _Content(file)
    if part.form == "parquet":
        return _open_parquet(part, content, directory / "copy.parquet", choice)
    if part.form == "json":
        export, why = content.told_by(lambda start: choice.of_objects(part, objects.first_of_json(start)))
        return Opened(content, export, why, objects.layout_of(export), objects.lines_of_json(content.read, export))
    export, why = content.told_by(partial(choice.of_text, part))
    layout, blocks = records.read(content.read, export)
    return Opened(content, export, why, layout, blocks)


def _open_parquet(part: Part, content: _Content, copy: Path, choice: Choice) -> Opened:
    path = content.copy(copy)  # its end must be read first, which a packed file lets nobody do
    export, why = choice.of_objects(part, objects.first_of_parquet(path))

    def blocks() -> Iterator[bytes]:
        yield from objects.lines_of_parquet(path, export)
        path.unlink()

    return Opened(content, export, why, objects.layout_of(export), blocks())


def _files(source: Path) -> list[Path]:
    """What lies at a source but for the folders that were looked into; one that can't be is told as a file would be."""
    if source.is_file():
        return [source.absolute()]
    found: list[Path] = []
    for place, folders, names in os.walk(source.absolute(), onerror=lambda error: found.append(Path(error.filename))):
        # Path's own would fail in a folder that may not be looked into.
        links = (name for name in folders if os.path.islink(Path(place, name)))  # noqa: PTH114
        found.extend(Path(place, name) for name in (*links, *names))
    return sorted(found)


def _leads_out(path: Path, source: Path) -> bool:
    """Whether a path is a link to what lies elsewhere: who may deliver may not read all."""
    return path.is_symlink() and not path.resolve().is_relative_to(source.resolve())


def _why_passed_over(path: Path, source: Path, tables: dict[Path, bool]) -> str | None:
    """Why a file is no delivery; None where it is one. `tables` keeps which directories are Delta tables."""
    folders = path.relative_to(source.absolute()).parts[:-1]
    above = path.parents[: len(folders) + 1] if path.suffix == ".parquet" else (path.parent,)  # a partition's, perhaps
    if any(tables.setdefault(directory, (directory / "_delta_log").is_dir()) for directory in above):
        return "a Delta table's own"
    if folders[:1] == (layouts.DIRECTORY,):
        return "in the folder of layouts, which are read as such"
    if path.name.startswith(".") or any(name.startswith((".", "_")) for name in folders):
        return containers.HIDDEN
    if path.name in OURS:
        return OURS[path.name]
    if not path.exists():
        return "a link to what is not there"
    if path.is_dir():
        return "a link to a folder: name that one as --source" if path.is_symlink() else "a folder that can't be read"
    if not path.is_file():
        return "neither a file nor a folder"
    if _leads_out(path, source):
        return "a link that leads out of the source: name what it leads to as --source"
    return None if containers.is_readable(path.name) else containers.UNREADABLE
