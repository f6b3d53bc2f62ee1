"""`predict` and `score-model`: what a registered version says to inputs or to a table."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pyspark.ml import Transformer
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.lakehouse.contracts import MODEL_SCORES
from search_forecast.lakehouse.scratch import scratch
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import model_inputs, scoring, sparkml
from search_forecast.models.model_inputs import Input
from search_forecast.models.registry import Registry, Version

logger = logging.getLogger(__name__)

KEYS = ("model_name", "model_version", "inputs")


def predict(lakehouse: Lakehouse, models: Registry, version: Version, given: Sequence[Input]) -> dict[str, Any]:
    """Score one input; writes nothing.

    Returns:
        model, version, aliases, inputs, label (None where unknown), spark_ml_class, prediction, warning.
    """
    record = models.record(version)
    values = model_inputs.values(given, record["inputs"], f"predict {version.name}")
    rows = _one_row(lakehouse, values, record["inputs"])
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
        "warning": answer["warning"],
    }


def score_model(
    lakehouse: Lakehouse,
    models: Registry,
    version: Version,
    *,
    given: Sequence[Input],
    table: str | None,
    now: datetime,
) -> dict[str, Any]:
    """Score one input or all rows of a table, and add the scores to search_gold.model_scores.

    A version always gives one input the same prediction, so an input that it has scored before is not added again: a
    task that is retried, or run once more, changes nothing.

    Returns:
        model, version, aliases, added (number of rows); of a single input also inputs, prediction and warning.
    """
    record = models.record(version)
    signature = record["inputs"]
    where = f"score-model {version.name}"
    if table is None:
        rows = _one_row(lakehouse, model_inputs.values(given, signature, where), signature)
    else:
        rows = scoring.given_inputs(lakehouse.at(lakehouse.resolve(table), None), signature, f"{where}: {table}")
    result = {"model": version.name, "version": version.number, "aliases": list(version.aliases)}
    with loaded(lakehouse, models, version) as model:
        scores = scoring.scored(model, rows, signature, record["ranges"]).select(
            F.lit(version.name).alias("model_name"),
            F.lit(version.number).cast("bigint").alias("model_version"),
            "inputs",
            "prediction",
            "warning",
            F.lit(now).alias("scored_at"),
        )
        if table is None:
            answer = scores.select("inputs", "prediction", "warning").collect()[0]
            result |= answer.asDict()
        added = lakehouse.add(scores, MODEL_SCORES, KEYS)
    logger.info("score-model: %s, %d scores added", version, added)
    return {**result, "added": added}


def _one_row(lakehouse: Lakehouse, values: dict[str, object], signature: dict[str, str]) -> DataFrame:
    schema = ", ".join(f"`{name}` {kind}" for name, kind in signature.items())
    return lakehouse.spark.createDataFrame([tuple(values.values())], schema)


@contextmanager
def loaded(lakehouse: Lakehouse, models: Registry, version: Version) -> Iterator[Transformer]:
    """The version's model. Some models (ALS) read their files when they score, so these stay until the end."""
    if lakehouse.root is not None:
        files = models.files(version, lakehouse.root)
        yield scoring.load(files, sparkml.check(files))
        return
    with scratch(lakehouse.staging) as directory:
        files = models.files(version, directory)
        yield scoring.load(files, sparkml.check(files))
