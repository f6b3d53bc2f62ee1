"""What Unity Catalog takes; kept to everywhere, so that what works here works there."""

import re
from collections.abc import Mapping

from search_forecast.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)
LONGEST_TAG = 1000


def is_name(name: str) -> bool:
    """Whether a model may be called that."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise UsageError unless a model may be called that."""
    if not is_name(name):
        raise UsageError(f"{name!r} is no name for a model: letters, digits, _ and -, at most 100")


def check_alias(alias: str) -> None:
    """Raise UsageError unless an alias may be called that."""
    if not _NAME.fullmatch(alias) or _RESERVED.fullmatch(alias):
        raise UsageError(f"{alias!r} is no alias: letters, digits, _ and -, at most 100, neither latest nor v1")


def tags(values: Mapping[str, str]) -> dict[str, str]:
    """Tags with keys and values that are taken: an underscore for other signs, a long value cut."""
    cut = {key: value if len(value) <= LONGEST_TAG else f"{value[: LONGEST_TAG - 1]}…" for key, value in values.items()}
    return {re.sub(r"[.,\-=/:]", "_", key): value for key, value in cut.items()}
