"""`models`: what versions there are, and all that is known of one."""

from datetime import datetime, timezone
from typing import Any

from search_forecast.models.registry import Registry, Version


def list_models(models: Registry, name: str | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
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
