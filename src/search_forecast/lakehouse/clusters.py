"""A Spark that is not this machine's own: a standalone cluster's, or a Spark Connect server's."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from search_forecast.errors import EnvironmentProblem, UsageError

_STANDALONE, _CONNECT = "spark", "sc"
_PORTS = {_STANDALONE: 7077, _CONNECT: 15002}
_SECONDS_TO_ANSWER = 5
_LOOPBACK = ("127.0.0.1", "localhost")
_ADDRESSES = ("spark.driver.host", "spark.driver.bindAddress")


def check(address: str) -> None:
    """Raises where an address is none of a cluster, or nobody answers there.

    Raises:
        UsageError: it is neither `spark://host[:port]` nor `sc://host[:port]`.
        EnvironmentProblem: nobody listens there; Spark itself would ask for minutes.
    """
    scheme, host, port = _parts(address)
    try:
        socket.create_connection((host, port), _SECONDS_TO_ANSWER).close()
    except OSError as error:
        kind = "Spark Connect server" if scheme == _CONNECT else "Spark master"
        raise EnvironmentProblem(
            f"no {kind} answers at {address}: {error.strerror or error}; start it, or leave --spark away"
        ) from error


def is_connect(address: str) -> bool:
    """Whether an address is that of a Spark Connect server."""
    return _parts(address)[0] == _CONNECT


def is_loopback(address: str) -> bool:
    """Whether a cluster is on this machine alone."""
    return _parts(address)[1] in _LOOPBACK


def connected(address: str, settings: Mapping[str, str]) -> SparkSession:
    """Returns the session with a Spark Connect server; one for all threads.

    Raises:
        EnvironmentProblem: the server refuses, or has no Delta.
    """
    from pyspark.errors import PySparkException  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a setting of the server's that a session can't change
            spark = SparkSession.builder.remote(address).getOrCreate()
        for key, value in settings.items():
            spark.conf.set(key, value)
        catalog = spark.conf.get("spark.sql.catalog.spark_catalog", "")
    except PySparkException as error:
        raise EnvironmentProblem(f"{address}: {str(error).splitlines()[0]}") from error
    if "DeltaCatalog" not in str(catalog):
        raise EnvironmentProblem(f"{address} has no Delta: start it with the settings of docs/clusters.md")
    return spark


def on_standalone(settings: Mapping[str, str], address: str, jars: Sequence[Path]) -> dict[str, str]:
    """Returns the settings of a session whose tasks run on a standalone cluster, which gets Delta's jars from here."""
    # Of shuffle partitions a cluster has Spark's own number or its administrator's, and adapts them.
    partitions = "spark.sql.shuffle.partitions", "spark.sql.adaptive.enabled"
    unfit = partitions if is_loopback(address) else (*partitions, *_ADDRESSES)
    return {
        **{key: value for key, value in settings.items() if key not in unfit},
        "spark.master": address if urlsplit(address).port else f"{address}:{_PORTS[_STANDALONE]}",
        "spark.jars": ",".join(map(str, jars)),
    }


def _parts(address: str) -> tuple[str, str, int]:
    parts = urlsplit(address)
    try:
        if parts.scheme in _PORTS and parts.hostname:
            return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
    except ValueError:
        pass  # the port is no number
    raise UsageError(f"--spark {address}: a cluster is spark://HOST:7077, a Spark Connect server sc://HOST:15002")
