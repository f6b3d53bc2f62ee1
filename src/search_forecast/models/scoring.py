"""Scores rows of plain columns with a model; none is dropped."""

import math
from collections.abc import Mapping, Sequence

from pyspark.ml import Transformer
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from search_forecast.errors import DataError
from search_forecast.models.sparkml import stages as s


def scored(
    model: Transformer,
    rows: DataFrame,
    signature: Mapping[str, str],
    ranges: Mapping[str, Sequence[float]] | None,
) -> DataFrame:
    """Score rows.

    Args:
        model: takes plain columns.
        rows: just the columns of the signature, in its types.
        signature: input names and Spark types.
        ranges: smallest and largest value of each feature in training; None where that is not known.

    Returns:
        inputs (a JSON object), prediction (null where an input is missing or the model gives no number),
        predicted_label (the text that it stands for, null where the model does not say), warning.

    Raises:
        DataError: the model does not hand its inputs on, so that nobody could say which prediction is whose.
    """
    stages = s.flat(model)
    at = s.prediction(stages)
    inputs = F.to_json(F.struct(*map(_own, signature)), {"ignoreNullFields": "false"})
    marked = rows.withColumns({"_inputs": inputs, "_missing": _missing(signature)})
    predicted = model.transform(marked.where("_missing = ''").select(*map(_own, rows.columns)))
    lost = [name for name in rows.columns if name not in predicted.columns]
    if lost:
        raise DataError(f"the model does not hand on its input {lost[0]}: its SQL must select every column (*)")
    text = F.col(at.text) if at.text else F.lit(None)
    answers = [
        F.col(at.number).cast("double").alias("_number"),
        text.cast("string").alias("_label"),
        F.lit(True).alias("_is_answered"),
    ]
    if s.drops_rows(stages):
        by_inputs = predicted.select(inputs.alias("_inputs"), *answers).dropDuplicates(["_inputs"])
        together = marked.join(by_inputs, "_inputs", how="left")
    else:
        complete = predicted.select(
            *map(_own, rows.columns), inputs.alias("_inputs"), F.lit("").alias("_missing"), *answers
        )
        together = complete.unionByName(marked.where("_missing <> ''"), allowMissingColumns=True)
    number = F.when(~F.isnan("_number"), F.col("_number"))
    return together.select(
        F.col("_inputs").alias("inputs"),
        number.alias("prediction"),
        F.when(number.isNotNull(), F.col("_label")).alias("predicted_label"),
        F.nullif(F.concat_ws("; ", *_warnings(number, signature, ranges)), F.lit("")).alias("warning"),
    )


def _own(name: str) -> Column:
    """A column by its name, which may hold a dot."""
    return F.col("`" + name.replace("`", "``") + "`")


def _missing(signature: Mapping[str, str]) -> Column:
    """The inputs of a row that no model can use, with commas."""
    unusable = {
        name: (
            value.isNull() | F.isnan(value) | (F.abs(value) == math.inf)
            if kind in ("double", "float")
            else value.isNull()
        )
        for name, kind in signature.items()
        for value in [_own(name)]
    }
    return F.concat_ws(", ", *(F.when(is_bad, F.lit(name)) for name, is_bad in unusable.items()))


def _warnings(
    number: Column, signature: Mapping[str, str], ranges: Mapping[str, Sequence[float]] | None
) -> list[Column]:
    is_complete, is_answered = F.col("_missing") == "", F.col("_is_answered").isNotNull()
    warnings = [
        F.when(~is_complete, F.concat(F.lit("no prediction without a number for: "), "_missing")),
        F.when(is_complete & ~is_answered, F.lit("the model skips this input: it holds a value that it does not know")),
        F.when(is_complete & is_answered & number.isNull(), F.lit("the model gives no number for this input")),
    ]
    if ranges is None:
        return [*warnings, F.lit("the range seen in training is unknown: the model was imported")]
    for name in signature:
        if name in ranges:
            low, high = ranges[name]
            text = f"{name} is outside {low:g} to {high:g}, the range seen in training: an extrapolation"
            value = _own(name)
            warnings.append(F.when(is_complete & ((value < low) | (value > high)), F.lit(text)))
    return warnings
