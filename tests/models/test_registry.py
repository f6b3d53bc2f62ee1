"""The registry alone: a hand-made model's files go in and out, no Spark."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from test_sparkml import line, pipeline

from search_forecast import cli
from search_forecast.errors import DataError, EnvironmentProblem, UsageError
from search_forecast.models import registry
from search_forecast.models.export import export_model
from search_forecast.models.import_model import _same
from search_forecast.models.registry import Registry, Version

RECORD: dict[str, Any] = {
    "kind": "trained",
    "inputs": {"height_cm": "double"},
    "label": "weight_kg",
    "row_count": 7,
    "tables": [{"table": "search_gold.infant_growth", "delta_version": 3, "content_hash": "sha256:" + "a" * 64}],
    "versions": {"mlflow-skinny": "3.17.2"},
}


class KilledError(BaseException):
    """Stands for a process that ends here: nothing of ours catches it."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lakehouse whose registry has one version of one model: making its database takes seconds."""
    lake = tmp_path_factory.mktemp("template") / "lake"
    publish(Registry(lake / registry.DIRECTORY), lake)
    return lake


@pytest.fixture(scope="module", autouse=True)
def ui(template: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The command of docs/models.md, on a free port; it starts while the other tests run."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mlflow = str(Path(sys.executable).with_name("mlflow"))
    words = [mlflow, "ui", "--backend-store-uri", "sqlite:///_mlflow/mlflow.db", "--port", str(port), "--workers", "1"]
    lean = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # no task queue beside the pages
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=template, env=lean)
    yield f"http://127.0.0.1:{port}", server
    server.terminate()
    server.wait(30)


@pytest.fixture
def lake(template: Path, tmp_path: Path) -> Path:
    """A copy at another place: a lakehouse may be moved."""
    return Path(shutil.copytree(template, tmp_path / "moved lake"))


@pytest.fixture
def models(lake: Path) -> Registry:
    return Registry(lake / registry.DIRECTORY)


def publish(
    models: Registry, lake: Path, name: str = "infant_weight", gate: str = "passed", last: bytes | None = None
) -> Version:
    files = lake.parent / "files"
    shutil.rmtree(files, ignore_errors=True)
    pipeline(files / "sparkml", line(uid="VectorAssembler_1"), last or line(uid="LinearRegression_2"))
    registry.describe(files, RECORD["inputs"], RECORD, "org.apache.spark.ml.regression.LinearRegressionModel")
    return models.publish(
        name,
        files,
        json.loads((files / "search_forecast.json").read_bytes()),
        parameters={"reg_param": 0.1},
        metrics={"cv_rmse": 0.19},
        tags={"kind": "trained", "gate": gate, "gate_reason": "RMSE 2 >= 1"},
    )


