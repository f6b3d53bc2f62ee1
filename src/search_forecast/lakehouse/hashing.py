"""The sha256 of what lies in files."""

import hashlib
from pathlib import Path
from typing import Protocol


class _Reads(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def file_sha256(path: Path) -> str:
    """A file's sha256, hex."""
    with path.open("rb") as file:
        return stream_sha256(file)


def stream_sha256(content: _Reads) -> str:
    """The sha256 of what is left of a stream, hex."""
    digest = hashlib.sha256()
    while block := content.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
