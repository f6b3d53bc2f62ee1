"""An archive of Spark's and Delta's loaded classes (AppCDS; from Java 25 on an AOT cache): halves the time of a start.

Made once, by a rehearsal in a process of its own; a Java that finds the archive unfit goes on without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from search_forecast.errors import EnvironmentProblem
from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.lakehouse.toolchain import jars, java, paths

_ONE_STEP_JAVA = 25  # from here one flag makes an archive that needs no base archive of the JDK's
_REHEARSAL_SECONDS = 600
_KEPT = 3  # archives of about 200 MB each: one for each Java and environment in use lately
_MEGABYTES_NEEDED = 1024


@dataclass(frozen=True)
class Archive:
    """The archive for one Java and one class path, made or not.

    Attributes:
        directory: Holds the archive and, beside it, its size and SHA-256; it appears whole or not at all.
        is_one_step: Whether this Java makes it by its newer flag.
    """

    directory: Path
    is_one_step: bool

    @property
    def file(self) -> Path:
        """The archive itself."""
        return self.directory / "classes.jsa"

    def is_usable(self) -> bool:
        """Returns whether the archive is there with the size it was made with: cheap, for every start."""
        seal = self._seal()
        return seal is not None and self.file.is_file() and self.file.stat().st_size == seal["bytes"]

    def problem(self) -> str | None:
        """Says `not made yet` or `damaged`, or None when the archive is intact to the last byte."""
        seal = self._seal()
        if seal is None or not self.file.is_file():
            return "not made yet"
        return None if self.is_usable() and file_sha256(self.file) == seal["sha256"] else "damaged"

    def flags(self) -> tuple[str, ...]:
        """Returns the JVM flags that use the archive; none when it is not there."""
        if not self.is_usable():
            return ()
        with contextlib.suppress(OSError):  # a cache that is only read serves as well
            self.directory.touch()  # in use: `_prune` lets go of the others first
        # Both ways a Java goes on without an archive that does not fit. Java 25 refuses -Xshare beside -XX:AOTCache.
        use = (
            (f"-XX:AOTCache={self.file}",)
            if self.is_one_step
            else (f"-XX:SharedArchiveFile={self.file}", "-Xshare:auto")
        )
        return (*use, "-Xlog:disable", "-Xlog:all=error:stderr")

    def discard(self) -> None:
        """Removes the archive, if there is one."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def make(self) -> None:
        """Makes the archive unless it is there and intact. Safe in several processes at once, and when killed.

        Raises:
            EnvironmentProblem: The rehearsal failed or left no archive, or the disk is too full.
        """
        if self.problem() is None:
            return
        with paths.locked(self.directory):
            if self.problem() is None:
                return
            if shutil.disk_usage(self.directory.parent).free >> 20 < _MEGABYTES_NEEDED:
                raise EnvironmentProblem(f"no class archive made: {self.directory.parent} has less than 1 GiB free")
            with paths.scratch_dir(self.directory.parent) as scratch:
                fresh = Archive(scratch / "archive", self.is_one_step)
                fresh.directory.mkdir()
                self._rehearse(fresh.file, scratch / "rehearsal.log")
                seal = {"bytes": fresh.file.stat().st_size, "sha256": file_sha256(fresh.file)}
                (fresh.directory / "seal.json").write_text(json.dumps(seal))
                shutil.rmtree(self.directory, ignore_errors=True)
                fresh.directory.replace(self.directory)
            _prune(self.directory.parent)

    def make_in_background(self) -> list[str]:
        """Has a process of least priority make the archive: that costs what seven starts save, so nobody waits for it.

        Returns:
            What to tell the user: nothing where the archive is there.
        """
        if self.problem() is None:
            return []
        program = f"import sys; from {__name__} import make; make(*sys.argv[1:])"
        command = [sys.executable, "-c", program, str(self.directory), "one step" if self.is_one_step else ""]
        # The shell leaves it to itself, out of the reach of a Ctrl-C. In the same session: Linux weighs sessions first.
        detached = ["sh", "-c", 'nice -n 19 "$@" &', "sh", *command]
        with self._log.open("wb") as log:
            subprocess.run(detached, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        return ["the class archive is being made in the background; until it is there, starts take some seconds longer"]

    def last_words(self) -> str:
        """Returns what the last process in the background said at its end: why there is no archive."""
        try:
            return "".join(self._log.read_text(errors="replace").splitlines()[-1:])
        except OSError:
            return ""

    @property
    def _log(self) -> Path:
        return self.directory.with_name("archive.log")

    def _seal(self) -> dict[str, int | str] | None:
        try:
            seal = json.loads((self.directory / "seal.json").read_text())
            return {"bytes": int(seal["bytes"]), "sha256": str(seal["sha256"])}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _rehearse(self, target: Path, log: Path) -> None:
        """Runs a short Spark job that ends by dumping what it loaded. The session module lies above this one."""
        flag = f"{'-XX:AOTCacheOutput' if self.is_one_step else '-XX:ArchiveClassesAtExit'}={target}"
        program = (
            "import sys; from search_forecast.lakehouse import session; session.rehearse(sys.argv[1], sys.argv[2])"
        )
        command = [sys.executable, "-c", program, flag, str(log)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_REHEARSAL_SECONDS, cwd=log.parent
            )
            said = done.stderr.strip().splitlines()[-1:] or log.read_text(errors="replace").splitlines()[-1:]
        except (OSError, subprocess.TimeoutExpired) as error:
            said = [str(error)]
        if not target.is_file():
            reason = said[0][:200] if said else "Java gave no reason"
            raise EnvironmentProblem(f"no class archive made ({reason}): all works without it, starts take longer")


def make(directory: str, one_step: str) -> None:
    """Makes an archive in a process of its own; the arguments come from its command line."""
    try:
        Archive(Path(directory), bool(one_step)).make()
    except EnvironmentProblem as problem:
        sys.exit(str(problem))


def find_archive(runtime: java.Java, delta: jars.DeltaJars) -> Archive:
    """Names the archive that fits a Java and the installed Spark and Delta, made or not.

    Args:
        runtime: The Java that will use it.
        delta: The jars on the class path beside Spark's own.
    """
    class_path = [*delta.files, *sorted((jars.local_home() / "jars").glob("*.jar"))]
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in class_path if file.exists()]
    key = hashlib.sha256(repr((str(runtime.home), runtime.version, stats)).encode()).hexdigest()[:16]
    return Archive(paths.cache_dir() / f"classes-{key}", java.major(runtime.version) >= _ONE_STEP_JAVA)


def _prune(parent: Path) -> None:
    """Removes all but the archives used last."""
    archives = sorted(parent.glob("classes-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in archives[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
