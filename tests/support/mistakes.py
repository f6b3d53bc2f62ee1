"""Mistakes in a bundle that hangs together: what was changed, and how."""

# ruff: noqa: E501 - a table: a bundle a line

from typing import NamedTuple

_DATABRICKS = """bundle: {name: shop}
include: [resources/*.yml]
variables:
  catalog: {description: Catalog of the tables, default: main}
targets:
  dev: {mode: development, default: true}
  prod: {mode: production, workspace: {root_path: "/Workspace/Users/${workspace.current_user.userName}/shop"}}
artifacts: {shop: {type: whl, build: make wheel}}
"""
_FLOW = """resources:
  jobs:
    flow:
      name: flow
      parameters:
        - name: source
          default: files
      schedule: {quartz_cron_expression: "0 0 4 * * ?", timezone_id: UTC}
      environments:
        - environment_key: default
          spec:
            environment_version: "6"
            dependencies: [../dist/*.whl]
      tasks:
        - task_key: ingest
          environment_key: default
          python_wheel_task:
            package_name: search_forecast
            entry_point: search-forecast
            parameters: [ingest, "--source={{job.parameters.source}}"]
        - task_key: is_new
          depends_on: [{task_key: ingest}]
          condition_task: {op: GREATER_THAN, left: "{{tasks.ingest.values.record_count}}", right: "0"}
        - task_key: each_layer
          depends_on: [{task_key: is_new, outcome: "true"}]
          for_each_task:
            inputs: '["clean", "aggregate"]'
            task:
              task_key: layer
              environment_key: default
              python_wheel_task:
                package_name: search_forecast
                entry_point: search-forecast
                parameters: [clean, "--catalog=${var.catalog}"]
        - task_key: report
          depends_on: [{task_key: each_layer}]
          run_job_task:
            job_id: ${resources.jobs.report.id}
            job_parameters: {day: "{{job.start_time.iso_date}}"}
"""
_REPORT = """resources:
  jobs:
    report:
      name: report
      parameters:
        - name: day
          default: ""
      environments:
        - environment_key: default
          spec:
            environment_version: "6"
            dependencies: [../dist/*.whl]
      tasks:
        - task_key: query
          environment_key: default
          python_wheel_task:
            package_name: search_forecast
            entry_point: search-forecast
            parameters: [score, "--as-of={{job.parameters.day}}"]
"""
_SCHEMA = """resources:
  schemas:
    gold:
      catalog_name: ${var.catalog}
      name: search_gold
      grants:
        - principal: analysts
          privileges: [USE_SCHEMA, SELECT]
"""
_VOLUME = """resources:
  volumes:
    landing:
      catalog_name: ${var.catalog}
      schema_name: ${resources.schemas.gold.name}
      name: landing
      grants:
        - principal: shops
          privileges: [READ_VOLUME, WRITE_VOLUME]
"""
FLOW, REPORT, SCHEMA = "resources/flow.job.yml", "resources/report.job.yml", "resources/gold.schema.yml"
VOLUME, ROOT = "resources/landing.volume.yml", "databricks.yml"
RIGHT = {ROOT: _DATABRICKS, FLOW: _FLOW, REPORT: _REPORT, SCHEMA: _SCHEMA, VOLUME: _VOLUME}


class Mistake(NamedTuple):
    """What is wrong, and the change that makes it so."""

    what: str
    file: str
    old: str
    new: str


