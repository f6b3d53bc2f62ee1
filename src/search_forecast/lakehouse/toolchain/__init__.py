"""What Spark needs of this machine: Java, Delta's jars, a class archive. `check` reports, `mend` fetches or makes."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from search_forecast.errors import EnvironmentProblem, counted
from search_forecast.lakehouse.toolchain import archive, jars, java, jvm, paths

_MEND = "search-forecast doctor --mend"
_LEAST_MEMORY_MEGABYTES = 2048
_LEAST_DISK_MEGABYTES = 2048


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        is_ok: Whether the project can work with it.
        state: What this machine has.
        mend: What to do about it; empty when there is nothing to do.
    """

    name: str
    is_ok: bool
    state: str
    mend: str = ""


def check(lakehouse: Path) -> list[Finding]:
    """Looks at all that the project needs of this machine; changes nothing but the cache directory, which it makes.

    Args:
        lakehouse: Where the tables lie or will lie.

    Returns:
        One finding a thing, in the order in which a start needs them.
    """
    findings = [_python(), _versions()]
    try:
        cache = paths.cache_dir()
        findings += [_java(), _jars(), _archive(), _directory("cache", cache)]
    except EnvironmentProblem as problem:
        findings.append(Finding("cache", False, *_split(problem)))
    return [*findings, _directory("lakehouse", lakehouse.absolute()), _memory(), _disk(lakehouse.absolute())]


def mend() -> list[str]:
    """Fetches Delta's jars and starts to make the class archive, where they are missing or damaged.

    Returns:
        A sentence for each thing that is not there yet, though all works without it.

    Raises:
        EnvironmentProblem: Java is missing, or the jars cannot be fetched.
    """
    runtime, delta = java.find_java(), jars.find_jars()
    delta.resolve(runtime)
    return archive.find_archive(runtime, delta).make_in_background()


def _python() -> Finding:
    state = f"{platform.python_version()} ({sys.executable})"
    return Finding(
        "Python", sys.version_info >= (3, 10), state, "" if sys.version_info >= (3, 10) else "use 3.10 or newer"
    )


def _versions() -> Finding:
    """Spark and Delta are installed, and each delta-spark says itself which pyspark it fits."""
    try:
        spark, delta = metadata.version("pyspark"), metadata.version("delta-spark")
    except metadata.PackageNotFoundError as error:
        return Finding("Spark and Delta", False, f"{error.name} is not installed", "make setup")
    needed = next((line for line in metadata.requires("delta-spark") or () if line.startswith("pyspark")), "")
    bounds = [bound.strip() for bound in needed.removeprefix("pyspark").split(";")[0].strip(" ()").split(",")]
    is_fit = all(_holds(spark, bound) for bound in bounds if bound)
    return Finding(
        "Spark and Delta", is_fit, f"pyspark {spark}, delta-spark {delta}", "" if is_fit else f"make setup ({needed})"
    )


def _holds(version: str, bound: str) -> bool:
    """Returns whether a version keeps a bound such as `<=4.2.0`; a bound of another form is let pass."""
    sign = bound.rstrip("0123456789.")
    has, limit = _numbers(version), _numbers(bound.removeprefix(sign))
    return {"<=": has <= limit, ">=": has >= limit, "<": has < limit, ">": has > limit}.get(sign.strip(), True)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def _java() -> Finding:
    try:
        runtime = java.find_java()
    except EnvironmentProblem as problem:
        return Finding("Java", False, *_split(problem))
    return Finding("Java", True, "; ".join((str(runtime), *runtime.skipped)))


def _jars() -> Finding:
    try:
        delta = jars.find_jars()
    except EnvironmentProblem as problem:
        return Finding("Delta's jars", False, *_split(problem))
    fault = delta.problem()
    state = f"{' and '.join(file.name for file in delta.files)} in {delta.directory}"
    return Finding("Delta's jars", fault is None, fault or state, _MEND if fault else "")


def _archive() -> Finding:
    """A missing archive is no fault, only a slower start."""
    try:
        classes = archive.find_archive(java.find_java(), jars.find_jars())
    except EnvironmentProblem as problem:
        return Finding("class archive", True, *_split(problem))
    fault = classes.problem()
    if fault is None:
        return Finding("class archive", True, f"{classes.file.stat().st_size >> 20} MB in {classes.directory}")
    why = classes.last_words() or "starts take longer"
    return Finding("class archive", fault != "damaged", f"{fault}: {why}", _MEND)


def _directory(name: str, path: Path) -> Finding:
    is_ok = paths.is_writable(path)
    return Finding(
        name,
        is_ok,
        f"{path}{'' if is_ok else ' cannot be written'}",
        "" if is_ok else "check its owner or choose another",
    )


def _memory() -> Finding:
    megabytes = jvm.memory_megabytes()
    is_ok = megabytes >= _LEAST_MEMORY_MEGABYTES
    state = f"{megabytes / 1024:.1f} GiB, {counted(os.cpu_count() or 1, 'core')}"
    return Finding("memory and cores", is_ok, state, "" if is_ok else "free memory: Spark wants 2 GiB")


def _disk(path: Path) -> Finding:
    while not path.exists():
        path = path.parent
    megabytes = shutil.disk_usage(path).free >> 20
    is_ok = megabytes >= _LEAST_DISK_MEGABYTES
    return Finding(
        "free disk",
        is_ok,
        f"{megabytes / 1024:.1f} GiB at {path}",
        "" if is_ok else "free 2 GiB or choose another lakehouse",
    )


def _split(problem: EnvironmentProblem) -> tuple[str, str]:
    """Splits an error into what is wrong and what to do about it."""
    state, _, advice = str(problem).rpartition(": ")
    return state, advice
