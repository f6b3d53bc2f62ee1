"""Model versions whose files hold what must not be kept."""

import logging
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from search_forecast.errors import DataError
from search_forecast.lakehouse.forgetting import Sought
from search_forecast.models.registry import FORCED_BECAUSE, Registry

logger = logging.getLogger(__name__)

# What we and MLflow write beside a model's data: no data, but words for which people search too, such as `table`.
_DESCRIBING = (
    *("MLmodel", "requirements.txt", "conda.yaml", "python_env.yaml"),
    *("search_forecast.json", "about.json", "search_demand_model.py"),
)


def erase(registry: Registry, sought: Sought, tables: Collection[str]) -> dict[str, list[str]]:
    """Remove the versions whose files hold it, and the reasons for which others were promoted that do.

    Args:
        registry: where.
        sought: what.
        tables: full names of those that lose their history: what was trained on them can't be trained so again.

    Returns:
        removed_versions; unreproducible_versions: those that stay and whose training data are no more.
    """
    removed, unreproducible = [], []
    for version in registry.versions():
        with tempfile.TemporaryDirectory() as scratch:
            is_holding = _is_below(registry.directory(version, Path(scratch)), sought)
        if is_holding:
            registry.remove(version)
            removed.append(str(version))
            continue
        reasons = {key: text for key, text in version.tags.items() if key.endswith(FORCED_BECAUSE)}
        registry.tag(version, {key: "erased" for key, text in reasons.items() if sought.is_in(text)})
        try:
            inputs = {table["table"] for table in registry.record(version).get("tables", [])}
        except DataError:  # it can't be reproduced anyway
            continue
        if inputs & set(tables):
            unreproducible.append(str(version))
    for directory in registry.run_directories():  # of runs that were cut off before their version
        if _is_below(directory, sought):
            shutil.rmtree(directory)
    registry.compact()
    logger.info("erase: %d model versions removed", len(removed))
    return {"removed_versions": removed, "unreproducible_versions": unreproducible}


def _is_below(directory: Path, sought: Sought) -> bool:
    """Whether a file of a directory holds it."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file() and path.name not in _DESCRIBING)
    return any(map(sought.is_in_file, files))
