"""The commands that forecast demand: train, score, monitor. As in `cli`, each imports what it needs."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING

from search_forecast.cli.models import Opens, now, registry_of, show
from search_forecast.errors import DataError, UsageError

if TYPE_CHECKING:
    from search_forecast.models.registry import Version

Namespace = argparse.Namespace


def _train(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.demand.forecasting.candidates import NAMES
    from search_forecast.demand.train import train
    from search_forecast.parameters import ForecastParameters

    names = ("horizon", "step", "windows", "floor_count", "history_periods", "frequency", "alpha")
    given = {name: getattr(arguments, name) for name in names}
    if arguments.candidates is not None:
        given["candidates"] = tuple(name.strip() for name in arguments.candidates.split(",") if name.strip())
        for name in given["candidates"]:
            if name not in NAMES:
                raise UsageError(f"train: no candidate {name!r}; there are {', '.join(NAMES)}")
    parameters = ForecastParameters(**given, is_coherent=arguments.coherent)
    with opened(arguments, writes=True) as lakehouse:
        models = registry_of(arguments)
        done = train(lakehouse, models, arguments.name, parameters, as_of=_as_of(arguments), now=now())
    return show(done, arguments)


def _score(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.demand.score import score

    models = registry_of(arguments)
    alias = arguments.alias or (None if arguments.version else "champion")
    version = models.find(arguments.name, arguments.version, alias)
    with opened(arguments, writes=True) as lakehouse:
        return show(score(lakehouse, models, version, _as_of(arguments)), arguments)


def _monitor(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.demand.monitor import monitor
    from search_forecast.parameters import MonitorParameters

    parameters = MonitorParameters(
        **{field.name: getattr(arguments, field.name) for field in fields(MonitorParameters)}
    )
    models = registry_of(arguments, makes=True)
    with opened(arguments, writes=True) as lakehouse:
        champion, newest = models.holder(arguments.name, "champion"), models.latest(arguments.name)
        if champion is None:
            reason = f"{arguments.name} has no champion yet"
            return show({"model_version": None, "needs_retrain": "true", "reason": reason}, arguments)
        trained = _day_of(champion, "trained_from"), _day_of(champion, "trained_to")
        latest = max(
            _day_of(version, "trained_to") for version in (champion, newest or champion) if "trained_to" in version.tags
        )
        done = monitor(
            lakehouse,
            champion.number,
            trained,
            latest_trained_to=latest,
            parameters=parameters,
            as_of=_as_of(arguments),
        )
    return show(done, arguments)


def _as_of(arguments: Namespace) -> date | None:
    """The last day to know of; a job's parameter may be empty."""
    try:
        return date.fromisoformat(arguments.as_of) if arguments.as_of else None
    except ValueError:
        raise UsageError(f"{arguments.command}: --as-of {arguments.as_of} is no day such as 2025-12-31") from None


def _day_of(version: "Version", tag: str) -> date:
    if tag not in version.tags:
        raise DataError(f"monitor: {version} does not say {tag}: it was not registered by train")
    return date.fromisoformat(version.tags[tag])


COMMANDS: dict[str, Callable[..., int]] = {"train": _train, "score": _score, "monitor": _monitor}
