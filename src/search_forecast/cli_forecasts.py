"""The commands that forecast demand: train, score, monitor. As in `cli`, each imports what it needs."""

import argparse
from collections.abc import Callable

from search_forecast.cli_models import Opens, now, registry_of, show
from search_forecast.errors import UsageError

Namespace = argparse.Namespace


def _train(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.forecasting.candidates import NAMES
    from search_forecast.jobs.train import train
    from search_forecast.parameters import ForecastParameters

    fields = ("horizon", "step", "windows", "floor_count", "history_periods", "frequency", "alpha")
    given = {name: getattr(arguments, name) for name in fields}
    if arguments.candidates is not None:
        given["candidates"] = tuple(name.strip() for name in arguments.candidates.split(",") if name.strip())
        for name in given["candidates"]:
            if name not in NAMES:
                raise UsageError(f"train: no candidate {name!r}; there are {', '.join(NAMES)}")
    parameters = ForecastParameters(**given, is_coherent=arguments.coherent)
    with opened(arguments, writes=True) as lakehouse:
        models = registry_of(arguments)
        done = train(lakehouse, models, arguments.name, parameters, as_of=arguments.as_of, now=now())
    return show(done, arguments)


def _score(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.jobs.score import score

    models = registry_of(arguments)
    alias = arguments.alias or (None if arguments.version else "champion")
    version = models.find(arguments.name, arguments.version, alias)
    with opened(arguments, writes=True) as lakehouse:
        return show(score(lakehouse, models, version, arguments.as_of), arguments)


COMMANDS: dict[str, Callable[..., int]] = {"train": _train, "score": _score}
