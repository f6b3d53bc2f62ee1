"""The registry against a stand-in for a workspace with Unity Catalog, over HTTP, through MLflow's own client."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import mlflow
import pytest
from test_registry import RECORD
from test_sparkml import line, pipeline

from search_forecast import cli
from search_forecast.errors import DataError, EnvironmentProblem, UsageError
from search_forecast.models import registry
from search_forecast.models.promotion import promote, promote_latest
from search_forecast.models.registry import Registry, Version
from support.unity_catalog import Workspace, workspace

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
PREFIX = "main.search_gold."


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow model, as `describe` makes it."""
    files = tmp_path_factory.mktemp("files")
    pipeline(files / "sparkml", line(uid="LinearRegression_1"))
    registry.describe(files, RECORD["inputs"], RECORD, "org.apache.spark.ml.regression.LinearRegressionModel")
    return files


@pytest.fixture(scope="module")
def server() -> Iterator[Workspace]:
    uris = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with workspace() as server, pytest.MonkeyPatch.context() as patched:
        patched.setenv("DATABRICKS_HOST", server.url)
        patched.setenv("DATABRICKS_TOKEN", "secret")
        patched.setenv("NO_PROXY", "127.0.0.1")
        yield server
    mlflow.set_tracking_uri(uris[0])
    mlflow.set_registry_uri(uris[1])


@pytest.fixture
def uc(server: Workspace) -> Workspace:
    server.clear()
    return server


@pytest.fixture
def models(uc: Workspace) -> Registry:
    return Registry(None, prefix=PREFIX, experiment="/Shared/search_forecast")


def publish(models: Registry, files: Path, gate: str = "passed", reason: str = "RMSE 1 < 2") -> Version:
    record = json.loads((files / "search_forecast.json").read_bytes())
    tags = {"kind": "trained", "gate": gate, "gate_reason": reason}
    return models.publish("weight", files, record, parameters={"a": 1}, metrics={"rmse": 1.0}, tags=tags)


def known(uc: Workspace, count: int, aliases: dict[str, int]) -> None:
    """A model with so many versions, put there without MLflow."""
    versions = [
        {"name": f"{PREFIX}weight", "version": str(i + 1), "status": "READY", "run_id": "r", "source": "s", "tags": {}}
        for i in range(count)
    ]
    uc.models[f"{PREFIX}weight"] = {"versions": versions, "aliases": {a: str(n) for a, n in aliases.items()}}


def test_a_version_goes_to_unity_catalog_and_comes_back(
    uc: Workspace, models: Registry, files: Path, tmp_path: Path
) -> None:
    uc.exists_code = "ALREADY_EXISTS"  # SQLite's registry says RESOURCE_ALREADY_EXISTS, as this one does elsewhere
    assert publish(models, files).aliases == ("challenger",)
    version = publish(models, files)
    assert (version.name, version.number, version.tags["gate"]) == ("weight", 2, "passed")
    assert [str(item) for item in models.versions("weight")] == ["weight version 1", "weight version 2 (challenger)"]
    assert models.record(version)["tables"] == RECORD["tables"]
    assert (models.files(version, tmp_path / "download") / "stages" / "0_LinearRegression_1" / "metadata").is_dir()
    part = next(file for file in uc.files if file.startswith("/Models/") and "/2/" in file and ".parquet" in file)
    uc.files[part] += b"x"
    with pytest.raises(DataError, match="is not what was registered"):
        models.files(version, tmp_path / "again")


def test_promotion_keeps_the_rules_for_tags(uc: Workspace, models: Registry) -> None:
    known(uc, 2, {"champion": 1})
    uc.models[f"{PREFIX}weight"]["versions"][1]["tags"] = {"gate": "passed", "gate_reason": "better"}
    assert promote_latest(models, "weight", "champion", NOW)["is_promoted"] is True
    assert promote(models, models.find("weight", 1), "canary-2", "field test", NOW)["previous"] is None
    assert models.find("weight").tags["champion_previous"] == "1"
    assert models.find("weight", alias="canary-2").tags["canary_2_forced_because"] == "field test"
    assert models.find("weight", 2).tags["champion_since"] == NOW.isoformat()


def test_long_reasons_and_odd_keys_become_tags_that_are_taken(uc: Workspace, models: Registry) -> None:
    known(uc, 1, {})
    models.tag(models.find("weight", 1), {"gate.reason": "x" * 5000, "a=b:c/d,e-f": "1"})
    tags = models.find("weight", 1).tags
    assert (len(tags["gate_reason"]), tags["gate_reason"][-1], tags["a_b_c_d_e_f"]) == (1000, "…", "1")
    uc.models[f"{PREFIX}weight"]["versions"][0]["tags"] = {f"tag{i}": "1" for i in range(50)}
    with pytest.raises(EnvironmentProblem, match="at most 50 tags"):
        models.tag(models.find("weight", 1), {"one_more": "1"})


