"""`promote`: which version has an alias, if its gate allows it; on the registry alone, without Spark."""

import logging
from datetime import datetime
from typing import Any

from search_forecast.errors import DataError, UsageError
from search_forecast.models.registry import CHAMPION, FORCED_BECAUSE, LONGEST_TAG, Registry, Version, check_alias

logger = logging.getLogger(__name__)


def promote(models: Registry, version: Version, alias: str, force_reason: str | None, now: datetime) -> dict[str, Any]:
    """Give a version an alias. The same command with an older version rolls back.

    Returns:
        model, version, alias, and which version had the alias before (itself, where nothing changed).

    Raises:
        DataError: it failed its gate, and no reason to take it all the same is given.
    """
    check_alias(alias)
    if force_reason is not None and not 0 < len(force_reason.strip()) <= LONGEST_TAG:
        raise UsageError(f"promote: --force needs a reason of at most {LONGEST_TAG} characters")
    previous = models.holder(version.name, alias)
    passed, reason = _gate(version)
    if not passed and force_reason is None:
        raise DataError(
            f"promote: {version.name} version {version.number} failed its gate ({reason}); to promote it all the same "
            f"say --force REASON, which is recorded"
        )
    tags = {
        f"{alias}_since": now.isoformat(),
        f"{alias}_previous": "none" if previous is None else str(previous.number),
        f"{alias}{FORCED_BECAUSE}": "not forced" if passed or force_reason is None else force_reason,
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
        "gate": ("passed: " if passed else "failed: ") + reason,
        "forced_because": None if passed else force_reason,
    }


def promote_latest(models: Registry, name: str, alias: str, now: datetime) -> dict[str, Any]:
    """Give the latest version an alias if it passed its gate, else leave the alias where it is and keep the reason.

    A job goes on either way, with whichever version then has the alias.

    Returns:
        model, version (the latest), alias, is_promoted, the version that has the alias now, and the gate's reason.
    """
    check_alias(alias)
    latest = models.latest(name) or models.find(name)
    present = models.holder(name, alias)
    passed, reason = _gate(latest)
    holder = "none" if present is None else str(present.number)
    is_present = present is not None and present.number == latest.number
    # The gate compares with the champion: of another alias it says nothing.
    is_compared = alias == CHAMPION and not is_present
    if passed and is_compared and latest.tags.get("gate_against", holder) != holder:
        against = latest.tags["gate_against"]
        passed, reason = False, f"compared with version {against}, but {alias} is version {holder} now: train again"
    if passed:
        promote(models, latest, alias, None, now)
    elif not is_present:
        models.tag(latest, {f"{alias}_refused_because": reason, f"{alias}_refused_at": now.isoformat()})
        logger.info("promote: %s version %s stays %s; %s", name, holder, alias, reason)
    return {
        "model": name,
        "version": latest.number,
        "alias": alias,
        "is_promoted": passed,
        "holder": latest.number if passed else None if present is None else present.number,
        "gate": ("passed: " if passed else "failed: ") + reason,
    }


def _gate(version: Version) -> tuple[bool, str]:
    reason = version.tags.get("gate_reason", "it was registered by another program and not measured")
    return version.tags.get("gate") == "passed", reason
