"""`reproduce`: train once more from what a version recorded, and compare."""

import logging
import math
from typing import Any

from search_forecast import provenance, regression
from search_forecast.errors import DataError
from search_forecast.jobs.score_model import loaded
from search_forecast.parameters import RegressionParameters
from search_forecast.registry import Registry, Version
from search_forecast.scoring import first_line, is_sparks
from search_forecast.tables import Lakehouse

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
    reasons = [
        *provenance.changed(record["code"], provenance.code(), ("lock_sha256", "git_commit", "is_dirty")),
        *provenance.changed(record["versions"], provenance.versions(lakehouse.spark.version), list(record["versions"])),
    ]
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
        return {**base, **_verdict({}, [gone, *reasons], is_readable=False)}
    if found_hash != data["content_hash"]:
        reasons.insert(0, f"{name} holds other rows than it did: content {found_hash}, recorded {data['content_hash']}")
    try:
        trained = regression.train(rows, parameters)
    except DataError as error:
        return {**base, **_verdict({}, [str(error), *reasons], is_readable=False)}
    now = {"intercept": trained.intercept, "row_count": trained.row_count, **trained.metrics}
    then = {"intercept": record["intercept"], "row_count": record["row_count"], **record["metrics"]}
    for position, feature in enumerate(parameters.features):
        now[f"coefficient {feature}"] = trained.coefficients[position]
        then[f"coefficient {feature}"] = record["coefficients"][position]
    # An equal result from other rows is luck, not reproduction.
    is_same_data = found_hash == data["content_hash"]
    return {**base, **_verdict(regression.differences(then, now), reasons, is_readable=is_same_data)}


def _verdict(differences: dict[str, float], reasons: list[str], *, is_readable: bool) -> dict[str, Any]:
    largest = max((math.inf if math.isnan(value) else value for value in differences.values()), default=0.0)
    verdict = "identical" if not differences else f"equal within {TOLERANCE:g}"
    if largest > TOLERANCE or not is_readable:
        verdict = "different"
    logger.info("reproduce: %s", verdict)
    return {
        "verdict": verdict,
        "is_reproduced": verdict != "different",
        "largest_difference": largest,
        "differences": differences,
        "changed_since": reasons,
    }
