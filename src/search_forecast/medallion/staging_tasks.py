"""Staging by tasks of Spark: on a cluster its executors stage many files at once."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from search_forecast.errors import DataError
from search_forecast.lakehouse.task_values import is_on_databricks
from search_forecast.medallion import batches, landing
from search_forecast.medallion.batches import Delivery
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import ChangedError, Part

logger = logging.getLogger(__name__)
_LEAST_BYTES = 2**26  # fewer are staged by one process before tasks have started theirs
_TASK_BYTES = 2**24  # of many small tasks the starts would be most of the work


def stager(
    spark: Callable[[], SparkSession] | None, parts: Sequence[Part], directory: Path, choice: Choice
) -> Callable[[Part], Delivery]:
    """What stages a part as landing.stage does, once tasks have staged `parts` if that is worth it.

    On Databricks the driver stages all of them: whether a function on serverless compute, on which the bundle runs, may
    write to a volume is not known.

    Args:
        spark: gives the session whose tasks stage; None where the driver stages all.
        parts: files that are new.
        directory: of the batch.
        choice: what says the layout of a file.
    """
    ahead: dict[Part, str] = {}
    size = sum(landing.file_size(path) for path in {part.path for part in parts})
    if spark is not None and len(parts) > 1 and size >= _LEAST_BYTES and _has_executors(spark):
        ahead = _outcomes(spark(), min(len(parts), 1 + size // _TASK_BYTES), parts, directory, choice)

    def stage(part: Part) -> Delivery:
        if part not in ahead:
            return landing.stage(part, directory, choice)
        outcome = json.loads(ahead[part])
        if "delivery" not in outcome:
            raise (ChangedError if outcome["is_changed"] else DataError)(outcome["error"])
        delivery = Delivery(**outcome["delivery"])
        batches.settle(Path(outcome["place"], str(delivery.delivery_id)), str(delivery.delivery_id), directory)
        return delivery

    return stage


def _has_executors(spark: Callable[[], SparkSession]) -> bool:
    """Whether others than the driver work; on two cores of one machine what is gained goes into starting processes."""
    return not (is_on_databricks() or str(spark().conf.get("spark.master", "")).startswith("local"))


def _outcomes(
    spark: SparkSession, tasks: int, parts: Sequence[Part], directory: Path, choice: Choice
) -> dict[Part, str]:
    """What became of each part, as JSON; of one that a task could not stage nothing, so that the driver says why."""
    stage = F.udf(partial(_staged, list(parts), directory, choice), "string", useArrow=False)
    try:
        rows = spark.range(0, len(parts), 1, tasks).select("id", stage("id").alias("outcome")).collect()
    except PySparkException as error:
        logger.warning("ingest: staging by tasks failed, the driver does it: %s", str(error).splitlines()[0][:200])
        return {}
    outcomes = {parts[row["id"]]: row["outcome"] for row in rows if row["outcome"] is not None}
    logger.info("ingest: %d of %d files staged by tasks", len(outcomes), len(parts))
    return outcomes


def _staged(parts: Sequence[Part], directory: Path, choice: Choice, number: int) -> str | None:
    """Stage one part in a directory of its own, where no other task's files of the same content are in its way."""
    place = directory / f"part-{number}"
    try:
        place.mkdir(exist_ok=True)
        return json.dumps({"delivery": asdict(landing.stage(parts[number], place, choice)), "place": str(place)})
    except DataError as error:
        is_here = parts[number].path.exists()  # else it is seen only where the driver is
        return json.dumps({"error": str(error), "is_changed": isinstance(error, ChangedError)}) if is_here else None
    except OSError:
        return None
