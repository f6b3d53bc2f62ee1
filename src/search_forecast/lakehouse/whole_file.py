"""Files that people asked for: there is never half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search_forecast.errors import EnvironmentProblem


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


@contextmanager
def writing(command: str, path: Path, flag: str) -> Iterator[None]:
    """Raise EnvironmentProblem, which names the place, where what people asked for can't be written."""
    try:
        yield
    except OSError as error:
        raise EnvironmentProblem(f"{command}: cannot write {path}: {error.strerror}; say another {flag}") from error
