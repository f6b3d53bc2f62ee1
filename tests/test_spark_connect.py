"""The jobs in a Spark Connect session, which has no SparkContext, JVM or RDD: as on serverless compute."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from support.delta import write_counts
from support.places import FIXTURES

pytestmark = pytest.mark.spark

MEASUREMENTS = str(FIXTURES / "infant_growth.csv")
LANDING = str(FIXTURES / "layouts")
GROWTH = "search_gold.infant_growth"
COLUMNS = ("--features=height_cm", "--label=weight_kg")


def test_the_jobs_run_through_spark_connect(tmp_path: Path) -> None:
    """One process and one session for all of them: a start takes longer than any job."""
    write_counts(tmp_path / "demand", date(2025, 3, 3), {"tv": np.random.default_rng(11).poisson(40, 84).tolist()})
    exported = str(tmp_path / "exported.model")
    commands = {
        "medallion": [["ingest", "--source", LANDING], ["clean"], ["aggregate"], ["reconcile"], ["trends"]],
        "demand": [
            ["train", "--candidates", "theta", "--windows", "3"],
            ["promote", "search_demand"],
            ["score"],
            ["monitor"],
            ["reproduce", "search_demand", "1"],
        ],
        "models": [
            ["load-measurements", "--source", MEASUREMENTS],
            [
                "train-regression",
                "--table",
                GROWTH,
                "--features=height_cm",
                "--label=weight_kg",
                "--name=infant_weight",
            ],
            ["score-model", "infant_weight", "--table", GROWTH],
            ["reproduce", "infant_weight", "1"],
            ["export-model", "infant_weight", exported, "--bare"],
            ["import-model", exported, "--name", "imported", "--input", "height_cm:double=70"],
            ["score-model", "imported", "--input", "height_cm=70"],
        ],
    }
    lines = [
        ["--lakehouse", str(tmp_path / wing), *words, "--json"] for wing, each in commands.items() for words in each
    ]
    program = str(Path(__file__).parent / "support" / "connect.py")

    done = subprocess.run([sys.executable, program, json.dumps(lines)], capture_output=True, text=True, check=False)

    session, *answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert session == {"session": "pyspark.sql.connect.session"}
    assert [item["code"] for item in answers] == [0] * len(lines), answers[-1]
    results = [json.loads(item["output"]) for item in answers]
    ingested, _, _, reconciled, _, trained, promoted, scored, monitored, reproduced, *of_models = results
    assert ingested["ingested"] == len(list(Path(LANDING).iterdir()))
    assert reconciled["search_count"] == reconciled["event_count"] > 0
    assert (trained["series"], promoted["holder"], scored["added"]) == (2, 1, 2 * 14 * 2)
    assert (monitored["needs_retrain"], reproduced["verdict"]) == ("false", "identical")
    _, trained, table, reproduced, _, imported, scored = of_models
    assert trained["coefficients"]["height_cm"] == pytest.approx(0.21983860243297104, abs=1e-12)
    assert (table["added"], reproduced["verdict"]) == (7, "identical")
    assert imported["tried"]["prediction"] == pytest.approx(7.86345471977588, abs=1e-9)
    assert scored["prediction"] == pytest.approx(7.86345471977588, abs=1e-9)