def command(lake: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Exit code, and the JSON result or the line of the error."""
    capsys.readouterr()
    code = cli.main(["--lakehouse", str(lake), *words, "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if code == 0 else printed.err.strip().splitlines()[-1]


def test_a_version_comes_back_as_it_was_registered(models: Registry, tmp_path: Path) -> None:
    version = models.find("infant_weight")
    assert (version.name, version.number, version.aliases) == ("infant_weight", 1, ("challenger",))
    assert version.tags["gate"] == "passed"
    assert models.record(version)["tables"] == RECORD["tables"]
    assert (models.files(version, tmp_path) / "stages" / "1_LinearRegression_2" / "metadata").is_dir()


def test_a_version_that_is_made_in_a_moved_lakehouse_lies_in_it(models: Registry, lake: Path, tmp_path: Path) -> None:
    version = publish(models, lake)
    assert models.record(version)["tables"] == RECORD["tables"]
    assert (models.files(version, tmp_path) / "stages" / "1_LinearRegression_2" / "metadata").is_dir()
    moved = Registry(lake.rename(lake.with_name("again")) / registry.DIRECTORY)
    assert moved.record(moved.find("infant_weight", version.number))["tables"] == RECORD["tables"]


def test_mlflow_itself_shows_the_run_with_its_table_and_the_signature(models: Registry, lake: Path) -> None:
    from mlflow import MlflowClient
    from mlflow.models import Model

    uri = f"sqlite:///{lake}/_mlflow/mlflow.db"
    client = MlflowClient(uri, uri)
    version = client.get_model_version_by_alias("infant_weight", "challenger")
    run = client.get_run(version.run_id)
    assert (run.data.params, run.data.metrics, run.info.status) == ({"reg_param": "0.1"}, {"cv_rmse": 0.19}, "FINISHED")
    assert run.inputs.dataset_inputs[0].dataset.name == "search_gold.infant_growth@v3"
    described = Model.load(str(lake / "_mlflow" / "artifacts" / version.run_id / "artifacts" / "model"))
    assert described.signature.inputs.to_dict() == [{"type": "double", "name": "height_cm", "required": True}]
    assert set(described.flavors) == {"spark", "python_function"}


def test_the_champion_comes_before_the_latest_and_the_latest_before_the_others(models: Registry, lake: Path) -> None:
    second = publish(models, lake)
    assert (second.number, models.find("infant_weight").number) == (2, 2)
    models.promote(models.find("infant_weight", 1), "champion", {})
    assert models.find("infant_weight").number == 1
    assert models.find("infant_weight", alias="challenger").number == 2
    assert models.find("infant_weight", version=2).number == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"name": "nope"}, "no model nope; there are: infant_weight"),
        ({"name": "in'fant"}, "no model in'fant; there are: infant_weight"),
        ({"name": "infant_weight", "version": 7}, "infant_weight has no version 7; it has 1"),
        ({"name": "infant_weight", "alias": "champion"}, "no alias champion; it has challenger, and versions 1"),
    ],
)
def test_what_is_unknown_is_answered_by_what_there_is(models: Registry, words: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        models.find(**words)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "a/b", "ä", "x" * 101])
def test_a_name_that_unity_catalog_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        registry.check_name(name)


@pytest.mark.parametrize(
    "where",
    ["shutil.copytree", *(f"mlflow.MlflowClient.create_{what}" for what in ("registered_model", "model_version"))],
)
def test_a_crash_before_registering_leaves_no_half_version(
    models: Registry, lake: Path, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KilledError

    before = [str(version) for version in models.versions()]
    with monkeypatch.context() as patched:
        patched.setattr(where, killed)
        with pytest.raises(KilledError):
            publish(models, lake)
        with pytest.raises(KilledError):
            publish(models, lake, "other")
    assert [str(version) for version in models.versions()] == before
    assert command(lake, capsys, "models", "other")[0] == 2
    assert publish(models, lake).number == 2
    assert len(command(lake, capsys, "models")[1]) == 2


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_files_that_are_not_what_was_registered_are_not_loaded(models: Registry, tmp_path: Path, damage: str) -> None:
    version = models.find("infant_weight")
    part = next(models.files(version, tmp_path).rglob("*.parquet"))
    if damage == "change":
        part.write_bytes(part.read_bytes() + b"x")
    elif damage == "remove":
        part.unlink()
    else:
        part.with_name("more.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match="is not what was registered"):
        models.files(version, tmp_path)


def test_a_damaged_record_is_one_line(models: Registry, lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [record] = lake.rglob("search_forecast.json")
    edited = json.loads(record.read_bytes())
    del edited["inputs"]
    record.write_text(json.dumps(edited), encoding="utf-8")
    code, error = command(lake, capsys, "export-model", "infant_weight", str(lake / "out"))
    assert (code, error) == (1, "search-forecast: infant_weight version 1 (challenger): its record has no inputs: "
                                "damaged or edited; use another version")  # fmt: skip

    record.write_text("{}", encoding="utf-8")
    for words in (("models", "infant_weight", "1"), ("export-model", "infant_weight", str(lake / "out"))):
        code, error = command(lake, capsys, *words)
        assert (code, error.count("its files are missing or damaged")) == (1, 1)


def test_a_version_whose_files_are_gone_or_damaged_keeps_nobody_from_importing_its_model_again(
    models: Registry, lake: Path
) -> None:
    version = publish(models, lake, "sales")
    models.tag(version, {"kind": "imported"})
    files = lake / "_mlflow" / "artifacts" / version.run_id
    [record] = files.rglob("search_forecast.json")
    record.write_text(json.dumps({**models.record(version), "origin": {"files_sha256": "sha256"}, "inputs": {}}))
    assert str(_same(models, "sales", "sha256", {})) == str(version)

    next(files.rglob("*.parquet")).write_bytes(b"x")
    assert _same(models, "sales", "sha256", {}) is None

    shutil.rmtree(files)
    assert _same(models, "sales", "sha256", {}) is None


def test_a_damaged_database_is_one_line(models: Registry, lake: Path) -> None:
    (lake / "_mlflow" / "mlflow.db").write_bytes(b"no database" * 100)
    with pytest.raises(EnvironmentProblem, match="the model registry failed"):
        models.versions()


def test_a_database_of_another_mlflow_says_how_to_go_on(models: Registry, lake: Path) -> None:
    database = lake / "_mlflow" / "mlflow.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("update alembic_version set version_num = '451aebb31d03'")  # MLflow 1.0's
        connection.commit()
    with pytest.raises(EnvironmentProblem, match=f"then run: mlflow db upgrade 'sqlite:///{database}'"):
        models.versions()


def test_reading_makes_no_registry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lake").mkdir()
    assert command(tmp_path / "lake", capsys, "models") == (0, [])
    assert list((tmp_path / "lake").iterdir()) == []
    code, error = command(tmp_path / "none", capsys, "models")
    assert (code, error.count("no lakehouse at")) == (1, 1)


def test_promote_moves_the_champion_and_back(models: Registry, lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(models, lake)
    assert command(lake, capsys, "promote", "infant_weight", "1")[1]["previous"] is None
    code, second = command(lake, capsys, "promote", "infant_weight", "2")
    assert (code, second["alias"], second["previous"]) == (0, "champion", 1)
    assert models.find("infant_weight", 2).tags["champion_previous"] == "1"
    command(lake, capsys, "promote", "infant_weight", "2")
    assert models.find("infant_weight", 2).tags["champion_previous"] == "1"  # promoting it again changes nothing
    assert command(lake, capsys, "promote", "infant_weight", "1")[1]["previous"] == 2
    assert models.find("infant_weight").number == 1


def test_a_version_whose_files_are_gone_is_not_promoted(
    models: Registry, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = publish(models, lake)
    command(lake, capsys, "promote", "infant_weight", "1")
    shutil.rmtree(lake / "_mlflow" / "artifacts" / version.run_id)

    code, error = command(lake, capsys, "promote", "infant_weight", str(version.number), "--force", "in need")

    assert code == 1
    assert f"{version}:" in error
    assert models.find("infant_weight").number == 1


def test_what_failed_its_gate_is_promoted_by_force_only(
    models: Registry, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(models, lake, gate="failed")
    code, error = command(lake, capsys, "promote", "infant_weight", "2")
    assert code == 1
    assert "version 2 failed its gate (RMSE 2 >= 1)" in error
    assert models.find("infant_weight", 2).aliases == ("challenger",)
    code, done = command(lake, capsys, "promote", "infant_weight", "2", "--force", "the other is worse in the field")
    assert (code, done["forced_because"]) == (0, "the other is worse in the field")
    assert models.find("infant_weight", 2).tags["champion_forced_because"] == "the other is worse in the field"


def test_old_tags_with_dots_stay_readable_and_are_not_written_any_more(
    models: Registry, lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models._connection.client.set_model_version_tag("infant_weight", "1", "champion.since", "2025-01-01")
    assert command(lake, capsys, "promote", "infant_weight", "1")[0] == 0
    tags = models.find("infant_weight").tags
    assert tags["champion.since"] == "2025-01-01"
    assert tags["champion_since"] > "2026"


def test_export_writes_the_files_as_they_are(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out" / "babyweightprediction.model"
    code, done = command(lake, capsys, "export-model", "infant_weight", "1", str(out))
    assert code == 0
    assert done["load_with"] == f"PipelineModel.load({str(out)!r})"
    assert (out / "stages" / "1_LinearRegression_2" / "metadata").is_dir()
    bare = tmp_path / "infantheight2.model"
    code, done = command(lake, capsys, "export-model", "infant_weight", str(bare), "--bare")
    assert (code, done["import_from"]) == (0, "pyspark.ml.regression")
    assert done["takes"] == "a vector column features: height_cm"
    assert done["load_with"] == f"LinearRegressionModel.load({str(bare)!r})"
    code, error = command(lake, capsys, "export-model", "infant_weight", str(bare))
    assert (code, error.count("exists already")) == (2, 1)


@pytest.mark.parametrize(
    "words",
    [
        ("import-model", "model.tar.gz", "--name", "search_demand"),
        ("train-regression", "--table", "t", "--features", "a", "--label", "b", "--name", "search_demand"),
        ("train-regression", "--table", "t", "--features", "a", "--label", "b", "--name", "demand_of_tests"),
    ],
)
def test_a_model_of_forecasts_and_one_of_spark_share_no_name(
    models: Registry, lake: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    if words[-1] == "demand_of_tests":
        models.tag(publish(models, lake, words[-1]), {"kind": "forecast"})

    code, error = command(lake, capsys, *words)

    said = "is the name of the model that forecasts demand; choose another --name"
    assert (code, error) == (2, f"search-forecast: {words[-1]} {said}")
    models.check_name(words[-1], is_forecast=True)
    models.check_name("infant_weight", is_forecast=False)
    with pytest.raises(UsageError, match=r"^infant_weight is the name of a model of Spark ML; choose another --name$"):
        models.check_name("infant_weight", is_forecast=True)


@pytest.mark.parametrize(
    ("kind", "columns", "takes"),
    [
        ("feature.IndexToString", {"inputCol": "prediction", "outputCol": "city"}, "the column prediction"),
        ("recommendation.ALSModel", {"userCol": "user", "itemCol": "item"}, "the columns user, item"),
    ],
)
def test_a_last_stage_that_takes_no_vector_says_what_it_takes(
    models: Registry, tmp_path: Path, kind: str, columns: dict[str, str], takes: str
) -> None:
    last = line(f"org.apache.spark.ml.{kind}", uid="last_2", paramMap=columns, defaultParamMap={})
    version = publish(models, tmp_path / "lake", "cities", last=last)

    assert export_model(models, version, tmp_path / "bare", is_bare=True)["takes"] == takes


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "infant_weight", "0"),
        ("promote", "infant_weight", "x"),
        ("promote", "infant_weight", "1", "--alias", "a b"),
        ("promote", "infant_weight", "1", "--force", " "),
        ("promote", "infant_weight", "9"),
        ("export-model", "infant_weight", "1", "dir", "--alias", "champion"),
        ("models", "nope", "1"),
        ("predict", "nope", "a=1"),
        ("score-model", "infant_weight"),
        ("score-model", "infant_weight", "--input", "a=1", "--table", "t"),
        ("reproduce", "nope", "1"),
        ("import-model", "x.tar.gz", "--name", "n", "--input", "year:number"),
        ("import-model", "x.tar.gz", "--name", "n", "--input", "a:long,a:long"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    lake: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = command(lake, capsys, *words)
    assert code == 2
    assert error.startswith("search-forecast: ")


def test_the_libraries_of_forecasts_are_not_imported_to_say_that_there_is_no_such_version(
    lake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "search_forecast.demand.reproduce", None)
    code, error = command(lake, capsys, "reproduce", "infant_weight", "9")
    assert (code, error.count("infant_weight has no version 9; it has 1")) == (2, 1)


def test_telemetry_is_off(lake: Path) -> None:
    """In a process of its own, as MLflow reads the setting when it is imported."""
    program = (
        "import sys; from pathlib import Path; from search_forecast.models.registry import Registry;"
        "Registry(Path(sys.argv[1])).versions();"
        "from mlflow.telemetry.client import get_telemetry_client; print(get_telemetry_client())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(lake / "_mlflow")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"


def test_the_database_is_sqlite_in_the_lakehouse(lake: Path) -> None:
    with sqlite3.connect(lake / "_mlflow" / "mlflow.db") as database:
        assert database.execute("select name, version from model_versions").fetchall() == [("infant_weight", 1)]


def test_mlflow_ui_shows_the_local_registry(ui: tuple[str, subprocess.Popen[bytes]]) -> None:
    address, server = ui
    found = _answer(f"{address}/ajax-api/2.0/mlflow/registered-models/search", server)
    assert [model["name"] for model in found["registered_models"]] == ["infant_weight"]


def _answer(url: str, server: subprocess.Popen[bytes]) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(240):
        assert server.poll() is None
        try:
            with opener.open(url, timeout=30) as response:
                return dict(json.load(response))
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"no answer from {url}")
