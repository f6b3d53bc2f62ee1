"""Files that people asked for: there is never half of one."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file; one that stood there is replaced at once. A link stays one; a pipe or a device gets the bytes."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    target = Path(os.path.realpath(path))
    making = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        making.write_bytes(content)
        making.replace(target)
    finally:
        making.unlink(missing_ok=True)
