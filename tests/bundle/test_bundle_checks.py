"""Each check of the bundle catches the fault it is for, planted in a copy of the project's own bundle."""

import json
import shutil

import pytest

from search_forecast import cli
from support.places import PROJECT
from support.planting import edit, faults

MEDALLION, GOLD, ALERT = "resources/medallion.job.yml", "resources/gold.schema.yml", "resources/unreconciled.alert.yml"
APP = "resources/optional/explore.yml"
VOLUME = "resources/landing.volume.yml"
BOARD = "resources/search_demand.dashboard.yml"
BREAKOUTS = "resources/breakouts.alert.yml"
FORECAST = "resources/demand_forecast.job.yml"
DASHBOARD = "src/dashboards/search_demand.lvdash.json"
NOTEBOOK = "      tasks:\n        - {task_key: n, notebook_task: {notebook_path: ../src/there_is_none.py}}\n"
PROD_PATH = """  prod:
    mode: production
    workspace:
      root_path: /Workspace/Users/${var.service_principal}/.bundle/${bundle.name}/${bundle.target}
"""
SCHEDULE = """      schedule:
        quartz_cron_expression: {cron}
        timezone_id: {zone}
      trigger:"""


def test_the_projects_own_bundle_has_no_problem(bundle):
    assert faults(bundle) == []


