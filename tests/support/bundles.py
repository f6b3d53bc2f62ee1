"""Small bundles: such as the CLI reads in a way of its own, such as it refuses, and mistakes that it may not see."""

# ruff: noqa: E501 - a table: a bundle a line

from pathlib import Path

NAME = "bundle: {name: shop}\n"
JOB = """resources:
  jobs:
    flow:
      name: flow
      tasks:
        - task_key: a
          notebook_task: {notebook_path: /x}
"""
TWO = JOB + "        - task_key: b\n          notebook_task: {notebook_path: /x}\n"
SCHEMA = """resources:
  schemas: {gold: {name: search_gold, catalog_name: main}}
  volumes: {landing: {name: land, catalog_name: main, schema_name: search_gold}}
  registered_models: {model: {name: mod, catalog_name: main, schema_name: search_gold}}
"""
# What YAML 1.1 takes for something else, or writes in ten ways.
SCALARS = [
    "NO",
    "on",
    "true",
    "True",
    "22:30",
    "12:30:00",
    "0123",
    "089",
    "0x1F",
    "0o17",
    "0b11",
    "1_000",
    "-012",
    "+5",
    "2024-03-01",
    "2024-3-1",
    "2024-13-45",
    "1.0",
    "0.10",
    "1e3",
    "1e21",
    "1E400",
    ".inf",
    ".5",
    "5.",
    '"1.0"',
    "'0123'",
    "1.2.3",
    "y",
    "N",
    "Yes",
    "Off",
    ".NaN",
    "-.inf",
    "00",
    "1e-7",
    "-0.0",
    "tRUE",
    "1_0.5",
    "99999999999999999999",
    "!!str!5",
    "!!float!5",
    "2001-12-14t21:59:43.10-05:00",
]


def root(text: str, **files: str) -> dict[str, str]:
    return {"databricks.yml": NAME + text, **{name.replace("__", "/"): content for name, content in files.items()}}


def names(use: str, variables: str, more: str = "") -> dict[str, str]:
    """A bundle with variables, and a job whose tags are said with them."""
    return root(f"variables: {variables}\nresources: {{jobs: {{flow: {{name: a, tags: {use}}}}}}}\n{more}")


def scalars() -> dict[str, str]:
    lines = "".join(f"        t{number}: {text.replace('!5', ' 5')}\n" for number, text in enumerate(SCALARS))
    return root(f"resources:\n  jobs:\n    flow:\n      name: flow\n      tags:\n{lines}")


