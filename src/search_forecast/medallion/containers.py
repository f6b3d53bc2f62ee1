"""What delivered files are packed in: endings, compression, and zip files with several members."""

import gzip
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, cast

import pyarrow as pa

from search_forecast.errors import DataError

Form = Literal["text", "json", "parquet"]
FORMS: dict[str, Form] = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "text"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    ".parquet": "parquet",
}
COMPRESSIONS = {".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd"}
ARCHIVE = ".zip"
MAX_MEMBERS = 10_000
MAX_RATIO, MANY_BYTES = 200, 2**30  # so many bytes may come out of one, once so many have
HIDDEN = "a program's own, or an upload under way (its name, or a folder's, begins with a dot or an underscore)"
UNREADABLE = "its ending is none that is read"
_TWICE = "the zip file has several members of this name, of which one alone could be read; pack each under its own"
_FIRST_BYTES = b"PK\x03\x04"  # of a zip file with members
_READ_BYTES = 2**20
_last_archive: dict[tuple[int, ...], zipfile.ZipFile] = {}  # by its file's identity, for the directory in it
_SPELLED_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")
# A name that is no UTF-8, though the archive says so, is a ValueError.
_COMPLAINTS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError, ValueError)


class ChangedError(DataError):
    """A file is being written: what was read of it is no delivery."""


@dataclass(frozen=True)
class Part:
    """What becomes one delivery: a file, or a member of a zip file.

    Attributes:
        path: The file.
        member: The member's name; None where the file is no zip file.
        problem: Why it can't be read, as far as its name and the archive's directory tell.
        root: The landing directory, out of which no link may lead, now or when it is opened; None where somebody named
            the file itself.
    """

    path: Path
    member: str | None = None
    problem: str | None = None
    root: Path | None = None

    @property
    def name(self) -> str:
        """What to call it, as text that can be stored: bytes that are no UTF-8 are spelled out, so names stay apart."""
        path = os.fsencode(self.path).decode("utf-8", errors="backslashreplace")
        return path if self.member is None else f"{path}/{self.member}"

    @property
    def form(self) -> Form:
        """How its content is written."""
        name, _ = _endings(self.member or self.path.name)
        return FORMS.get(name, "text")


def lies_there(name: str) -> bool:
    """Whether there is a file that `Part.name` calls so."""
    own = _SPELLED_BYTE.sub(lambda byte: bytes.fromhex(byte[1].decode()), os.fsencode(name))
    return os.path.isfile(name) or os.path.isfile(own)  # noqa: PTH113 - Path's fails in another's folder


def is_readable(name: str) -> bool:
    """Whether a file of this name is read."""
    form, compression = _endings(name)
    return form in FORMS or (form == ARCHIVE and not compression)


def readable_endings() -> str:
    """What can be read, for a message."""
    *firsts, last = FORMS
    return f"{', '.join(firsts)} or {last}, plain or with {', '.join(COMPRESSIONS)} behind it, and {ARCHIVE}"


def parts(path: Path, root: Path | None = None) -> tuple[list[Part], dict[str, str]]:
    """The deliveries in a file: itself, or the members of a zip file; and which members are passed over, and why."""
    whole = Part(path, root=root)
    if path.suffix.lower() != ARCHIVE:
        return [whole], {}
    try:
        with open_file(whole) as file, _archive(file) as archive:
            members = sorted((item for item in archive.infolist() if not item.is_dir()), key=lambda item: item.filename)
            problem = _problem_of_all(file, members)
    except DataError as error:
        problem, members = str(error), []
    if problem is not None:
        return [replace(whole, problem=problem)], {}
    counts = Counter(item.filename for item in members)
    inside = [
        replace(whole, member=item.filename, problem=_TWICE if counts[item.filename] > 1 else _problem(item))
        for item in {item.filename: item for item in members}.values()
    ]
    reasons = {part: _why_passed_over(str(part.member)) for part in inside if part.problem is None}
    return [part for part in inside if not reasons.get(part)], {part.name: why for part, why in reasons.items() if why}


def _problem_of_all(file: BinaryIO, members: list[zipfile.ZipInfo]) -> str | None:
    if not members:
        return "the zip file holds no file"
    if len(members) > MAX_MEMBERS:
        return f"the zip file has over {MAX_MEMBERS:,} members; deliver several zip files"
    file.seek(0)
    if min(item.header_offset for item in members) > 0 and file.read(len(_FIRST_BYTES)) == _FIRST_BYTES:
        return "another zip file stands before it, which is not read; deliver each as a file of its own"
    return None


def _why_passed_over(member: str) -> str:
    *folders, name = member.replace("\\", "/").split("/")
    if name.startswith(".") or any(folder.startswith((".", "_")) for folder in folders):
        return HIDDEN
    return "" if is_readable(name) else UNREADABLE