def test_the_app_has_no_problem_where_it_is_included_and_a_name_that_an_app_can_have(bundle):
    edit(bundle, "databricks.yml", "# - resources/optional", "- resources/optional")
    assert faults(bundle) == []

    edit(bundle, APP, "search-explore-${workspace.current_user.domain_friendly_name}", "Search_Explore")
    edit(bundle, APP, "CAN_USE\n          group", "CAN_LOOK\n          group")
    edit(bundle, APP, "service_principal_client_id", "service_principal_id_of_client")
    said = "\n".join(faults(bundle))
    assert "apps.explore: is named Search_Explore; an app has 2 to 30 lower-case letters" in said
    assert "is Search_Explore for every developer of target dev" in said
    assert "CAN_LOOK" in said
    assert "apps have no service_principal_id_of_client; did you mean service_principal_client_id?" in said


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        pytest.param(MEDALLION, "max_concurrent_runs", "max_concurent_runs", "Unexpected field", id="unknown field"),
        pytest.param(MEDALLION, "op: GREATER_THAN", "op: MORE_THAN", "not a valid JobsHealthOperator", id="bad enum"),
        pytest.param(ALERT, "      warehouse_id: ${var.warehouse_id}\n", "", "warehouse_id", id="missing field"),
        pytest.param(
            MEDALLION,
            "- task_key: clean\n          environment_key",
            "- task_key: clan\n          environment_key",
            "task aggregate depends on clan, which is no task",
            id="depends on a missing task",
        ),
        pytest.param(
            MEDALLION,
            "- task_key: ingest\n          environment_key",
            "- task_key: ingest\n          depends_on: [{task_key: reconcile}]\n          environment_key",
            "tasks wait for each other",
            id="cycle",
        ),
        pytest.param(
            MEDALLION,
            "          environment_key: default\n",
            "",
            "task ingest: no environment is named",
            id="no environment",
        ),
        pytest.param(
            MEDALLION, "environment_key: default", "environment_key: other", "no environment default", id="other"
        ),
        pytest.param(
            MEDALLION,
            "        - task_key: clean\n          depends_on",
            "        - task_key: ingest\n          depends_on",
            "2 tasks are called ingest; the CLI joins them",
            id="duplicate task_key",
        ),
        pytest.param(
            MEDALLION,
            "{{job.parameters.source}}",
            "{{job.parameters.sauce}}",
            "the job has no parameter sauce; did you mean source?",
            id="undeclared",
        ),
        pytest.param(
            MEDALLION, "{{job.parameters.source}}", "files", "nothing uses the parameter source", id="unused parameter"
        ),
        pytest.param(
            MEDALLION,
            "{{job.parameters.source}}",
            "{{tasks.fetch.values.dir}}",
            "the job has no task fetch",
            id="no such task",
        ),
        pytest.param(
            MEDALLION, "${var.medallion_timeout", "${var.time", "no variable time_seconds", id="undeclared var"
        ),
        pytest.param(
            MEDALLION,
            "${var.medallion_timeout_seconds}",
            "7200",
            "medallion_timeout_seconds: nothing uses it",
            id="unused var",
        ),
        pytest.param(
            MEDALLION, "resources.volumes.landing", "resources.volumes.land", "no volumes.land", id="no resource"
        ),
        pytest.param(
            MEDALLION,
            "      trigger:",
            SCHEDULE.format(cron="0 0 25 * * ?", zone="UTC"),
            "hours 25 is not in 0-23",
            id="cron",
        ),
        pytest.param(
            MEDALLION,
            "      trigger:",
            SCHEDULE.format(cron="0 0 5 * * ?", zone="Europe/Pariss"),
            "no time zone Europe/Pariss",
            id="time zone",
        ),
        pytest.param("databricks.yml", "0 30 6 * * ?", "30 6 * * *", "has 5 fields", id="alert's cron"),
        pytest.param(
            MEDALLION, "entry_point: search-forecast", "entry_point: main", "no entry point", id="entry point"
        ),
        pytest.param(MEDALLION, "- aggregate", "- aggregat", "no command aggregat", id="no such command"),
        pytest.param(MEDALLION, "--staging=", "--stage-in=", "No such option '--stage-in'", id="no such flag"),
        pytest.param(FORECAST, "narwhals==2.29.0", "narwhals", "narwhals is not pinned", id="not pinned"),
        pytest.param(
            FORECAST, "narwhals==2.29.0", "narwhals==2.0.0", "not the version in requirements.txt", id="other version"
        ),
        pytest.param(ALERT, "`.batches", "`.batchez", "no table batchez in gold", id="alert's table"),
        pytest.param(ALERT, "not reconciled", "not reconciliated", "reconciliated", id="alert's column"),
        pytest.param(ALERT, "name: unreconciled_count", "name: wrong_count", "does not select", id="alert's source"),
        pytest.param(
            ALERT, "${resources.schemas.gold.name}", "search_gold", "spells out the schema search_gold", id="schema"
        ),
        pytest.param(
            BREAKOUTS, "search_count >= 10", "search_count >= 9", "none of search_forecast/queries", id="no default"
        ),
        pytest.param(
            ALERT, "as unreconciled_count", "+ 0 as unreconciled_count", "none of search_forecast/queries", id="own"
        ),
        pytest.param(DASHBOARD, "from daily_totals", "from daily_sums", "no table daily_sums", id="dashboard's table"),
        pytest.param(DASHBOARD, "  distinct_term_count,", "  term_counts,", "term_counts", id="dashboard's column"),
        pytest.param(DASHBOARD, "`search_count`", "`searches`", "no column searches", id="widget's column"),
        pytest.param(
            DASHBOARD,
            '"fieldName": "term_count"',
            '"fieldName": "terms"',
            "shows terms, which its query",
            id="widget's field",
        ),
        pytest.param(
            GOLD, "catalog_name: ${var.catalog}", "catalog_name: main", "spells out the catalog main", id="catalog"
        ),
        pytest.param(
            MEDALLION,
            "default: ${resources.volumes.landing.volume_path}",
            "default: /Volumes/main/x/landing",
            "spells out /Volumes/main/x/landing",
            id="volume",
        ),
        pytest.param(
            "databricks.yml",
            "mode: development",
            "mode: development\n    presets: {name_prefix: dev_}",
            "schemas.gold: is main.devsearch_gold for every developer",
            id="shared schema",
        ),
        pytest.param(
            "resources/landing.volume.yml",
            "${resources.schemas.bronze.name}",
            "incoming",
            "volumes.landing: is /Volumes/main/incoming/landing for every developer",
            id="shared volume",
        ),
        pytest.param(
            "databricks.yml",
            "root_path: ~/.bundle/${bundle.name}/${bundle.target}",
            "root_path: /Workspace/Shared/x",
            "workspace.root_path: is /Workspace/Shared/x for every developer",
            id="shared path",
        ),
        pytest.param(
            "databricks.yml",
            '      name_prefix: "[staging] "',
            "      tags: {a: b}",
            "schemas.gold: is main.search_gold in target staging as in prod",
            id="shared by targets",
        ),
        pytest.param(
            MEDALLION,
            "      trigger:\n",
            "      trigger:\n        pause_status: UNPAUSED\n",
            "jobs.medallion: its trigger is active in target dev",
            id="active in dev",
        ),
        pytest.param(
            MEDALLION,
            "          environment_key: default\n",
            "          job_cluster_key: big\n",
            "task ingest: no job cluster big",
            id="no job cluster",
        ),
        pytest.param(
            MEDALLION,
            "      tasks:\n",
            "      tasks:\n        - task_key: script\n          spark_python_task: {python_file: /Workspace/x.py}\n",
            "task script: no environment is named",
            id="script without compute",
        ),
        pytest.param(
            MEDALLION,
            "      tasks:\n",
            "      tasks:\n        - {task_key: n, environment_key: x, notebook_task: {notebook_path: /x}}\n",
            "task n: no environment x",
            id="notebook's environment",
        ),
        pytest.param(
            "databricks.yml",
            PROD_PATH + "    run_as: *run_as\n",
            "  prod:\n    mode: production\n",
            "target prod: mode production needs a workspace.root_path",
            id="production without a root_path",
        ),
        pytest.param(
            "databricks.yml",
            "root_path: ~/.bundle/${bundle.name}/${bundle.target}",
            "state_path: /Workspace/Shared/state",
            "target dev: workspace.state_path is /Workspace/Shared/state for every developer",
            id="shared state",
        ),
        pytest.param(
            "databricks.yml",
            "root_path: ~/.bundle/${bundle.name}/${bundle.target}",
            "root_path: /Volumes/main/x/${workspace.current_user.userName}",
            "target dev: workspace.root_path is in a volume",
            id="root_path in a volume",
        ),
        pytest.param(
            "databricks.yml",
            "      service_principal_name: ${var.service_principal}\n    permissions",
            "      service_principal_name: ${var.service_principal}\n      user_name: ann\n    permissions",
            "target staging: run_as names a user_name and a service_principal_name",
            id="run_as two",
        ),
        pytest.param(
            "databricks.yml",
            "run_as: *run_as",
            "run_as:",
            "target prod: run_as names neither a user_name nor a service_principal_name",
            id="run_as nobody",
        ),
        pytest.param(
            "databricks.yml",
            "targets:\n",
            "scripts: {medallion: {content: echo}}\n\ntargets:\n",
            "scripts.medallion: jobs.medallion has the same key",
            id="script of a job's key",
        ),
        *(
            pytest.param("databricks.yml", old, new, problem, id=problem)
            for old, new, problem in (
                ("    presets:", "    preset:", "targets.staging: unknown field preset; did you mean presets?"),
                (
                    "      name_prefix:",
                    "      name_prefx:",
                    "targets.staging.presets: unknown field name_prefx; did you",
                ),
                ("  engine:", "  enigne:", "bundle: unknown field enigne; did you mean engine?"),
                (
                    "  skip_artifact_",
                    "  skip_artifacts_",
                    "experimental: unknown field skip_artifacts_cleanup; did you",
                ),
                ("    dynamic_version:", "    dynamic:", "artifacts.search_forecast: unknown field dynamic"),
                ("sync:\n  paths:", "sync:\n  path:", "sync: unknown field path; did you mean paths?"),
                (
                    "      root_path:",
                    "      rooth_path:",
                    "dev.workspace: unknown field rooth_path; did you mean root_",
                ),
                (
                    "      service_principal_name: ",
                    "      principal_name: ",
                    "run_as: unknown field principal_name; did",
                ),
                ("targets:\n", "scripts: {a: {contents: ls}}\n\ntargets:\n", "scripts.a: unknown field contents; did"),
                (
                    "        group_name: ",
                    "        group: ",
                    "target staging: the permission CAN_MANAGE is given to nobody",
                ),
                ("sync:\n  paths:", "snyc:\n  paths:", "databricks.yml: unknown field snyc; did you mean sync?"),
                ("    lookup:", "    look_up:", "variables.warehouse_id: unknown field look_up; did you mean lookup?"),
            )
        ),
        *(
            pytest.param(file, old, new, problem, id=problem)
            for file, old, new, problem in (
                (
                    BOARD,
                    "      warehouse_id: ${var.warehouse_id}\n",
                    "",
                    "dashboards.search_demand: lacks warehouse_id",
                ),
                (BOARD, "      display_name: Search demand\n", "", "dashboards.search_demand: lacks display_name"),
                ("databricks.yml", "warehouse: Serv", "warehose: Serv", "lookup has one of alert, cluster,"),
                (
                    "databricks.yml",
                    "warehouse: Serv",
                    "cluster: a\n      warehouse: Serv",
                    "warehouse_id: its lookup has",
                ),
                ("databricks.yml", "warehouse: Serverless Starter Warehouse", "warehouse: ''", "its lookup has one of"),
                (
                    "databricks.yml",
                    "default: mask",
                    "default: mask\n    type: text",
                    "personal: type text is not complex",
                ),
                ("databricks.yml", "- level: CAN_MANAGE\n", "- level: CAN_READ\n", "staging: no permission CAN_READ"),
                (
                    "databricks.yml",
                    "  prod:\n",
                    "  prod:\n    default: true\n",
                    "targets dev and prod are both the def",
                ),
                (
                    "databricks.yml",
                    "engine: direct",
                    "engine: fast",
                    "bundle.engine fast is neither direct nor terraform",
                ),
                (
                    "databricks.yml",
                    "name: search_term_forecast",
                    "name: a_${var.catalog}",
                    "bundle.name can't hold a ref",
                ),
                (
                    "databricks.yml",
                    "include:",
                    "workspace: {host: '${var.catalog}'}\ninclude:",
                    "workspace.host can't hold",
                ),
                (GOLD, "comment: ", "comment: [x] #", "schemas.gold: comment: expected a scalar, got a list"),
                (
                    GOLD,
                    "catalog_name: ",
                    "catalog_name: {x: y} #",
                    "gold: catalog_name: expected a scalar, got a mapping",
                ),
                (
                    GOLD,
                    "privileges: [",
                    "privileges: [[x], ",
                    "schemas.gold: has no privilege ['x']",
                ),
                (
                    VOLUME,
                    "schema_name: ",
                    "schema_name: [x] #",
                    "volumes.landing: schema_name: expected a scalar, got a",
                ),
                (
                    VOLUME,
                    "name: landing",
                    "name: landing\n      volume_path: /Volumes/x",
                    "landing: volume_path is made of",
                ),
                (
                    "resources/search_forecast.experiment.yml",
                    "${workspace.root_path}/",
                    "",
                    "experiments.search_forecast: is named search_forecast; an experiment has a path, such as ${work",
                ),
                (MEDALLION, "entry_point: ", "entry_point: [x] #", "entry_point: expected a scalar, got a list"),
                (
                    MEDALLION,
                    "project: ${bundle.name}",
                    "project: [x]",
                    "medallion: tags.project: expected a scalar, got",
                ),
                (
                    BOARD,
                    "embed_credentials: false",
                    "embed_credentials: true",
                    "staging: dashboards.search_demand embeds",
                ),
                (MEDALLION, "      tasks:\n", NOTEBOOK, "task n: there is no file ../src/there_is_none.py"),
                ("databricks.yml", "- src/dashboards", "- src/bords", "target dev: sync.paths: there is no src/bords"),
                (
                    "databricks.yml",
                    "    - fixtures/infant_growth.csv\n",
                    "",
                    "jobs.regression_example: fixtures/infant_growth.csv is in none of sync.paths of target prod",
                ),
                (MEDALLION, "../dist/*.whl", "./dist/*.whl", "jobs.medallion: no file matches ./dist/*.whl, seen from"),
                ("databricks.yml", "type: whl", "type: wheel", "artifacts.search_forecast: no type wheel; did"),
                ("databricks.yml", "    build: ", "    #", "artifacts.search_forecast: says no build, and there is no"),
                (
                    "databricks.yml",
                    "type: whl",
                    "type: whl\n    path: nope",
                    "search_forecast: there is no directory nope",
                ),
                (
                    "databricks.yml",
                    "artifacts:\n",
                    "artifacts:\n  x: {files: [{source: '*.jar'}]}\n",
                    "artifacts.x: no file matches *.jar",
                ),
                (
                    "databricks.yml",
                    "artifacts:\n",
                    "artifacts:\n  x: {files: [a.jar]}\n",
                    "artifacts.x: files: expected {",
                ),
                (
                    "databricks.yml",
                    '">= 1.13.0"',
                    "latest",
                    "bundle.databricks_cli_version latest is nothing like >= 1",
                ),
                ("databricks.yml", "artifacts:\n", "artifacts:\n  x:\n", "artifacts.x: says neither build nor files"),
                (
                    "databricks.yml",
                    "artifacts:\n",
                    "artifacts:\n  x: {executable: zsh}\n",
                    "artifacts.x: no executable zsh",
                ),
                (MEDALLION, "path}/\n", "path}\n", "medallion: the url of its file_arrival does not end in /"),
                (
                    MEDALLION,
                    "          environment_key: default\n",
                    "          environment_key: default\n          libraries: [{pypi: {package: rich}}]\n",
                    "task ingest: libraries are for clusters; serverless compute takes them from its environment",
                ),
                (
                    MEDALLION,
                    "      tasks:\n",
                    "      tasks:\n        - {task_key: n, notebook_task: {notebook_path: /x}, libraries: [{}]}\n",
                    "task n: libraries are for clusters",
                ),
                (
                    FORECAST,
                    "narwhals==2.29.0",
                    "narwhals[dask] == 2.0.0",
                    "2.0.0 is not the version in requirements.txt",
                ),
                (MEDALLION, "max_concurrent_runs: 1\n", "max_concurrent_runs: 1001\n", "runs 1001 is not in 0-1000"),
                (MEDALLION, "triggers_seconds: 300", "triggers_seconds: 30", "triggers_seconds 30 is less than 60"),
            )
        ),
        pytest.param(
            MEDALLION, "${var.catalog}", "${vra.catalog}", "${vra.catalog} begins with none of", id="unknown reference"
        ),
        pytest.param(
            MEDALLION, "${var.catalog}", "${var.catalog }", "${var.catalog } is no reference", id="blank in a reference"
        ),
        pytest.param(
            MEDALLION, "${var.catalog}", "${var.catalog", "${var.catalog is no reference", id="reference without end"
        ),
        pytest.param(
            "databricks.yml",
            "artifacts: *protected\n",
            "artifacts: {<<: *protected, comment: '${resources.schemas.gold.nmae}'}\n",
            "volumes.artifacts: ${resources.schemas.gold.nmae}: schemas have no nmae",
            id="unknown field in a later target",
        ),
        pytest.param(
            ALERT,
            "timezone_id: UTC",
            "timezone_id: UTC\n        pause_status: UNPAUSED",
            "alerts.unreconciled: its schedule is active in target dev",
            id="alert active in dev",
        ),
    ],
)
def test_a_planted_fault_is_found(bundle, file, old, new, problem):
    edit(bundle, file, old, new)

    found = faults(bundle)

    assert any(problem in line for line in found), found


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (MEDALLION, "../dist/*.whl", "../dist/*.whl[forecast,models]"),
        ("databricks.yml", '">= 1.13.0"', "'>= 1.13.0, < 2.0.0'"),
        ("databricks.yml", "type: whl", "type: whl\n    path: ${var.country}"),
        (FORECAST, "narwhals==2.29.0", "narwhals[dask]==2.29.0"),
        (FORECAST, "max_concurrent_runs: 1\n", "max_concurrent_runs: 1\n      performance_target: ${var.country}\n"),
        (FORECAST, "max_retries: 2\n", "max_retries: 2\n          run_if: ''\n"),
        (FORECAST, "narwhals==2.29.0", "narwhals == 2.29.0"),
        (FORECAST, "narwhals==2.29.0", "'narwhals==2.29.0; python_version >= \"3.12\"'"),
        (
            MEDALLION,
            "          environment_key: default\n",
            "          existing_cluster_id: c\n          libraries: [{whl: ../dist/*.whl}]\n",
        ),
    ],
)
def test_what_the_workspace_takes_is_no_fault(bundle, file, old, new):
    edit(bundle, file, old, new)

    assert faults(bundle) == []


