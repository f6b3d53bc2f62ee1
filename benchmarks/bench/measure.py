"""What a command costs: wall seconds, and CPU seconds and peak memory of it and all processes it starts. Linux only."""

import ctypes
import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Cost:
    """Wall seconds until the command ended; CPU seconds and peak memory (GiB) of its whole process tree."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0

    def __add__(self, later: "Cost") -> "Cost":
        return Cost(self.wall + later.wall, self.cpu + later.cpu, max(self.peak, later.peak))


def measured(command: Sequence[str], *, environ: Mapping[str, str] | None = None) -> tuple[str, Cost]:
    """Run a command alone: what it printed, and its cost.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    # Processes whose parent has gone (a JVM outlives the Python that started it by a moment) become ours, and count.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    before, begun, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), threading.Event()
    peaks = [0.0]
    sampler = threading.Thread(target=_sample, args=(peaks, ended))
    sampler.start()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **(environ or {})}
        )
        wall = time.monotonic() - begun
        with suppress(ChildProcessError):
            while True:
                os.wait()
    finally:
        ended.set()
        sampler.join()
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, Cost(wall, cpu, max(peaks))


def _sample(peaks: list[float], ended: threading.Event) -> None:
    while not ended.wait(_SAMPLE_SECONDS):
        peaks[0] = max(peaks[0], sum(map(_gigabytes, _descendants(os.getpid()))))


def _descendants(root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    known, new = set[int](), children.get(root, [])
    while new:
        known.update(new)
        new = [child for parent in new for child in children.get(parent, [])]
    return known


def _gigabytes(process: int) -> float:
    """Memory of a process, its share of what it has together with others (PSS): those can be added."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 2**20
    return 0.0