READ: dict[str, dict[str, str | bytes]] = {
    "a file that two patterns match": root("include: [r/*.yml, r/f*.yml]\n", **{"r/flow.yml": JOB}),
    "a file that is named and matched": root("include: [r/flow.yml, '*/*.yml']\n", **{"r/flow.yml": JOB}),
    "databricks.yml matched by itself": root(f"include: ['*.yml']\n{JOB}"),
    "** is one level": root(
        "include: ['r/**/*.yml']\n",
        **{"r/flow.yml": JOB, "r/a/one.yml": JOB.replace("flow", "one"), "r/a/b/two.yml": JOB.replace("flow", "two")},
    ),
    "a hidden file": root("include: [r/*.yml]\n", **{"r/.flow.yml": JOB}),
    "JSON": root("include: [r/*.json]\n", **{"r/flow.json": '{"resources": {"jobs": {"flow": {"name": "x"}}}}'}),
    "a pattern without a match": root(f"include: [q/*.yml]\n{JOB}"),
    "include without patterns": root(f"include:\n{JOB}"),
    "databricks.yaml": {"databricks.yaml": NAME + JOB},
    "bundle.yml": {"bundle.yml": NAME + JOB},
    "bundle.yaml": {"bundle.yaml": NAME + JOB},
    "no targets": root(f"{JOB}targets:\n"),
    "a target of nothing": root(f"{JOB}targets: {{d: }}\n"),
    "targets by their old name": root(f"{JOB}environments: {{d: {{mode: development}}}}\n"),
    "the default in words": root(f"{JOB}targets: {{a: {{default: yes, mode: development}}, b: {{}}}}\n"),
    "a job without a name": root(JOB.replace("      name: flow\n", "")),
    "the mode in bundle": {"databricks.yml": "bundle: {name: shop, mode: development}\n" + JOB},
    "an empty included file": root(f"include: [r/*]\n{JOB}", **{"r/e.yml": ""}),
    "an included file with a comment": root(f"include: [r/*]\n{JOB}", **{"r/e.yml": "# nothing yet\n"}),
    "a kind without resources": root("resources: {jobs: }\n"),
    "UTF-16": {"databricks.yml": f"{NAME}{JOB}      description: café\n".encode("utf-16")},
    "a byte order mark": {"databricks.yml": b"\xef\xbb\xbf" + (NAME + JOB).encode()},
    "keys that YAML 1.1 changes": root("resources: {jobs: {on: {name: a}, null: {name: b}, NO: {name: c}}}\n"),
    "the same key twice": root(f"{JOB}      name: other\n"),
    "a second document": root(f"{JOB}---\nresources: {{jobs: {{other: {{name: a}}}}}}\n"),
    "of merged mappings the last one": root(
        "x: &a {name: a}\ny: &b {name: b}\nresources: {jobs: {flow: {<<: [*a, *b]}, own: {<<: *a, name: c}}}\n"
    ),
    "scalars": scalars(),
    "scalars in variables": names(
        "{f: '${var.f}', t: '${var.t}', d: '${var.d}', o: '${var.o}', y: '${var.y}', in: 'x${var.f}${var.t}${var.d}'}",
        "{f: {default: 1.0}, t: {default: true}, d: {default: 2024-03-01}, o: {default: 0123}, y: {default: yes}}",
    ),
    "numbers and yes as tags and keys": root(f"{JOB}      tags: {{'1': 2, yes: no}}\n"),
    "a number as task key": root(JOB.replace("task_key: a", "task_key: 1")),
    "a variable in a variable's name": names("{a: '${var.${var.n}}'}", "{n: {default: f}, f: {default: x}}"),
    "an item of a list": names("{a: '${var.f[1]}-${var.f[0].b}'}", "{f: {type: complex, default: [{b: c}, d]}}"),
    "a field of a mapping": names("{a: '${var.f.a.b}'}", "{f: {type: complex, default: {a: {b: c}}}}"),
    "a field of a mapping that another variable stands for": names(
        "{a: '${var.p.k}'}", "{p: {type: complex, default: '${var.f}'}, f: {type: complex, default: {k: b}}}"
    ),
    "variables by their long name": names("{a: '${variables.f.value}${variables.f.default}'}", "{f: {default: x}}"),
    "references that are none": names("{a: '${ var.f } ${var.1f} ${} $${var.f}'}", "{f: {default: x}}"),
    "a target's mapping replaces": names(
        "'${var.f}'", "{f: {type: complex, default: {a: 1, b: 2}}}", "targets: {d: {variables: {f: {a: 3}}}}\n"
    ),
    "a target's list replaces": root(
        "variables: {f: {type: complex, default: [{task_key: a}, {task_key: b}]}}\n"
        "resources: {jobs: {flow: {name: a, tasks: '${var.f}'}}}\n"
        "targets: {d: {variables: {f: {type: complex, default: [{task_key: c}]}}}}\n"
    ),
    "a target's mapping with a key default": names(
        "'${var.f}'", "{f: {type: complex, default: {x: 2}}}", "targets: {d: {variables: {f: {default: 3, x: 4}}}}\n"
    ),
    "a target's variable of nothing": names(
        "{a: '${var.f}'}", "{f: {default: b}}", "targets: {d: {variables: {f: }}}\n"
    ),
    "a target's value instead of a lookup": names(
        "{a: '${var.f}'}", "{f: {lookup: {warehouse: w}}}", "targets: {d: {variables: {f: x}}}\n"
    ),
    "tasks in a variable": root(
        "variables: {steps: {type: complex, default: [{task_key: a, notebook_task: {notebook_path: /x}}]}}\n"
        "resources: {jobs: {flow: {name: a, tasks: '${var.steps}'}}}\n"
    ),
    "a task key in a variable": root(
        f"variables: {{k: {{default: a}}}}\n{JOB}        - task_key: ${{var.k}}\n          max_retries: 3\n"
    ),
    "lists with keys are joined, others appended": root(
        f"{JOB}      job_clusters: [{{job_cluster_key: k, new_cluster: {{spark_version: x, num_workers: 1}}}}]\n"
        "      environments: [{environment_key: e, spec: {environment_version: '4'}}]\n"
        "      parameters: [{name: p, default: 1}, {name: p, default: 2}]\n"
        "targets: {d: {resources: {jobs: {flow: {\n"
        "  job_clusters: [{job_cluster_key: k, new_cluster: {num_workers: 2}}, {job_cluster_key: l, new_cluster: {num_workers: 1}}],\n"
        "  environments: [{environment_key: e, spec: {environment_version: '5'}}],\n"
        "  tasks: [{task_key: a, max_retries: 2}, {task_key: b, max_retries: 3}]}}}}}\n"
    ),
    "a resource of one target": root(f"{JOB}targets: {{d: {{resources: {{jobs: {{other: {{name: o}}}}}}}}}}\n"),
    "grants to one principal are joined": root(
        "resources: {schemas: {s: {name: s, catalog_name: c, grants: [\n"
        "  {principal: p, privileges: [SELECT]}, {principal: q, privileges: [SELECT]}]}}}\n"
    ),
    "an outcome without quotes": root(
        TWO.replace("notebook_task: {notebook_path: /x}\n        -", "condition_task: {op: EQUAL_TO, left: 1.0, "
        "right: yes}\n        -") + "          depends_on: [{task_key: a, outcome: true}]\n"
    ),
    "a schema's name spelled out": root(f"{SCHEMA}targets: {{d: {{mode: development}}}}\n"),
    "skip_name_prefix_for_schema": root(
        f"experimental: {{skip_name_prefix_for_schema: true}}\n{SCHEMA}targets: {{d: {{mode: development}}}}\n"
    ),
    "a prefix of one's own": root(
        f"{SCHEMA}  jobs: {{flow: {{name: f, schedule: {{quartz_cron_expression: '0 0 1 * * ?', timezone_id: UTC}}}}}}\n"
        "presets: {name_prefix: 'Me_[x] ', tags: {dev: q, a: 1}, jobs_max_concurrent_runs: 7, "
        "trigger_pause_status: PAUSED}\n"
    ),
    "an empty prefix in development": root(
        f"{JOB}targets: {{d: {{mode: development, presets: {{name_prefix: ''}}}}}}\n"
    ),
    "workspace paths": root(
        "workspace: {root_path: ~/a/../b//c, state_path: /Shared/st}\n"
        "resources: {jobs: {flow: {name: '${workspace.root_path} ${workspace.state_path} ${workspace.file_path}'}}}\n"
    ),
    "what is unset": root(
        "resources: {jobs: {flow: {name: '${bundle.mode}|${bundle.uuid}|${workspace.profile}|${bundle.environment}|"
        "${workspace.current_user.short_name}'}}}\n"
    ),
}  # fmt: skip

