"""Loads checked models and looks at their stages: what each reads and writes, which of them a prediction needs."""

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pyspark.ml import Model, PipelineModel, Transformer

from search_forecast.errors import DataError
from search_forecast.lakehouse.spark_errors import first_line, is_sparks
from search_forecast.models.sparkml import classes, sql
from search_forecast.models.sparkml.metadata import Metadata

_READS = ("featuresCol", "inputCol", "userCol", "itemCol")
_WRITES = ("outputCol", "predictionCol", "probabilityCol", "rawPredictionCol", "quantilesCol", "topicDistributionCol")
# What pyspark's readers, which index and convert without a check, raise where files are not those of their class.
_READERS = (KeyError, IndexError, ValueError, TypeError, AttributeError)


def load(directory: Path, metadata: Metadata) -> Transformer:
    """Load a model whose files `files.check` has passed, by the class that its metadata names.

    Raises:
        DataError: it is no trained model, or Spark cannot read it.
    """
    if metadata.python_class not in classes.LOADABLE:
        raise DataError(f"{directory.name}: {metadata.spark_class} is no trained model")
    module, _, name = metadata.python_class.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    try:
        return cast("Transformer", kind.load(str(directory)))
    except Exception as error:
        if not (is_sparks(error) or isinstance(error, _READERS)):
            raise
        reason = first_line(error).replace(f"file:{directory}/", "")
        raise DataError(f"{directory.name}: Spark cannot load it as {metadata.short_class}: {reason}") from error


def flat(model: Transformer) -> list[Transformer]:
    """The stages of a pipeline, those of pipelines in it too; a bare model is its own only stage."""
    if not isinstance(model, PipelineModel):
        return [model]
    return [stage for member in model.stages for stage in flat(member)]


def param(stage: Transformer, name: str) -> Any:
    """A parameter's value; None where the stage has no such parameter or no value for it."""
    if not stage.hasParam(name) or not stage.isDefined(name):
        return None
    return stage.getOrDefault(name)


def reads(stage: Transformer) -> list[str]:
    """The columns that a stage reads, in order."""
    if stage.hasParam("statement"):
        return sql.parse(param(stage, "statement")).reads
    if stage.hasParam("formula"):
        return _terms(stage)
    return _columns(stage, _READS, "inputCols")


def writes(stage: Transformer) -> list[str]:
    """The columns that a stage adds, or for VectorSizeHint changes."""
    if stage.hasParam("statement"):
        return sql.parse(param(stage, "statement")).adds
    if stage.hasParam("formula"):
        return [param(stage, "featuresCol")]
    return _columns(stage, ("inputCol",) if stage.hasParam("size") else _WRITES, "outputCols")


def _columns(stage: Transformer, names: Sequence[str], several: str) -> list[str]:
    columns = [*(param(stage, name) for name in names), *(param(stage, several) or [])]
    return [name for name in columns if name]


def _terms(stage: Transformer) -> list[str]:
    """What an RFormulaModel reads: the terms of its formula, where that says "all others" those that were there."""
    text = str(param(stage, "formula")).partition("~")[2]
    if "." in re.findall(r"[\w.]+", text):
        text = str(stage).partition("terms=[")[2].partition("]")[0]
    terms = re.findall(r"[^\d\W][\w.]*", text)
    return list(dict.fromkeys(terms))


def drops_rows(stages: Sequence[Transformer]) -> bool:
    """Whether a stage may leave out rows that it can't use."""
    for stage in stages:
        if param(stage, "handleInvalid") == "skip" or param(stage, "coldStartStrategy") == "drop":
            return True
        if stage.hasParam("statement") and sql.parse(param(stage, "statement")).is_filter:
            return True
    return False


@dataclass(frozen=True)
class Prediction:
    """The columns with a model's prediction: a number and, where an IndexToString ends it, the text it stands for."""

    number: str
    text: str | None


def prediction(stages: Sequence[Transformer]) -> Prediction:
    """Where a model's prediction is: its last stage's, or what its last stage makes of an earlier one's.

    Raises:
        DataError: it makes none: it prepares features, or only finds patterns.
    """
    last = stages[-1]
    columns = [param(last, "predictionCol")] if param(last, "predictionCol") else writes(last)
    if len(columns) != 1:
        raise DataError(f"{type(last).__name__} makes no prediction column, so there is nothing to score")
    return (
        Prediction(param(last, "inputCol"), columns[0]) if _is(last, "IndexToString") else Prediction(columns[0], None)
    )


def needed(stages: Sequence[Transformer]) -> tuple[list[Transformer], list[str]]:
    """The stages that the prediction needs, and the columns that these need from outside.

    What only prepares the label, for training, is left out: whoever asks for a prediction has no label.
    """
    at = prediction(stages)
    columns = {at.text or at.number}
    steps: list[tuple[Transformer, list[str]]] = []
    for stage in reversed(stages):
        if columns & set(writes(stage)):
            steps.insert(0, (stage, _reads_for(stage, columns)))
            columns |= set(steps[0][1])
    if not any(param(stage, "predictionCol") for stage, _ in steps):
        raise DataError(f"{type(stages[-1]).__name__} makes no prediction column, so there is nothing to score")
    inside: set[str] = set()
    outside: list[str] = []
    for stage, names in steps:
        outside += [name for name in names if name not in inside and name not in outside]
        inside |= set(writes(stage))
    return [stage for stage, _ in steps], outside


def _reads_for(stage: Transformer, columns: set[str]) -> list[str]:
    """What a stage must read to write some columns; one indexer of many columns passes over those that aren't there."""
    if _is(stage, "StringIndexerModel") and param(stage, "inputCols"):
        pairs = zip(param(stage, "inputCols"), param(stage, "outputCols"), strict=True)
        return [read for read, written in pairs if written in columns]
    return reads(stage)


def label(stages: Sequence[Transformer]) -> str | None:
    """What a model predicts, as its training data called it."""
    names = [param(stage, "labelCol") for stage in stages if param(stage, "labelCol")]
    for stage in stages:
        if stage.hasParam("formula"):
            return str(param(stage, "formula")).partition("~")[0].strip()
        if names and _is(stage, "StringIndexerModel") and writes(stage) == [names[-1]]:
            return reads(stage)[0]
    return names[-1] if names else None


def known_value(stages: Sequence[Transformer], column: str) -> str | None:
    """A value of a text column that an indexer was trained on."""
    for stage in stages:
        if _is(stage, "StringIndexerModel") and column in reads(stage):
            values = cast("Any", stage).labelsArray[reads(stage).index(column)]
            return str(values[0]) if values else None
    return None


def _is(stage: Transformer, name: str) -> bool:
    return type(stage).__name__ == name


def vector(stages: Sequence[Transformer], outside: Sequence[str]) -> tuple[str, int | None] | None:
    """The vector that a model needs from outside, with its size if the model knows it; None if it needs none."""
    for stage in stages:
        if isinstance(stage, Model) and param(stage, "featuresCol") in outside and not stage.hasParam("formula"):
            return str(param(stage, "featuresCol")), _size(stage)
    return None


def _size(stage: Transformer) -> int | None:
    try:
        if hasattr(stage, "numFeatures"):
            return int(stage.numFeatures)
        if hasattr(stage, "clusterCenters"):
            return len(stage.clusterCenters()[0])
    except Exception as error:
        if not is_sparks(error):
            raise
    return None
