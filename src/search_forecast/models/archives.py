"""Unpacks an archive that nobody vouches for: a .tar, .tar.gz, .zip or directory, into a directory of its own.

Python's own `tarfile` filter still lets some archives write elsewhere and knows no limit of size, so nothing is left to
it: each name is checked, files are made new, and only what was counted is written.
"""

import errno
import gzip
import io
import lzma
import os
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from search_forecast.errors import DataError, UsageError

_BLOCK = 1 << 16
_PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most. `ratio` is bytes unpacked for each packed one, past the first 10 MB."""

    members: int = 10_000
    bytes: int = 512 * 2**20
    ratio: int = 200
    free_bytes: int = 10 * 2**20
    depth: int = 32
    name_bytes: int = 255
    path_bytes: int = 2048


class _Reader(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass
class _Target:
    """The directory that is written, and what is in it so far."""

    root: Path
    limits: Limits
    packed_bytes: int
    written: int = 0
    seen: dict[str, str] = field(default_factory=dict)  # folded path: "file", "directory" or "parent"
    spelled: dict[str, str] = field(default_factory=dict)

    def directory(self, name: str) -> None:
        """Make a directory of the archive."""
        path = self._claim(name, "directory")
        if path is not None:
            path.mkdir(parents=True, exist_ok=True)

    def file(self, name: str, content: _Reader) -> None:
        """Write a file of the archive."""
        path = self._claim(name, "file")
        if path is None:
            raise DataError("a file without a name")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while block := content.read(_BLOCK):
                self._count(len(block))
                file.write(block)

    def _count(self, size: int) -> None:
        self.written += size
        if self.written > self.limits.bytes:
            raise DataError(f"unpacks to more than {self.limits.bytes >> 20} MB")
        if self.written > self.limits.free_bytes + self.limits.ratio * self.packed_bytes:
            raise DataError(f"unpacks to more than {self.limits.ratio} times its size: a decompression bomb")

    def _claim(self, name: str, kind: str) -> Path | None:
        """Check a member's name and that nothing else has it; None for the archive's own root."""
        parts = _parts(name, self.limits)
        if not parts:
            return None
        if len(self.seen) >= self.limits.members:
            raise DataError(f"has more than {self.limits.members:,} members")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            self._claim_one(path, kind if depth == len(parts) else "parent")
        return self.root.joinpath(*parts)

    def _claim_one(self, path: str, kind: str) -> None:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
        spelled, before = self.spelled.setdefault(folded, path), self.seen.get(folded)
        if spelled != path:
            raise DataError(f"{_shown(spelled)} and {_shown(path)} differ by case or Unicode form only")
        if before == "file" or (kind == "file" and before is not None) or (kind == before == "directory"):
            raise DataError(f"{_shown(path)} is in it twice")
        self.seen[folded] = "directory" if before == "directory" else kind


def _parts(name: str, limits: Limits) -> tuple[str, ...]:
    if not name.isprintable() or "\\" in name:
        raise DataError(f"{_shown(name)}: a name with a backslash, control or undecodable character")
    path = PurePosixPath(name)
    if path.is_absolute() or name.startswith("/") or (name[1:2] == ":" and name[0].isalpha()):
        raise DataError(f"{_shown(name)}: an absolute path")
    if ".." in path.parts:
        raise DataError(f"{_shown(name)}: a path with ..")
    sizes = [len(part.encode()) for part in path.parts]
    if len(sizes) > limits.depth or max(sizes, default=0) > limits.name_bytes or sum(sizes) > limits.path_bytes:
        raise DataError(f"{_shown(name)}: a path too deep or too long")
    return path.parts


def _shown(name: str) -> str:
    return ascii(name[:100])


def unpack(archive: Path, into: Path, limits: Limits = Limits()) -> None:
    """Unpack an archive, or copy a directory, into a new directory. The caller removes it, also after an error.

    Args:
        archive: a .tar, .tar.gz or .zip file, known by its content, or a directory.
        into: is made; nothing outside it is written.
        limits: what the archive may hold at most.

    Raises:
        UsageError: there is nothing at `archive`.
        DataError: it is none of these, damaged, or holds what no model needs (links, devices, paths that leave it).
    """
    try:
        mode = archive.stat().st_mode
    except OSError as error:
        raise UsageError(f"no archive {archive}: {error.strerror}") from error
    into.mkdir()
    try:
        if stat.S_ISDIR(mode):
            _copy(archive, _Target(into, limits, limits.bytes))
        elif not stat.S_ISREG(mode):
            raise DataError("neither a file nor a directory")
        else:
            _unpack_file(archive, _Target(into, limits, archive.stat().st_size))
    except DataError as error:
        raise DataError(f"{archive.name}: {error}") from error
    except _DAMAGED as error:
        raise DataError(f"{archive.name}: damaged archive: {str(error)[:150] or type(error).__name__}") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # bz2's and gzip's, zipfile's of a member before its start
            raise
        raise DataError(f"{archive.name}: damaged archive: {error}") from error
    except (ValueError, OverflowError, RuntimeError) as error:  # zipfile's for encrypted and malformed members
        raise DataError(f"{archive.name}: cannot be unpacked: {str(error)[:150]}") from error


def _unpack_file(archive: Path, target: _Target) -> None:
    with archive.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        if start.startswith(b"\x1f\x8b"):
            # A tar's own headers can claim any size too: what the whole stream unpacks to is counted as well.
            with gzip.GzipFile(fileobj=file) as unpacked:
                _untar(_Counted(unpacked, target), target)
        elif start[257:262] == b"ustar":
            _untar(_Counted(file, target), target)
        elif start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            _unzip(file, target)
        elif archive.suffix.lower() in _PICKLES or start[:1] == b"\x80":
            raise DataError("a Python pickle: loading it would run whatever it holds; save the model with Spark ML")
        else:
            raise DataError("neither a .tar.gz, .tar, .zip nor a directory")


@dataclass
class _Counted(io.RawIOBase):
    """A stream that ends with an error where it has yielded more than the limits allow."""

    stream: IO[bytes] | gzip.GzipFile
    target: _Target
    count: int = 0

    def read(self, size: int = -1, /) -> bytes:
        if size < 0 or size > self.target.limits.bytes:
            raise DataError(f"a header claims {size:,} bytes")
        block = self.stream.read(size)
        self.count += len(block)
        limits = self.target.limits
        # Headers and padding of every member come on top of the content.
        if self.count > limits.bytes + 2048 * limits.members:
            raise DataError(f"unpacks to more than {limits.bytes >> 20} MB")
        if self.count > limits.free_bytes + limits.ratio * self.target.packed_bytes + 2048 * limits.members:
            raise DataError(f"unpacks to more than {limits.ratio} times its size: a decompression bomb")
        return block

    def readable(self) -> bool:
        return True


def _untar(stream: "_Counted", target: _Target) -> None:
    with tarfile.open(fileobj=stream, mode="r|", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for member in tar:
            if member.isdir():
                target.directory(member.name)
            elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse():
                content = tar.extractfile(member)
                if content is None:
                    raise DataError(f"{_shown(member.name)}: has no content")
                target.file(member.name, content)
            else:
                raise DataError(f"{_shown(member.name)}: {_kind(member)}; only files and directories are unpacked")
    while stream.read(_BLOCK):  # to the end, where gzip's checksum of it all stands
        pass


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a link to {_shown(member.linkname)}"
    return "a device" if member.isdev() else "a sparse or unknown member"


def _unzip(file: IO[bytes], target: _Target) -> None:
    with zipfile.ZipFile(file) as packed:
        for member in packed.infolist():
            mode = member.external_attr >> 16
            # zipfile cuts a name at a NUL byte; another program might not.
            if member.orig_filename != member.filename:
                raise DataError(f"{_shown(member.orig_filename)}: a name with a backslash or control character")
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(f"{_shown(member.filename)}: a link or device; only files and directories are unpacked")
            if member.flag_bits & 1:
                raise DataError(f"{_shown(member.filename)}: encrypted")
            if member.is_dir():
                target.directory(member.filename)
            else:
                with closing(packed.open(member)) as content:
                    target.file(member.filename, content)


def _copy(source: Path, target: _Target) -> None:
    for path, name in _walk(source, ""):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            target.directory(name)
        elif stat.S_ISREG(mode):
            with _opened(path) as content:
                target.file(name, content)
        else:
            raise DataError(f"{_shown(name)}: a link or device; only files and directories are copied")


def _walk(directory: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        name = f"{prefix}{entry.name}"
        yield Path(entry.path), name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{name}/")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    # Not through a link that took the file's place since it was looked at.
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
        yield file
