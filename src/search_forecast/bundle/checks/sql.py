"""Whether the SQL of queries, dashboards and alerts names tables and columns that the contracts have."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Set
from functools import cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from search_forecast.bundle.checks.problem import Problem
from search_forecast.bundle.configuration import Bundle
from search_forecast.lakehouse.contracts import TABLES
from search_forecast.queries import catalogue
from search_forecast.queries.catalogue import Query

_DIALECT = "databricks"
_MARKER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_ALERT_PREFIX = "`${var.catalog}`.`${resources.schemas.gold.name}`."
_COLUMNS: dict[str, object] = {t.name: {c.name: c.type.simpleString() for c in t.columns} for t in TABLES}
_SCHEMA = MappingSchema(_COLUMNS, dialect=_DIALECT)
_GOLD = frozenset(t.name for t in TABLES if t.layer == "gold")  # all that a dashboard or an alert may read: no raw text


def of_queries() -> Iterator[Problem]:
    """All problems with the SQL of the package's queries."""
    for query in _queries():
        for problem in _checked(query.sql, frozenset(_COLUMNS))[1]:
            yield Problem("", f"query {query.name}: {problem}")


def problems(bundle: Bundle) -> Iterator[Problem]:
    """All problems with the SQL that the bundle holds."""
    known = _known()
    for key, dashboard in bundle.resources("dashboards").items():
        path = f"dashboards.{key}"
        yield from (Problem(path, text) for text in _dashboard(bundle, path, dashboard, known))
    for key in bundle.resources("alerts"):
        yield from (Problem(f"alerts.{key}", text) for text in _alert(bundle.written("alerts", key), known))


def datasets(content: Mapping[str, Any]) -> dict[str, str]:
    """The SQL of each dataset of a dashboard."""
    return {item["name"]: "".join(item.get("queryLines") or [item.get("query", "")]) for item in content["datasets"]}


def _dashboard(bundle: Bundle, path: str, dashboard: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    file, name = dashboard.get("file_path"), "serialized_dashboard"
    content: Any = dashboard.get(name)
    if not file and not content:
        yield "has neither file_path nor serialized_dashboard"
        return
    try:
        if file:  # its path is written relative to the file that declares it
            at = (bundle.root / bundle.file(path)).parent / str(file)
            name = at.name
            content = at.read_text(encoding="utf-8")
        yield from _content(json.loads(content) if isinstance(content, str) else content, known)
    except (OSError, ValueError) as error:
        yield f"{name}: {error}"
    except (KeyError, TypeError, AttributeError) as error:
        yield f"{name}: is no dashboard ({error!r})"


def _content(content: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    columns: dict[str, list[str]] = {}
    for name, text in datasets(content).items():
        columns[name], problems = _checked(text)
        yield from (f"dataset {name}: {problem}" for problem in problems)
        if not problems and _plain(text) not in known:
            yield f"dataset {name}: its SQL is none of search_forecast/queries"
    for page in content["pages"]:
        for item in page["layout"]:
            yield from (f"widget {item['widget']['name']}: {p}" for p in _widget(item["widget"], columns))


def _widget(widget: Mapping[str, Any], columns: Mapping[str, list[str]]) -> Iterator[str]:
    fields = set()
    for query in widget.get("queries") or []:
        dataset = query["query"]["datasetName"]
        if dataset not in columns:
            yield f"there is no dataset {dataset}"
            continue
        for field in query["query"]["fields"]:
            fields.add(field["name"])
            for column in re.findall(r"`([^`]+)`", field["expression"]):
                if column not in columns[dataset]:
                    yield f"dataset {dataset} has no column {column}"
    for name in _field_names((widget.get("spec") or {}).get("encodings")):
        if name not in fields:
            yield f"shows {name}, which its query does not select"


def _field_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "fieldName" in value:
            yield value["fieldName"]
        for inner in value.values():
            yield from _field_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _field_names(inner)


def _alert(alert: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    text = str(alert.get("query_text", ""))
    plain = text.replace(_ALERT_PREFIX, "")
    columns, problems = _checked(plain)
    yield from problems
    if not problems and _plain(plain) not in known:
        yield "its SQL is none of search_forecast/queries (apart from the tables' full names)"
    evaluation = alert.get("evaluation") or {}
    shown = (evaluation.get("source") or {}).get("name")
    if not problems and shown not in columns:
        yield f"looks at {shown}, which its SQL does not select"
    if text == plain:
        yield f"names its tables without {_ALERT_PREFIX}"


@cache
def _checked(text: str, tables: Set[str] = _GOLD) -> tuple[list[str], list[str]]:
    """The columns that a query of these tables gives, and its problems."""
    try:
        query = sqlglot.parse_one(_MARKER.sub("1", re.sub(r"--.*", "", text)), dialect=_DIALECT)
        ctes = {cte.alias for cte in query.find_all(exp.CTE)}
        for table in query.find_all(exp.Table):
            if table.db or table.catalog:
                return [], [f"spells out {table.catalog or ''}{'.' if table.catalog else ''}{table.db}.{table.name}"]
            if table.name not in ctes | tables:
                return [], [f"there is no table {table.name} in gold"]
        qualified = qualify(query, schema=_SCHEMA, dialect=_DIALECT)
    except SqlglotError as error:
        return [], [re.sub(r"\x1b\[\d+m", "", str(error)).splitlines()[0]]
    return [str(name) for name in qualified.named_selects], []  # type: ignore[attr-defined]


def _plain(text: str) -> str:
    """SQL without comments and line breaks, to compare."""
    return " ".join(re.sub(r"--.*", "", text).split())


@cache
def _queries() -> list[Query]:
    return [catalogue.load(name) for name in catalogue.names()]


@cache
def _known() -> frozenset[str]:
    """Queries as dashboards have them, and as alerts, which know no parameters: numbers and nulls in their place."""
    return frozenset(form for query in _queries() for form in (_plain(query.sql), _with_defaults(query)))


def _with_defaults(query: Query) -> str:
    defaults = {p.name: p.default or "null" for p in query.parameters if p.type in ("INT", "DATE")}
    return _MARKER.sub(lambda marker: defaults.get(marker[1], marker[0]), _plain(query.sql))
