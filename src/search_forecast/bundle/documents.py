"""One file of a bundle: YAML as the Databricks CLI reads it, with the line that each mapping stands on."""

import math
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from search_forecast.errors import UsageError

_TAG = "tag:yaml.org,2002:"
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_SPECIAL = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER = re.compile(r"([-+]?)(0[bB][01]+|0[oO]?[0-7]*|0[xX][0-9a-fA-F]+|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_MOST_NESTED = 500
_LARGEST, _LARGEST_UNSIGNED = 2**63 - 1, 2**64 - 1


class Located(dict[str, Any]):
    """A mapping that knows where it was written, such as `resources/medallion.job.yml:4`."""

    place = ""


class Document:
    """The content of a file, and what in it the CLI passes over without a word.

    Attributes:
        content: The mapping that the file holds; empty where it holds nothing.
        ignored: A line for each key that a later one of its name replaces, and for further documents.
    """

    def __init__(self, path: Path, name: str) -> None:
        """Read a file.

        Args:
            path: The file.
            name: What to call it in messages.

        Raises:
            UsageError: it can't be read, or is no mapping.
        """
        self.name, self.ignored = name, list[str]()
        self._open: set[int] = set()
        try:
            data = path.read_bytes()
            if _is_too_deep(data):  # libyaml, which makes the nodes, would end the process
                raise UsageError(f"{name}: nested too deeply")
            loader = _Loader(data)
            node = loader.get_node() if loader.check_node() else None
            if node is not None and loader.check_node():
                self.ignored.append(f"{name}: a second document (---), which is not read")
            content = Located() if node is None else self._value(node)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or " ".join(str(error).split())
            raise UsageError(f"{name}{f':{mark.line + 1}' if mark else ''}: no YAML: {problem}") from error
        except RecursionError as error:
            raise UsageError(f"{name}: nested too deeply") from error
        except OSError as error:
            raise UsageError(f"{name}: {error.strerror}") from error
        if content is not None and not isinstance(content, Located):
            raise UsageError(f"{name}: expected a mapping, got {kind_of(content)}")
        self.content = content or Located()

    def _value(self, node: yaml.Node) -> Any:
        if id(node) in self._open:
            raise self._error(node, "an anchor that holds itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node)
            if isinstance(node, yaml.SequenceNode):
                return [self._value(item) for item in node.value]
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode) -> Located:
        merged, written, merges = Located(), Located(), 0
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merges += 1
                if merges > 1:
                    raise self._error(key, "a second << in one mapping; write one with a list: <<: [*a, *b]")
                # As in the CLI, and unlike in YAML, of several mappings the last one wins.
                for item in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if not isinstance(item, yaml.MappingNode):
                        raise self._error(item, "<< takes a mapping or a list of mappings")
                    merged.update(self._value(item))
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (f"{_TAG}str", f"{_TAG}null"):
                shown = f" {key.value}" if isinstance(key, yaml.ScalarNode) else ""
                raise self._error(key, f"the key{shown} is no text; put it in quotes")
            if key.value in written:
                self.ignored.append(f"{self._place(key)}: a second {key.value} in one mapping replaces the first")
            written[key.value] = content = self._value(value)
            if isinstance(content, Located):
                content.place = self._place(key)
        mapping = Located({**merged, **written})
        mapping.place = self._place(node)
        return mapping

    def _scalar(self, node: yaml.Node) -> str | int | float | bool | None:
        kind, text = node.tag.removeprefix(_TAG), node.value
        try:
            if kind in ("str", "timestamp"):
                return str(text)
            if kind == "null":
                return None
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind == "int":
                number = _integer(text)
                if number > _LARGEST:
                    raise ValueError
                return number
            if kind == "float":
                special = _SPECIAL.fullmatch(text)
                return float(text) if special is None else float(text.replace(".", "", 1))
        except (KeyError, ValueError) as error:
            raise self._error(node, f"{text} is no {kind}") from error
        raise self._error(node, f"unknown tag {node.tag.replace(_TAG, '!!')}")

    def _place(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"

    def _error(self, node: yaml.Node, problem: str) -> UsageError:
        return UsageError(f"{self._place(node)}: {problem}")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Tells texts from numbers as the CLI's parser does: `yes` and `22:30` are texts, `0123` is a number."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """The tag of a node that is written without one."""
        if kind is not yaml.ScalarNode:
            return f"{_TAG}{'map' if kind is yaml.MappingNode else 'seq'}"
        return f"{_TAG}{_kind(value) if implicit[0] else 'str'}"


def _is_too_deep(data: bytes) -> bool:
    depth = 0
    for event in yaml.parse(data, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_NESTED:
            return True
    return False


def _kind(text: str) -> str:
    if text in _BOOLEANS:
        return "bool"
    if text in _NULLS:
        return "null"
    if text == "<<":
        return "merge"
    if _SPECIAL.fullmatch(text):
        return "float"
    digits = text.replace("_", "") if text[0] != "_" else text
    integer = _INTEGER.fullmatch(digits)
    if integer and integer[2] not in ("0o", "0O"):
        number = _integer(digits)
        if -_LARGEST - 1 <= number <= _LARGEST_UNSIGNED:
            return "int"
    if _FLOAT.fullmatch(digits) and not math.isinf(float(digits)):
        return "float"
    return "str"


def _integer(text: str) -> int:
    """A number, in base ten even where it begins with zeros."""
    decimal = re.fullmatch(r"0*([-+]?[0-9]+)", text)
    return int(decimal[1]) if decimal else int(text, 8 if re.match(r"[-+]?0_", text) else 0)


def kind_of(value: Any) -> str:
    """What a value of a file is, in a word for messages."""
    kinds = {
        dict: "a mapping",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return next((word for kind, word in kinds.items() if isinstance(value, kind)), "nothing")


def as_text(value: object) -> str:
    """A scalar where a text belongs, written as the CLI writes it: `true`, `1` for 1.0, no exponents."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return "" if value is None else str(value)
