"""`predict` and `score-model`: what a registered version says to inputs or to a table."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any

from pyspark.ml import Transformer
from pyspark.sql import functions as F

from search_forecast.lakehouse.contracts import MODEL_SCORES
from search_forecast.lakehouse.names import resolve
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import model_inputs, scoring, signature
from search_forecast.models.model_inputs import Input
from search_forecast.models.registry import Registry, Version
from search_forecast.models.sparkml import files, stages

logger = logging.getLogger(__name__)

KEYS = ("model_name", "model_version", "inputs")


def predict(lakehouse: Lakehouse, models: Registry, version: Version, inputs: Sequence[Input]) -> dict[str, Any]:
    """Score one input; writes nothing.

    Returns:
        model, version, aliases, inputs, label (None where unknown), spark_ml_class, prediction,
        predicted_label, warning.
    """
    record = models.record(version)
    values = model_inputs.values(inputs, record["inputs"], f"predict {version.name}")
    rows = model_inputs.one_row(lakehouse.spark, values, record["inputs"])
    with loaded(lakehouse, models, version) as model:
        answer = scoring.scored(model, rows, record["inputs"], record["ranges"]).collect()[0]
    return {
        "model": version.name,
        "version": version.number,
        "aliases": list(version.aliases),
        "inputs": values,
        "label": record["label"],
        "spark_ml_class": record["spark_ml_class"],
        "prediction": answer["prediction"],
        "predicted_label": answer["predicted_label"],
        "warning": answer["warning"],
    }


def score_model(
    lakehouse: Lakehouse,
    models: Registry,
    version: Version,
    *,
    inputs: Sequence[Input],
    table: str | None,
    now: datetime,
) -> dict[str, Any]:
    """Score one input or all rows of a table, and add the scores to search_gold.model_scores.

    A version always gives one input the same prediction, so an input that it has scored before is not added again: a
    task that is retried, or run once more, changes nothing.

    Returns:
        model, version, aliases, added (number of rows); of a single input also inputs, prediction,
        predicted_label and warning.
    """
    record = models.record(version)
    expected = record["inputs"]
    where = f"score-model {version.name}"
    if table is None:
        rows = model_inputs.one_row(lakehouse.spark, model_inputs.values(inputs, expected, where), expected)
    else:
        rows = signature.given_inputs(lakehouse.at(resolve(lakehouse, table), None), expected, f"{where}: {table}")
    result = {"model": version.name, "version": version.number, "aliases": list(version.aliases)}
    with loaded(lakehouse, models, version) as model:
        scores = scoring.scored(model, rows, expected, record["ranges"]).select(
            F.lit(version.name).alias("model_name"),
            F.lit(version.number).cast("bigint").alias("model_version"),
            "inputs",
            "prediction",
            "predicted_label",
            "warning",
            F.lit(now).alias("scored_at"),
        )
        if table is None:
            answer = scores.select("inputs", "prediction", "predicted_label", "warning").collect()[0]
            result |= answer.asDict()
        added = lakehouse.add(scores, MODEL_SCORES, KEYS)
    logger.info("score-model: %s, %d scores added", version, added)
    return {**result, "added": added}


@contextmanager
def loaded(lakehouse: Lakehouse, models: Registry, version: Version) -> Iterator[Transformer]:
    """The version's model. Some models (ALS) read their files when they score, so these stay until the end."""
    with scratch(lakehouse.staging) if lakehouse.root is None else nullcontext(lakehouse.root) as directory:
        saved = models.files(version, directory)
        yield stages.load(saved, files.check(saved))
