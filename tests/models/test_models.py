"""The whole life of a model through the command line, on one lakehouse."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from search_forecast import cli
from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.models import provenance, regression
from search_forecast.parameters import RegressionParameters
from support.places import PROJECT
from support.regression import FIXTURE, TRAIN, Run, runner, scores

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse with the measurements and one version of infant_weight. Tests may add to it, none removes."""
    lake = tmp_path_factory.mktemp("models") / "lake"
    assert cli.main(["--lakehouse", str(lake), "load-measurements", "--source", str(FIXTURE)]) == 0
    assert cli.main(["--lakehouse", str(lake), *TRAIN, "--name", "infant_weight"]) == 0
    return lake


@pytest.fixture
def run(lake: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(lake, capsys)


@pytest.mark.parametrize(("height", "weight"), [(70, 7.86345471977588), (50, 3.46668267111646)])
def test_the_numbers_of_the_original_exercise_come_out(run: Run, height: int, weight: float) -> None:
    answer = run("predict", "infant_weight", f"height_cm={height}")
    assert answer["prediction"] == pytest.approx(weight, abs=1e-6)
    assert (answer["model"], answer["version"]) == ("infant_weight", 1)


def test_an_input_outside_the_range_of_training_is_warned_of(run: Run) -> None:
    assert run("predict", "infant_weight", "height_cm=63")["warning"] is None
    outside = run("predict", "infant_weight", "height_cm=63.5")["warning"]
    assert outside == "height_cm is outside 46 to 63, the range seen in training: an extrapolation"


def test_measurements_are_loaded_once_however_often_and_under_any_name(lake: Path, run: Run, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.csv"
    shutil.copy(FIXTURE, renamed)
    for source in (FIXTURE, renamed):
        assert run("load-measurements", "--source", str(source))["is_new"] is False
    assert len(DeltaTable(str(lake / "search_gold" / "infant_growth")).to_pyarrow_table()) == 7


def ridge_leave_one_out(rows: list[tuple[float, float]], penalty: float) -> float:
    """The RMSE, from the closed form for one feature that Spark ML's objective has (features and label scaled)."""
    errors = []
    for index, (height, weight) in enumerate(rows):
        x, y = np.array(rows[:index] + rows[index + 1 :]).T
        slope = ((x - x.mean()) * (y - y.mean())).mean() / x.var() / (1 + penalty / y.std())
        errors.append(y.mean() + slope * (height - x.mean()) - weight)
    return float(np.sqrt(np.mean(np.square(errors))))


def test_a_version_records_all_that_it_came_from(lake: Path, run: Run) -> None:
    found = run("models", "infant_weight", "1")
    table = found["tables"][0]
    rows = [(46.0, 2.5), (51.0, 3.4), (54.0, 4.4), (57.0, 5.1), (60.0, 5.6), (61.0, 6.1), (63.0, 6.4)]
    assert found["spark_ml_class"] == "org.apache.spark.ml.regression.LinearRegressionModel"
    assert (found["inputs"], found["label"], found["row_count"]) == ({"height_cm": "double"}, "weight_kg", 7)
    assert (table["table"], table["delta_version"]) == ("search_gold.infant_growth", 1)
    assert found["metrics"]["cv_rmse"] == pytest.approx(ridge_leave_one_out(rows, 0.1), abs=1e-9)
    assert found["metrics"]["cv_fold_count"] == 7
    assert found["gate"]["passed"] is True
    assert found["parameters"]["reg_param"] == 0.1
    assert found["parameters"]["max_iter"] == 100
    assert found["code"]["lock_sha256"] == file_sha256(PROJECT / "requirements.txt")
    assert set(found["code"]) == {"git_commit", "is_dirty", "lock_sha256"}
    assert {"python", "spark", "pyspark", "delta-spark", "mlflow-skinny"} <= set(found["versions"])
    assert found["seed"] == 0
    assert found["aliases"][0] == "challenger"


def test_scores_are_added_once_and_say_version_time_and_warning(lake: Path, run: Run) -> None:
    first = run("score-model", "infant_weight", "--input", "height_cm=71")
    again = run("score-model", "infant_weight", "--input", "height_cm=71", "--version", "1")
    assert (first["added"], again["added"]) == (1, 0)
    kept = [row for row in scores(lake) if row["inputs"] == '{"height_cm":71.0}']
    assert len(kept) == 1
    assert (kept[0]["model_name"], kept[0]["model_version"]) == ("infant_weight", 1)
    assert kept[0]["prediction"] == first["prediction"]
    assert "outside 46 to 63" in kept[0]["warning"]
    assert kept[0]["scored_at"].year >= 2024


def test_a_table_is_scored_row_by_row_and_what_cannot_be_is_kept(
    spark: SparkSession, lake: Path, run: Run, tmp_path: Path
) -> None:
    values = [(1, 40.5, "a"), (2, None, "b"), (3, math.nan, "c"), (4, 41.5, "d"), (5, 40.5, "e")]
    source = spark.createDataFrame(values, "id int, height_cm double, name string")
    source.write.format("delta").save(str(tmp_path / "heights"))
    assert run("score-model", "infant_weight", "--table", str(tmp_path / "heights"))["added"] == 4
    found = {row["inputs"]: row for row in scores(lake)}
    assert found['{"height_cm":40.5}']["prediction"] == pytest.approx(0.21983860243297104 * 40.5 - 7.525247450532093)
    for inputs in ('{"height_cm":null}', '{"height_cm":"NaN"}'):
        assert found[inputs]["prediction"] is None
        assert found[inputs]["warning"] == "no prediction without a number for: height_cm"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("predict", "infant_weight", "weight=3"), 2, "no input weight; it expects height_cm=<double>"),
        (("predict", "infant_weight"), 2, "no value for height_cm (double)"),
        (("predict", "infant_weight", "height_cm=tall"), 2, "height_cm=tall is no double"),
        (("predict", "infant_weight", "height_cm=nan"), 2, "height_cm=nan is no double"),
        (("predict", "infant_weight", "height_cm:long=3"), 2, "height_cm is double, not long"),
        (("score-model", "infant_weight", "--table", "nope"), 1, "no table nope; name one of"),
        (("score-model", "infant_weight", "--table", "search_gold.batches"), 1, "not there yet"),
        ((*TRAIN[:4], "size", *TRAIN[5:], "--name", "x"), 1, "has no column size; it has height_cm"),
        ((*TRAIN[:4], "delivery_id", *TRAIN[5:], "--name", "x"), 1, "is string, expected a number"),
        ((*TRAIN, "--name", "a b"), 2, "is no name for a model"),
        ((*TRAIN, "--name", "x", "--reg-param", "-1"), 2, "--reg-param must not be negative"),
        (("train-regression", "--table", "t", "--features", "a", "--label", "a", "--name", "x"), 2, "named twice"),
    ],
)
def test_what_cannot_be_is_one_line(run: Run, words: tuple[str, ...], code: int, message: str) -> None:
    found = run(*words)
    assert found[0] == code
    assert message in found[1]


