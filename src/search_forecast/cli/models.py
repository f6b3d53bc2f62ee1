"""The commands for models: small ones of one's own, and those of others."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from search_forecast.cli import output
from search_forecast.cli.call import Call
from search_forecast.cli.command import PATH, VERSION, Command, at_most_one, flags
from search_forecast.errors import DataError, UsageError
from search_forecast.parameters import DEMAND_MODEL, RegressionParameters

if TYPE_CHECKING:
    from search_forecast.models.registry import Registry, Version

F = TypeVar("F", bound=Callable[..., Any])
_TRAIN = {
    "reg_param": "regularisation, 0 for none",
    "elastic_net_param": "0 ridge to 1 lasso",
    "max_iter": "most iterations",
    "tol": "convergence",
    "seed": "for the folds of the cross-validation",
}
_TRAIN_INFANTS = (
    "train-regression --table search_gold.infant_growth --features height_cm --label weight_kg --name infant_weight"
)
_ALIAS = "the version with this alias (default: champion, else latest)"


def _one_version(function: F) -> F:
    number = click.option("--version", type=VERSION, metavar="V", help="this version")
    return number(click.option("--alias", metavar="A", help=_ALIAS)(function))


def _chosen(
    call: Call, models: "Registry", name: str, version: int | None = None, alias: str | None = None
) -> "Version":
    at_most_one(version=version, alias=alias)
    _check_is_name(call, name)
    chosen = models.find(name, version, alias)
    if _is_forecast(chosen) and call.command in ("score-model", "export-model"):
        raise UsageError(
            f"{call.command}: {chosen.name} forecasts demand: score adds its forecasts to a table, predict shows one, "
            f"and mlflow.pyfunc.load_model loads it in Python"
        )
    return chosen


def _is_forecast(version: "Version") -> bool:
    return version.tags.get("kind") == "forecast"


def _check_is_name(call: Call, name: str) -> None:
    """Somebody who names a saved model's directory learns what it is and what to do with it."""
    path = Path(name)
    if not (path / "metadata").is_dir():
        return
    from search_forecast.models.sparkml.metadata import read_metadata

    metadata = read_metadata(path)
    module, _, kind = metadata.python_class.rpartition(".")
    raise UsageError(
        f"{call.command}: {path} is no registered model but a directory with a {kind}, saved by Spark "
        f"{metadata.spark_version}: register it with import-model {path} --name NAME, or load it in Python with "
        f"{kind}.load({str(path)!r}) from {module}"
    )


@click.command(
    "load-measurements", cls=Command, is_task=True, example="load-measurements --source fixtures/infant_growth.csv"
)
@click.option("--source", type=PATH, required=True, metavar="FILE", help="CSV with height_cm and weight_kg")
@click.pass_obj
def load_measurements(call: Call, source: Path) -> int:
    """Load infants' sizes from a CSV file into search_gold.infant_growth."""
    from search_forecast.models.load_measurements import load_measurements

    with call.opened(writes=True) as lakehouse:
        return call.result(load_measurements(lakehouse, source), next_step=_TRAIN_INFANTS)


@click.command(
    "train-regression", cls=Command, is_task=True, has_models=True,
    example=_TRAIN_INFANTS,
)  # fmt: skip
@click.option("--table", required=True, metavar="T", help="such as search_gold.infant_growth")
@click.option("--features", required=True, metavar="A,B", help="columns to predict from")
@click.option("--label", required=True, metavar="C", help="column to predict")
@click.option("--name", required=True, help="name to register it under")
@flags(RegressionParameters("table", ("feature",), "label"), _TRAIN)
@click.option("--no-intercept", is_flag=True, help="through the origin")
@click.option("--no-standardization", is_flag=True, help="features as they are")
@click.pass_obj
def train_regression(
    call: Call, /, features: str, name: str, no_intercept: bool, no_standardization: bool, **values: Any
) -> int:
    """Train a linear regression on a table and register it."""
    parameters = RegressionParameters(
        features=tuple(feature.strip() for feature in features.split(",")),
        fit_intercept=not no_intercept,
        standardization=not no_standardization,
        **values,
    )
    from search_forecast.models.train_regression import train_regression

    with call.opened(writes=True) as lakehouse:
        trained = train_regression(lakehouse, call.registry(writes=True), name, parameters, call.now())
    return call.result(trained, next_step=f"models {name} {trained['version']}")


