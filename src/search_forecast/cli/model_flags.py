"""The flags of the commands for models."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from search_forecast.parameters import ForecastParameters, MonitorParameters, RegressionParameters


class Adds(Protocol):
    """Adds a command with the flags that every command has."""

    def __call__(self, name: str, text: str, *, has_tables: bool = True) -> argparse.ArgumentParser:
        """As `cli` does it."""
        ...


def add_commands(add: Adds) -> None:
    """Add the parsers of these commands."""

    def add_model_command(name: str, text: str) -> argparse.ArgumentParser:
        command = add(name, text)
        command.add_argument("--experiment", metavar="NAME", help="on Databricks: path of the MLflow experiment")
        return command

    def choice(command: argparse.ArgumentParser) -> None:
        chosen = command.add_mutually_exclusive_group()
        chosen.add_argument("--version", type=_positive, metavar="V", help="this version")
        chosen.add_argument("--alias", metavar="A", help="the version with this alias (default: champion, else latest)")

    load = add("load-measurements", "load infants' sizes from a CSV file into search_gold.infant_growth")
    load.add_argument("--source", type=Path, required=True, metavar="FILE", help="CSV with height_cm and weight_kg")
    _add_training(add_model_command)
    _add_forecasting(add_model_command)
    predict = add_model_command("predict", "what a model says to one input; writes nothing")
    predict.add_argument("name", help="the model")
    predict.add_argument("values", nargs="*", metavar="k=v", help="a value for each of its inputs")
    choice(predict)
    score = add_model_command("score-model", "score one input or a table into search_gold.model_scores")
    score.add_argument("name", help="the model")
    score.add_argument("--input", action="append", metavar="k=v", help="a value for an input, or several with commas")
    score.add_argument("--table", metavar="T", help="score each row of this table instead")
    choice(score)
    import_ = add_model_command("import-model", "register a Spark ML model that someone else trained")
    import_.add_argument("archive", type=Path, metavar="ARCHIVE", help=".tar.gz, .tar, .zip or directory")
    import_.add_argument("--name", required=True, help="name to register it under")
    import_.add_argument(
        "--input", action="append", metavar="NAME:TYPE[=VALUE]", help="an input, where the model does not know its own"
    )
    import_.add_argument("--model", metavar="PATH", help="which, where the archive holds several")
    export = add_model_command("export-model", "write a version as the directory that Spark ML loads")
    export.add_argument("name", help="the model")
    export.add_argument("number", type=_positive, nargs="?", metavar="VERSION", help="default: champion, else latest")
    export.add_argument("directory", type=Path, metavar="DIR", help="new directory to write")
    export.add_argument("--alias", metavar="A", help="the version with this alias")
    export.add_argument("--bare", action="store_true", help="only the last stage, which takes a vector")
    models = add_model_command("models", "list the registered models, or all that is known of a version")
    models.add_argument("name", nargs="?", help="only this model")
    models.add_argument("number", type=_positive, nargs="?", metavar="VERSION", help="this version, in full")
    reproduce = add_model_command("reproduce", "train a version once more from what it recorded; exit 1 if it differs")
    reproduce.add_argument("name", help="the model")
    reproduce.add_argument("number", type=_positive, metavar="VERSION")
    promote = add_model_command("promote", "give a version an alias; with an older version: roll back")
    promote.add_argument("name", help="the model")
    promote.add_argument(
        "number", type=_positive, nargs="?", metavar="VERSION", help="default: the latest, if it passed its gate"
    )
    promote.add_argument("--alias", default="champion", metavar="A", help="default champion")
    promote.add_argument("--force", metavar="REASON", help="although it failed its gate; the reason is recorded")


def _add_forecasting(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    train = add("train", "backtest and choose how to forecast each term, and register it")
    score = add("score", "add the champion's forecasts to search_gold.term_forecasts")
    monitor = add("monitor", "compare past forecasts with what came, and say whether to train again")
    for command in (train, score, monitor):
        command.add_argument("--name", default="search_demand", help="the registered model (default search_demand)")
        command.add_argument("--as-of", metavar="DATE", help="as if it were then: counts up to this day only")
    defaults = ForecastParameters()
    for flag, name, text in (
        ("--horizon", "horizon", "periods ahead"),
        ("--step", "step", "periods between the cutoffs of the backtest"),
        ("--windows", "windows", "cutoffs of the backtest, at most"),
        ("--floor", "floor_count", "terms with fewer searches are pooled into (other)"),
        ("--history", "history_periods", "periods that the series reach back"),
    ):
        default = getattr(defaults, name)
        train.add_argument(flag, dest=name, type=int, default=default, metavar="N", help=f"{text} (default {default})")
    train.add_argument("--frequency", choices=("day", "week"), default="day", help="length of a period (default day)")
    train.add_argument("--alpha", type=float, default=defaults.alpha, metavar="A", help="level of the test (0.05)")
    train.add_argument("--candidates", metavar="A,B", help=f"default {','.join(defaults.candidates)}")
    train.add_argument("--coherent", action="store_true", help="make the terms' forecasts add up to the total's")
    _add_limits(monitor)
    choice = score.add_mutually_exclusive_group()
    choice.add_argument("--version", type=_positive, metavar="V", help="this version")
    choice.add_argument("--alias", metavar="A", help="the version with this alias (default: champion)")


def _add_limits(monitor: argparse.ArgumentParser) -> None:
    _add_numbers(
        monitor,
        MonitorParameters,
        ("accuracy_windows", "latest forecasts to look at"),
        ("worse_windows", "how many of them must be bad"),
        ("worse_by_ratio", "how much larger than the mean's an error is to count as worse"),
        ("least_coverage_ratio", "share of counts inside the 95 %% interval below which it is bad"),
        ("drift_alpha", "p-value below which chance does not explain a mix of terms"),
        ("drift_psi", "population stability index above which a change matters"),
        ("cooldown_days", "days after the last training data in which nothing is trained again"),
    )


def _add_training(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    train = add("train-regression", "train a linear regression on a table and register it")
    train.add_argument("--table", required=True, metavar="T", help="such as search_gold.infant_growth")
    train.add_argument("--features", required=True, metavar="A,B", help="columns to predict from")
    train.add_argument("--label", required=True, metavar="C", help="column to predict")
    train.add_argument("--name", required=True, help="name to register it under")
    _add_numbers(
        train,
        RegressionParameters,
        ("reg_param", "regularisation, 0 for none"),
        ("elastic_net_param", "0 ridge to 1 lasso"),
        ("max_iter", "most iterations"),
        ("tol", "convergence"),
        ("seed", "for the folds of the cross-validation"),
    )
    train.add_argument("--no-intercept", action="store_true", help="through the origin")
    train.add_argument("--no-standardization", action="store_true", help="features as they are")


def _add_numbers(command: argparse.ArgumentParser, parameters: type, *flags: tuple[str, str]) -> None:
    """A flag for each of these fields of a dataclass, with its default."""
    for name, text in flags:
        default = getattr(parameters, name)
        flag, kind = f"--{name.replace('_', '-')}", type(default)
        command.add_argument(flag, type=kind, default=default, metavar="X", help=f"{text} (default {default})")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no version: a number from 1")
    return int(text)