def test_a_table_without_the_column_or_with_another_type_is_one_line(
    spark: SparkSession, run: Run, tmp_path: Path
) -> None:
    spark.createDataFrame([("a", "70")], "name string, height_cm string").write.format("delta").save(f"{tmp_path}/text")
    code, error = run("score-model", "infant_weight", "--table", f"{tmp_path}/text")
    assert (code, error.count("column height_cm is string; the model expects height_cm double")) == (2, 1)
    spark.createDataFrame([("a",)], "name string").write.format("delta").save(f"{tmp_path}/without")
    code, error = run("score-model", "infant_weight", "--table", f"{tmp_path}/without")
    assert (code, error.count("has no column height_cm; the model expects height_cm double; found name")) == (2, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("height_cm,weight_kg\n50,3.5\n500,3.5\n", "line 3: height_cm 500 is impossible"),
        ("height_cm,weight_kg\n50,-1\n", "line 2: weight_kg -1 is impossible"),
        ("height_cm,weight_kg\n50,nan\n", "line 2: weight_kg nan is impossible"),
        ("height_cm,weight_kg\n50,\n", "line 2: weight_kg '' is no number"),
        ("height_cm,weight_kg\n50\n", "line 2 has 1 field, expected 2"),
        ("height_cm,weight_kg\n", "holds no measurement"),
        ("height,weight\n50,3\n", "expected the columns height_cm, weight_kg; got height, weight"),
        ("", "expected the columns"),
        ('height_cm,weight_kg\n"50,3\n', "no CSV file"),
        ("\udcff", "no CSV file in UTF-8"),
    ],
)
def test_impossible_measurements_are_refused_whole(tmp_path: Path, content: str, message: str) -> None:
    from search_forecast.errors import DataError
    from search_forecast.models.load_measurements import read_measurements

    (tmp_path / "sizes.csv").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError) as caught:
        read_measurements(tmp_path / "sizes.csv")
    assert message in str(caught.value)


