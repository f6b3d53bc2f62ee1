"""The jobs' serverless environments: everything pinned as in the lock, what the environment brings left alone."""

import re
import runpy
import shutil

import pytest

from support.places import PROJECT

MEDALLION, FORECAST, REGRESSION = (
    f"resources/{name}.job.yml" for name in ("medallion", "demand_forecast", "regression_example")
)
main = runpy.run_path(str(PROJECT / "scripts/job_environments.py"))["main"]


@pytest.fixture
def project(tmp_path):
    shutil.copytree(PROJECT / "resources", tmp_path / "resources")
    (tmp_path / "scripts").mkdir()
    for name in ("requirements.txt", "scripts/serverless-6.txt"):
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_projects_own_jobs_are_pinned_as_in_the_lock():
    assert main(PROJECT, is_check=True) == 0


def test_a_job_that_the_environment_serves_lists_nothing_but_the_wheel():
    text = (PROJECT / REGRESSION).read_text()

    assert re.search(r"dependencies:\n +- \.\./dist/\*\.whl\n      [#t]", text)


@pytest.fixture
def problems(project, capsys):
    def after(file, old, new):
        edit(project / file, old, new)
        assert main(project, is_check=True) == 1
        return capsys.readouterr().err

    return after


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("- narwhals==2.29.0", "#", id="an indirect one left out"),
        pytest.param("statsforecast==2.1.1", "statsforecast", id="not pinned"),
        pytest.param("statsforecast==2.1.1", "statsforecast==2.1.0", id="another version"),
        pytest.param("- triad==", "- pandas==2.3.3\n              - triad==", id="what the environment brings"),
    ],
)
def test_a_list_that_is_not_as_the_lock_has_it_is_named(problems, old, new):
    said = problems(FORECAST, old, new)

    assert said.startswith("job environments: demand_forecast.job.yml: ")
    assert (old if new == "#" else new).strip("- ").split("\n")[0] in said


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("requirements.txt", "narwhals==", "x==", "requirements.txt has no narwhals"),
        (MEDALLION, '"6"', '"5"', "serverless environment 5 is not described: list what it brings"),
        # What environment 4 brings: pip would replace it by the newest, whatever that is on the day.
        (
            "scripts/serverless-6.txt",
            "skinny==3.12.0",
            "skinny==2.22.0",
            "brings mlflow-skinny 2.22.0, needed is",
        ),
    ],
)
def test_why_no_list_can_be_made_is_said(problems, file, old, new, problem):
    assert problem in problems(file, old, new)


def test_the_lists_are_made_from_the_lock(project):
    edit(project / FORECAST, "statsforecast==2.1.1", "statsforecast")

    assert main(project, is_check=False) == 0
    assert (project / FORECAST).read_text() == (PROJECT / FORECAST).read_text()
