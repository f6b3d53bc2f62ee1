"""A bundle is read as the Databricks CLI reads it, which is kept in cli_answers.json: no CLI is needed."""

import json

import pytest

from search_forecast.bundle.configuration import User, load
from search_forecast.bundle.documents import as_text
from search_forecast.bundle.references import static_paths
from search_forecast.errors import UsageError
from support import cli_answers, databricks_cli
from support.bundles import READ, REFUSED, write

ANSWERS = cli_answers.recorded()


def texts(value):
    """All scalars as texts: the CLI knows of each field what it holds, which is no matter here."""
    if isinstance(value, dict):
        return {key: texts(inner) for key, inner in value.items() if inner is not None}
    return [texts(inner) for inner in value] if isinstance(value, list) else as_text(value)


def plain(resources, config):
    """Resources without what the CLI adds, and with what it leaves for the deployment to fill in."""
    result = {}
    for kind, items in resources.items():
        for key, resource in items.items():
            written = texts({name: value for name, value in resource.items() if name not in cli_answers.ADDED})
            text = json.dumps(written)
            for path in static_paths(written):
                value = config
                for step in path.split("."):
                    value = value.get(step, "${" + path + "}")
                text = text.replace("${" + path + "}", value)
            result[f"{kind}.{key}"] = json.loads(text)
            result[f"{kind}.{key}"].get("tasks", []).sort(key=lambda task: task["task_key"])
    return result


@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_what_the_cli_made_of_it(tmp_path, name):
    bundle = load(write(tmp_path, READ[name]), user=User(databricks_cli.USER))

    expected = plain(ANSWERS["read"][name], bundle.config)
    assert plain(bundle.config["resources"], bundle.config) == expected
    assert expected or name == "a kind without resources"


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_read_is_said_in_one_line(tmp_path, name):
    files, message = REFUSED[name]

    with pytest.raises(UsageError) as refused:
        load(write(tmp_path, files), user=User("ann"))

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert ANSWERS["refused"][name], "the CLI reads it without a word"


@pytest.mark.skipif(not databricks_cli.IS_HERE, reason="the Databricks CLI is not on the PATH")
def test_the_cli_still_says_so():
    assert cli_answers.ask() | {"version": ANSWERS["version"]} == ANSWERS
