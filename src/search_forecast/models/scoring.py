"""Loads checked Spark ML models, finds out what they need, and scores rows of plain columns with them."""

import importlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pyspark.errors import PySparkException
from pyspark.ml import Model, PipelineModel, Transformer
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.errors import DataError, UsageError
from search_forecast.models import model_inputs
from search_forecast.models.model_inputs import Input
from search_forecast.models.sparkml import Metadata

_MODULES = ("classification", "clustering", "feature", "fpm", "recommendation", "regression", "tuning")
_INPUT_PARAMS = ("featuresCol", "inputCol", "userCol", "itemCol")
_OUTPUT_PARAMS = ("outputCol", "predictionCol", "probabilityCol", "rawPredictionCol")


def load(directory: Path, metadata: Metadata) -> Transformer:
    """Load a model whose files `sparkml.check` has passed, by the class that its metadata names.

    Raises:
        DataError: pyspark has no such model, or Spark cannot read it.
    """
    module, _, name = metadata.python_class.removeprefix("pyspark.ml.").rpartition(".")
    kind = PipelineModel if metadata.is_pipeline else None
    if kind is None and module in _MODULES:
        kind = getattr(importlib.import_module(f"pyspark.ml.{module}"), name, None)
    if not (isinstance(kind, type) and issubclass(kind, Transformer) and hasattr(kind, "load")):
        raise DataError(f"{directory.name}: {metadata.spark_class} is no trained model that pyspark can load")
    try:
        loaded = kind.load(str(directory))
    except Exception as error:
        if not is_sparks(error):
            raise
        reason = first_line(error).replace(f"file:{directory}/", "")
        raise DataError(f"{directory.name}: Spark cannot load it as {metadata.short_class}: {reason}") from error
    return cast("Transformer", loaded)


def is_sparks(error: Exception) -> bool:
    """Whether Spark, or pyspark's readers in Python (which index and convert without a check), complained."""
    module = type(error).__module__.partition(".")[0]
    return isinstance(error, PySparkException | KeyError | ValueError | TypeError | AttributeError) or module == "py4j"


