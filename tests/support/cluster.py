"""Clusters on this machine, on loopback: a standalone master with two workers, and a Spark Connect server.

Each part is a process of its own, started as Spark's documentation and docs/clusters.md say.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from search_forecast.lakehouse import session
from search_forecast.lakehouse.toolchain import jars, java

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


@contextmanager
def started(program: str, *words: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of Spark's, until the end of the block."""
    environment = {
        **os.environ,
        "JAVA_HOME": str(java.find_java().home),
        "SPARK_HOME": str(jars.spark_home()),
        "SPARK_LOCAL_IP": HOST,
        "PYSPARK_PYTHON": sys.executable,
    }
    command = [str(jars.spark_home() / "bin" / program), *words]
    with log.open("ab") as sink, subprocess.Popen(command, stdout=sink, stderr=sink, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def await_answer(port: int, log: Path) -> None:
    """Wait until somebody listens on a port."""
    for _ in range(600):
        with socket.socket() as caller:
            if caller.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-2000:])


@contextmanager
def standalone(directory: Path) -> Iterator[str]:
    """A master and two workers with a core each; yields the master's address."""
    port = free_port()
    address, log = f"spark://{HOST}:{port}", directory / "cluster.log"
    common = ("--host", HOST, "--webui-port", "0")
    with ExitStack() as stack:
        master = ("org.apache.spark.deploy.master.Master", "--port", str(port), *common)
        stack.enter_context(started("spark-class", *master, log=log))
        await_answer(port, log)
        for number in (1, 2):
            work = str(directory / f"worker{number}")
            worker = ("org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", "1g", "--work-dir", work)
            stack.enter_context(started("spark-class", *worker, *common, address, log=log))
        yield address


@contextmanager
def connect(directory: Path) -> Iterator[str]:
    """A Spark Connect server with Delta, in a JVM of its own; yields its address."""
    delta, port, log = jars.find_jars(), free_port(), directory / "connect.log"
    settings = {
        "spark.master": "local[2]",
        "spark.connect.grpc.binding.address": HOST,
        "spark.connect.grpc.binding.port": str(port),
        "spark.jars": ",".join(map(str, delta.files)),
        "spark.driver.extraJavaOptions": "-Xss4m",
        **{
            key: session.settings("small")[key]
            for key in ("spark.sql.extensions", "spark.sql.catalog.spark_catalog", "spark.ui.enabled")
        },
        "spark.sql.warehouse.dir": str(directory / "warehouse"),
    }
    options = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    server = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", *options, "spark-internal")
    with started("spark-submit", *server, log=log):
        await_answer(port, log)
        yield f"sc://{HOST}:{port}"
