"""The jobs on clusters: a standalone master with two workers, and a Spark Connect server, which gives its clients no
SparkContext, JVM or RDD, as on serverless compute. Outside `make test`: `make test-cluster`.

What they write is what plain Python says of the same files, and what the models give on this machine's own Spark.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search_forecast import cli
from support import cluster
from support.delta import write_counts
from support.flow import assert_gold_is, delivered
from support.places import FIXTURES, PROJECT

LANDING = FIXTURES / "landing"
GROWTH = "search_gold.infant_growth"
COLUMNS = ("--features=height_cm", "--label=weight_kg")


def of_medallion() -> list[list[str]]:
    return [["ingest", "--source", str(LANDING)], ["clean"], ["aggregate"], ["reconcile"], ["trends"]]


def of_demand() -> list[list[str]]:
    train = ["train", "--candidates", "theta", "--windows", "3"]
    return [train, ["promote", "search_demand"], ["score"], ["monitor"], ["reproduce", "search_demand", "1"]]


def of_models(exported: Path) -> list[list[str]]:
    return [
        ["load-measurements", "--source", str(FIXTURES / "infant_growth.csv")],
        ["train-regression", "--table", GROWTH, *COLUMNS, "--name=infant_weight"],
        ["score-model", "infant_weight", "--table", GROWTH],
        ["reproduce", "infant_weight", "1"],
        ["export-model", "infant_weight", str(exported), "--bare"],
        ["import-model", str(exported), "--name", "imported", "--input", "height_cm:double=70"],
        ["score-model", "imported", "--input", "height_cm=70"],
    ]


@pytest.fixture(params=["standalone", "connect"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    start: Callable[[Path], Any] = getattr(cluster, request.param)
    with start(tmp_path) as url:
        yield url


@pytest.mark.spark
@pytest.mark.cluster
def test_the_jobs_come_out_as_on_this_machine(address: str, tmp_path: Path) -> None:
    """One process and one session for all of them: a start takes longer than any job."""
    write_counts(tmp_path / "demand", date(2025, 3, 3), {"tv": np.random.default_rng(11).poisson(40, 84).tolist()})
    wings = {"medallion": of_medallion(), "demand": of_demand(), "models": of_models(tmp_path / "exported.model")}
    lines = [
        ["--lakehouse", str(tmp_path / wing), "--spark", address, *words, "--json"]
        for wing, each in wings.items()
        for words in each
    ]

    program = str(PROJECT / "tests" / "support" / "commands.py")
    words = [sys.executable, program, address, json.dumps(lines)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    *answers, session = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [item["code"] for item in answers] == [0] * len(lines), answers[-1]
    assert session["master"] == ("connect" if address.startswith("sc:") else address)
    results = [json.loads(item["output"]) for item in answers]
    assert session["had_executors"] == [not address.startswith("sc:")]
    assert session["staged"] == [results[0]["ingested"] + results[0]["duplicate"] + results[0]["rejected"]]
    assert_gold_is(tmp_path / "medallion", delivered(LANDING))
    _, _, _, reconciled, _, trained, promoted, scored, monitored, reproduced, *_ = results
    assert reconciled["search_count"] == reconciled["event_count"] > 0
    assert (trained["series"], promoted["holder"], scored["added"]) == (2, 1, 2 * 14 * 2)
    assert (monitored["needs_retrain"], reproduced["verdict"]) == ("false", "identical")
    _, trained, table, reproduced, _, imported, scored = results[-7:]
    assert trained["coefficients"]["height_cm"] == pytest.approx(0.21983860243297104, abs=1e-12)
    assert (table["added"], reproduced["verdict"]) == (7, "identical")
    assert imported["tried"]["prediction"] == pytest.approx(7.86345471977588, abs=1e-9)
    assert scored["prediction"] == pytest.approx(7.86345471977588, abs=1e-9)


@pytest.mark.parametrize("url", ["spark://", "http://127.0.0.1:7077", "local[4]", "spark://127.0.0.1:port", "yarn"])
def test_an_address_that_is_none_of_a_cluster_is_refused(url: str, run: Callable[..., Any]) -> None:
    code, said = run("ingest", "--source", str(LANDING), "--spark", url)
    assert code == 2
    assert said.splitlines()[-1].endswith("a cluster is spark://HOST:7077, a Spark Connect server sc://HOST:15002")


@pytest.mark.parametrize("scheme", ["spark", "sc"])
def test_a_cluster_that_does_not_answer_is_named_at_once(scheme: str, run: Callable[..., Any]) -> None:
    url = f"{scheme}://127.0.0.1:{cluster.free_port()}"
    code, said = run("ingest", "--source", str(LANDING), "--spark", url)
    assert code == 3
    assert f"answers at {url}: Connection refused; start it, or leave --spark away" in said


def test_a_workspace_chooses_its_own_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["aggregate", "--catalog", "main", "--spark", "sc://127.0.0.1"]) == 2
    assert "say --catalog" in capsys.readouterr().err
