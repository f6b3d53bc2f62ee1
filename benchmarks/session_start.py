"""Seconds from nothing to the first Delta table: Delta's documented way, ours, and ours with the class archive.

    .venv/bin/python benchmarks/session_start.py [--runs 3] [--out benchmarks/session_start.md]

Each run is a process of its own; the variants take turns, so that a noisy machine is noisy to all of them. The
documented way resolves the jars through Ivy at every start (from Ivy's own cache after the first). Read the CPU seconds
first: they say most where others use the machine too. Linux only, for /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from search_forecast.lakehouse.toolchain import archive, jars, java, jvm

_DEFAULT = """
from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[*]")
builder = builder.config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
builder = builder.config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
spark = configure_spark_with_delta_pip(builder).getOrCreate()
"""
_OURS = """
from search_forecast.lakehouse import session
spark = session._start("small", None, None, {flags})
"""
_MEASURE = """
import json, os, sys, time
begun = time.perf_counter()
{start}
spark.range(1).count()
ready = time.perf_counter()
spark.range(1000).selectExpr("id", "id % 7 as k").write.format("delta").save(sys.argv[1] + "/t")
written = time.perf_counter()
spark.sql(f"create table t using delta location '{{sys.argv[1]}}/t'")
spark.range(10).selectExpr("id * 200 as id", "1L as k").createOrReplaceTempView("u")
spark.sql("merge into t using u on t.id = u.id when matched then update set * when not matched then insert *")
merged = time.perf_counter()
stat = open(f"/proc/{{spark.sparkContext._gateway.proc.pid}}/stat").read().rsplit(")")[1].split()
cpu = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
print(json.dumps([ready - begun, written - ready, merged - written, merged - begun, cpu]))
"""
_STEPS = ("session", "first write", "first merge", "all", "CPU of the JVM")


def main() -> None:
    """Measures, prints a table and writes it to a file."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    asked = arguments.parse_args()
    found, delta = java.find_java(), jars.find_jars()
    delta.resolve(found)
    classes = archive.find_archive(found, delta)
    classes.make()  # waited for, which `doctor --mend` does not
    flags = classes.flags()
    variants = {
        "Delta's documented way": _DEFAULT,
        "ours, no class archive": _OURS.format(flags="()"),
        "ours, class archive": _OURS.format(flags=flags),
    }
    seconds: dict[str, list[list[float]]] = {name: [] for name in variants}
    for _ in range(asked.runs):
        for name, start in variants.items():
            seconds[name].append(_run(start, found))
    text = _report(seconds, asked.runs, found)
    print(text)
    asked.out.write_text(text)


def _run(start: str, found: java.Java) -> list[float]:
    """Measures one start in a process and a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-c", _MEASURE.format(start=start), directory]
        environ = {**os.environ, "JAVA_HOME": str(found.home)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=directory, env=environ)
    measured: list[float] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def _report(seconds: dict[str, list[list[float]]], runs: int, found: java.Java) -> str:
    """Lays out the medians, and their ratios to ours with the archive."""
    medians = {
        name: [statistics.median(step) for step in zip(*measured, strict=True)] for name, measured in seconds.items()
    }
    best = medians["ours, class archive"]
    lines = [
        "# From nothing to the first Delta table",
        "",
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {os.cpu_count()} cores, {jvm.memory_megabytes() / 1024:.0f} GiB, "
        f"{platform.system()}, Java {found.version} ({found.origin}), Spark {jars.find_jars().spark_version}, "
        f"Delta {jars.find_jars().delta_version}; median seconds of {runs} runs, in brackets ratios to the last row,",
        "made by `benchmarks/session_start.py`.",
        "",
        f"| | {' | '.join(_STEPS)} |",
        f"|---|{'---|' * len(_STEPS)}",
    ]
    for name, row in medians.items():
        cells = [f"{value:.1f} ({value / least:.1f})" for value, least in zip(row, best, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
