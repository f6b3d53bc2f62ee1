"""The commands for models: their flags and what each calls."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from search_forecast.cli import output
from search_forecast.errors import DataError, UsageError

if TYPE_CHECKING:
    from search_forecast.lakehouse.tables import Lakehouse
    from search_forecast.models.model_inputs import Input
    from search_forecast.models.registry import Registry, Version

Namespace = argparse.Namespace


class Opens(Protocol):
    """Opens the lakehouse that the flags name."""

    def __call__(
        self, arguments: Namespace, *, writes: bool, source: Path | None = None
    ) -> "AbstractContextManager[Lakehouse]":
        """As `cli` does it."""
        ...


def registry_of(arguments: Namespace, *, makes: bool = False) -> "Registry":
    """The registry that belongs to the lakehouse that the flags name."""
    from search_forecast.models.registry import DIRECTORY, Registry

    if "here" in arguments:  # a task of a job that `run` runs on this machine, whatever its flags say
        return Registry(arguments.here.root / DIRECTORY)
    if arguments.catalog is None:
        root = arguments.lakehouse.absolute()
        if not makes and not root.is_dir():
            raise DataError(
                f"{arguments.command}: no lakehouse at {root}; run train, train-regression or import-model first, or "
                f"say --lakehouse DIR"
            )
        return Registry(root / DIRECTORY)
    if not arguments.gold_schema:
        raise UsageError(f"{arguments.command}: --catalog needs --gold-schema too")
    prefix = f"{arguments.catalog}.{arguments.gold_schema}."
    return Registry(None, prefix=prefix, experiment=arguments.experiment or "/Shared/search_forecast")


def _chosen(models: "Registry", arguments: Namespace) -> "Version":
    _not_a_path(arguments)
    number = getattr(arguments, "version", None) or getattr(arguments, "number", None)
    version = models.find(arguments.name, number, getattr(arguments, "alias", None))
    if version.tags.get("kind") == "forecast" and arguments.command in ("score-model", "export-model"):
        raise UsageError(
            f"{arguments.command}: {version.name} forecasts demand: score adds its forecasts to a table, predict shows "
            f"one, and mlflow.pyfunc.load_model loads it in Python"
        )
    return version


def _not_a_path(arguments: Namespace) -> None:
    """Somebody who names a saved model's directory learns what it is and what to do with it."""
    from search_forecast.models.sparkml.metadata import read_metadata

    path = Path(arguments.name)
    if not (path / "metadata").is_dir():
        return
    metadata = read_metadata(path)
    module, _, name = metadata.python_class.rpartition(".")
    raise UsageError(
        f"{arguments.command}: {path} is no registered model but a directory with a {name}, saved by Spark "
        f"{metadata.spark_version}: register it with import-model {path} --name NAME, or load it in Python with "
        f"{name}.load({str(path)!r}) from {module}"
    )


