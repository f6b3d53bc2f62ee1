"""Commands in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def started(lake: Path, *words: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process group of its own, with what it says on stderr."""
    line = [sys.executable, "-m", "search_forecast", "--lakehouse", str(lake), *words]
    out, err, env = subprocess.DEVNULL, subprocess.PIPE, {**os.environ, **environ}
    with subprocess.Popen(line, stdout=out, stderr=err, text=True, start_new_session=True, env=env) as process:
        yield process
