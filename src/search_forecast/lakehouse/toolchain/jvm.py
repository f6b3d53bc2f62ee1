"""Memory and flags of the JVM that runs Spark, by the size of the work."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Literal

_ALWAYS = (
    "-XX:-UsePerfData",  # no statistics file in the temporary directory
    "-Xss4m",  # long plans are deep recursions
    "-Duser.timezone=UTC",
    "-Duser.language=en",  # in Turkish a small I is another letter
    "-Djava.net.preferIPv4Stack=true",
    # The quick compiler alone is given 48 MB for its code, which the jobs in one session can fill: then Spark dies.
    "-XX:ReservedCodeCacheSize=240m",
    # On two cores as fast as the parallel one, in two fifths of its memory: benchmarks/load_settings.py.
    "-XX:+UseSerialGC",
)
# The quick compiler alone: most of a short run is start-up and code that runs once.
_NOT_LARGE = ("-XX:TieredStopAtLevel=1",)
# The slow one too, for code that has run twenty times as often as by default: sooner it costs more than it gains,
# benchmarks/load_settings.py.
_LARGE = (
    "-XX:Tier4InvocationThreshold=100000",
    "-XX:Tier4MinInvocationThreshold=12000",
    "-XX:Tier4CompileThreshold=300000",
    "-XX:Tier4BackEdgeThreshold=800000",
)


def flags(size: Literal["tiny", "small", "large"]) -> tuple[str, ...]:
    """Returns the JVM flags for work of a size."""
    return _ALWAYS + (_LARGE if size == "large" else _NOT_LARGE)


def heap_megabytes(size: Literal["tiny", "small", "large"]) -> int:
    """Returns the heap to allow: 1 GiB, for large work half of the machine's memory up to 8 GiB."""
    half = memory_megabytes() // 2
    return min(8192, max(1024, half)) if size == "large" else min(1024, half)


def memory_megabytes() -> int:
    """Returns the memory of this machine, or of the container it runs in where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20 if hasattr(os, "sysconf") else 4096
    try:
        with open("/sys/fs/cgroup/memory.max") as file:  # noqa: PTH123
            return min(total, int(file.read()) >> 20)
    except (OSError, ValueError):
        return total


def locale() -> dict[str, str]:
    """Returns what the environment must say for Java to find a file whose name is not all ASCII, as under LC_ALL=C."""
    given = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
    return {} if re.search(r"utf-?8", given, re.IGNORECASE) else {"LC_ALL": "C.UTF-8"}


def quoted(arguments: Sequence[str]) -> str:
    """Joins flags for `spark.driver.extraJavaOptions`, whose words may hold blanks only within double quotes."""
    return " ".join(f'"{argument}"' if " " in argument else argument for argument in arguments)
