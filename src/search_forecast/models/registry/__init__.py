"""The only modules that talk to MLflow: experiment, runs, registered versions, aliases, tags, files."""

import os

# Before MLflow is imported: it reads them then.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # that is for results

from search_forecast.models.registry.mlflow_model import FORECAST_FILES, describe, describe_forecasts
from search_forecast.models.registry.registry import CHALLENGER, CHAMPION, DIRECTORY, FORCED_BECAUSE, Registry, Version
from search_forecast.models.registry.unity_catalog import LONGEST_TAG, check_alias, check_name

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "DIRECTORY",
    "FORCED_BECAUSE",
    "FORECAST_FILES",
    "LONGEST_TAG",
    "Registry",
    "Version",
    "check_alias",
    "check_name",
    "describe",
    "describe_forecasts",
]