@click.command("predict", cls=Command, is_task=True, has_models=True, example="predict infant_weight height_cm=70")
@click.argument("name")
@click.argument("values", nargs=-1, metavar="[k=v]...")
@_one_version
@click.pass_obj
def predict(call: Call, name: str, values: tuple[str, ...], version: int | None, alias: str | None) -> int:
    """Say what a model makes of one input; write nothing."""
    from search_forecast.models import model_inputs
    from search_forecast.models.score_model import predict

    inputs = model_inputs.parse(values, "predict")
    models = call.registry()
    chosen = _chosen(call, models, name, version, alias)
    if _is_forecast(chosen):
        from search_forecast.demand.predict import predict_demand

        answer = predict_demand(models, chosen, inputs)
    else:
        with call.opened(writes=False) as lakehouse:
            answer = predict(lakehouse, models, chosen, inputs)
    if call.json:
        return call.result(answer)
    (_show_forecast if _is_forecast(chosen) else _show_prediction)(chosen, answer)
    return 0


def _show_forecast(version: "Version", answer: dict[str, Any]) -> None:
    output.line(f"{version}: {answer['term']} on {answer['target_date']} -> {answer['forecast']:.1f} searches")
    output.line(f"95 % interval: {answer['lower']:.1f} to {answer['upper']:.1f}; trained to {answer['trained_to']}")


def _show_prediction(version: "Version", answer: dict[str, Any]) -> None:
    inputs = ", ".join(f"{name}={value}" for name, value in answer["inputs"].items())
    text = f" ({answer['predicted_label']})" if answer["predicted_label"] is not None else ""
    said = f"{version}: {inputs} -> {answer['label'] or 'prediction'} {answer['prediction']}{text}"
    output.line(output.printable(said))  # labels are those of whoever trained the model
    if answer["warning"]:
        output.line(f"warning: {answer['warning']}")
    output.line(f"(a {answer['spark_ml_class'].rpartition('.')[2]}; export-model says how to load it in Python)")


@click.command(
    "score-model", cls=Command, is_task=True, has_models=True, example="score-model infant_weight --input height_cm=70"
)
@click.argument("name")
@click.option("--input", "inputs", multiple=True, metavar="k=v", help="a value for an input, or several with commas")
@click.option("--table", metavar="T", help="score each row of this table instead")
@_one_version
@click.pass_obj
def score_model(
    call: Call, name: str, inputs: tuple[str, ...], table: str | None, version: int | None, alias: str | None
) -> int:
    """Score one input or a table into search_gold.model_scores."""
    from search_forecast.models import model_inputs
    from search_forecast.models.score_model import score_model

    parsed = model_inputs.parse(inputs, "score-model")
    if bool(parsed) == (table is not None):
        raise UsageError("score-model: say either --input k=v or --table T")
    models = call.registry(writes=True)
    chosen = _chosen(call, models, name, version, alias)
    with call.opened(writes=True) as lakehouse:
        return call.result(score_model(lakehouse, models, chosen, inputs=parsed, table=table, now=call.now()))


@click.command(
    "import-model", cls=Command, is_task=True, has_models=True,
    example="import-model model.tar.gz --name sales_prediction --input year:long=2022",
)  # fmt: skip
@click.argument("archive", type=PATH)
@click.option("--name", required=True, help="name to register it under")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME:TYPE[=VALUE]",
    help="an input, where the model does not know its own",
)
@click.option("--model", metavar="PATH", help="which, where the archive holds several")
@click.pass_obj
def import_model(call: Call, archive: Path, name: str, inputs: tuple[str, ...], model: str | None) -> int:
    """Register a Spark ML model that someone else trained (.tar.gz, .tar, .zip or directory)."""
    from search_forecast.models import model_inputs
    from search_forecast.models.import_model import import_model

    parsed = model_inputs.parse(inputs, "import-model")
    with call.opened(writes=True) as lakehouse:
        models = call.registry(writes=True)
        imported = import_model(
            lakehouse, models, archive, name=name, declared=parsed, model_path=model, now=call.now()
        )
    return call.result(imported, next_step=f"score-model {name} --input k=v")