def test_without_manage_an_alias_is_one_line_that_says_what_is_missing(
    uc: Workspace, models: Registry, files: Path
) -> None:
    known(uc, 1, {})
    uc.may_manage = False
    with pytest.raises(EnvironmentProblem) as caught:
        promote(models, models.find("weight", 1), "champion", "known to be good", NOW)
    assert "main.search_gold.weight version 1 is there, but you may not set the alias champion" in str(caught.value)
    assert "needs MANAGE on the model or owning it" in str(caught.value)
    with pytest.raises(EnvironmentProblem, match="version 2 is there, but you may not set the alias challenger"):
        publish(models, files)


@pytest.mark.parametrize(
    ("words", "calls"),
    [
        ({"version": 7}, {"model-versions/get": 1}),
        ({"alias": "champion"}, {"registered-models/alias": 1}),
        ({}, {"registered-models/alias": 1}),
    ],
)
def test_one_version_is_one_question_however_many_there_are(
    uc: Workspace, models: Registry, words: dict[str, object], calls: dict[str, int]
) -> None:
    known(uc, 300, {"champion": 7})
    assert models.find("weight", **words).number == 7
    assert uc.calls == calls


def test_the_latest_is_found_by_its_number_page_by_page(uc: Workspace, models: Registry) -> None:
    known(uc, 300, {})
    assert models.find("weight").number == 300
    assert uc.calls == {"registered-models/alias": 1, "model-versions/search": 3, "model-versions/get": 1}


def test_a_promotion_asks_no_more_of_many_versions_than_of_few(uc: Workspace, models: Registry) -> None:
    known(uc, 100, {"champion": 3})
    promote_latest(models, "weight", "champion", NOW)
    assert sum(uc.calls.values()) <= 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"name": "nope"}, "no model main.search_gold.nope; make one"),
        ({"name": "weight", "version": 9}, "weight has no version 9; it has 1, 2"),
        (
            {"name": "weight", "alias": "best"},
            "no alias best; it has champion, and versions 1, 2: promote gives one to a version",
        ),
    ],
)
def test_what_is_unknown_is_answered_by_what_there_is(
    uc: Workspace, models: Registry, words: dict[str, object], message: str
) -> None:
    known(uc, 2, {"champion": 1})
    with pytest.raises(UsageError) as caught:
        models.find(**words)
    assert message in str(caught.value)


def test_a_version_whose_files_are_under_way_is_none_yet(uc: Workspace, models: Registry) -> None:
    known(uc, 2, {})
    uc.models[f"{PREFIX}weight"]["versions"][1]["status"] = "PENDING_REGISTRATION"
    assert models.find("weight").number == 1
    with pytest.raises(UsageError, match="has no version 2; it has 1"):
        models.find("weight", 2)


def test_a_name_without_three_levels_is_one_line(uc: Workspace, files: Path) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        publish(Registry(None, prefix="search_gold.", experiment="/Shared/x"), files)
    assert "specify all three levels" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_promotes_there(uc: Workspace, models: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    known(uc, 1, {})
    workspace_flags = ("--catalog", "main", "--gold-schema", "search_gold", "--experiment", "/Shared/x")
    assert cli.main(["promote", "weight", "1", *workspace_flags, "--force", "agreed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["forced_because"] == "agreed"
    assert cli.main(["promote", "weight", "1", *workspace_flags, "--force", "x" * 1001, "--json"]) == 2
    assert "at most 1000 characters" in capsys.readouterr().err
    assert cli.main(["promote", "weight", "1", *workspace_flags, "--alias", "v1", "--json"]) == 2


def test_the_gate_against_the_champion_does_not_keep_another_alias_from_a_version(
    uc: Workspace, models: Registry
) -> None:
    known(uc, 2, {"champion": 1})
    uc.models[f"{PREFIX}weight"]["versions"][1]["tags"] = {"gate": "passed", "gate_reason": "b", "gate_against": "1"}
    promoted = promote_latest(models, "weight", "canary", NOW)
    assert (promoted["is_promoted"], promoted["holder"]) == (True, 2)


def test_an_experiment_is_found_by_the_path_that_a_deployment_gives_it(uc: Workspace, files: Path) -> None:
    uc.experiments["/Users/ann@example.com/.bundle/search/dev/[dev ann] search"] = "1"
    path = "/Workspace/Users/ann@example.com/.bundle/search/dev/[dev ann] search"
    assert publish(Registry(None, prefix=PREFIX, experiment=path), files).number == 1
    assert len(uc.experiments) == 1
