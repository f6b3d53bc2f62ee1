"""The references in a bundle: `${var.x}`, resolved at deployment, and `{{job.parameters.x}}`, at run time."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from search_forecast.errors import UsageError

_NAME = r"[a-zA-Z][a-zA-Z0-9_-]*"  # what the CLI takes, in a form that does not backtrack
_STATIC = re.compile(rf"\$\{{({_NAME}(?:\.{_NAME}(?:\[[0-9]+\])*)*)\}}")
_DYNAMIC = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")

AS_WRITTEN = object()  # what a lookup returns for a reference that is to stay as it is


def substitute(value: Any, lookup: Callable[[str], Any]) -> Any:
    """Replace `${...}` in all texts of a nested value.

    Args:
        value: Text, number, list or mapping, nested at will.
        lookup: Gives the value of a path such as `var.catalog`, or AS_WRITTEN.

    Returns:
        The same with references replaced. A text that is nothing but one reference takes the type of its value.
    """
    if isinstance(value, dict):
        return {key: substitute(inner, lookup) for key, inner in value.items()}
    if isinstance(value, list):
        return [substitute(inner, lookup) for inner in value]
    if not isinstance(value, str):
        return value
    whole = _STATIC.fullmatch(value)
    if whole:
        replacement = lookup(whole[1])
        return value if replacement is AS_WRITTEN else replacement
    return _STATIC.sub(lambda match: _text(lookup(match[1]), match[0]), value)


def static_paths(value: Any) -> Iterator[str]:
    """All paths that `${...}` names in a nested value."""
    for text in texts(value):
        yield from _STATIC.findall(text)


def dynamic_paths(value: Any) -> Iterator[str]:
    """All paths that `{{...}}` names in a nested value."""
    for text in texts(value):
        yield from _DYNAMIC.findall(text)


def texts(value: Any) -> Iterator[str]:
    """All texts in a nested value, keys not included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def at_run_time(text: str, values: Mapping[str, object]) -> str:
    """Replace `{{...}}` in a text.

    Args:
        text: Text of a task's definition.
        values: Value of each path, such as `job.parameters.source`.

    Raises:
        UsageError: a path has no value.
    """

    def replaced(match: re.Match[str]) -> str:
        if match[1] not in values:
            known = ", ".join(sorted(values)) or "none"
            raise UsageError(f"nothing has set {match[0]}; known here: {known}")
        return _text(values[match[1]], match[0])

    return _DYNAMIC.sub(replaced, text)


def _text(value: object, reference: str) -> str:
    """A value inside of a longer text, written as the workspace does: yes and no are `true` and `false`."""
    if value is AS_WRITTEN:
        return reference
    return value if isinstance(value, str) else json.dumps(value)