MISTAKES = (
    # the graph
    Mistake("a task depends on one that is not there", FLOW, "[{task_key: ingest}]", "[{task_key: ingets}]"),
    Mistake("tasks wait for each other", FLOW, "    - task_key: ingest\n", "    - task_key: ingest\n"
            "          depends_on: [{task_key: report}]\n"),
    Mistake("a task waits for itself", FLOW, "[{task_key: ingest}]", "[{task_key: is_new}]"),
    Mistake("two tasks of one key", FLOW, "task_key: is_new\n", "task_key: ingest\n"),
    Mistake("an outcome of a task that is no condition", FLOW, "{task_key: ingest}", "{task_key: ingest, outcome: true}"),
    Mistake("an outcome that is neither true nor false", FLOW, 'outcome: "true"', "outcome: yes"),
    Mistake("a task that does two things", FLOW, "          for_each_task:", "          notebook_task: {notebook_path: /x}\n"
            "          for_each_task:"),
    Mistake("a task that does nothing", REPORT, "python_wheel_task", "python_wheel"),
    Mistake("a job without tasks", FLOW, _FLOW[_FLOW.index("      tasks:") :], ""),
    Mistake("a task key with a blank", FLOW, "task_key: report\n", "task_key: re port\n"),
    Mistake("an unknown run_if", FLOW, "          condition_task", "          run_if: SOMETIMES\n          condition_task"),
    Mistake("an unknown operator", FLOW, "op: GREATER_THAN", "op: MORE_THAN"),
    Mistake("depends_on as a text", FLOW, "[{task_key: ingest}]", "ingest"),
    Mistake("depends_on as texts", FLOW, "[{task_key: ingest}]", "[ingest]"),
    Mistake("a number that is none", FLOW, "    - task_key: ingest\n", "    - task_key: ingest\n"
            "          timeout_seconds: an hour\n"),
    # values
    Mistake("a parameter that the job does not declare", FLOW, "parameters.source", "parameters.sauce"),
    Mistake("a parameter in brackets that the job does not declare", FLOW, "parameters.source", "parameters.[sauce]"),
    Mistake("a parameter that nothing uses", FLOW, "--source={{job.parameters.source}}", "--source=files"),
    Mistake("a parameter without default", FLOW, "          default: files\n", ""),
    Mistake("a value of a task that is not there", FLOW, "tasks.ingest.values", "tasks.igest.values"),
    Mistake("a value of a later task", FLOW, "{{tasks.ingest.values.record_count}}", "{{tasks.report.values.n}}"),
    Mistake("a value of a task that is not waited for", FLOW, "      tasks:\n", "      tasks:\n        - task_key: first\n"
            "          condition_task: {op: EQUAL_TO, left: '{{tasks.ingest.result_state}}', right: success}\n"),
    Mistake("{{job.naem}}", FLOW, "{{job.start_time.iso_date}}", "{{job.naem}}"),
    Mistake("{{job.start_time.date}}", FLOW, "{{job.start_time.iso_date}}", "{{job.start_time.date}}"),
    Mistake("{{tasks.ingest.record_count}}", FLOW, "tasks.ingest.values.record_count", "tasks.ingest.record_count"),
    Mistake("{{input}} outside of a for_each_task", FLOW, "{{job.start_time.iso_date}}", "{{input}}"),
    Mistake("an unknown reference in a for_each_task", FLOW, "--catalog=${var.catalog}", "--catalog={{job.catalog}}"),
    # called jobs
    Mistake("a called job lacks the parameter", FLOW, "{day:", "{date:"),
    Mistake("jobs that call each other", REPORT, "      tasks:\n", "      tasks:\n        - task_key: again\n"
            "          run_job_task: {job_id: '${resources.jobs.flow.id}'}\n"),
    Mistake("a job that calls itself", FLOW, "${resources.jobs.report.id}\n            job_parameters: {day:", "${resources.jobs.flow.id}\n            job_parameters: {source:"),
    Mistake("a called job that is not there", FLOW, "${resources.jobs.report.id}", "${resources.jobs.reports.id}"),
    # what the tasks run in
    Mistake("an environment that is not there", FLOW, "environment_key: default\n          python", "environment_key: dflt\n"
            "          python"),
    Mistake("no environment in a for_each_task", FLOW, "              environment_key: default\n", ""),
    Mistake("another environment in a for_each_task", FLOW, "              environment_key: default\n",
            "              environment_key: other\n"),
    Mistake("an environment without the wheel", FLOW, "[../dist/*.whl]", "[]"),
    Mistake("pyspark in an environment", FLOW, "[../dist/*.whl]", "[../dist/*.whl, pyspark==4.0.0]"),
    Mistake("databricks-connect in an environment", FLOW, "[../dist/*.whl]", "[../dist/*.whl, databricks-connect==17.0]"),
    Mistake("a dependency that is not pinned", FLOW, "[../dist/*.whl]", "[../dist/*.whl, rich>=14]"),
    Mistake("libraries on serverless compute", FLOW, "          environment_key: default\n          python", "          libraries: [{whl: ../dist/*.whl}]\n"
            "          environment_key: default\n          python"),
    Mistake("a wheel seen from the wrong directory", FLOW, "[../dist/*.whl]", "[./dist/*.whl]"),
    Mistake("an unknown environment version", FLOW, 'environment_version: "6"', 'environment_version: "60"'),
    Mistake("an environment without version", FLOW, '            environment_version: "6"\n', ""),
    Mistake("a target's environment of the same key", ROOT, "default: true}", "default: true, resources: {jobs: {flow: {"
            "environments: [{environment_key: default, spec: {environment_version: '5', dependencies: [dist/*.whl]}}]}}}}"),
    Mistake("an unknown command", FLOW, "[clean,", "[cleen,"),
    Mistake("an unknown flag in a for_each_task", FLOW, "--catalog=", "--katalog="),
    Mistake("an unknown entry point", FLOW, "entry_point: search-forecast", "entry_point: main"),
    # when they run
    Mistake("a schedule and a trigger", FLOW, "      schedule:", "      trigger: {file_arrival: {url: '${resources.volumes.landing.volume_path}/'}}\n"
            "      schedule:"),
    Mistake("a schedule and continuous", FLOW, "      schedule:", "      continuous: {pause_status: PAUSED}\n"
            "      schedule:"),
    Mistake("a file arrival's url without its last slash", FLOW, 'schedule: {quartz_cron_expression: "0 0 4 * * ?", timezone_id: UTC}',
            "trigger: {file_arrival: {url: '${resources.volumes.landing.volume_path}'}}"),
    Mistake("a cron expression of five fields", FLOW, "0 0 4 * * ?", "0 4 * * ?"),
    Mistake("a cron expression with hour 25", FLOW, "0 0 4 * * ?", "0 0 25 * * ?"),
    Mistake("an unknown time zone", FLOW, "timezone_id: UTC", "timezone_id: Europe/Pariss"),
    Mistake("a schedule that is active in development", FLOW, "timezone_id: UTC", "timezone_id: UTC, pause_status: UNPAUSED"),
    # what is granted
    Mistake("a privilege that a schema does not have", SCHEMA, "USE_SCHEMA, ", "USE_CATALOG, "),
    Mistake("a privilege that a volume does not have", VOLUME, "READ_VOLUME, ", "SELECT, "),
    Mistake("a privilege that nothing has", SCHEMA, "USE_SCHEMA, ", "USE, "),
    Mistake("a grant of nothing", VOLUME, "[READ_VOLUME, WRITE_VOLUME]", "[]"),
    # the files
    Mistake("a key twice in a mapping", FLOW, "      name: flow\n", "      name: flow\n      name: other\n"),
    Mistake("a task's field twice", FLOW, "          environment_key: default\n          python", "          max_retries: 1\n"
            "          environment_key: default\n          max_retries: 2\n          python"),
    Mistake("a variable twice", ROOT, "targets:", "  catalog: {description: Again, default: other}\ntargets:"),
    Mistake("a second YAML document", FLOW, "resources:\n  jobs:\n    flow:", "resources: {}\n---\nresources:\n  jobs:\n    flow:"),
    Mistake("a notebook that is none", FLOW, "      tasks:\n", "      tasks:\n        - task_key: first\n"
            "          notebook_task: {notebook_path: report.job.yml}\n"),
    Mistake("include in an included file", FLOW, "resources:\n", "include: [more.yml]\nresources:\n"),
    Mistake("an unknown field", FLOW, "      schedule:", "      max_concurent_runs: 1\n      schedule:"),
    Mistake("a field that a schema does not have", VOLUME, "gold.name}", "gold.nmae}"),
    Mistake("a key of two kinds of resources", VOLUME, "    landing:", "    gold:"),
    Mistake("a variable that nothing uses", ROOT, "targets:", "  spare: {description: Not used, default: 1}\ntargets:"),
    # names that two share
    Mistake("a catalog spelled out", SCHEMA, "${var.catalog}", "main"),
    Mistake("a schema that all developers share", ROOT, "default: true}", 'default: true, presets: {name_prefix: "us_"}}'),
    Mistake("a target that shares production's tables", ROOT, "targets:\n", "targets:\n  test: {presets: {tags: {a: b}}}\n"),
)  # fmt: skip


def with_mistake(mistake: Mistake) -> dict[str, str]:
    """The files of the bundle with one mistake."""
    assert mistake.old in RIGHT[mistake.file], mistake
    changed = RIGHT[mistake.file].replace(mistake.old, mistake.new, 1)
    return {**RIGHT, mistake.file: changed}
