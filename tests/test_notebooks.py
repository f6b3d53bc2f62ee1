"""The notebooks: what they say they print, what they ask, and that they find their place in a workspace."""

import ast
import os
import shlex
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from search_forecast import cli
from search_forecast.bundle.configuration import User, load
from search_forecast.cli import notebook as workplace
from search_forecast.cli import output
from search_forecast.errors import EnvironmentProblem, SearchForecastError
from search_forecast.queries import translation
from search_forecast.queries.local import LocalEngine
from support import notebook
from support.places import ORIGINAL, PROJECT

NAMES = ("train_save_load_predict.ipynb", "bronze_to_forecast.ipynb", "explore_and_score.ipynb")
DEPLOYED = "/Workspace/Users/{}/.bundle/search_term_forecast/dev/files/notebooks"


def asked(name: str, method: str) -> list[str]:
    """What a notebook passes to a method of `place`; of an f-string with x where a value goes."""
    code = "\n".join("".join(cell["source"]) for cell in notebook.code_cells(notebook.load(name)))
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    words = [call.args[0] for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == method]
    parts = [word.values if isinstance(word, ast.JoinedStr) else [word] for word in words]
    return ["".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in each) for each in parts]


def test_every_notebook_is_run() -> None:
    assert sorted(path.name for path in notebook.NOTEBOOKS.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_asks_for_what_there_is(name: str, tmp_path: Path) -> None:
    """Its commands parse, and its queries run on tables that are declared and empty."""
    commands = [words for words in asked(name, "run") if words != "x"]
    assert len(commands) > 3
    for command in commands:
        cli.parse([word.replace("--json", "--quiet") for word in shlex.split(command)])
    engine = LocalEngine(tmp_path)
    for query in asked(name, "sql"):
        engine.run(query, {}, translation.tables(translation.parse(query)))


def test_notebooks_begin_alike() -> None:
    assert len({first_cell(name) for name in NAMES}) == 1


def first_cell(name: str) -> str:
    return "".join(notebook.code_cells(notebook.load(name))[0]["source"])


# In a workspace, as far as that can be told here.


@pytest.fixture
def in_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.6.0")


@pytest.mark.usefixtures("in_workspace")
@pytest.mark.parametrize("user", ["ann@example.com", "Ann.Lee-Ødegård+x@example.com"])
def test_a_notebook_finds_the_tables_of_the_deployment_that_it_lies_in(user: str) -> None:
    place = workplace.place("shop", Path(DEPLOYED.format(user)))

    bundle = load(PROJECT, user=User(user), target="dev", variables={"catalog": "shop"})
    schemas = {f"--{layer}-schema": schema["name"] for layer, schema in bundle.resources("schemas").items()}
    volumes = {name: volume["volume_path"] for name, volume in bundle.resources("volumes").items()}
    bronze = f"/Volumes/shop/{schemas['--bronze-schema']}"
    assert {name: place.flags[name] for name in schemas} == schemas
    assert place.flags["--catalog"] == "shop"
    assert place.flags["--staging"].startswith(f"{bronze}/checkpoints/")
    assert str(place.files).startswith(f"{bronze}/artifacts/")
    assert {"checkpoints", "artifacts"} <= volumes.keys()


@pytest.mark.usefixtures("in_workspace")
def test_commands_and_queries_of_a_notebook_name_the_deployments_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    place = workplace.place("shop", Path(DEPLOYED.format("ann@example.com")))
    lines: list[list[str]] = []
    monkeypatch.setattr(workplace, "main", lambda words: lines.append(words) or 0)
    for command in asked(NAMES[0], "run"):
        place.run(command)
    for line in lines:
        assert cli.parse(line).call.catalog == "shop"
    training = lines[1]
    assert training[:3] == ["train-regression", "--table", "dev_ann_search_gold.infant_growth"]
    assert "--experiment=/Users/ann@example.com/search_forecast_notebooks" in training
    assert not any(word.startswith("--experiment") for word in lines[0])

    session = mock.Mock()
    monkeypatch.setattr("search_forecast.lakehouse.session.session", lambda: session)
    place.sql("select 1 from search_gold.daily_totals, search_bronze.deliveries where 'research_gold.x' = 'y'")
    (query,) = session.sql.call_args.args
    assert "from `shop`.`dev_ann_search_gold`.daily_totals, `shop`.`dev_ann_search_bronze`.deliveries" in query
    assert "'research_gold.x'" in query


@pytest.mark.usefixtures("in_workspace")
@pytest.mark.parametrize(
    "folder", ["/Workspace/Repos/ann/search_term_forecast/notebooks", DEPLOYED.replace("dev", "prod")]
)
def test_a_notebook_writes_nowhere_but_into_a_developers_tables(folder: str) -> None:
    with pytest.raises(EnvironmentProblem, match=r"is in no development deployment.*databricks bundle deploy"):
        workplace.place(folder=Path(folder.format("ann@example.com")))


@pytest.mark.usefixtures("in_workspace")
def test_the_first_cell_installs_the_wheel_that_was_deployed_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files" / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "files" / "notebooks")
    python = mock.Mock()
    with pytest.raises(AssertionError, match="databricks bundle deploy"):
        exec(first_cell(NAMES[0]), {"get_ipython": python})

    wheels = tmp_path / "artifacts" / ".internal"
    wheels.mkdir(parents=True)
    for age, name in enumerate(
        ("search_forecast-0.1.0+2-py3-none-any.whl", "search_forecast-0.1.0+9-py3-none-any.whl")
    ):
        (wheels / name).touch()
        os.utime(wheels / name, (1e9 - age, 1e9 - age))
    with pytest.raises(EnvironmentProblem):  # this folder is none of a deployment
        exec(first_cell(NAMES[0]), {"get_ipython": lambda: python})
    newest = wheels / "search_forecast-0.1.0+2-py3-none-any.whl"
    python.run_line_magic.assert_called_once_with("pip", f"install --quiet '{newest}[forecast,personal]'")


def test_only_a_developers_copy_of_the_bundle_has_notebooks() -> None:
    values = {"service_principal": "0b9e8f2c-0000-4000-8000-000000000000", "alert_recipient": "ops@example.com"}
    for target, has_notebooks in (("dev", True), ("staging", False), ("prod", False)):
        bundle = load(PROJECT, user=User("ann@example.com"), target=target, variables=values)
        paths = set(bundle.config["sync"]["paths"])
        assert ({"notebooks", "fixtures/landing"} <= paths, "notebooks" in paths) == (has_notebooks, has_notebooks)
        assert {"fixtures/infant_growth.csv", "resources"} <= paths


def test_a_command_that_fails_stops_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SearchForecastError, match=r"query ended with exit code 1"):
        workplace.place().run("query top_terms")