def test_two_developers_sharing_a_model_is_found(bundle):
    (bundle / "resources/demand.registered_model.yml").write_text(
        "resources:\n  registered_models:\n    demand:\n      catalog_name: ${var.catalog}\n"
        "      schema_name: models\n      name: search_demand\n"
    )
    edit(bundle, "databricks.yml", "mode: development", "presets: {name_prefix: same_}")

    problems = faults(bundle)

    assert not any(
        "registered_models.demand: is main.models" in line for line in problems
    )  # no development mode, no rule
    edit(
        bundle,
        "databricks.yml",
        "presets: {name_prefix: same_}",
        "mode: development\n    presets: {name_prefix: same_}",
    )
    assert any(
        "registered_models.demand: is main.models.samesearch_demand for every" in line for line in faults(bundle)
    )


def test_a_resource_declared_in_two_files_is_found(bundle):
    shutil.copy(bundle / GOLD, bundle / "resources/gold_again.schema.yml")

    assert any("schemas.gold is declared in another file too" in line for line in faults(bundle))


def test_a_key_that_two_kinds_of_resources_share_is_found(bundle):
    model = (bundle / "resources/search_demand_model.registered_model.yml").read_text()
    (bundle / "resources/again.registered_model.yml").write_text(
        model.replace("search_demand_model:", "search_demand:")
    )

    assert any(
        "registered_models.search_demand: dashboards.search_demand has the same key" in line for line in faults(bundle)
    )


