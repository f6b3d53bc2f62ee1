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


def assert_whole(lake: Path) -> None:
    """`check --full` finds nothing wrong; else what it finds."""
    line = [sys.executable, "-m", "search_forecast", "--lakehouse", str(lake), "check", "--full"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