# Each with a part of what we say. The CLI refuses it, or warns and leaves out what it can't read.
REFUSED: dict[str, tuple[dict[str, str | bytes], str]] = {
    "include is a text": (root("include: r/*.yml\n"), "include: expected a list of patterns, got a text"),
    "include is a mapping": (root("include: {a: b}\n"), "include: expected a list of patterns, got a mapping"),
    "include has an absolute path": (root("include: [/x/*.yml]\n"), "/x/*.yml is no path relative to the bundle"),
    "include names a file that isn't there": (root("include: [q.yml]\n"), "include: there is no file q.yml"),
    "include has braces": (root("include: ['{a,b}.yml']\n"), "include: there is no file {a,b}.yml"),
    "include names a directory": (root("include: [r]\n", **{"r/a.yml": JOB}), "r is neither YAML nor JSON"),
    "include matches a text file": (root("include: [r/*]\n", **{"r/a.txt": "x"}), "r/a.txt is neither YAML nor JSON"),
    "include has half a bracket": (root("include: ['r/[.yml']\n"), "r/[.yml has a [ without its ]"),
    "two root files": ({"bundle.yml": NAME, "databricks.yml": NAME}, "databricks.yml and bundle.yml; a bundle has one"),
    "no name": ({"databricks.yml": JOB}, "bundle: no name"),
    "an empty root file": ({"databricks.yml": ""}, "bundle: no name"),
    "a name of nothing": ({"databricks.yml": "bundle: {name: }\n"}, "bundle: no name"),
    "a root file that is a list": ({"databricks.yml": "- a\n"}, "databricks.yml: expected a mapping, got a list"),
    "an included file that is a text": (
        root("include: [r/*]\n", **{"r/e.yml": "abc\n"}), "r/e.yml: expected a mapping, got a text"
    ),
    "resources are empty": (root("resources:\n"), "resources: is empty"),
    "resources are a list": (root("resources: [a]\n"), "resources: expected a mapping, got a list"),
    "jobs are a list": (root("resources: {jobs: [a]}\n"), "resources.jobs: expected a mapping, got a list"),
    "a job is empty": (root("resources: {jobs: {flow: }}\n"), "jobs.flow: expected a mapping, got nothing"),
    "a job is a text": (root("resources: {jobs: {flow: abc}}\n"), "jobs.flow: expected a mapping, got a text"),
    "tasks are a mapping": (
        root("resources: {jobs: {flow: {name: a, tasks: {task_key: a}}}}\n"), "tasks: expected a list, got a mapping"
    ),
    "tasks are texts": (root("resources: {jobs: {flow: {tasks: [a]}}}\n"), "tasks: expected mappings, got a text"),
    "parameters are a mapping": (root(f"{JOB}      parameters: {{p: 1}}\n"), "parameters: expected a list, got a map"),
    "an integer as key": (root("resources: {jobs: {12: {name: a}}}\n"), "databricks.yml:2: the key 12 is no text"),
    "a boolean as key": (root("resources: {jobs: {true: {name: a}}}\n"), "databricks.yml:2: the key true is no text"),
    "a list as key": (root("resources: {jobs: {[a]: {name: a}}}\n"), "databricks.yml:2: the key is no text"),
    "another encoding": (
        {"databricks.yml": (NAME + JOB).encode() + "      description: café\n".encode("latin-1")}, "no YAML: "
    ),
    "a tab": (root("resources:\n\tjobs: {}\n"), "databricks.yml:3: no YAML: found character"),
    "half a mapping": (root("resources: {jobs: \n"), "no YAML: did not find expected node content"),
    "an anchor in itself": (root("resources: {jobs: &a {flow: *a}}\n"), "databricks.yml:2: an anchor that holds itself"),
    "an unknown anchor": (root("resources: {jobs: {flow: *a}}\n"), "databricks.yml:2: no YAML: found undefined alias"),
    "a tag of one's own": (root("resources: {jobs: {flow: {name: !x a}}}\n"), "databricks.yml:2: unknown tag !x"),
    "a number too long": (root("variables: {a: {default: 12345678901234567890}}\n"), "12345678901234567890 is no int"),
    "a variable that is a text": (root("variables: {a: b}\n"), "variables.a: expected {default: ...}, got a text"),
    "an unknown variable": (names("{a: '${var.ff}'}", "{f: {default: a}}"), "databricks.yml:3: jobs.flow: ${var.ff}: no"),
    "a variable without a name": (names("{a: '${var}'}", "{f: {default: a}}"), "${var} names no value"),
    "a field that isn't there": (
        names("{a: '${var.f.x}'}", "{f: {type: complex, default: {a: b}}}"), "${var.f.x}: there is no x; there are: a"
    ),
    "variables in a circle": (
        names("{a: '${var.f}'}", "{f: {default: '${var.g}'}, g: {default: '${var.f}'}}"), "refers to itself"
    ),
    "variables in a circle that nothing uses": (
        names("{}", "{f: {default: '${var.g}'}, g: {default: '${var.f}'}}"), "refers to itself"
    ),
    "an unknown variable that nothing uses": (names("{}", "{f: {default: '${var.ff}'}}"), "${var.ff}: no variable ff"),
    "a list in a text": (
        names("{a: 'x${var.f}'}", "{f: {type: complex, default: [a]}}"), "is a list, which can't stand inside of a text"
    ),
    "a target's unknown variable": (
        names("{}", "{f: {default: a}}", "targets: {d: {variables: {ff: 1}}}\n"), "sets the variable ff, which is not"
    ),
    "targets are a list": (root("targets: [d]\n"), "targets: expected a mapping, got a list"),
    "a target is a text": (root("targets: {d: abc}\n"), "targets.d: expected a mapping, got a text"),
    "a mode of one's own": (root("targets: {d: {mode: devel}}\n"), "mode devel is neither development nor production"),
    "two default targets": (root("targets: {a: {default: true}, b: {default: true}}\n"), "targets a and b are both the"),
    "no default target": (root("targets: {a: {}, b: {}}\n"), "which target? say --target with one of: a, b"),
    "targets by both names": (root("environments: {a: {}}\ntargets: {b: {}}\n"), "both targets and environments"),
    "a target lays a text over a job": (
        root(f"{JOB}targets: {{d: {{resources: {{jobs: {{flow: abc}}}}}}}}\n"), "a text can't be laid over a mapping"
    ),
    "a target lays tasks over a variable": (
        root("variables: {s: {type: complex, default: []}}\nresources: {jobs: {flow: {name: a, tasks: '${var.s}'}}}\n"
             "targets: {d: {resources: {jobs: {flow: {tasks: [{task_key: a}]}}}}}\n"), "a list can't be laid over a text"
    ),
    "a pause status of one's own": (root(f"{JOB}presets: {{trigger_pause_status: paused}}\n"), "neither PAUSED nor UN"),
    "a resource in two files": (
        root(f"include: [r/*]\n{JOB}", **{"r/f.yml": JOB}), "r/f.yml:3: jobs.flow is declared in another file too"
    ),
    "a reference as key": (root("resources: {jobs: {'${bundle.name}': {name: x}}}\n"), "the key of a resource can't be"),
    "a name that refers to itself": (
        root("resources: {jobs: {flow: {name: '${resources.jobs.flow.name}'}}}\n"), "jobs.flow.name} refers to itself"
    ),
}  # fmt: skip


def write(directory: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory
