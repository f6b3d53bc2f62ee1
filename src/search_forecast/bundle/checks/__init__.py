"""Checks of the bundle that need no workspace: what `databricks bundle validate --strict` does not see."""

from pathlib import Path

from search_forecast.bundle.checks import artifacts, definitions, grants, jobs, names, settings, sql
from search_forecast.bundle.checks.problem import Problem
from search_forecast.bundle.configuration import Bundle, User, resolve, targets
from search_forecast.bundle.files import read
from search_forecast.errors import UsageError

_ANN, _BOB = User("ann@example.com"), User("bob@example.com")


def check(root: Path, parse: jobs.Parse) -> list[str]:
    """Check a bundle for all of its targets.

    Args:
        root: Directory of databricks.yml.
        parse: Parses the command line of a wheel task; UsageError where it is wrong.

    Returns:
        One line a problem: where it is written, which resource, what is wrong with it.
    """
    try:
        files = read(root)
        bundles = [resolve(files, _ANN, target) for target in targets(files.content)]
        for_developers = [b.target for b in bundles if b.config["bundle"].get("mode") == "development"]
        others = {target: resolve(files, _BOB, target) for target in for_developers}
    except UsageError as error:
        return [str(error)]
    first = bundles[0]
    problems = [*settings.as_written(files.content), *definitions.repeated_keys(first)]
    problems += [*definitions.variables(first), *sql.of_queries()]
    for bundle in bundles:
        problems += [
            *settings.problems(bundle),
            *artifacts.problems(bundle),
            *definitions.parsed(bundle),
            *definitions.references(bundle),
            *names.hard_coded(bundle),
            *names.of_apps(bundle),
            *names.of_experiments(bundle),
            *sql.problems(bundle),
            *grants.problems(bundle),
            *jobs.problems(bundle, parse),
        ]
        if bundle.target in others:
            problems += [*names.shared(bundle, others[bundle.target]), *names.active(bundle)]
    problems += names.shared_targets(bundles)
    return list(dict.fromkeys([*files.ignored, *(_line(first, problem) for problem in problems)]))


def _line(bundle: Bundle, problem: Problem) -> str:
    resource = ".".join(problem.path.split(".")[:2])
    where = [bundle.place(problem.path)] if resource in bundle.files.places else []
    return ": ".join([*where, *filter(None, [resource]), problem.text])
