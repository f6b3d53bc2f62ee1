"""The jars of a local session: Spark's that it uses, and Delta's two.

Delta's are resolved once by the Ivy that ships with Spark, kept in the cache and checked at every start.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from search_forecast.errors import EnvironmentProblem
from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.lakehouse.toolchain import paths, truststore
from search_forecast.lakehouse.toolchain.java import Java

# The jars of the locked versions. Others are taken on first sight: Ivy checks them against the repository's checksums,
# and what came is written down beside them.
_PINNED = {
    "delta-spark_4.2_2.13-4.4.0.jar": "27d4fd8b1f879535c573ed1c718177d6a27f24d3e626ba02e216369725721ead",
    "delta-storage-4.4.0.jar": "c46735481fa8e326b0957be02b4420cbcab4b325bb08009b7f2045a95133f1cc",
}
# Spark's jars for other cluster managers, Hive and its database, shells and servers: no local session uses them.
_UNUSED = re.compile(
    r"(kubernetes|volcano|vertx|zjsonpatch|jjwt|hive-(?!storage)|datanucleus|derby|javax\.jdo|jdo-api|HikariCP"
    r"|commons-dbcp|commons-pool|jta|transaction-api|stax-api|libthrift|libfb303|antlr-runtime-3|ST4|opencsv|super-csv"
    r"|jpam|json-1|oro|curator|zookeeper|scala-compiler|jline|avro-ipc|avro-mapred|metrics-graphite|connect-repl"
    r"|spark-(kubernetes|yarn|hive|repl|connect|pipelines)|netty-(all|tcnative|handler-proxy|resolver-dns)"
    r"|netty-transport-native-(epoll|kqueue)|netty-codec-(http|socks|dns))"
)
_RESOLVE_SECONDS = 600
_QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # halves the time of so short a run


@dataclass(frozen=True)
class DeltaJars:
    """The jars that fit the installed Spark and Delta, and where they lie or will lie.

    Attributes:
        spark_version: Installed pyspark, such as `4.2.0`.
        delta_version: Installed delta-spark, such as `4.4.0`.
        directory: The cache's directory for this pair of versions.
    """

    spark_version: str
    delta_version: str
    directory: Path

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Maven names of the jars under the group `io.delta`."""
        spark = ".".join(self.spark_version.split(".")[:2])
        return (f"delta-spark_{spark}_2.13", "delta-storage")

    @property
    def files(self) -> tuple[Path, ...]:
        """Where the jars lie, in class path order."""
        return tuple(self.directory / f"{artifact}-{self.delta_version}.jar" for artifact in self.artifacts)

    def problem(self) -> str | None:
        """Says what is wrong with the jars: `missing: NAME`, `damaged: NAME`, or None when each is there and intact."""
        expected = self._expected()
        for file in self.files:
            if not file.is_file() or file.name not in expected:
                return f"missing: {file.name}"
            if file_sha256(file) != expected[file.name]:
                return f"damaged: {file.name}"
        return None

    def resolve(self, java: Java) -> None:
        """Fetches the jars unless they are there and intact. Safe in several processes at once, and when killed.

        Args:
            java: Runs Ivy.

        Raises:
            EnvironmentProblem: Maven's repository cannot be reached, or what came has the wrong content.
        """
        if self.problem() is None:
            return
        with paths.locked(self.directory):
            if self.problem() is None:  # another process made them while this one waited
                return
            with paths.scratch_dir(self.directory.parent) as scratch:
                self._fetch(java, scratch)
                self._keep(scratch)

    def _expected(self) -> dict[str, str]:
        """Returns the SHA-256 of each jar by file name: the pinned one, else the one of the first resolution."""
        try:
            recorded: dict[str, str] = dict(json.loads((self.directory / "sha256.json").read_text()))
        except (OSError, ValueError, TypeError):
            recorded = {}
        return {**recorded, **_PINNED}

    def _fetch(self, java: Java, scratch: Path) -> None:
        """Runs Ivy for each jar into `scratch`; if its certificates fail, again with those that Python trusts."""
        for artifact in self.artifacts:
            done = _ivy(java, scratch, artifact, self.delta_version, ())
            if done.returncode and ("PKIX" in done.stdout or "SSLHandshake" in done.stdout):
                trust = truststore.write(ssl.create_default_context(), scratch / "trust.jks")
                done = _ivy(java, scratch, artifact, self.delta_version, trust)
            if done.returncode or not (scratch / f"{artifact}-{self.delta_version}.jar").is_file():
                names = " and ".join(file.name for file in self.files)
                raise EnvironmentProblem(
                    f"Delta's jars are missing and cannot be fetched ({_reason(done.stdout)}): connect this machine to "
                    f"Maven's repository and run `search-forecast doctor --mend`, or put {names} into {self.directory}"
                )

    def _keep(self, scratch: Path) -> None:
        """Checks what came against the pins and moves it into place, one rename a jar."""
        sums = {}
        for file in self.files:
            sums[file.name] = file_sha256(scratch / file.name)
            if sums[file.name] != _PINNED.get(file.name, sums[file.name]):
                raise EnvironmentProblem(
                    f"{file.name} came with SHA-256 {sums[file.name]}, expected {_PINNED[file.name]}: "
                    "look at the Maven mirror or proxy in between; nothing was kept"
                )
        self.directory.mkdir(parents=True, exist_ok=True)
        for name in sums:
            (scratch / name).replace(self.directory / name)
        (scratch / "sha256.json").write_text(json.dumps(sums, indent=1))
        (scratch / "sha256.json").replace(self.directory / "sha256.json")


