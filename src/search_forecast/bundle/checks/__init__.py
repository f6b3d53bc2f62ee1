"""Checks of the bundle that need no workspace: what `databricks bundle validate --strict` does not see."""

from pathlib import Path

from search_forecast.bundle.checks import definitions, jobs, names, sql
from search_forecast.bundle.configuration import User, load
from search_forecast.errors import UsageError

_ANN, _BOB = User("ann@example.com"), User("bob@example.com")


def check(root: Path, parse: jobs.Parse) -> list[str]:
    """Check a bundle for all of its targets.

    Args:
        root: Directory of databricks.yml.
        parse: Parses the command line of a wheel task; UsageError where it is wrong.

    Returns:
        One line a problem: which resource, what is wrong with it.
    """
    try:
        default = load(root, user=_ANN)
        targets = [load(root, user=_ANN, target=name) for name in default.raw["targets"]]
        others = [load(root, user=_BOB, target=bundle.target) for bundle in targets]
    except UsageError as error:
        return [str(error)]
    problems = [*definitions.repeated_keys(default), *definitions.variables(default)]
    problems += [*names.hard_coded(default), *sql.problems(default)]
    for bundle, other in zip(targets, others, strict=True):
        problems += definitions.parsed(bundle)
        problems += jobs.problems(bundle, parse)
        if bundle.config["bundle"].get("mode") == "development":
            problems += [*names.shared(bundle, other), *names.active(bundle)]
    problems += names.shared_targets(targets)
    return list(dict.fromkeys(problems))