@click.command(
    "export-model", cls=Command, is_task=True, has_models=True, example="export-model infant_weight 1 exported"
)
@click.argument("words", nargs=-1, required=True, metavar="NAME [VERSION] DIR")
@click.option("--alias", metavar="A", help=_ALIAS)
@click.option("--bare", is_flag=True, help="only the last stage, which takes a vector")
@click.pass_obj
def export_model(call: Call, words: tuple[str, ...], alias: str | None, bare: bool) -> int:
    """Write a version as the directory that Spark ML loads."""
    if not 2 <= len(words) <= 3:
        raise UsageError("export-model: say NAME [VERSION] DIR")
    from search_forecast.models.export import export_model

    number = VERSION(words[1]) if len(words) == 3 else None
    models = call.registry()
    chosen = _chosen(call, models, words[0], number, alias)
    return call.result(export_model(models, chosen, Path(words[-1]), is_bare=bare))


@click.command("models", cls=Command, is_task=True, has_models=True, has_csv=True, example="models infant_weight 1")
@click.argument("name", required=False)
@click.argument("number", type=VERSION, required=False, metavar="[VERSION]")
@click.pass_obj
def models(call: Call, name: str | None, number: int | None) -> int:
    """List the registered models, or say all that is known of a version."""
    from search_forecast.models.versions import describe, list_models

    registry = call.registry()
    if name and number:
        known = describe(registry, _chosen(call, registry, name, number))
        return call.result(known if call.json else {**known, "files": f"{len(known['files'])}, see --json"})
    if name:
        registry.find(name)
    return call.rows(*list_models(registry, name))


@click.command("reproduce", cls=Command, is_task=True, has_models=True, example="reproduce infant_weight 1")
@click.argument("name")
@click.argument("number", type=VERSION, metavar="VERSION")
@click.pass_obj
def reproduce(call: Call, name: str, number: int) -> int:
    """Train a version once more from what it recorded; exit 1 if it differs."""
    registry = call.registry()
    chosen = _chosen(call, registry, name, number)
    if _is_forecast(chosen):
        from search_forecast.demand.reproduce import reproduce_forecasts as train_again
    else:
        from search_forecast.models.reproduce import reproduce as train_again
    with call.opened(writes=False) as lakehouse:
        comparison = train_again(lakehouse, registry, chosen)
    call.result(comparison)
    return 0 if comparison["is_reproduced"] else DataError.exit_code


@click.command("promote", cls=Command, is_task=True, has_models=True, example="promote search_demand")
@click.argument("name")
@click.argument("number", type=VERSION, required=False, metavar="[VERSION]")
@click.option("--alias", default="champion", show_default=True, metavar="A", help="alias to give")
@click.option("--force", metavar="REASON", help="although it failed its gate; the reason is recorded")
@click.pass_obj
def promote(call: Call, name: str, number: int | None, alias: str, force: str | None) -> int:
    """Give a version an alias (default: the latest, if it passed its gate); with an older version: roll back."""
    if force is not None and number is None:
        raise UsageError("promote: --force needs a VERSION too")
    from search_forecast.models.promotion import promote, promote_latest

    registry = call.registry()
    with call.locked():
        if number is None:
            promoted = promote_latest(registry, name, alias, call.now())
        else:
            promoted = promote(registry, registry.find(name, number), alias, force, call.now())
    return call.result(promoted, next_step="score" if name == DEMAND_MODEL else None)


COMMANDS = (
    *(load_measurements, train_regression, predict, score_model),
    *(import_model, export_model, models, reproduce, promote),
)
