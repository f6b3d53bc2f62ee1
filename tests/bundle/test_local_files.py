"""Files that a bundle names: looked for where the CLI looks, and whether they get to the workspace."""

import pytest

from support.bundles import write
from support.mistakes import FLOW, RIGHT, ROOT
from support.planting import edit, faults

MEDALLION = "resources/medallion.job.yml"
NOTEBOOK = "      tasks:\n        - {task_key: n, notebook_task: {notebook_path: ../src/there_is_none.py}}\n"


def test_a_notebook_is_looked_for_beside_the_file_that_names_it(bundle):
    (bundle / "src/there_is_none.py").write_text("# Databricks notebook source\n")
    edit(bundle, MEDALLION, "      tasks:\n", NOTEBOOK)
    for path in ("/Workspace/x", "${workspace.file_path}/x", "{{job.parameters.source}}"):
        edit(bundle, MEDALLION, "      tasks:\n", NOTEBOOK.replace("../src/there_is_none.py", f"'{path}'"))

    assert not [line for line in faults(bundle) if "there is no file" in line]


@pytest.mark.parametrize(
    ("task", "content", "problem"),
    [
        ("notebook_task: {notebook_path: ../notebooks/n.py}", "print(1)\n", "n.py is no notebook: it does not begin"),
        ("notebook_task: {notebook_path: ../notebooks/n.sql}", "# Databricks notebook source", "n.sql is no notebook"),
        ("spark_python_task: {python_file: ../notebooks/n.py}", "# Databricks notebook source\n", "n.py is a notebook"),
        ("notebook_task: {notebook_path: ../notebooks/n.py}", "# Databricks notebook source\r\n", "of target prod"),
        ("notebook_task: {notebook_path: ../notebooks/n.ipynb}", "{}", "in none of sync.paths of target staging"),
    ],
)
def test_a_task_whose_file_would_not_run_in_the_workspace_is_found(bundle, task, content, problem):
    (bundle / "notebooks" / task.rpartition("/")[2].rstrip("}")).write_bytes(content.encode())
    first = f"      tasks:\n        - {{task_key: n, environment_key: default, {task}}}\n"
    edit(bundle, MEDALLION, "      tasks:\n", first)

    said = [line for line in faults(bundle) if "notebooks" in line]

    assert any(problem in line for line in said), said
    assert not any("target dev" in line for line in said)  # which takes the notebooks along


def test_a_list_of_packages_that_is_not_there_is_found(bundle):
    libraries = "          existing_cluster_id: c\n          libraries: [{requirements: ../packages.txt}]\n"
    edit(bundle, MEDALLION, "          environment_key: default\n", libraries)
    assert any("jobs.medallion: there is no file ../packages.txt" in line for line in faults(bundle))

    (bundle / "packages.txt").touch()
    assert any("../packages.txt is in none of sync.paths of target dev" in line for line in faults(bundle))
    (bundle / "packages.txt").rename(bundle / "resources/packages.txt")
    edit(bundle, MEDALLION, "../packages.txt", "packages.txt")
    assert faults(bundle) == []


@pytest.mark.parametrize(
    ("task", "missing"),
    [
        ("{notebook_task: {notebook_path: m.py}}", "m.py"),
        ("{notebook_task: {notebook_path: ../n.py}}", "../n.py"),  # seen from the job's file, not from this one
        ("{notebook_task: {notebook_path: ./n.py}}", None),
        ("{sql_task: {warehouse_id: w, file: {path: q.sql}}}", "q.sql"),
        ("{sql_task: {warehouse_id: w, file: {path: q/q.sql}}}", None),
        ("{dbt_task: {project_directory: n.py, commands: [dbt run]}, existing_cluster_id: c}", "n.py"),
        ("{dbt_task: {project_directory: shop, commands: [dbt run]}, existing_cluster_id: c}", "shop"),
        ("{dbt_task: {project_directory: resources, commands: [dbt run]}, existing_cluster_id: c}", None),
    ],
)
def test_a_path_is_seen_from_the_file_that_it_is_written_in(tmp_path, task, missing):
    root = (
        "bundle: {name: shop}\ninclude: [resources/*.yml]\ntargets: {t: {resources: {jobs: {flow: {tasks: [TASK]}}}}}\n"
    )
    flow = "resources: {jobs: {flow: {name: flow, tasks: [{task_key: a, max_retries: 1}]}}}\n"
    files = {"n.py": "# Databricks notebook source\n", "n.ipynb": "{}", "q/q.sql": "", "resources/flow.yml": flow}
    write(tmp_path, {**files, "databricks.yml": root.replace("TASK", task.replace("{", "{task_key: a, ", 1))})

    said = [line.rpartition(": ")[2] for line in faults(tmp_path) if "there is no file" in line]
    assert said == ([] if missing is None else [f"there is no file {missing}"])


@pytest.mark.parametrize(
    ("root", "dependency"),
    [
        ("artifacts: {a: {type: whl, build: make, path: package}}", "../package/dist/*.whl"),
        ("artifacts: {a: {build: make, files: [{source: ./out/a.whl}]}}", "../out/a.whl"),
        ("artifacts: {a: {build: make}}", "../anywhere/a.whl"),
        ("sync: {paths: [.]}", "../there/*.whl"),
        ("sync: {paths: [.]}", "/Volumes/main/default/wheels/a.whl"),
        ("sync: {paths: [.]}", "${var.wheel}"),
    ],
)
def test_a_wheel_that_is_there_or_is_built_is_no_mistake(tmp_path, root, dependency):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a.whl").touch()
    write(tmp_path, {**RIGHT, FLOW: RIGHT[FLOW].replace("../dist/*.whl", dependency), ROOT: f"{RIGHT[ROOT]}{root}\n"})

    assert not [line for line in faults(tmp_path) if "no file matches" in line and "flow" in line]