def test_a_dashboard_that_is_no_json_is_found(bundle):
    (bundle / DASHBOARD).write_text("{")

    assert any("dashboards.search_demand: search_demand.lvdash.json: " in line for line in faults(bundle))
    (bundle / DASHBOARD).unlink()
    assert any("dashboards.search_demand: search_demand.lvdash.json: " in line for line in faults(bundle))


def test_a_dashboard_may_be_written_in_the_bundle(bundle):
    board = (bundle / BOARD).read_text()
    content = json.loads((bundle / DASHBOARD).read_text())
    for written in (content, json.dumps(content)):
        line = f"serialized_dashboard: {json.dumps(written)}"
        (bundle / BOARD).write_text(board.replace("file_path: ../src/dashboards/search_demand.lvdash.json", line))
        assert faults(bundle) == []

    edit(bundle, BOARD, "from daily_totals", "from daily_sums")
    assert any("there is no table daily_sums in gold" in line for line in faults(bundle))
    (bundle / BOARD).write_text(board.replace("file_path: ../src/dashboards/search_demand.lvdash.json", ""))
    assert [line.partition(": ")[2] for line in faults(bundle)] == [
        "dashboards.search_demand: has neither file_path nor serialized_dashboard"
    ]


def test_what_a_later_target_alone_has_is_looked_at_too(tmp_path):
    (tmp_path / "databricks.yml").write_text(
        "bundle: {name: shop}\ntargets:\n  dev: {mode: development}\n  late:\n    resources:\n"
        "      alerts: {none: {display_name: none, query_text: select x from nowhere}}\n"
        "      schemas: {extra: {name: extra, catalog_name: main}}\n"
    )

    found = "\n".join(faults(tmp_path))

    assert "alerts.none: there is no table nowhere in gold" in found
    assert "schemas.extra: catalog_name: spells out the catalog main; say ${var.catalog}" in found


