"""Starts Spark: the one module that does. On Databricks it takes the session that is there."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Literal, get_args

from pyspark import SparkContext
from pyspark.sql import SparkSession

from search_forecast.errors import EnvironmentProblem, UsageError
from search_forecast.lakehouse import clusters
from search_forecast.lakehouse.task_values import is_on_databricks

Size = Literal["tiny", "small", "large"]

# Both are on serverless compute's short list of settings that a session may change.
_EVERYWHERE = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
# What a session with another's Spark server sets for itself.
_OF_A_SESSION = (
    *_EVERYWHERE,
    "spark.sql.legacy.parameterSubstitution.constantsOnly",
    "spark.databricks.delta.snapshotPartitions",
    "spark.databricks.delta.allFilesInCrc.enabled",
)
# A user's own Spark or Hadoop set-up (another SPARK_HOME, a default file system hdfs://) must not leak into ours.
_FOREIGN = ("SPARK_", "PYSPARK_", "HADOOP_", "YARN_")
_LARGEST_LOG = 5_000_000  # bytes, then the log starts anew and one older one is kept


def session(
    *, size: Size = "small", log: Path | None = None, cores: int | None = None, cluster: str | None = None
) -> SparkSession:
    """Returns the Spark session to work with, starting one where there is none.

    Args:
        size: `small` starts fast; `large` has the throughput for millions of rows; `tiny` is small, and for some
            thousands of rows: it interprets expressions, as to compile them takes longer then. Of a session that
            already runs only shuffle partitions, whether they are adapted, and that change.
        log: File that takes all that the JVM prints; `spark.log` in the user's cache when None.
        cores: Threads to run tasks on; when None all for `large`, else two.
        cluster: Where the work is done instead of on this machine's cores: a standalone master (`spark://host:port`) or
            a Spark Connect server with Delta (`sc://host:port`).

    Returns:
        On Databricks the active session; here one with Delta, in UTC, with ANSI mode on.

    Raises:
        EnvironmentProblem: Java or Delta's jars are missing, the JVM does not start, or no cluster answers.
        UsageError: `size` is none of these, `cores` is not positive, or `cluster` is no address of one.
    """
    if size not in get_args(Size) or (cores is not None and cores < 1):
        raise UsageError(f"session(size={size!r}, cores={cores!r}): size is tiny, small or large, cores 1 or more")
    if cluster is not None:
        clusters.check(cluster)
        if clusters.is_connect(cluster):
            return clusters.connected(cluster, {key: settings(size)[key] for key in _OF_A_SESSION})
    active = SparkSession.getActiveSession()
    # That is a thread's own: another one may have started Spark, of which there is one in a process.
    is_there = is_on_databricks() or SparkContext._active_spark_context is not None
    if active is None and is_there:
        active = SparkSession.builder.getOrCreate()
    if active is None:
        return _start(size, log, cores, cluster=cluster)
    for key, value in _EVERYWHERE.items():
        active.conf.set(key, value)
    if cluster is None and not is_on_databricks():
        for key, value in _by_size(size, cores).items():
            active.conf.set(key, value)
    return active


def _start(
    size: Size,
    log: Path | None,
    cores: int | None,
    archive_flags: tuple[str, ...] | None = None,
    cluster: str | None = None,
) -> SparkSession:
    """Finds Java and jars and starts a local session on them, with the class archive where there is one."""
    from search_forecast.lakehouse.toolchain import archive, jars, java, jvm, paths  # noqa: PLC0415 - not installed on Databricks

    jdk, delta = java.find_java(), jars.find_jars()
    delta.resolve(jdk)
    scratch = Path(tempfile.mkdtemp(prefix="search-forecast-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    conf = {
        **settings(size, cores),
        "spark.driver.memory": f"{jvm.heap_megabytes(size)}m",
        "spark.driver.extraClassPath": os.pathsep.join(map(str, delta.files)),
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
    }
    if cluster is not None:
        conf = clusters.on_standalone(conf, cluster, delta.files)
    environment = {
        "JAVA_HOME": str(jdk.home),
        "SPARK_HOME": str(jars.local_home()),
        "PYSPARK_PYTHON": sys.executable,  # else Python workers start the system's Python
        **jvm.locale(),
    }
    if cluster is None or clusters.is_loopback(cluster):
        environment["SPARK_LOCAL_IP"] = "127.0.0.1"  # else Spark looks up this machine's name, which may fail

    def launch(flags: tuple[str, ...]) -> SparkSession:
        options = {"spark.driver.extraJavaOptions": jvm.quoted([*jvm.flags(size), *flags])}
        with _opened(log or paths.cache_dir() / "spark.log", str(jdk)) as sink, _environment(environment, cluster):
            return _launch({**conf, **options}, sink, str(jdk))

    classes = archive.find_archive(jdk, delta)
    flags = classes.flags() if archive_flags is None else archive_flags
    try:
        return launch(flags)
    except EnvironmentProblem:
        if archive_flags is not None or not flags:
            raise
    spark = launch(())
    classes.discard()  # Java refuses it; `doctor` says so and makes another
    return spark


def rehearse(archive_flag: str, log: str) -> None:
    """Runs once through what the jobs do, so that the JVM has loaded the classes that it archives when it ends.

    Args:
        archive_flag: The JVM flag that makes it archive its classes at its end.
        log: File for what the JVM prints.
    """
    spark = _start("small", Path(log), None, (archive_flag,))
    gateway = spark.sparkContext._gateway
    with tempfile.TemporaryDirectory(prefix="search-forecast-") as directory:
        Path(directory, "terms.csv").write_text("term,n\na,1\nb,2\n")
        terms = spark.read.csv(f"{directory}/terms.csv", header=True, schema="term string, n long")
        writer = terms.write.format("delta").option("delta.enableChangeDataFeed", "true")
        writer.partitionBy("term").save(f"{directory}/delta")
        spark.sql(f"create table default.rehearsal using delta location '{directory}/delta'")
        terms.selectExpr("upper(term) as term", "n").createOrReplaceTempView("news")
        spark.sql(
            "merge into default.rehearsal t using news on t.term = news.term "
            "when matched then update set * when not matched then insert *"
        )
        overwrite = terms.where("term = 'a'").write.format("delta").mode("overwrite")
        overwrite.option("replaceWhere", "term = 'a'").save(f"{directory}/delta")
        spark.sql(
            "select term, sum(n) as n, rank() over (order by sum(n) desc) as rank "
            "from default.rehearsal group by term order by rank"
        ).toPandas()
        spark.sql("select * from table_changes('default.rehearsal', 0)").collect()
        spark.sql("describe history default.rehearsal").collect()
    spark.stop()
    if gateway is not None:
        gateway.proc.stdin.close()  # the JVM ends when its input does, and archives on its way out
        gateway.proc.wait()


def settings(size: Size, cores: int | None = None) -> dict[str, str]:
    """Returns the Spark settings of a local session, apart from places, memory and JVM flags.

    Args:
        size: As for `session`.
        cores: As for `session`.
    """
    return {
        **_EVERYWHERE,
        "spark.app.name": "search_forecast",
        "spark.master": f"local[{_cores(size, cores)}]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        **_by_size(size, cores),
        "spark.databricks.delta.snapshotPartitions": "1",
        # A job after each commit, to list a table's files beside its checksum: that doubles what a new table takes.
        "spark.databricks.delta.allFilesInCrc.enabled": "false",
        # Delta's default for files runs the program readlink many times a commit. Both write it under another name
        # and rename it if there is none; that no two writers do so at once is what our lock is for.
        "spark.delta.logStore.file.impl": "io.delta.storage.LocalLogStore",
        # Spark's default starts a job of 10,000 tasks when VACUUM or a read lists many directories.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
        # Named parameters in spark.sql(query, args=...) fail under Delta's parser without it (delta-io/delta#7640).
        "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Else each F.col asks the JVM four times, to say in an error which line of Python made an expression.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
    }


def _cores(size: Size, cores: int | None) -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores or (available if size == "large" else min(2, available))


def _by_size(size: Size, cores: int | None) -> dict[str, str]:
    """What a running session takes over from another size."""
    return {
        "spark.sql.shuffle.partitions": str(2 * _cores(size, cores) if size == "large" else 1),
        "spark.sql.adaptive.enabled": str(size == "large").lower(),  # for one partition it costs more than it gains
        "spark.sql.codegen.factoryMode": "NO_CODEGEN" if size == "tiny" else "FALLBACK",
    }


def _launch(conf: Mapping[str, str], log: IO[bytes], java: str) -> SparkSession:
    """Starts the JVM with its output in the log and connects a session to it.

    The JVM gets the log as its own stdout and stderr, so those of this process are never touched.
    """
    from py4j.protocol import Py4JError  # noqa: PLC0415
    from pyspark import SparkConf  # noqa: PLC0415
    from pyspark.errors import PySparkException  # noqa: PLC0415
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415

    spark_conf = SparkConf(loadDefaults=False).setAll(list(conf.items()))
    start, on_interrupt = log.tell(), signal.getsignal(signal.SIGINT)
    logging.getLogger().addFilter(_is_not_of_py4j)
    try:
        gateway = launch_gateway(spark_conf, popen_kwargs={"stdout": log, "stderr": log})  # type: ignore[no-untyped-call]
        SparkContext(conf=spark_conf, gateway=gateway)
        return SparkSession.builder.getOrCreate()
    except (Py4JError, PySparkException, OSError) as error:
        raise EnvironmentProblem(
            f"Spark did not start on {java}: {_cause(Path(log.name), start) or error}; see {log.name}"
        ) from error
    finally:
        # Spark's own handler calls the JVM while a call is under way, which fails with a trace.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, on_interrupt)


def _is_not_of_py4j(record: logging.LogRecord) -> bool:
    """Whether a record of the root logger is for people: py4j writes traces there of what it raises too."""
    return "py4j" not in record.pathname


def _cause(log: Path, start: int) -> str:
    """Finds the line that says why the JVM did not start in what it wrote to the log."""
    with log.open(errors="replace") as file:
        file.seek(start)
        lines = [line.strip() for line in file if line.strip()]
    lines = [line for line in lines if line != "Error occurred during initialization of VM"]  # the next one says why
    marks = ("OutOfMemory", "No space left", "Could not", "Cannot", "Error", "Exception", "error")
    return next((line[:200] for mark in marks for line in lines if mark in line), lines[-1][:200] if lines else "")


@contextmanager
def _opened(path: Path, java: str) -> Iterator[IO[bytes]]:
    """Opens the log for appending, under a line that says when and on what; an overlong one starts anew."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LARGEST_LOG:
            path.replace(path.with_name(f"{path.name}.1"))
        log = path.open("ab", buffering=0)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write the log {path}: {error.strerror}") from error
    with log:
        now = datetime.now(timezone.utc)
        log.write(f"--- {now:%Y-%m-%d %H:%M:%S} UTC, process {os.getpid()}, {java}\n".encode())
        yield log


@contextmanager
def _environment(changes: Mapping[str, str], cluster: str | None) -> Iterator[None]:
    """Changes this process's environment for as long as the JVM and its context take to start."""
    before = dict(os.environ)
    for name in before:
        if cluster is None and name.startswith(_FOREIGN):  # those of a cluster's user belong to it
            del os.environ[name]
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
