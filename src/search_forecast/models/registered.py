"""`models`, `promote`, `export-model`: what works on the registry alone, without Spark."""

import logging
import shutil
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError, UsageError
from search_forecast.models import sparkml
from search_forecast.models.registry import Registry, Version

logger = logging.getLogger(__name__)

Rows = tuple[list[str], list[tuple[Any, ...]]]


def list_models(models: Registry, name: str | None = None) -> Rows:
    """One row per version: where it comes from, what holds its aliases, its gate."""
    columns = ["model", "version", "aliases", "kind", "gate", "created_at", "spark_ml_class", "git_commit"]
    rows = [
        (
            version.name,
            version.number,
            " ".join(version.aliases),
            version.tags.get("kind"),
            version.tags.get("gate"),
            datetime.fromtimestamp(version.created_at_ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M"),
            version.tags.get("spark_ml_class"),
            version.tags.get("git_commit"),
        )
        for version in models.versions(name)
    ]
    return columns, rows


def describe(models: Registry, version: Version) -> dict[str, Any]:
    """All that is known of a version: its record, aliases, and the tags that promotions left."""
    return {
        "model": version.name,
        "version": version.number,
        "aliases": list(version.aliases),
        "run_id": version.run_id,
        "tags": dict(version.tags),
        **models.record(version),
    }


def promote(models: Registry, version: Version, alias: str, force_reason: str | None, now: datetime) -> dict[str, Any]:
    """Give a version an alias. The same command with an older version rolls back.

    Returns:
        model, version, alias, and which version had the alias before (itself, where nothing changed).

    Raises:
        DataError: it failed its gate, and no reason to take it all the same is given.
    """
    previous = next((item for item in models.versions(version.name) if alias in item.aliases), None)
    gate = version.tags.get("gate_reason", "it was registered by another program and not measured")
    passed = version.tags.get("gate") == "passed"
    if not passed and force_reason is None:
        raise DataError(
            f"promote: {version.name} version {version.number} failed its gate ({gate}); to promote it all the same "
            f"say --force REASON, which is recorded"
        )
    tags = {
        f"{alias}.since": now.isoformat(),
        f"{alias}.previous": "none" if previous is None else str(previous.number),
        f"{alias}.forced_because": "not forced" if passed or force_reason is None else force_reason,
    }
    if previous is None or previous.number != version.number:
        models.promote(version, alias, tags)
        logger.info("promote: %s version %d is %s", version.name, version.number, alias)
    else:
        logger.info("promote: %s version %d is %s already", version.name, version.number, alias)
    return {
        "model": version.name,
        "version": version.number,
        "alias": alias,
        "previous": None if previous is None else previous.number,
        "gate": ("passed: " if passed else "failed: ") + gate,
        "forced_because": None if passed else force_reason,
    }


def promote_latest(models: Registry, name: str, alias: str, now: datetime) -> dict[str, Any]:
    """Give the latest version an alias if it passed its gate, else leave the alias where it is and keep the reason.

    A job goes on either way, with whichever version then has the alias.

    Returns:
        model, version (the latest), alias, is_promoted, the version that has the alias now, and the gate's reason.
    """
    models.find(name)
    held = models.versions(name)
    latest = held[-1]
    present = next((item for item in held if alias in item.aliases), None)
    gate = latest.tags.get("gate_reason", "it was registered by another program and not measured")
    against = latest.tags.get("gate_against")
    is_passed = latest.tags.get("gate") == "passed"
    holder = "none" if present is None else str(present.number)
    if is_passed and against not in (None, holder) and present != latest:
        is_passed, gate = False, f"compared with version {against}, but {alias} is version {holder} now: train again"
    if is_passed:
        promote(models, latest, alias, None, now)
    elif present != latest:
        models.tag(latest, {f"{alias}.refused_because": gate, f"{alias}.refused_at": now.isoformat()})
        logger.info("promote: %s version %s stays %s; %s", name, holder, alias, gate)
    return {
        "model": name,
        "version": latest.number,
        "alias": alias,
        "is_promoted": is_passed,
        "holder": latest.number if is_passed else None if present is None else present.number,
        "gate": ("passed: " if is_passed else "failed: ") + gate,
    }


def export_model(models: Registry, version: Version, directory: Path, *, is_bare: bool) -> dict[str, Any]:
    """Write a version as the directory that Spark ML itself saves, byte for byte what is registered.

    Args:
        models: the registry.
        version: which.
        directory: is made; it must not exist.
        is_bare: only the last stage, such as the LinearRegressionModel, which takes a vector.

    Returns:
        What was written, and the line of Python that loads it.
    """
    if directory.exists():
        raise UsageError(f"export-model: {directory} exists already; remove it or choose another directory")
    record = models.record(version)
    with tempfile.TemporaryDirectory() as scratch:
        files = models.files(version, Path(scratch))
        top = sparkml.read_metadata(files)
        source = _last_stage(files) if is_bare else files
        metadata = sparkml.read_metadata(source)
        # Whole or not at all.
        directory.absolute().parent.mkdir(parents=True, exist_ok=True)
        half = directory.absolute().with_name(f".{directory.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(source, half)
        half.rename(directory)
    stages = [] if is_bare else [uid.rpartition("_")[0] for uid in top.stage_uids]
    return {
        "model": version.name,
        "version": version.number,
        "aliases": list(version.aliases),
        "directory": str(directory),
        "spark_ml_class": metadata.spark_class,
        "load_with": f"{metadata.python_class.rpartition('.')[2]}.load({str(directory)!r})",
        "import_from": metadata.python_class.rpartition(".")[0],
        "takes": _takes(metadata, record, is_bare=is_bare),
        **({"stages": stages} if stages else {}),
    }


def _stages(files: Path, metadata: sparkml.Metadata) -> list[str]:
    width = len(str(len(metadata.stage_uids)))
    return [f"{index:0{width}}_{uid}" for index, uid in enumerate(metadata.stage_uids)]


def _last_stage(files: Path) -> Path:
    return files / "stages" / _stages(files, sparkml.read_metadata(files))[-1]


def _takes(metadata: sparkml.Metadata, record: dict[str, Any], *, is_bare: bool) -> str:
    if is_bare:
        return f"a vector column {metadata.parameters.get('featuresCol', 'features')}: {', '.join(record['inputs'])}"
    return f"plain columns: {', '.join(record['inputs'])}"