def test_schedules_that_a_development_target_starts_are_found_where_there_are_none(tmp_path):
    (tmp_path / "databricks.yml").write_text(
        "bundle: {name: shop}\ntargets: {dev: {mode: development, presets: {trigger_pause_status: UNPAUSED}}}\n"
    )

    assert faults(tmp_path) == ["target dev: mode development can't have the preset trigger_pause_status UNPAUSED"]


def test_what_holds_anchors_is_no_unknown_field(tmp_path):
    (tmp_path / "databricks.yml").write_text("bundle: {name: shop}\ncommon_permissions: &all []\npermissions: *all\n")

    assert faults(tmp_path) == []


def test_the_command_ends_with_1_where_something_is_wrong(bundle, capsys):
    edit(bundle, DASHBOARD, "`search_count`", "`searches`")

    assert cli.main(["check-bundle", str(bundle)]) == 1

    said = capsys.readouterr()
    assert said.err.endswith(" 1 problem\n")
    assert "dataset row_count has no column searches" in said.out


def test_the_command_says_which_task_could_not_be_one_in_a_workspace(bundle, capsys):
    edit(bundle, MEDALLION, "              - --catalog=${var.catalog}\n", "")

    assert cli.main(["check-bundle", str(bundle)]) == 1

    assert "ingest needs --catalog too, to find the tables in a workspace" in capsys.readouterr().out


def test_dashboard_json_keeps_one_dataset_a_query():
    content = json.loads((PROJECT / DASHBOARD).read_text())

    names = [dataset["name"] for dataset in content["datasets"]]
    assert len(names) == len(set(names)) > 5
