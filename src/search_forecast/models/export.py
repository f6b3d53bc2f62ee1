"""`export-model`: a version as the directory that Spark ML itself saves; without Spark."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from search_forecast.errors import UsageError
from search_forecast.models.registry import Registry, Version
from search_forecast.models.sparkml.metadata import Metadata, read_metadata


def export_model(models: Registry, version: Version, directory: Path, *, is_bare: bool) -> dict[str, Any]:
    """Write a version as the directory that Spark ML itself saves, byte for byte what is registered.

    Args:
        models: the registry.
        version: which.
        directory: is made; it must not exist.
        is_bare: only the last stage, such as the LinearRegressionModel, which takes a vector mostly.

    Returns:
        What was written, and the line of Python that loads it.
    """
    if directory.exists():
        raise UsageError(f"export-model: {directory} exists already; remove it or choose another directory")
    record = models.record(version)
    with tempfile.TemporaryDirectory() as scratch:
        files = models.files(version, Path(scratch))
        pipeline = read_metadata(files)
        source = files / "stages" / pipeline.stage_names[-1] if is_bare else files
        metadata = read_metadata(source)
        takes = _takes(metadata, record) if is_bare else f"plain columns: {', '.join(record['inputs'])}"
        # Whole or not at all.
        directory.absolute().parent.mkdir(parents=True, exist_ok=True)
        half = directory.absolute().with_name(f".{directory.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(source, half)
        half.rename(directory)
    stages = [] if is_bare else [re.sub(r"^\d+_|_[^_]*$", "", name) for name in pipeline.stage_names]
    return {
        "model": version.name,
        "version": version.number,
        "aliases": list(version.aliases),
        "directory": str(directory),
        "spark_ml_class": metadata.spark_class,
        "load_with": f"{metadata.python_class.rpartition('.')[2]}.load({str(directory)!r})",
        "import_from": metadata.python_class.rpartition(".")[0],
        "takes": takes,
        **({"stages": stages} if stages else {}),
    }


def _takes(last: Metadata, record: dict[str, Any]) -> str:
    """What a last stage takes: a vector of the inputs, mostly; IndexToString and ALSModel take columns."""
    if "featuresCol" in last.parameters:
        return f"a vector column {last.parameters['featuresCol']}: {', '.join(record['inputs'])}"
    columns = [last.parameters[name] for name in ("inputCol", "userCol", "itemCol") if name in last.parameters]
    return f"the column{'s' if len(columns) > 1 else ''} {', '.join(columns)}"
