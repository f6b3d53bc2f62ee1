"""The SQL of a SQLTransformer: run on the rows it is given, it must do no more than compute columns from them.

Spark runs whatever the statement says, on any table, file or Java method. Here it is taken apart into words that Spark
and sqlglot cannot read differently, then into a tree, of which each node and each function must be known.
"""

import re
from dataclasses import dataclass
from typing import Any

from search_forecast.errors import DataError, EnvironmentProblem
from search_forecast.models.sparkml.metadata import Metadata

FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """abs acos asin atan atan2 bround cast cbrt ceil ceiling cos cosh degrees exp expm1 floor greatest isnan least
    ln log log10 log1p log2 mod nanvl negative pmod pow power radians round sign signum sin sinh sqrt tan tanh try_cast
    try_divide coalesce if ifnull isnotnull isnull nullif nvl nvl2 char_length concat concat_ws initcap instr lcase left
    length locate lower ltrim replace right rtrim substr substring translate trim ucase upper add_months date_add
    date_diff date_sub datediff day dayofmonth dayofweek dayofyear hour last_day minute month months_between quarter
    second to_date to_timestamp weekday weekofyear year""",
    )
)
# These may stand before a bracket too.
_WORDS = frozenset(re.findall(r"\w+", "and or not in between like when then else case where as select"))
_ELSEWHERE = frozenset(
    re.findall(r"\w+", "except intersect join lateral map minus reduce table union using values with")
)
_NODES = frozenset(
    re.findall(
        r"\w+",
        """Select From Where Table Star Column Identifier Alias Literal Boolean Null Paren Not Neg And Or Add Sub Mul
    Div IntDiv Mod DPipe EQ NEQ GT GTE LT LTE NullSafeEQ Is In Between Like Case If DataType DataTypeParam Tuple Var""",
    )
)
_TYPES = "boolean|tinyint|smallint|int|bigint|float|double|decimal|string|text|varchar|char|date|timestamp|timestamptz"
# No comment, escape, variable or semicolon: a $ would be replaced by an environment variable, in a string too.
_QUOTED = re.compile(r"'[^'\\$]*'|\"[^\"\\$]*\"|`[\w .%()/+-]*`")
_BARE = re.compile(r"(?!.*(--|/\*|\|>))[\w\s*+\-/%=<>!|(),.'`]*", re.ASCII | re.DOTALL)
_LARGEST = 20_000


@dataclass(frozen=True)
class Statement:
    """The columns that a statement reads and those that it adds; whether it may leave rows out."""

    reads: list[str]
    adds: list[str]
    is_filter: bool


def check(metadata: Metadata, name: str) -> None:
    """Raise DataError unless the stage's statement only computes columns. Its uid becomes a name in the statement."""
    text = metadata.parameters.get("statement")
    if not isinstance(text, str) or not re.fullmatch(r"\w+", metadata.uid, re.ASCII):
        raise DataError(f"{name}: a SQLTransformer without a statement, or with the uid {metadata.uid!r}")
    try:
        parse(text)
    except DataError as error:
        raise DataError(f"{name}: the SQL {text[:100]!r} is not run: {error}") from error


def parse(text: str) -> Statement:
    """Take a statement apart.

    Raises:
        DataError: it holds anything but `SELECT expressions FROM __THIS__ [WHERE condition]` with known functions.
    """
    _check_words(text)
    tree, exp = _tree(text)
    for node in tree.walk():
        # A function without a bracket, such as current_user, says what no row says.
        is_call = isinstance(node, exp.Func) and any(node.args.values())
        if type(node).__name__ not in _NODES and not is_call:
            raise DataError(f"it holds a {type(node).__name__}, which is none of what computes columns")
        if isinstance(node, exp.DataType) and not re.fullmatch(rf"({_TYPES})(\(.*\))?", node.sql().lower()):
            raise DataError(f"it casts to {node.sql()}")
    # Whatever a SELECT may have besides (a hint, DISTINCT, ORDER BY, LIMIT, LATERAL VIEW, WITH) is another key.
    others = _keys(tree) - {"expressions", "from_", "from", "where"}
    tables = [(table.name, _keys(table)) for table in tree.find_all(exp.Table)]
    if others or tables != [("__THIS__", {"this"})]:
        raise DataError(f"it does not read from __THIS__ alone, or has another clause ({', '.join(others) or 'from'})")
    adds = [item.alias for item in tree.expressions if isinstance(item, exp.Alias)]
    columns = [[part.name for part in column.parts] for column in tree.find_all(exp.Column)]
    reads = [next((name for name in parts if name != "__THIS__"), parts[0]) for parts in columns]
    return Statement([name for name in dict.fromkeys(reads) if name != "*"], adds, "where" in _keys(tree))


def _check_words(text: str) -> None:
    """Raise DataError for a sign, a word or a function that no such statement needs; what is quoted is no word."""
    bare = _QUOTED.sub(lambda match: "``" if match[0][0] == "`" else "''", text)
    if len(text) > _LARGEST or not _BARE.fullmatch(bare):
        raise DataError("it holds a comment, an escape, a variable, or another sign than a simple statement needs")
    words = re.findall(r"\w+", bare.lower())
    others = _ELSEWHERE & set(words) or {word for word in ("select", "from") if words.count(word) > 1}
    if others:
        raise DataError(f"it says {min(others)}: rows of its own, or of another table; a column of that name needs ``")
    called = [word.lower() for word in re.findall(r"(\w+|`)\s*\(", bare)]
    unknown = [word for word in called if word not in FUNCTIONS | _WORDS and not re.fullmatch(_TYPES, word)]
    if unknown:
        raise DataError(f"it calls {unknown[0]}, which is none of the functions that are known to be harmless")
    if not re.match(r"\s*select\b", bare, re.IGNORECASE):
        raise DataError("it is no SELECT")


def _tree(text: str) -> tuple[Any, Any]:
    """The statement as a tree, and the module with what its nodes are."""
    try:
        import sqlglot  # noqa: PLC0415 - most models have no SQL
    except ImportError as error:
        raise EnvironmentProblem("a model with SQL needs the package sqlglot: install it and run this again") from error
    try:
        return sqlglot.parse_one(text, read="spark"), sqlglot.exp
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise DataError("it cannot be read as SQL") from error


def _keys(node: Any) -> set[str]:
    return {key for key, value in node.args.items() if value}