def first_line(error: Exception) -> str:
    """What Spark complains about, without Java's trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if line.startswith("[") or "Exception: " in line or "Error: " in line]
    return (named or lines or [type(error).__name__])[0][:300]


def prediction_column(model: Transformer) -> str:
    """The column that the model writes its prediction to.

    Raises:
        DataError: it makes none: it prepares features, or only finds patterns.
    """
    last = model.stages[-1] if isinstance(model, PipelineModel) and model.stages else model
    name = _param(last, "predictionCol")
    if not isinstance(name, str) or not name:
        raise DataError(f"{type(last).__name__} makes no prediction column, so there is nothing to score")
    return name


def needed_columns(model: Transformer) -> list[str]:
    """The columns that a model reads and does not make itself, in order."""
    made: set[str] = set()
    needed: list[str] = []
    for stage in stages(model):
        read = [_param(stage, name) for name in _INPUT_PARAMS]
        read += _param(stage, "inputCols") or []
        if stage.hasParam("formula"):  # RFormulaModel: label ~ a + b
            read = [part.strip() for part in str(_param(stage, "formula")).partition("~")[2].split("+")]
        needed += [name for name in read if name and name not in made and name not in needed]
        written = [_param(stage, name) for name in _OUTPUT_PARAMS] + (_param(stage, "outputCols") or [])
        written += [_param(stage, "featuresCol")] if stage.hasParam("formula") else []
        made |= {name for name in written if name}
    return needed


def stages(model: Transformer) -> list[Transformer]:
    """The stages of a pipeline, those of pipelines in it too; a bare model is its own only stage."""
    if not isinstance(model, PipelineModel):
        return [model]
    return [stage for member in model.stages for stage in stages(member)]


def _param(stage: Transformer, name: str) -> Any:
    if not stage.hasParam(name) or not stage.isDefined(name):
        return None
    return stage.getOrDefault(name)


def vector_column(model: Transformer) -> tuple[str, int | None] | None:
    """The vector that the model needs from outside, with its size if the model knows it; None if it needs none."""
    outside = needed_columns(model)
    for stage in stages(model):
        if isinstance(stage, Model) and _param(stage, "featuresCol") in outside and not stage.hasParam("formula"):
            return str(_param(stage, "featuresCol")), _vector_size(stage)
    return None


def _vector_size(stage: Transformer) -> int | None:
    try:
        if hasattr(stage, "numFeatures"):
            return int(stage.numFeatures)
        if hasattr(stage, "clusterCenters"):
            return len(stage.clusterCenters()[0])
    except Exception as error:
        if not is_sparks(error):
            raise
    return None


def wrapped(model: Transformer, given: Sequence[Input]) -> tuple[PipelineModel, dict[str, str]]:
    """Put the assembler that a model lacks before it, so that it takes plain columns.

    Args:
        model: a bare model or a pipeline.
        given: the inputs that the user declared; none where the model knows them itself.

    Returns:
        The pipeline, and its inputs with their Spark types.

    Raises:
        UsageError: the model does not know its inputs and they were not given, or others than it needs were.
    """
    vector = vector_column(model)
    if vector is None:
        return _self_sufficient(model, given)
    column, size = vector
    others = [name for name in needed_columns(model) if name != column]
    own = [item for item in given if item.name not in others]
    if not own or (size is not None and len(own) != size):
        wants = f"{size} number{'' if size == 1 else 's'}" if size else "numbers"
        example = ",".join(f"NAME{i + 1 if size != 1 else ''}:TYPE" for i in range(min(size or 2, 4)))
        got = f", got {', '.join(item.name for item in own)}" if own else ""
        raise UsageError(
            f"import-model: the model takes a vector of {wants} (its column {column}) and does not say what they are"
            f"{got}; name the columns in their order: --input {example}, TYPE being long or double"
        )
    names = [item.name for item in own]
    if column in names:
        raise UsageError(f"import-model: an input cannot be called {column}, as the model's vector is; choose another")
    types = {item.name: item.type or "double" for item in (*own, *(i for i in given if i.name in others))}
    wrong = [name for name in names if types[name] == "string"]
    if wrong:
        raise UsageError(f"import-model: {wrong[0]} goes into a vector of numbers and cannot be a string")
    assembler = VectorAssembler(inputCols=names, outputCol=column)
    # One flat pipeline: nested ones are harder to read for whoever loads it.
    return PipelineModel([assembler, *stages(model)]), {name: types.get(name, "double") for name in (*names, *others)}


def _self_sufficient(model: Transformer, given: Sequence[Input]) -> tuple[PipelineModel, dict[str, str]]:
    names = needed_columns(model)
    declared = {item.name: item.type for item in given}
    unknown = [name for name in declared if name not in names]
    if unknown:
        raise UsageError(f"import-model: the model has no input {unknown[0]}; it takes {', '.join(names)}")
    kinds = {name: declared.get(name) or _likely_type(model, name) for name in names}
    return model if isinstance(model, PipelineModel) else PipelineModel([model]), kinds


def _likely_type(model: Transformer, name: str) -> str:
    """The type of an input that the model names but does not describe: what the first stage to read it often takes."""
    for stage in stages(model):
        if name in (_param(stage, "inputCols") or []) or name in [_param(stage, p) for p in _INPUT_PARAMS]:
            kind = type(stage).__name__
            if kind.startswith("ALS"):
                return "int"
            return "string" if kind.startswith(("StringIndexer", "Tokenizer", "RegexTokenizer")) else "double"
    return "double"


def given_inputs(table: DataFrame, signature: Mapping[str, str], where: str) -> DataFrame:
    """The columns of a table that a model takes, in the types of its signature.

    Raises:
        UsageError: a column is missing or of a type that does not fit.
    """
    types = {field.name: field.dataType.simpleString() for field in table.schema.fields}
    expected = ", ".join(f"{name} {model_inputs.shown(kind)}" for name, kind in signature.items())
    for name, kind in signature.items():
        if name not in types:
            raise UsageError(f"{where} has no column {name}; the model expects {expected}; found {', '.join(types)}")
        if not model_inputs.fits(types[name], kind):
            raise UsageError(
                f"{where}: column {name} is {model_inputs.shown(types[name])}; the model expects {expected}"
            )
    return table.select(*(F.col(f"`{name}`").cast(kind).alias(name) for name, kind in signature.items()))


def scored(
    model: Transformer,
    rows: DataFrame,
    signature: Mapping[str, str],
    ranges: Mapping[str, Sequence[float]] | None,
) -> DataFrame:
    """Score rows; none is dropped.

    Args:
        model: takes plain columns.
        rows: just the columns of the signature, in its types.
        signature: input names and Spark types.
        ranges: smallest and largest value of each feature in training; None where that is not known.

    Returns:
        inputs (a JSON object), prediction (null where an input is missing or the model gives no number), warning.
    """
    unusable = [
        (name, F.col(name).isNull() | F.isnan(name) | (F.abs(F.col(name)) == math.inf))
        if kind in ("double", "float")
        else (name, F.col(name).isNull())
        for name, kind in signature.items()
    ]
    missing = F.concat_ws(", ", *(F.when(is_bad, F.lit(name)) for name, is_bad in unusable))
    marked = rows.withColumn("_missing", missing)
    output = prediction_column(model)
    predicted = model.transform(marked.where("_missing = ''").select(*rows.columns))
    whole = predicted.select(
        *rows.columns, F.col(output).cast("double").alias("_prediction"), F.lit("").alias("_missing")
    )
    others = marked.where("_missing <> ''").select(
        *rows.columns, F.lit(None).cast("double").alias("_prediction"), "_missing"
    )
    together = whole.unionByName(others)
    number = F.when(~F.isnan("_prediction"), F.col("_prediction"))
    no_inputs = F.when(F.col("_missing") != "", F.concat(F.lit("no prediction without a number for: "), "_missing"))
    no_number = F.when((F.col("_missing") == "") & number.isNull(), F.lit("the model gives no number for this input"))
    warnings = [no_inputs, no_number, *_range_warnings(signature, ranges)]
    return together.select(
        F.to_json(F.struct(*rows.columns), {"ignoreNullFields": "false"}).alias("inputs"),
        number.alias("prediction"),
        F.nullif(F.concat_ws("; ", *warnings), F.lit("")).alias("warning"),
    )


def _range_warnings(signature: Mapping[str, str], ranges: Mapping[str, Sequence[float]] | None) -> list[Column]:
    if ranges is None:
        return [F.lit("the range seen in training is unknown: the model was imported")]
    found = []
    for name in signature:
        if name in ranges:
            low, high = ranges[name]
            text = f"{name} is outside {low:g} to {high:g}, the range seen in training: an extrapolation"
            is_outside = (F.col(name) < low) | (F.col(name) > high)
            found.append(F.when((F.col("_missing") == "") & is_outside, F.lit(text)))
    return found
