"""`reproduce`: train once more from what a version recorded, and compare."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame

from search_forecast.errors import DataError
from search_forecast.lakehouse.names import resolve
from search_forecast.lakehouse.spark_errors import first_line, is_gone
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import provenance, regression
from search_forecast.models.registry import Registry, Version
from search_forecast.models.score_model import loaded
from search_forecast.parameters import RegressionParameters

logger = logging.getLogger(__name__)

TOLERANCE = 1e-9


def reproduce(lakehouse: Lakehouse, models: Registry, version: Version) -> dict[str, Any]:
    """Read the recorded version of the data, check its hash, train with the recorded parameters, compare the numbers.

    Returns:
        verdict (`identical`, `equal within 1e-9` or `different`), is_reproduced, largest_difference, the numbers that
        differ, and reasons: what is no longer as it was recorded.

    Raises:
        DataError: the model was imported, so there is nothing to train.
    """
    record = models.record(version)
    if record["kind"] != "trained":
        with loaded(lakehouse, models, version):
            pass
        raise DataError(
            f"reproduce: {version.name} version {version.number} was imported and cannot be trained here; its files "
            f"are those of {record['origin']['file']} (sha256 {record['origin']['sha256']}), as registered"
        )
    reasons = changed_since(lakehouse, record)
    base = {"model": version.name, "version": version.number}
    parameters = RegressionParameters(**{**record["parameters"], "features": tuple(record["parameters"]["features"])})
    rows, trouble = recorded_rows(lakehouse, record["tables"][0])
    if trouble is not None:
        reasons.insert(0, trouble)
    if rows is None:
        return {**base, **verdict({}, reasons, is_readable=False)}
    try:
        trained = regression.train(rows, parameters)
    except DataError as error:
        return {**base, **verdict({}, [str(error), *reasons], is_readable=False)}
    now = {"intercept": trained.intercept, "row_count": trained.row_count, **trained.metrics}
    then = {"intercept": record["intercept"], "row_count": record["row_count"], **record["metrics"]}
    for position, feature in enumerate(parameters.features):
        now[f"coefficient {feature}"] = trained.coefficients[position]
        then[f"coefficient {feature}"] = record["coefficients"][position]
    # An equal result from other rows is luck, not reproduction.
    return {**base, **verdict(regression.differences(then, now), reasons, is_readable=trouble is None)}


def recorded_rows(lakehouse: Lakehouse, table: Mapping[str, Any]) -> tuple[DataFrame | None, str | None]:
    """The rows that a record names, None where they are gone; and what is wrong with them, None where nothing is.

    Only what is missing counts as gone: a full disk, a lost connection or a bug of ours says nothing about the rows.
    """
    name = f"{table['table']} version {table['delta_version']}"
    try:
        rows = lakehouse.at(resolve(lakehouse, table["table"]), table["delta_version"])
        content = provenance.content_hash(rows)
    except Exception as error:
        if not (is_gone(error) or isinstance(error, DataError)):
            raise
        return None, f"{name} cannot be read any more (vacuumed or removed): {first_line(error)}"
    if content == table["content_hash"]:
        return rows, None
    return rows, f"{name} holds other rows than it did: content {content}, recorded {table['content_hash']}"


def changed_since(lakehouse: Lakehouse, record: Mapping[str, Any]) -> list[str]:
    """What is no longer as a version's record says: code, lock, packages."""
    return [
        *provenance.changed(record["code"], provenance.code(), ("lock_sha256", "git_commit", "is_dirty")),
        *provenance.changed(record["versions"], provenance.versions(lakehouse.spark.version), list(record["versions"])),
    ]


def verdict(differences: dict[str, float], reasons: list[str], *, is_readable: bool) -> dict[str, Any]:
    """The result of `reproduce` from the numbers that differ and what changed since."""
    largest = max((math.inf if math.isnan(value) else value for value in differences.values()), default=0.0)
    text = "identical" if not differences else f"equal within {TOLERANCE:g}"
    if largest > TOLERANCE or not is_readable:
        text = "different"
    logger.info("reproduce: %s", text)
    return {
        "verdict": text,
        "is_reproduced": text != "different",
        "largest_difference": largest,
        "differences": differences,
        "changed_since": reasons,
    }