def _load_measurements(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.models.load_measurements import load_measurements

    with opened(arguments, writes=True) as lakehouse:
        return output.result(load_measurements(lakehouse, arguments.source), is_json=arguments.json)


def _train_regression(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.models.train_regression import train_regression
    from search_forecast.parameters import RegressionParameters

    parameters = RegressionParameters(
        table=arguments.table,
        features=tuple(name.strip() for name in arguments.features.split(",")),
        label=arguments.label,
        fit_intercept=not arguments.no_intercept,
        standardization=not arguments.no_standardization,
        **{name: getattr(arguments, name) for name in ("reg_param", "elastic_net_param", "max_iter", "tol", "seed")},
    )
    with opened(arguments, writes=True) as lakehouse:
        trained = train_regression(lakehouse, registry_of(arguments), arguments.name, parameters, now())
    return show(trained, arguments)


def _predict(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.models import model_inputs
    from search_forecast.models.score_model import predict

    given = model_inputs.parse(arguments.values, "predict")
    models = registry_of(arguments)
    version = _chosen(models, arguments)
    if version.tags.get("kind") == "forecast":
        return _predict_demand(models, version, given, arguments)
    with opened(arguments, writes=False) as lakehouse:
        answer = predict(lakehouse, models, version, given)
    if arguments.json:
        return output.result(answer, is_json=True)
    return _show_prediction(version, answer)


def _predict_demand(models: "Registry", version: "Version", given: "Sequence[Input]", arguments: Namespace) -> int:
    from search_forecast.demand.predict import predict_demand

    answer = predict_demand(models, version, given)
    if arguments.json:
        return output.result(answer, is_json=True)
    output.line(f"{version}: {answer['term']} on {answer['target_date']} -> {answer['forecast']:.1f} searches")
    output.line(f"95 % interval: {answer['lower']:.1f} to {answer['upper']:.1f}; trained to {answer['trained_to']}")
    return 0


def _show_prediction(version: "Version", answer: Mapping[str, Any]) -> int:
    inputs = ", ".join(f"{name}={value}" for name, value in answer["inputs"].items())
    what = answer["label"] or "prediction"
    text = f" ({answer['predicted_label']})" if answer["predicted_label"] is not None else ""
    output.line(f"{version}: {inputs} -> {what} {answer['prediction']}{text}")
    if answer["warning"]:
        output.line(f"warning: {answer['warning']}")
    output.line(f"(a {answer['spark_ml_class'].rpartition('.')[2]}; export-model says how to load it in Python)")
    return 0


def _score_model(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.models import model_inputs
    from search_forecast.models.score_model import score_model

    given = model_inputs.parse(arguments.input or [], "score-model")
    if bool(given) == (arguments.table is not None):
        raise UsageError("score-model: say either --input k=v or --table T")
    models = registry_of(arguments, makes=True)
    version = _chosen(models, arguments)
    with opened(arguments, writes=True) as lakehouse:
        return show(score_model(lakehouse, models, version, inputs=given, table=arguments.table, now=now()), arguments)


def _import_model(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.models import model_inputs
    from search_forecast.models.import_model import import_model

    given = model_inputs.parse(arguments.input or [], "import-model")
    with opened(arguments, writes=True) as lakehouse:
        models = registry_of(arguments)
        done = import_model(
            lakehouse,
            models,
            arguments.archive,
            name=arguments.name,
            declared=given,
            model_path=arguments.model,
            now=now(),
        )
    return show(done, arguments)


def _export_model(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.models.export import export_model

    if arguments.number and arguments.alias:
        raise UsageError("export-model: say a VERSION or --alias, not both")
    models = registry_of(arguments)
    version = _chosen(models, arguments)
    return show(export_model(models, version, arguments.directory, is_bare=arguments.bare), arguments)


def _models(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.models.versions import describe, list_models

    models = registry_of(arguments)
    if arguments.number:
        found = describe(models, _chosen(models, arguments))
        return show(found if arguments.json else {**found, "files": f"{len(found['files'])}, see --json"}, arguments)
    if arguments.name:
        models.find(arguments.name)
    columns, rows = list_models(models, arguments.name)
    if arguments.json:
        return output.rows(columns, rows, form="json")
    return output.rows(columns[:6], [row[:6] for row in rows], form="table")


def _reproduce(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.demand.reproduce import reproduce_forecasts
    from search_forecast.models.reproduce import reproduce

    models = registry_of(arguments)
    version = _chosen(models, arguments)
    again = reproduce_forecasts if version.tags.get("kind") == "forecast" else reproduce
    with opened(arguments, writes=False) as lakehouse:
        found = again(lakehouse, models, version)
    show(found, arguments)
    return 0 if found["is_reproduced"] else DataError.exit_code


def _promote(arguments: Namespace, opened: Opens) -> int:
    from search_forecast.models.promotion import promote, promote_latest

    models = registry_of(arguments)
    with _locked(arguments):
        if arguments.number is None and arguments.force is not None:
            raise UsageError("promote: --force needs a VERSION too")
        if arguments.number is None:
            return show(promote_latest(models, arguments.name, arguments.alias, now()), arguments)
        version = models.find(arguments.name, arguments.number)
        return show(promote(models, version, arguments.alias, arguments.force, now()), arguments)


def _locked(arguments: Namespace) -> AbstractContextManager[None]:
    """The lock on a local lakehouse, for a command that writes without Spark."""
    if arguments.catalog is not None or "here" in arguments:
        return nullcontext()
    from search_forecast.lakehouse.lock import exclusive

    return exclusive(arguments.lakehouse.absolute(), arguments.command)


def show(values: Mapping[str, Any], arguments: Namespace) -> int:
    """Print a result as the flags ask for."""
    if arguments.json:
        return output.result(values, is_json=True)
    return output.result(_flat(values), is_json=False)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """One line a value, numbers in full: a coefficient cut to four digits is of no use."""
    return {name: _text(value) if value is not None else None for name, value in values.items()}


def _text(value: object) -> object:
    if isinstance(value, Mapping):
        return "; ".join(f"{name}={_text(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(str(_text(item)) for item in value) or "none"
    return str(value) if isinstance(value, float) else value


def now() -> datetime:
    """The time of this run, UTC."""
    return datetime.now(timezone.utc)


COMMANDS: dict[str, Callable[..., int]] = {
    "load-measurements": _load_measurements,
    "train-regression": _train_regression,
    "predict": _predict,
    "score-model": _score_model,
    "import-model": _import_model,
    "export-model": _export_model,
    "models": _models,
    "reproduce": _reproduce,
    "promote": _promote,
}
