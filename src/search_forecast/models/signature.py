"""What a model takes: plain columns with names and Spark types, from what it knows itself and what people declare."""

from collections.abc import Mapping, Sequence

from pyspark.ml import PipelineModel, Transformer
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.errors import DataError, UsageError
from search_forecast.models import model_inputs
from search_forecast.models.model_inputs import Input
from search_forecast.models.sparkml import stages as s
from search_forecast.parameters import check_columns

_TEXT_STAGES = ("StringIndexer", "Tokenizer", "RegexTokenizer", "TargetEncoder")


def wrapped(model: Transformer, declared: Sequence[Input]) -> tuple[PipelineModel, dict[str, str]]:
    """Make one flat pipeline that takes plain columns: the assembler that a bare model lacks before it, no label.

    Args:
        model: a bare model or a pipeline.
        declared: the inputs that the user declared; none where the model knows them itself.

    Returns:
        The pipeline, and its inputs with their Spark types.

    Raises:
        UsageError: the model does not know its inputs and they were not declared, or others than it needs were.
        DataError: it makes no prediction, or calls another column like one of its inputs.
    """
    stages, outside = s.needed(s.flat(model))
    vector = s.vector(stages, outside)
    if vector is None:
        kinds = _own_inputs(stages, outside, declared)
    else:
        kinds = _declared_inputs(*vector, outside, declared)
        names = [name for name in kinds if name not in outside]
        check_columns("import-model", names)
        stages = [VectorAssembler(inputCols=names, outputCol=vector[0]), *stages]
    check_columns("import-model", [name for name in kinds if "`" in name])  # a dot is found by SQL
    for stage in stages:
        renamed = [name for name in s.writes(stage) if name in kinds and stage.hasParam("statement")]
        if renamed:
            raise DataError(f"import-model: the model's SQL gives the name of its input {renamed[0]} to another column")
    return PipelineModel(stages), kinds


def _declared_inputs(
    column: str, size: int | None, outside: Sequence[str], declared: Sequence[Input]
) -> dict[str, str]:
    """The numbers that go into a model's vector, in their order, then its other inputs."""
    others = [name for name in outside if name != column]
    numbers = [item for item in declared if item.name not in others]
    if not numbers or (size is not None and len(numbers) != size):
        wants = f"{size} number{'' if size == 1 else 's'}" if size else "numbers"
        example = ",".join(f"NAME{i + 1 if size != 1 else ''}:TYPE" for i in range(min(size or 2, 4)))
        got = f", got {', '.join(item.name for item in numbers)}" if numbers else ""
        raise UsageError(
            f"import-model: the model takes a vector of {wants} (its column {column}) and does not say what they are"
            f"{got}; name the columns in their order: --input {example}, TYPE being long or double"
        )
    kinds = {item.name: item.type or "double" for item in numbers}
    if column in kinds:
        raise UsageError(f"import-model: an input cannot be called {column}, as the model's vector is; choose another")
    texts = [name for name, kind in kinds.items() if kind == "string"]
    if texts:
        raise UsageError(f"import-model: {texts[0]} goes into a vector of numbers and cannot be a string")
    types = {item.name: item.type for item in declared}
    return {**kinds, **{name: types.get(name) or "double" for name in others}}


def _own_inputs(stages: Sequence[Transformer], outside: Sequence[str], declared: Sequence[Input]) -> dict[str, str]:
    types = {item.name: item.type for item in declared}
    unknown = [name for name in types if name not in outside]
    if unknown:
        raise UsageError(f"import-model: the model has no input {unknown[0]}; it takes {', '.join(outside)}")
    return {name: types.get(name) or _likely_type(stages, name) for name in outside}


def _likely_type(stages: Sequence[Transformer], name: str) -> str:
    """The type of an input that the model names but does not describe: what the first stage to read it often takes."""
    kind = next(type(stage).__name__ for stage in stages if name in s.reads(stage))
    if kind.startswith("ALS"):
        return "int"
    return "string" if kind.startswith(_TEXT_STAGES) else "double"


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
