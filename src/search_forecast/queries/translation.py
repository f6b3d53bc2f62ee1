"""Spark SQL as DuckDB takes it, where both answer the same; the rest is left to Spark.

Only syntax and functions listed here are translated: what merely looks alike (`dayofweek`, `percentile`, regular
expressions, casts to text or to whole numbers) would be answered wrongly in silence.
"""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from itertools import takewhile

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError

from search_forecast.errors import UsageError
from search_forecast.queries.snapshots import NeedsSpark

_DIALECT = "databricks"
# Text, quoted names and comments are matched first: a colon in them is no marker. A marker may be called as a keyword.
_MARKER = re.compile(
    r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`|--[^\n]*|(?<![:\w]):(?P<name>[A-Za-z_]\w*)"""
)
_PREFIX = "value_of_"
_CHANGES = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.QueryTransform)
_CALLS_OUT = ("reflect", "try_reflect", "java_method", "read_files", "http_request", "identifier")
_SAME = frozenset(
    re.findall(
        r"\w+",
        """Select From Join Where Group Having Order Ordered Limit Offset With CTE Subquery Table TableAlias
        Alias Column Identifier Star Literal Null Boolean DataType Window WindowSpec Filter Distinct Union
        Except Intersect Paren Tuple And Or Not Neg Add Sub Mul Div Mod EQ NEQ GT GTE LT LTE NullSafeEQ Is In
        Between Like Exists Case If Cast Coalesce Nullif Sum Count CountIf Min Max Avg ArgMax ArgMin Struct
        PropertyEQ Round Floor Ceil Abs SafeDivide Greatest Least RowNumber Rank DenseRank Lag Lead Explode
        Contains StartsWith EndsWith Length DateDiff TsOrDsAdd DateTrunc TimestampDiff CurrentTimestamp Year
        Month Day TsOrDsToDate Var Placeholder RegexpSplit RegexpLike BitLength Translate""",
    )
)
_ARITHMETIC = (
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.SafeDivide, exp.Sum, exp.Avg, exp.Round),
    *(exp.Lag, exp.Lead),  # whose default takes the type of what they give
)
_FRACTION = re.compile(r"\s*[-+]?(?=[._]?\d)[\d_]*[._e][-+\d._e]*\s*", re.IGNORECASE)
_IN_A_ZONE = re.compile(r"\s*\d{4,}-\d+-\d+[T ][\d:. ]*[^\d:. Z]")
_OF_AN_ORDER = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead)
_OF_ONE = (exp.Floor, exp.Ceil, exp.Max, exp.Min)  # with a second argument they answer something else
_UNITS = {
    exp.DateTrunc: ("WEEK", "MONTH", "QUARTER", "YEAR"),
    exp.DateDiff: ("DAY",),
    exp.TsOrDsAdd: ("DAY",),
    exp.TimestampDiff: ("MINUTE", "HOUR", "SECOND"),
}
# Macros of the connection that `duckdb_sql` is for.
MACROS = (
    # Spark rounds what a number looks like in decimals, half up; DuckDB's round makes -9511.845 -9511.84. What is whole
    # stays so; text, of which there is no `x + 0`, is left to Spark.
    "create macro spark_round(x, places) as "
    "coalesce(cast_to_type(round(try_cast(cast(x as varchar) as decimal(38, 17)), places), x + 0), x)",
    "create macro not_zero(x) as case when x = 0 then error('divided by zero') else x end",
)
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def parse(text: str) -> exp.Query:
    """A statement that asks and changes nothing.

    Raises:
        UsageError: it is more than one, no query, or calls out of the database.
    """
    marked = _MARKER.sub(_marked, text)
    try:
        statements = [statement for statement in sqlglot.parse(marked, dialect=_DIALECT) if statement is not None]
    except RecursionError:
        raise UsageError("sql: it is nested too deeply to be read; split it into common table expressions") from None
    except ParseError as error:
        where = error.errors[0]
        place = " ".join(where["highlight"].split()) or "the end"
        raise UsageError(f"sql: {where['description']}, line {where['line']}, at {place}") from None
    except SqlglotError as error:
        raise UsageError(f"sql: {' '.join(str(error).split())}") from None
    query = statements[0] if len(statements) == 1 else None
    if not isinstance(query, exp.Query) or query.find(*_CHANGES):
        raise UsageError("sql: takes one query (select ...); it reads, and changes nothing")
    for function in query.find_all(exp.Func):
        if (function.name if isinstance(function, exp.Anonymous) else function.sql_name()).lower() in _CALLS_OUT:
            raise UsageError(f"sql: {function.sql(_DIALECT)} calls out of the database, which a query may not")
    return query


def _marked(match: re.Match[str]) -> str:
    """A marker with its prefix; text with an escape for each quote that is doubled, where sqlglot would end it."""
    if match["name"]:
        return f":{_PREFIX}{match['name']}"
    quote, inside = match[0][0], match[0][1:-1]
    if quote not in "'\"":
        return match[0]
    escaped = re.sub(rf"\\.|{quote}{quote}", lambda each: each[0].replace(quote * 2, f"\\{quote}"), inside)
    return f"{quote}{escaped}{quote}"


def refuse_markers(query: exp.Query) -> None:
    """Raise UsageError where a query that `parse` made waits for a value, as those of the catalogue do."""
    marker = query.find(exp.Placeholder)
    if marker is not None:
        shown = "?" if marker.name == "?" else f":{marker.name.removeprefix(_PREFIX)}"
        raise UsageError(f"sql: {shown} has no value here; write it in its place")


def as_read(text: str, query: exp.Query) -> str:
    """A query of which `parse` made `query`, written as that where Spark might end it, a comment or text elsewhere."""
    is_plain = not any(mark in text for mark in ("--", "/*", ";")) and _MARKER.sub(_marked, text) == text
    return text if is_plain else query.sql(_DIALECT, comments=False)


def tables(query: exp.Query) -> list[str]:
    """The tables that a query names, with their schema where it says one; what it defines itself left out.

    Raises:
        UsageError: it reads something else: a file, a function's rows.
    """
    names = []
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.catalog not in ("", "spark_catalog"):
            raise UsageError(f"sql: {table.sql(_DIALECT)} is no table of the lakehouse; the command tables lists them")
        name = f"{table.db}.{table.name}".lstrip(".")
        names += [] if not table.db and name.lower() in _defined_for(table) else [name]
    return list(dict.fromkeys(names))


def _defined_for(table: exp.Table) -> set[str]:
    """What a query defines that a table in it could be: in a definition those before it, itself where it recurs."""
    names: list[str] = []
    node: exp.Expr | None = table
    while node is not None:
        above = node.parent
        if isinstance(node, exp.CTE) and isinstance(above, exp.With):
            seen = takewhile(lambda other, own=node: other is not own, above.expressions)  # type: ignore[misc]
            names += [*(cte.alias for cte in seen), *([node.alias] if above.recursive else [])]
            node = above.parent
        elif isinstance(node, exp.Query):
            names += [cte.alias for cte in node.ctes]
        node = node.parent if node is not None else None
    return set(map(str.lower, names))


def duckdb_sql(text: str, values: Mapping[str, object]) -> str:
    """A query for DuckDB, with values in the place of its markers.

    Raises:
        NeedsSpark: DuckDB can't answer it, or might answer something else.
        UsageError: as `parse`.
    """
    query = _adapted(text).copy()
    for marker in list(query.find_all(exp.Placeholder)):
        marker.replace(_literal(values[marker.name.removeprefix(_PREFIX)]))
    try:
        return query.sql("duckdb", copy=False, identify=True, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise NeedsSpark(str(error)) from error


@lru_cache(maxsize=100)
def _adapted(text: str) -> exp.Query:
    """A query as DuckDB takes it, but for its markers: what is asked again is not parsed again."""
    query = parse(text)
    for select in list(query.find_all(exp.Select)):
        _sort_by_names(select)
    for item in query.selects:
        is_as_written = item.is_star or (isinstance(item, exp.Column) and item.name == item.name.lower())
        if not (is_as_written or isinstance(item, exp.Alias)):
            name = item.output_name or item.sql(_DIALECT, normalize_functions="lower")
            item.replace(exp.alias_(item.copy(), name, quoted=True))
    nodes = list(query.walk())
    for node in nodes:
        if not _is_same(node):
            raise NeedsSpark(f"only Spark answers {node.sql(_DIALECT)} for sure")
    for node in reversed(nodes):  # what is inside first
        _adapt(node)
    return query


def _sort_by_names(select: exp.Select) -> None:
    """Sort by what a query calls so, as Spark does; inside an expression DuckDB sorts by the tables' column."""
    order = select.args.get("order")
    named = {item.alias.lower(): item.this for item in select.selects if isinstance(item, exp.Alias)}
    for column in list(order.find_all(exp.Column)) if order else []:
        is_inside = not isinstance(column.parent, exp.Ordered) and not column.table
        is_own = column.find_ancestor(exp.AggFunc, exp.Query) is select  # an aggregate is one of the tables' rows
        if is_inside and is_own and column.name.lower() in named:
            column.replace(exp.paren(named[column.name.lower()].copy()))


def _literal(value: object) -> exp.Expr:
    """A value as a node of the tree: text in it stays text."""
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "date")
    return exp.convert(value)


def _is_same(node: exp.Expr) -> bool:
    """Whether DuckDB takes a part of a query as Spark does, once it is adapted."""
    kind = type(node)
    has_more = kind in _OF_ONE and any(value for name, value in node.args.items() if name != "this")
    if kind.__name__ not in _SAME or has_more or (kind in _UNITS and node.text("unit").upper() not in _UNITS[kind]):
        return False
    if isinstance(node, exp.Cast):
        return _is_cast_alike(node)
    if isinstance(node, exp.Literal):
        return _is_literal_alike(node)
    if isinstance(node, exp.RegexpSplit | exp.RegexpLike):  # no pattern, or one character of several
        alike = r"\s+" if isinstance(node, exp.RegexpSplit) else r"\[[^\[\]\\&^]+\]"
        return bool(node.expression.is_string and re.fullmatch(alike, node.expression.name))
    is_so = _IS_SAME_WHERE.get(kind)
    return is_so is None or bool(is_so(node))


def _is_literal_alike(literal: exp.Expr) -> bool:
    if literal.is_string:  # a moment in another zone is one in UTC to DuckDB, unless its type is said
        is_elsewhere = _IN_A_ZONE.match(literal.name) and not isinstance(literal.parent, exp.Cast)
        # Beside a whole number DuckDB rounds it; to Spark it is none.
        is_compared = isinstance(literal.parent, exp.Predicate) and not isinstance(literal.parent, exp.Like | exp.ILike)
        is_rounded = is_compared and _FRACTION.fullmatch(literal.name)
        return "\\" not in literal.name and not is_elsewhere and not is_rounded
    is_decimal = "." in literal.name and "e" not in literal.name.lower()  # which has rules of its own for its type
    return not (is_decimal and _is_reckoned(literal))


def _takes_star_by_name(join: exp.Expr) -> object:
    is_by_name = join.args.get("using") or join.args.get("method") == "NATURAL"
    return is_by_name and join.parent_select and join.parent_select.is_star


_IS_SAME_WHERE: Mapping[type[exp.Expr], Callable[[exp.Expr], object]] = {
    **dict.fromkeys((exp.ArgMax, exp.ArgMin), lambda node: node.expression and not node.args.get("count")),
    exp.Window: lambda node: node.args.get("order") or not isinstance(node.this, _OF_AN_ORDER),
    exp.Struct: lambda node: isinstance(node.parent, exp.ArgMax | exp.ArgMin),
    exp.Like: lambda node: node.expression.is_string or isinstance(node.expression, exp.Null),  # else with a backslash
    exp.Distinct: lambda node: not node.args.get("on"),
    exp.Join: lambda node: not _takes_star_by_name(node),  # whose columns Spark puts first
    exp.DateDiff: lambda node: not re.search(r"_at\b|timestamp", node.sql(), re.IGNORECASE),  # of days, not of moments
}


def _is_cast_alike(cast: exp.Cast) -> bool:
    """Whether both take a value for the same: from a fraction to text or a whole number they go their own ways."""
    value, kind = cast.this, cast.to.this
    if kind in (exp.DType.DOUBLE, exp.DType.DATE):
        return True
    if isinstance(value, exp.Literal):
        is_plain = value.name.isdecimal() or (value.is_string and kind not in exp.DataType.INTEGER_TYPES)
        return is_plain and kind != exp.DType.DECIMAL
    return isinstance(value, exp.Null | exp.Placeholder)


def _is_reckoned(literal: exp.Expr) -> bool:
    """Whether a number goes into a sum or the like, and not only into what is true or false."""
    node = literal.parent
    while node is not None and not isinstance(node, (*_ARITHMETIC, exp.Predicate, exp.Query)):
        node = node.parent
    return isinstance(node, _ARITHMETIC)


def _is_moment(side: exp.Expr) -> bool:
    side = side.unnest()
    column = side.this if isinstance(side, exp.Max | exp.Min) else side
    return isinstance(column, exp.Column) and column.name.endswith("_at")


def _adapt(node: exp.Expr) -> None:
    """Replace a part that DuckDB calls otherwise, or takes otherwise at its edges (nulls, zero, halves, types)."""
    if isinstance(node, exp.Table):
        node.set("catalog", None)
    elif isinstance(node, exp.Round):
        _call(node, "spark_round", node.this, node.args.get("decimals") or exp.Literal.number(0))
    elif isinstance(node, exp.ArgMax | exp.ArgMin):  # the row counts even where what is asked of it is null
        name = "arg_max_null" if isinstance(node, exp.ArgMax) else "arg_min_null"
        _call(node, name, node.this, _with_nulls_first(node.expression))
    elif isinstance(node, exp.TimestampDiff):  # whole units that have passed, not limits that were crossed
        _call(node, "date_sub", exp.Literal.string(node.text("unit")), node.expression, node.this)
    elif isinstance(node, exp.CountIf):  # 0 of no rows, not null
        node.replace(exp.Count(this=exp.If(this=node.this.copy(), true=exp.Literal.number(1))))
    elif isinstance(node, exp.Sub) and not (_is_moment(node.this) and _is_moment(node.expression)):
        # DuckDB has no minus for a day: a day less a day, an interval in Spark, is left to that.
        node.replace(exp.Add(this=node.this.copy(), expression=exp.Neg(this=exp.paren(node.expression.copy()))))
    elif isinstance(node, exp.Floor | exp.Ceil):
        node.replace(exp.cast(node.copy(), "bigint"))
    elif isinstance(node, exp.DateTrunc | exp.TsOrDsAdd):
        node.replace(exp.cast(node.copy(), "date"))
    elif isinstance(node, exp.Div | exp.Mod) and not (node.expression.is_number and float(node.expression.name)):
        _call(node.expression, "not_zero", node.expression)


def _with_nulls_first(order: exp.Expr) -> exp.Expr:
    """What rows are ordered by; in a struct a null is more than any value to DuckDB, and less in Spark."""
    if not isinstance(order, exp.Struct):
        return order
    values = [item.expression if isinstance(item, exp.PropertyEQ) else item for item in order.expressions]
    parts = [
        part for value in values for part in (exp.Not(this=exp.Is(this=value.copy(), expression=exp.null())), value)
    ]
    return exp.Struct(expressions=[part.copy() for part in parts])


def _call(node: exp.Expr, name: str, *arguments: exp.Expr) -> None:
    node.replace(exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments]))