def test_a_table_is_one_block_of_text_in_jupyter_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for console in (output.console, output.errors):
        monkeypatch.setattr(console, "is_jupyter", True)  # a block of HTML for each line, and none in stdout
    workplace.place().run("query")
    assert "top_terms" in capsys.readouterr().out


# Run.


def assert_prints_what_it_says(name: str, checkout: Path, values: dict[str, Any] | None = None) -> str:
    book = notebook.load(name)
    with notebook.folder(checkout):
        outputs = notebook.run(book, values)
    for cell, each in zip(notebook.code_cells(book), outputs, strict=True) if values is None else ():
        if notebook.is_tagged(cell, "varies"):
            assert bool(each) == bool(cell["outputs"])
        else:
            assert notebook.text(each) == notebook.text(cell["outputs"]), "".join(cell["source"])
    return "\n".join(text for each in outputs for text in notebook.text(each))


@pytest.mark.usefixtures("spark")
def test_the_first_exercise(tmp_path: Path) -> None:
    printed = assert_prints_what_it_says(NAMES[0], tmp_path)
    assert "weight_kg 7.86345471977588" in printed  # by our command, and below by plain pyspark
    assert "70 cm: 7.86345 kg\n" in printed
    assert "50 cm: 3.46668 kg\n" in printed
    code = "".join("".join(cell["source"]) for cell in notebook.code_cells(notebook.load(NAMES[0]))[4:])
    assert not any(word in code for word in ("search_forecast", "mlflow", "delta"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all long tests work in: the files are ingested once."""
    return tmp_path_factory.mktemp("checkout")


@pytest.mark.long
@pytest.mark.usefixtures("spark")
def test_bronze_to_forecast(checkout: Path) -> None:
    printed = assert_prints_what_it_says(NAMES[1], checkout)
    assert printed.count("(a picture)") == 2


@pytest.mark.long
@pytest.mark.usefixtures("spark")
def test_the_second_exercise(checkout: Path) -> None:
    printed = assert_prints_what_it_says(NAMES[2], checkout)
    assert "10,000 rows, 4 columns\n" in printed
    assert "499 times\n" in printed
    assert "7.86345" in printed


@pytest.mark.long
@pytest.mark.usefixtures("spark")
@pytest.mark.skipif(not ORIGINAL.is_dir(), reason="../shared/data is not on this machine")
def test_the_second_exercise_with_the_original_model(checkout: Path) -> None:
    values = {"ARCHIVE": str(ORIGINAL / "model.tar.gz"), "INPUT": "year:long=2023"}
    assert "175.16564" in assert_prints_what_it_says(NAMES[2], checkout, values)