def test_columns_of_measurements_may_stand_in_any_order_with_a_byte_order_mark(tmp_path: Path) -> None:
    from search_forecast.models.load_measurements import read_measurements

    (tmp_path / "sizes.csv").write_bytes("\ufeffWeight_kg,height_cm\r\n3.5,50\r\n\r\n".encode())
    assert read_measurements(tmp_path / "sizes.csv") == [(50.0, 3.5)]


def test_the_content_hash_knows_rows_not_their_order(spark: SparkSession) -> None:
    def hashed(*rows: tuple[object, ...], schema: str = "a double, b string, c date") -> str:
        return provenance.content_hash(spark.createDataFrame(list(rows), schema))

    one, two = (0.1, "x", None), (-0.0, None, None)
    base = hashed(one, two)
    # Of its own: whoever changes how it is made can no longer check what older versions recorded.
    assert base == "sha256:957e14aadb34ecc450b2182cf77df6513a3af29135d27b541fcf3da206e48c60"
    assert hashed(two, one) == base
    assert hashed(one, (0.0, None, None)) == base
    changed = [
        (one,),
        (one, two, two),
        (one, one, two),
        ((0.1, "y", None), two),
        ((0.10000000000000002, "x", None), two),
        ((0.1, None, None), (-0.0, "x", None)),
        ((None, "x", None), two),
    ]
    hashes = [hashed(*rows) for rows in changed]
    assert len({base, *hashes}) == len(changed) + 1
    assert hashed(("x", "1:y"), schema="a string, b string") != hashed(("x1", ":y"), schema="a string, b string")
    assert hashed(("x",), schema="a string") != hashed(("x",), schema="b string")


def test_the_first_version_is_reproduced_to_the_last_digit(run: Run) -> None:
    found = run("reproduce", "infant_weight", "1")
    assert (found["verdict"], found["largest_difference"], found["differences"]) == ("identical", 0.0, {})


def test_a_changed_row_is_found_by_the_hash(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another lakehouse with the same registry, whose table has one other row in the same version."""
    other = tmp_path / "other"
    shutil.copytree(lake / "_mlflow", other / "_mlflow")
    (tmp_path / "changed.csv").write_text(FIXTURE.read_text().replace("63,6.4", "63,6.5"))
    run = runner(other, capsys)
    run("load-measurements", "--source", str(tmp_path / "changed.csv"))
    assert cli.main(["--lakehouse", str(other), "reproduce", "infant_weight", "1", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "different"
    assert found["changed_since"][0].startswith("search_gold.infant_growth version 1 holds other rows than it did")
    assert found["differences"]["coefficient height_cm"] > 1e-3
    for part in (other / "search_gold" / "infant_growth").glob("*.parquet"):
        part.unlink()
    assert cli.main(["--lakehouse", str(other), "reproduce", "infant_weight", "1", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert "version 1 cannot be read any more (vacuumed or removed)" in found["changed_since"][0]


def test_a_model_that_learnt_nothing_fails_its_gate(run: Run) -> None:
    made = run(*TRAIN, "--name", "learnt_nothing", "--reg-param", "1000", "--elastic-net-param", "1")
    assert made["coefficients"] == {"height_cm": 0.0}
    assert made["gate"].startswith("failed: cross-validated RMSE 1.55206 >= 1.55206")
    code, error = run("promote", "learnt_nothing", "1")
    assert (code, error.count("--force REASON")) == (1, 1)


def test_more_rows_than_leave_one_out_takes_are_folded(spark: SparkSession) -> None:
    rows = [(float(x), 3.0 * x + 1 + (x % 7) / 100) for x in range(200)]
    parameters = RegressionParameters("line", ("x",), "y", reg_param=0.0)
    trained = regression.train(spark.createDataFrame(rows, "x double, y double"), parameters)
    assert trained.metrics["cv_fold_count"] == 5
    assert trained.coefficients[0] == pytest.approx(3.0, abs=1e-3)
    assert 0.015 < trained.metrics["cv_rmse"] < 0.025
    assert trained.gate[0]


def test_mlflow_loads_a_version_in_its_own_way(spark: SparkSession, lake: Path, run: Run) -> None:
    import mlflow

    run_id = run("models", "infant_weight", "1")["run_id"]
    path = str(lake / "_mlflow" / "artifacts" / run_id / "artifacts" / "model")
    heights = spark.createDataFrame([(70.0,)], "height_cm double")
    assert mlflow.spark.load_model(path).transform(heights).first()["prediction"] == pytest.approx(7.86345471977588)
    import pandas as pd

    answer = mlflow.pyfunc.load_model(path).predict(pd.DataFrame({"height_cm": [50.0]}))
    assert list(answer) == pytest.approx([3.46668267111646])