def _problem(item: zipfile.ZipInfo) -> str | None:
    name = item.filename
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name[:2]:
        return "its name leads out of the zip file"
    if item.flag_bits & 1:
        return "it is encrypted; deliver it without a password"
    if name.lower().endswith(ARCHIVE):
        return "it is a zip file in a zip file; unpack it and deliver it"
    if _is_bomb(item.file_size, item.compress_size):
        return f"it would become {item.file_size:,} bytes, over {MAX_RATIO} times what is delivered"
    return None


@contextmanager
def opened(part: Part) -> Iterator[BinaryIO]:
    """The uncompressed content of a part, with what can go wrong in it told as DataError."""
    if part.problem is not None:
        raise DataError(part.problem)
    with open_file(part) as file:
        before = os.fstat(file.fileno())
        if part.member is None:
            with _uncompressed(file, part.path.name, before.st_size) as content:
                yield content
        else:
            with _archive(file) as archive, _member(archive, part.member) as content:
                yield content
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ChangedError("the file changed while it was read; run ingest again once its upload is over")


def open_file(part: Part) -> BinaryIO:
    """Open a part's file; who may deliver may have put something else in its place since it was listed.

    Raises:
        DataError: it can't be opened, is no file (any more), or a link leads out of the landing directory (by now).
    """
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK  # else a pipe would keep the run waiting for ever
        number = os.open(part.path, flags) if part.root is None else _open_below(part.root, part.path, flags)
    except OSError as error:
        raise DataError(f"the file cannot be opened ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise DataError("the file cannot be opened (it is no file any more)")
    return os.fdopen(number, "rb")


def _open_below(root: Path, path: Path, flags: int) -> int:
    """A descriptor of what lies below a directory, from folder to folder: one of them may become a link meanwhile."""
    root, path = Path(os.path.realpath(root)), Path(os.path.realpath(path))  # which no circle of links stops
    if not path.is_relative_to(root):
        raise DataError("the file cannot be opened (it is a link that leads out of the source by now)")
    *folders, name = path.relative_to(root).parts
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = below
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=directory)
    finally:
        os.close(directory)


@contextmanager
def _uncompressed(file: BinaryIO, name: str, size: int) -> Iterator[BinaryIO]:
    compression = COMPRESSIONS.get(_endings(name)[1])
    if compression is None:  # a disk or a network may fail at any byte
        yield cast("BinaryIO", _Unpacked(file, size, "the file cannot be read", "run ingest again once it can"))
        return
    broken = f"the {compression} file is broken", "compress it and deliver it again"
    with _told(*broken):
        stream = _decompressor(file, compression)
    yield cast("BinaryIO", _Unpacked(stream, size, *broken))


def _decompressor(file: BinaryIO, compression: str) -> BinaryIO:
    if compression == "gzip":
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    # Not by bz2.BZ2File: it takes a broken stream behind another one for padding, and ends there.
    codec = "bz2" if compression == "bzip2" else compression
    return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec))


class _Unpacked:
    """A stream that may have been packed, with what can go wrong in it told as DataError."""

    closed = False  # asked by Arrow

    def __init__(self, stream: BinaryIO, packed_size: int, problem: str, advice: str) -> None:
        self._stream, self._packed_size, self._size = stream, packed_size, 0
        self._broken = problem, advice

    def read(self, size: int = _READ_BYTES) -> bytes:
        """The next bytes, at most so many."""
        with _told(*self._broken):
            block = self._stream.read(size)
        self._size += len(block)
        if _is_bomb(self._size, self._packed_size):
            raise DataError(f"its content is over {MAX_RATIO} times as large as what is delivered; deliver it unpacked")
        return block


@contextmanager
def _told(problem: str, advice: str) -> Iterator[None]:
    """What a decompressor complains of, in one line."""
    try:
        yield
    except _COMPLAINTS as error:
        raise DataError(f"{problem} ({' '.join(str(error).split())}); {advice}") from error


def _is_bomb(size: int, packed_size: int) -> bool:
    return size > MANY_BYTES and size > MAX_RATIO * max(packed_size, 1)


@contextmanager
def _archive(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """The zip file in a file; its directory is read once for all members, unless the file is another by then."""
    status = os.fstat(file.fileno())
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    archive = copy(_last_archive.get(identity))
    if archive is None:
        with _told("the zip file is broken", "deliver it again"):
            archive = zipfile.ZipFile(file)
        _last_archive.clear()
        _last_archive[identity] = copy(archive)
    archive.fp = file
    with archive:
        yield archive


@contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[BinaryIO]:
    broken = "the member of the zip file is broken", "pack it and deliver it again"
    with _told(*broken):
        file = archive.open(name)
    with file:
        size = archive.getinfo(name).compress_size
        unpacked = cast("BinaryIO", _Unpacked(cast("BinaryIO", file), size, *broken))
        with _uncompressed(unpacked, name, size) as content:
            yield content


def _endings(name: str) -> tuple[str, str]:
    """The ending that tells the form, and the one of a compression behind it, in small letters."""
    path = Path(name.lower())
    if path.suffix in COMPRESSIONS:
        return path.with_suffix("").suffix, path.suffix
    return path.suffix, ""