def find_jars() -> DeltaJars:
    """Names the jars that fit the installed pyspark and delta-spark; fetches nothing.

    Raises:
        EnvironmentProblem: pyspark or delta-spark is not installed.
    """
    try:
        spark, delta = metadata.version("pyspark"), metadata.version("delta-spark")
    except metadata.PackageNotFoundError as error:
        raise EnvironmentProblem(f"the package {error.name} is not installed: run `make setup`") from error
    return DeltaJars(spark, delta, paths.cache_dir() / f"jars-spark-{spark}-delta-{delta}")


def spark_home() -> Path:
    """Returns the installed pyspark's own directory, which holds its jars and launcher."""
    spec = util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise EnvironmentProblem("the package pyspark is not installed: run `make setup`")
    return Path(spec.origin).parent


def local_home() -> Path:
    """Returns a SPARK_HOME in the cache that shows Spark with the jars that a local session uses.

    Java looks for a class that isn't there in each jar, and Spark's compiler asks for many such. Made once for each
    pyspark; pyspark's own where the file system has no symbolic links.

    Raises:
        EnvironmentProblem: pyspark is not installed, or the cache cannot be written.
    """
    installed = spark_home()
    links = [Path("bin"), Path("python")]
    links += [Path("jars", jar.name) for jar in (installed / "jars").glob("*.jar") if not _UNUSED.match(jar.name)]
    key = hashlib.sha256(repr((str(installed), sorted(map(str, links)))).encode()).hexdigest()[:16]
    home = paths.cache_dir() / f"spark-{key}"
    if _has_all(home, links):
        return home
    with paths.locked(home), paths.scratch_dir(home.parent) as scratch:
        if _has_all(home, links):  # another process made it while this one waited
            return home
        (scratch / "home" / "jars").mkdir(parents=True)
        try:
            for link in links:
                (scratch / "home" / link).symlink_to(installed / link)
        except OSError:
            return installed
        shutil.rmtree(home, ignore_errors=True)
        (scratch / "home").replace(home)
    return home


def _has_all(home: Path, links: Sequence[Path]) -> bool:
    return all((home / link).exists() for link in links)


def _ivy(
    java: Java, scratch: Path, artifact: str, version: str, jvm: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    """Runs Ivy's own command line, whose default repository is Maven's, for one jar without its dependencies."""
    ivy = next((spark_home() / "jars").glob("ivy-*.jar"), None)
    if ivy is None:
        raise EnvironmentProblem(f"no ivy-*.jar in {spark_home() / 'jars'}: install pyspark anew")
    command = [str(java.executable), *_QUICK, *_proxy_flags(), *jvm, "-jar", str(ivy), "-cache", str(scratch / "ivy")]
    command += ["-dependency", "io.delta", artifact, version, "-notransitive", "-types", "jar"]
    command += ["-retrieve", str(scratch / "[artifact]-[revision].[ext]")]
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=_RESOLVE_SECONDS,
            cwd=scratch,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, f"no answer in {_RESOLVE_SECONDS} s", "")


def _proxy_flags() -> list[str]:
    """Turns the proxy settings that Python and pip follow (`https_proxy`) into Java's, which reads no such variable."""
    flags = []
    for scheme, url in getproxies().items():
        parts = urlsplit(url if "//" in url else f"//{url}")
        if scheme in {"http", "https"} and parts.hostname:
            flags += [f"-D{scheme}.proxyHost={parts.hostname}", f"-D{scheme}.proxyPort={parts.port or 80}"]
    return flags


def _reason(output: str) -> str:
    """Picks the line of Ivy's output that says most: the server's or network's error, else that nothing was found."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for mark in ("certif", "Server access error", "Exception", "not found"):
        for line in lines:
            if mark in line:
                return line.rsplit("(", 1)[-1].rstrip(")")[:200] if "Server access" in line else line.strip(": ")[:200]
    return lines[-1][:200] if lines else "Ivy said nothing"
