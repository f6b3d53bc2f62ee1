"""import-model on models as plain Spark saves them: read or refused, and never run before they are looked at."""

import json
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from unittest.mock import Mock

import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import SQLTransformer, StringIndexer, VectorAssembler
from pyspark.ml.linalg import Vectors
from pyspark.ml.regression import DecisionTreeRegressor, LinearRegression
from pyspark.sql import SparkSession

from search_forecast import cli
from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models.import_model import import_model
from search_forecast.models.sparkml import stages
from support.places import PROJECT
from support.regression import FIXTURE, Run, runner, scores

pytestmark = pytest.mark.usefixtures("spark")
ORIGINAL = PROJECT.parent / "shared" / "data" / "model.tar.gz"


@pytest.fixture(scope="module")
def foreign(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models as plain pyspark saves them, of several classes, in one directory."""
    root = tmp_path_factory.mktemp("foreign") / "delivery"
    rows = [(1.0, 2.0, "a", 5.0), (2.0, 1.0, "b", 4.0), (3.0, 5.0, "a", 13.0), (4.0, 3.0, "b", 10.0)]
    plain = spark.createDataFrame(rows, "x double, y double, shop string, label double")
    vectors = spark.createDataFrame([(Vectors.dense(x, y), label) for x, y, _, label in rows], ["features", "label"])
    LinearRegression().fit(vectors).save(str(root / "linear.model"))
    DecisionTreeRegressor(maxDepth=2).fit(vectors).save(str(root / "deep" / "tree [1].model"))
    KMeans(k=2, seed=1).fit(vectors).save(str(root / "kmeans.model"))
    indexer = StringIndexer(inputCol="shop", outputCol="shop_index", handleInvalid="skip")
    assembler = VectorAssembler(inputCols=["x", "y", "shop_index"], outputCol="features")
    Pipeline(stages=[indexer, assembler, LinearRegression()]).fit(plain).save(str(root / "pipeline.model"))
    indexer.fit(plain).save(str(root / "indexer.model"))
    LinearRegression().save(str(root / "untrained.model"))
    return root


@pytest.fixture(scope="module")
def lake(foreign: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse with one imported model. Tests may add to it, none removes."""
    lake = tmp_path_factory.mktemp("imports") / "lake"
    words = ("import-model", str(foreign / "linear.model"), "--name", "linear", "--input", "x:double=1,y:double=2")
    assert cli.main(["--lakehouse", str(lake), *words]) == 0
    return lake


@pytest.fixture
def run(lake: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(lake, capsys)


@pytest.fixture
def untouched(lake: Path) -> Iterator[None]:
    """The test leaves no file in the registry and none on the way there."""
    before = {path for name in ("_mlflow", "_staging") for path in (lake / name).rglob("*")}
    unpacked = set(Path(tempfile.gettempdir()).glob("search-forecast-*/unpacked"))
    assert before
    yield
    assert {path for name in ("_mlflow", "_staging") for path in (lake / name).rglob("*")} == before
    assert set(Path(tempfile.gettempdir()).glob("search-forecast-*/unpacked")) <= unpacked


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the original archive is not on this machine")
def test_the_original_model_of_spark_2_4_gives_the_original_numbers(lake: Path, run: Run) -> None:
    code, error = run("import-model", str(ORIGINAL), "--name", "sales_prediction")
    assert code == 2
    assert "a vector of 1 number (its column features)" in error
    assert "--input NAME:TYPE" in error
    made = run("import-model", str(ORIGINAL), "--name", "sales_prediction", "--input", "year:long=2023")
    assert made["tried"]["prediction"] == pytest.approx(175.16564294006457, abs=1e-9)
    assert (made["inputs"], made["label"]) == (["year:long"], "sales")
    scored = run("score-model", "sales_prediction", "--input", "year:long=2022")
    assert scored["prediction"] == pytest.approx(168.643, abs=1e-3)
    assert scored["warning"] == "the range seen in training is unknown: the model was imported"
    again = run("import-model", str(ORIGINAL), "--name", "sales_prediction", "--input", "year:long=2023")
    assert (again["is_new"], again["version"]) == (False, 1)
    record = run("models", "sales_prediction", "1")
    origin = record["origin"]
    assert (origin["file"], origin["spark_version"]) == ("model.tar.gz", "2.4.3")
    assert origin["sha256"] == file_sha256(ORIGINAL)
    assert origin["saved_at"] == "2022-03-16T04:54:48.992000+00:00"
    assert len(origin["files"]) == 8
    code, error = run("reproduce", "sales_prediction", "1")
    assert (code, error.count("was imported and cannot be trained here")) == (1, 1)


def test_of_several_models_one_must_be_chosen(run: Run, foreign: Path) -> None:
    code, error = run("import-model", str(foreign), "--name", "chosen")
    assert code == 2
    assert "has 6 models: add --model with one of deep/tree [1].model, indexer.model, kmeans.model" in error
    code, error = run("import-model", str(foreign), "--name", "chosen", "--model", "nope")
    assert (code, error.count("has no model nope; it has deep/tree [1].model")) == (2, 1)


def test_a_pipeline_knows_its_own_inputs(lake: Path, run: Run, foreign: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as packed:
        for path in sorted((foreign / "pipeline.model").rglob("*")):
            packed.write(path, path.relative_to(foreign))
    made = run("import-model", str(tmp_path / "p.zip"), "--name", "shop_sales")
    assert made["inputs"] == ["shop:string", "x:double", "y:double"]
    answer = run("predict", "shop_sales", "shop=a", "x=3", "y=5")
    assert answer["prediction"] == pytest.approx(13.0, abs=1e-6)
    unseen = run("predict", "shop_sales", "shop=New York, NY", "x=3", "y=5")
    assert (unseen["inputs"]["shop"], unseen["prediction"]) == ("New York, NY", None)
    assert unseen["warning"].startswith("the model skips this input")
    scored = run("score-model", "shop_sales", "--input", "shop=New York, NY,x=3,y=5")
    assert (scored["added"], scored["warning"]) == (1, unseen["warning"])
    assert [row["prediction"] for row in scores(lake) if "New York" in row["inputs"]] == [None]
    code, error = run("import-model", str(tmp_path / "p.zip"), "--name", "shop_sales", "--input", "z:double")
    assert (code, error.count("no input z; it takes shop, x, y")) == (2, 1)


@pytest.mark.parametrize(("model", "shown"), [("deep/tree [1].model", "DecisionTree"), ("kmeans.model", "KMeans")])
def test_models_of_other_classes_are_imported(run: Run, foreign: Path, model: str, shown: str) -> None:
    words = ("import-model", str(foreign), "--model", model, "--name", shown, "--input")
    code, error = run(*words, "x:double")
    assert (code, error.count("a vector of 2 numbers")) == (2, 1)
    made = run(*words, "x:double=1,y:double=2")
    assert shown in made["spark_ml_class"]
    assert made["tried"]["prediction"] in (0.0, 1.0, 5.0)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("indexer.model", "StringIndexerModel makes no prediction column"),
        ("untrained.model", "LinearRegression is none of the trained models"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_what_does_not_predict_is_refused(run: Run, foreign: Path, model: str, message: str) -> None:
    code, error = run("import-model", str(foreign / model), "--name", "refused")
    assert (code, error.count(message)) == (1, 1)


@pytest.mark.usefixtures("untouched")
def test_sql_that_calls_java_is_refused_before_it_runs(spark: SparkSession, run: Run, tmp_path: Path) -> None:
    called = "reflect('java.lang.System', 'setProperty', 'search_forecast.proof', 'it ran')"
    hostile = SQLTransformer(statement=f"SELECT *, {called} AS x FROM __THIS__")
    PipelineModel([hostile]).save(str(tmp_path / "hostile.model"))
    code, error = run("import-model", str(tmp_path / "hostile.model"), "--name", "hostile")
    assert (code, error.count("is not run: it calls reflect")) == (1, 1)
    assert spark._jvm.java.lang.System.getProperty("search_forecast.proof") is None


def tampered(model: Path, change: str) -> None:
    part = next((model / "data").glob("part-*"))
    metadata = next((model / "metadata").glob("part-*"))
    checksums = list(model.rglob(".*.crc"))
    if change == "checksum":
        metadata.write_bytes(metadata.read_bytes().replace(b"label", b"lebal"))
        return
    for path in checksums:
        path.unlink()
    if change == "class":
        metadata.write_bytes(metadata.read_bytes().replace(b"org.apache.spark.ml.", b"org.evil."))
    elif change == "other class":
        old, new = b"regression.LinearRegressionModel", b"clustering.KMeansModel"
        metadata.write_bytes(metadata.read_bytes().replace(old, new))
    elif change == "no data":
        shutil.rmtree(model / "data")
    elif change == "corrupt data":
        part.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    elif change == "no metadata":
        metadata.unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("checksum", "does not match its checksum file"),
        ("class", "only org.apache.spark.ml.* is loaded"),
        ("other class", "Spark cannot load it as KMeansModel: "),
        ("no data", "Spark cannot load it as LinearRegressionModel: "),
        ("corrupt data", "damaged Parquet file"),
        ("no metadata", "no Spark ML model in it"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_a_broken_model_is_one_line_and_leaves_nothing(
    run: Run, foreign: Path, tmp_path: Path, change: str, message: str
) -> None:
    shutil.copytree(foreign / "linear.model", tmp_path / "linear.model")
    tampered(tmp_path / "linear.model", change)
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "linear.model", "linear.model")
    code, error = run("import-model", str(tmp_path / "m.tar.gz"), "--name", "broken", "--input", "x:double,y:double")
    assert code == 1
    assert message in error
    assert "\tat org.apache" not in error


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"m/model.pkl": b"\x80\x04."}, "a Python pickle, which is never loaded"),
        ({"m/MLmodel": b"flavors: {}", "m/python_model.pkl": b"\x80\x04."}, "an MLflow model of another kind (pyfunc)"),
        ({"m/readme.txt": b"hello"}, "no Spark ML model in it, that is a directory with metadata/part-00000"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_what_holds_no_spark_model_says_what_it_is(
    run: Run, tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    code, error = run("import-model", str(tmp_path / "m.zip"), "--name", "other")
    assert (code, error.count(message)) == (1, 1)


@pytest.mark.parametrize("command", ["predict", "export-model", "score-model"])
def test_who_names_a_saved_directory_learns_what_it_is(run: Run, foreign: Path, command: str) -> None:
    words = {"predict": ["x=1"], "export-model": ["out"], "score-model": ["--input", "x=1"]}[command]
    code, error = run(command, str(foreign / "linear.model"), *words)
    assert code == 2
    assert "is no registered model but a directory with a LinearRegressionModel, saved by Spark 4" in error
    assert "LinearRegressionModel.load(" in error


def test_an_import_has_started_spark_when_it_loads(
    spark: SparkSession, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command of its own begins without a session, other than the tests here."""
    started: list[str] = []
    lakehouse = Lakehouse(lambda: started.append("Spark") or spark, tmp_path, tmp_path / "_staging")  # type: ignore[func-returns-value]
    monkeypatch.setattr(stages, "load", lambda *_: started.append("loading"))
    archive = foreign / "linear.model"
    with pytest.raises(AttributeError):  # what `loading` gives is no model
        import_model(lakehouse, Mock(), archive, name="x", declared=[], model_path=None, now=datetime.now(timezone.utc))
    assert started == ["Spark", "loading"]


def test_the_jobs_of_the_bundle_run_here(lake: Path, run: Run, foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    source = f"source={FIXTURE}"
    events = lake.parent / "events"
    by_job = ("--param", "name=by_job", "--param", "input=height_cm=70", "--event-log", str(events))
    run("run", "regression_example", "--param", source, *by_job)
    ended = [json.loads(line) for line in events.read_text().splitlines()]
    tasks = ["load-measurements", "train-regression", "score-model", "run"]
    assert [(each["command"], each["ok"]) for each in ended] == [(task, True) for task in tasks]
    archive = f"archive={foreign / 'linear.model'}"
    inputs = "input=x:double=1,y:double=2"
    run("run", "model_import", "--param", archive, "--param", "name=linear_by_job", "--param", inputs)
    kept = {row["model_name"]: row["prediction"] for row in scores(lake)}
    assert kept["by_job"] == pytest.approx(7.86345471977588, abs=1e-9)
    assert kept["linear_by_job"] == run("predict", "linear_by_job", "x=1", "y=2")["prediction"]
