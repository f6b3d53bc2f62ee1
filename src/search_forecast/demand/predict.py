"""`predict` for a version of search_demand: one term, one horizon, from the version's own files; no Spark."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from search_forecast.demand.version_files import VersionFiles
from search_forecast.errors import UsageError
from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.models import model_inputs
from search_forecast.models.model_inputs import Input
from search_forecast.models.registry import Registry, Version

INPUTS = {"term": "string", "horizon": "bigint"}


def predict_demand(models: Registry, version: Version, inputs: Sequence[Input]) -> dict[str, Any]:
    """What a version expected, when it was trained, of a term so many periods ahead.

    Returns:
        model, version, term, horizon, target_date, forecast, lower, upper (95 %), trained_to.

    Raises:
        UsageError: a value is missing, the horizon is out of range, or the term has no series.
    """
    values = model_inputs.values(inputs, INPUTS, f"predict {version.name}")
    values["term"] = normaliser()(str(values["term"]))
    with tempfile.TemporaryDirectory() as directory:
        model = VersionFiles.of(models, version, Path(directory)).model()
        try:
            row = model.predict(pd.DataFrame([values])).iloc[0]
        except ValueError as error:
            raise UsageError(f"predict {version.name}: {error}") from error
    if pd.isna(row["forecast"]):
        raise UsageError(
            f"predict {version.name}: {values['term']!r} has no series of its own (too rare, or never searched); "
            f"the rare terms together are (other)"
        )
    return {
        "model": version.name,
        "version": version.number,
        **values,
        "target_date": row["target_date"].date().isoformat(),
        **{name: float(row[name]) for name in ("forecast", "lower", "upper")},
        "trained_to": version.tags.get("trained_to"),
    }
