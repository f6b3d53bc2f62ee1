"""Jobs of a small bundle, and commands that stand for the real ones: what the tests of runs here begin with."""

import json
from datetime import datetime, timezone
from pathlib import Path

from search_forecast.bundle import runner, streams
from search_forecast.bundle.attempts import Backend
from search_forecast.bundle.configuration import User, load

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=timezone.utc)
TOP = """
bundle: {name: shop}
include: [resources/*.yml]
variables:
  catalog: {default: main}
  hours: {default: 24}
  place: {default: "${var.catalog}.${resources.schemas.gold.name}"}
  mail: {description: no default}
targets:
  dev: {mode: development, default: true}
  prod:
    mode: production
    workspace: {root_path: "/Workspace/Shared/${bundle.name}"}
    variables: {catalog: prod_catalog}
    resources:
      jobs:
        flow:
          tags: {cost: shop}
          tasks: [{task_key: first, max_retries: 5}]
"""
SCHEMA = "resources: {schemas: {gold: {catalog_name: '${var.catalog}', name: search_gold}}}"


def wheel(key: str, *command: str, **more: object) -> dict[str, object]:
    task = {"package_name": "search_forecast", "entry_point": "search-forecast", "parameters": list(command)}
    return {"task_key": key, "python_wheel_task": task, **more}


def after(*keys: str) -> list[dict[str, str]]:
    return [{"task_key": key} for key in keys]


def bundle_of(tmp_path: Path, tasks: list[dict[str, object]], target: str | None = None, **job: object):
    (tmp_path / "resources").mkdir(exist_ok=True)
    (tmp_path / "databricks.yml").write_text(TOP)
    (tmp_path / "resources/gold.schema.yml").write_text(SCHEMA)
    flow = {"name": "flow", "tasks": tasks, **job}
    (tmp_path / "resources/flow.job.yml").write_text(json.dumps({"resources": {"jobs": {"flow": flow}}}))
    return load(tmp_path, user=User("Ann.Lee@example.com"), target=target)


class Commands:
    """Stands for the commands: notes what was called, does what a test says."""

    def __init__(self, **does):
        self.called, self.does = [], does

    def execute(self, command):
        self.called.append(" ".join(command))
        does = self.does.get(command[0])
        if callable(does):
            does(*command[1:])
        elif does is not None:
            raise does

    def backend(self):
        return Backend(self.execute, lambda key: None, lambda key: None, str)


def start(bundle, tmp_path, order=None):
    return runner.start(bundle, order or runner.Order("flow", {}), tmp_path / "lake", None, NOW)


def run(bundle, tmp_path, commands, parameters=None, *, tasks=(), is_repair=False):
    order = runner.Order("flow", parameters or {}, tasks, is_repair)
    job, pending = start(bundle, tmp_path, order)
    with streams.split():
        return runner.Runner(bundle, job, pending, commands.backend(), lambda _: None).execute()


def states(done) -> dict[str, str]:
    return {key: task.state.value for key, task in done.tasks.items()}
