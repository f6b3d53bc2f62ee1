"""`reproduce`: train once more from what a version recorded, and compare."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from search_forecast.errors import DataError
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.models import provenance, regression
from search_forecast.models.registry import Registry, Version
from search_forecast.models.score_model import loaded
from search_forecast.models.scoring import first_line, is_sparks
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
    data = record["tables"][0]
    name = f"{data['table']} version {data['delta_version']}"
    try:
        rows = lakehouse.at(lakehouse.resolve(data["table"]), data["delta_version"])
        found_hash = provenance.content_hash(rows)
    except Exception as error:
        if not (is_sparks(error) or isinstance(error, DataError)):
            raise
        gone = f"{name} cannot be read any more (vacuumed or removed): {first_line(error)}"
        return {**base, **verdict({}, [gone, *reasons], is_readable=False)}
    if found_hash != data["content_hash"]:
        reasons.insert(0, f"{name} holds other rows than it did: content {found_hash}, recorded {data['content_hash']}")
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
    is_same_data = found_hash == data["content_hash"]
    return {**base, **verdict(regression.differences(then, now), reasons, is_readable=is_same_data)}


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
