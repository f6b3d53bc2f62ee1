"""DuckDB over Delta's log: what it may read, what it refuses or leaves to Spark, and what it never imports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import Row
from sqlglot import exp

from search_forecast import cli
from search_forecast.cli.application import ROOT
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import TABLES
from search_forecast.queries import snapshots, translation
from search_forecast.queries.answers import Answer
from search_forecast.queries.local import LocalEngine
from search_forecast.queries.spark import SparkEngine
from support.delta import arrow_table, write

RANKS = "select term, rank from term_summary order by term"


def summary(*terms: str) -> list[dict[str, Any]]:
    seen = {"first_seen_date": date(2021, 11, 1), "last_seen_date": date(2021, 11, 2), "active_day_count": 1}
    return [{"term": term, "search_count": 1, "share_ratio": 0.5, "rank": n, **seen} for n, term in enumerate(terms, 1)]


class Spark:
    """Stands in for Spark, and tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def has(self, table: str) -> bool:
        raise NotImplementedError

    def version(self, table: str) -> int:
        return 41

    def run(self, sql: str, values: Mapping[str, object], inputs: Sequence[str]) -> Answer:
        self.asked.append(sql)
        return Answer(["by"], [("Spark",)])


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return write(tmp_path / "lake", {"term_summary": summary("pen", "tv")})


@pytest.fixture
def ask(lake: Path) -> Callable[[str], Answer]:
    return LocalEngine(lake, lambda: pytest.fail("needs Spark")).ask


def test_a_commit_that_was_cut_off_before_its_first_byte_is_no_empty_table(
    lake: Path, ask: Callable[[str], Answer]
) -> None:
    log_of(lake).write_bytes(b"")

    with pytest.raises(DataError, match="json is empty, a commit that was cut off; the command check says more"):
        ask(RANKS)


def log_of(lake: Path, name: str = "search_gold/term_summary") -> Path:
    return max((lake / name / "_delta_log").glob("*.json"))


def commit(lake: Path, *actions: dict[str, Any]) -> None:
    """Add a commit to a table as some other writer would."""
    last = log_of(lake)
    text = "\n".join(map(json.dumps, actions))
    last.with_name(f"{int(last.stem) + 1:020}.json").write_text(text)


def actions(lake: Path, kind: str) -> dict[str, Any]:
    lines = (line for log in sorted(log_of(lake).parent.glob("*.json")) for line in log.read_text().splitlines())
    return next(action[kind] for action in map(json.loads, lines) if kind in action)


def test_rows_are_those_of_the_log_not_of_the_files_that_lie_there(lake: Path, ask: Callable[[str], Answer]) -> None:
    assert ask(RANKS).rows == [("pen", 1), ("tv", 2)]

    DeltaTable(str(lake / "search_gold/term_summary")).delete("term = 'pen'")  # its file stays

    assert len(list((lake / "search_gold/term_summary").glob("*.parquet"))) == 2
    assert ask(RANKS).rows == [("tv", 2)]


@pytest.mark.parametrize("name", ["search_gold", "search_gold/term_summary"])
def test_a_table_behind_a_link_to_another_disk_is_read_and_nothing_else_there(lake: Path, name: str) -> None:
    other = (lake / name).rename(lake.with_name("other [disk]"))
    (lake / name).symlink_to(other)
    lake.with_name("secret.csv").write_text("a\n1\n")

    engine = LocalEngine(lake)

    assert engine.ask(RANKS).rows == [("pen", 1), ("tv", 2)]
    with pytest.raises(duckdb.PermissionException):
        engine._connection.execute(f"select * from read_csv('{lake.with_name('secret.csv')}')")


def test_a_column_that_came_later_is_null_in_older_files(lake: Path, ask: Callable[[str], Answer]) -> None:
    place = str(lake / "search_gold/term_summary")
    assert ask("select * from term_summary").columns[-1] == "active_day_count"
    newer = arrow_table("term_summary", summary("ink")).append_column("new", pa.array([7]))
    write_deltalake(place, newer, mode="append", schema_mode="merge")
    schema = json.loads(actions(lake, "metaData")["schemaString"])
    assert "new" not in [field["name"] for field in schema["fields"]]

    assert ask("select term, new from term_summary order by term").rows == [("ink", 7), ("pen", None), ("tv", None)]
    assert ask("select max(new) from term_summary where term < 'j'").rows == [(7,)]


def column_mapping(lake: Path) -> None:
    """As reader version 2 has it, which names no features, and of which delta-rs would read nulls."""
    metadata = actions(lake, "metaData")
    metadata["configuration"]["delta.columnMapping.mode"] = "name"
    schema = json.loads(metadata["schemaString"])
    for number, field in enumerate(schema["fields"], start=1):
        field["metadata"] = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": f"col-{number}"}
    metadata["schemaString"] = json.dumps(schema)
    commit(lake, {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}, {"metaData": metadata})


def deletion_vectors(lake: Path) -> None:
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    commit(lake, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}})


def a_feature_of_the_future(lake: Path) -> None:
    features = {"readerFeatures": ["fromTheFuture"], "writerFeatures": ["fromTheFuture"]}
    commit(lake, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}})


def a_shallow_clone(lake: Path) -> None:
    commit(lake, {"add": {**actions(lake, "add"), "path": f"file://{lake}/elsewhere/part.parquet"}})


def a_missing_file(lake: Path) -> None:
    next((lake / "search_gold/term_summary").glob("*.parquet")).unlink()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (column_mapping, "search_gold.term_summary has columnMapping"),
        (deletion_vectors, "search_gold.term_summary has deletionVectors"),
        (a_feature_of_the_future, "fromTheFuture"),
        (a_shallow_clone, "search_gold.term_summary has files of another table"),
        (a_missing_file, "IO Error: No files found"),
    ],
)
def test_what_the_files_alone_do_not_tell_is_left_to_spark(
    lake: Path, change: Callable[[Path], None], why: str
) -> None:
    change(lake)
    spark = Spark()
    engine = LocalEngine(lake, lambda: spark)

    answer = engine.ask(RANKS)

    assert (answer.rows, spark.asked) == ([("Spark",)], [RANKS])
    assert answer.note is not None
    assert answer.note.startswith("answered by Spark: ")
    assert why in answer.note
    if change is not a_missing_file:
        assert engine.version("search_gold.term_summary") == 41


@pytest.mark.parametrize(
    "sql",
    [
        "select dayofweek(first_seen_date) from term_summary",
        "select percentile(rank, 0.5) from term_summary",
        "select cast(share_ratio as string) from term_summary",
        "select cast(share_ratio as bigint) from term_summary",
        "select cast(2.5 as int) from term_summary",  # 3 in DuckDB
        "select int(1e0) from term_summary",
        "select cast('1.7' as bigint) from term_summary",
        "select cast(1e7 as string) from term_summary",
        "select cast(1 as decimal) from term_summary",
        "select round(term, 1) from term_summary",
        "select floor(share_ratio, 1) from term_summary",
        "select ceil(share_ratio, 2) from term_summary",
        "select max(term, 2) from term_summary",  # a list in DuckDB, an error in Spark
        "select rank * 0.1 from term_summary",
        "select last_seen_date - first_seen_date from term_summary",
        "select date'2024-01-05' - first_seen_date from term_summary",
        "select date_add(last_seen_date, 1) - first_seen_date from term_summary",
        "select b - a from (select max(last_seen_date) as b, min(first_seen_date) as a from term_summary)",
        "select sum(case when rank > 1 then 1.0 else 0 end) / count(*) from term_summary",
        "select avg(if(rank > 1, 1.0, 0)) from term_summary",
        "select round(0.55, 1)",
        "select * from term_summary join term_summary as b using (term)",  # whose column comes first in Spark
        "select b.* from term_summary natural join term_summary as b",
        "select term like 'a\\\\_b' from term_summary",
        "select 'a' like term from term_summary",  # which may hold a backslash
        "select first_seen_date < '2024-01-01 00:30:00+02:00' from term_summary",  # DuckDB forgets the zone
        "select first_seen_date < '2024-01-01T00:30 Europe/Zurich' from term_summary",
        "select lag(rank, 1, 0.5) over (order by term) from term_summary",
        "select distinct on (rank) term from term_summary",
        "select term rlike 'a' from term_summary",
        "select rank / (rank - rank) from term_summary",
        "select rank % (rank - rank) from term_summary",
        "select datediff(month, first_seen_date, last_seen_date) from term_summary",
        "select trunc(first_seen_date, 'decade') from term_summary",
        "select struct(term) from term_summary",
        "select * from term_summary version as of 0",
        "select * from term_summary tablesample (1 rows)",
        "select first_seen_date + interval 1 month from term_summary",
        "select row_number() over () from term_summary",  # in whatever order; Spark asks for one
        "select lag(term) over (partition by rank) from term_summary",
        "select max_by(term) from term_summary",
        "select max_by(term, rank, 2) from term_summary",  # a list of two in both, where Spark has it
        "select rank / 0e0 from term_summary",
        "select rank % -0.0e0 from term_summary",
        "select term from term_summary where rank = '1.5'",  # 2 to DuckDB, no number to Spark
        "select term from term_summary where rank in ('1', '1e0')",
        "select term from term_summary where rank between '0.5' and 3",
        "select sum(rank + 9223372036854775800) as a from term_summary",  # more than a BIGINT holds
    ],
)
def test_sql_that_means_something_else_to_duckdb_is_left_to_spark(lake: Path, sql: str) -> None:
    spark = Spark()

    assert LocalEngine(lake, lambda: spark).ask(sql).rows == [("Spark",)]
    assert spark.asked == [sql]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("round(rank)", 2),
        ("round(rank, 2)", 2),
        ("round(rank + 123, -1)", 130),
        ("round(sum(rank) over (), 1)", 3),
        ("round(share_ratio * 5e-1, 1)", 0.3),
        ("rank - 1 - 1", 0),
        ("case when rank = '2' and term <> '1.5x' and first_seen_date > '2021-01-01' then 1 end", 1),
        ("max_by(9223372036854775807, rank) over ()", 2**63 - 1),
        ("5e-1 - rank", -1.5),
        ("first_seen_date - 1", date(2021, 10, 31)),
        ("case when share_ratio > 0.25 then 1 else 0 end", 1),
        ("sum(case when share_ratio > 0.25 then 1 else 0 end) over ()", 2),
    ],
)
def test_a_number_keeps_its_type(ask: Callable[[str], Answer], sql: str, value: object) -> None:
    rows = ask(f"select {sql} as a, term from term_summary order by term desc").rows

    assert repr(rows[0][0]) == repr(value)


def test_columns_are_called_as_spark_calls_them(ask: Callable[[str], Answer]) -> None:
    sql = "select TERM, s.Rank, cast(rank as double), 'x', (rank), count(*) over () as N from term_summary as s"

    assert ask(sql).columns == ["TERM", "Rank", "rank", "x", "rank", "N"]


def test_columns_that_are_joined_by_their_names(ask: Callable[[str], Answer]) -> None:
    sql = "select b.rank, count(*) as n from term_summary join term_summary as b using (term) group by 1 order by 1"

    assert ask(sql) == Answer(["rank", "n"], [(1, 1), (2, 1)])


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("drop table term_summary", "takes one query"),
        ("select 1; select 2", "takes one query"),
        ("select 1; drop table term_summary", "takes one query"),
        ("insert into term_summary select * from term_summary", "takes one query"),
        ("with a as (insert into term_summary values (1)) select 1", "takes one query"),
        ("select * into copied from term_summary", "takes one query"),
        ("copy term_summary to 'x.csv'", "takes one query"),
        ("set lock_configuration = false", "takes one query"),
        ("attach 'x.db'", "Invalid expression"),
        ("install httpfs", "takes one query"),
        ("", "takes one query"),
        ("select transform(term) using 'sh' from term_summary", "takes one query"),
        ("select reflect('java.lang.Runtime', 'getRuntime')", "calls out of the database"),
        ("select term from term_summary where try_reflect('a', 'b') = 'c'", "calls out of the database"),
        ("select java_method('a', 'b')", "calls out of the database"),
        ("select * from csv.`/etc/passwd`", "no table csv./etc/passwd"),
        ("select * from '/etc/passwd'", "no table /etc/passwd"),
        ("select * from read_csv('/etc/passwd')", "is no table of the lakehouse"),
        ("select * from read_files('/etc/passwd')", "calls out of the database"),
        ("select * from parquet_scan('/*')", "is no table of the lakehouse"),
        ("select * from other.search_gold.term_summary", "is no table of the lakehouse"),
        ("select * from term_sumary", "no table term_sumary; did you mean term_summary?"),
        ("SELECT * FROM TERM_SUMARY", "no table TERM_SUMARY; did you mean term_summary?"),
        ("select * from search_gold.batchs", "no table search_gold.batchs; there are: search_gold.term_summary"),
        ("select term from", "sql: Expected table name"),
        ("select term from term_summary where term = :term", ":term has no value here; write it in its place"),
        ("select ? as n", "? has no value here; write it in its place"),
        ("selct term", "sql: "),
    ],
)
def test_sql_that_does_more_than_read_the_lakehouse_is_refused(
    ask: Callable[[str], Answer], sql: str, said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        ask(sql)

    assert str(raised.value).startswith("sql: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("table", "command"),
    [
        ("term_trends", "trends"),
        ("search_gold.forecast_accuracy", "run monitoring"),
        ("Daily_Totals", "aggregate"),
        ("search_silver.search_events", "clean"),
        ("raw_search_terms", "ingest"),
        ("infant_growth", "load-measurements"),
        ("model_scores", "score-model"),
        ("calendar_events", "load-calendar"),
        ("corrections", "correct"),
    ],
)
def test_a_table_that_is_not_there_yet_is_named_with_what_fills_it(
    ask: Callable[[str], Answer], table: str, command: str
) -> None:
    assert command.partition(" ")[0] in ROOT.commands

    with pytest.raises(DataError, match=rf"^sql: no {table} yet; run {command} first$"):
        ask(f"select count(*) as n from {table}")


def test_the_connection_itself_reads_nothing_else(lake: Path, tmp_path: Path) -> None:
    connection = LocalEngine(lake, lambda: pytest.fail("needs Spark"))._connection
    (tmp_path / "secret.csv").write_text("a\n1\n")

    for statement in (
        f"select * from read_csv('{tmp_path}/secret.csv')",
        f"copy (select 1) to '{tmp_path}/x.csv'",
        "set enable_external_access = true",
    ):
        with pytest.raises(Exception, match=r"disabled|locked|Cannot"):
            connection.execute(statement)


def test_a_column_that_is_not_there_is_said_without_spark(ask: Callable[[str], Answer]) -> None:
    with pytest.raises(DataError, match=r"^no column trem in term_summary; did you mean term\?$"):
        ask("select trem from term_summary")


@pytest.mark.parametrize("column", ["variant", "typed.variant"])
def test_a_table_of_an_earlier_release_is_named_with_the_command_that_adds_its_column(
    tmp_path: Path, column: str
) -> None:
    older = {"term": ["tv"], "searched_as": ["TV"], "search_count": [1], "rule": ["case"]}
    write_deltalake(str(tmp_path / "search_gold" / "term_variants"), pa.table(older))
    engine = LocalEngine(tmp_path, lambda: pytest.fail("needs Spark"))

    with pytest.raises(DataError) as raised:
        engine.ask(f"select {column} from term_variants as typed")

    assert str(raised.value) == (
        "search_gold.term_variants has no column variant, as an earlier release made it; "
        "search-forecast aggregate --full adds it"
    )


def test_names_need_a_schema_only_where_it_is_not_gold(lake: Path, ask: Callable[[str], Answer]) -> None:
    seen = {"bytes": 1, "status": "rejected", "batch_id": "b", "received_at": datetime(2021, 11, 1)}
    write(lake, {"deliveries": [{"source_file": "a.csv", **seen}], "daily_totals": []})

    assert ask("select source_file from search_bronze.deliveries").rows == [("a.csv",)]
    assert ask("select source_file from deliveries").rows == [("a.csv",)]
    assert ask("select s.rank as r from spark_catalog.search_gold.term_summary as s where term = 'tv'").rows == [(2,)]
    assert ask("with term_summary as (select 1 as n) select n from term_summary").rows == [(1,)]
    assert ask("with T as (select 1 as n) select n from t").rows == [(1,)]
    assert ask("SELECT T.RANK AS R FROM TERM_SUMMARY AS T WHERE TERM = 'tv'").rows == [(2,)]
    assert ask("select max(event_date) as day from Search_Gold.Daily_Totals").rows == [(None,)]
    assert ask("select max(event_date) as day, count(*) as n from daily_totals") == Answer(["day", "n"], [(None, 0)])
    paths = ("../search_gold/term_summary", "search_gold./term_summary", "../search_gold.term_summary", "*", ".", "")
    assert [snapshots.full_name(lake, path) for path in paths] == [None] * len(paths)


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        (
            "with term_summary as (select * from term_summary where rank = 1) select term from term_summary",
            ["term_summary"],
        ),
        ("select * from (with tv as (select 1) select * from tv) join tv", ["tv"]),
        ("with a as (select * from b), b as (select 1) select * from a, b", ["b"]),
        ("with a as (select 1), b as (select * from A) select * from B where 1 in (select * from a)", []),
        ("with recursive a as (select 1 as n union all select n + 1 from a where n < 3) select * from a", []),
        ("with a as (select 1), b as (with c as (select * from a) select * from c) select * from b, c", ["c"]),
    ],
)
def test_a_common_table_expression_hides_a_table_only_where_it_is_known(sql: str, names: list[str]) -> None:
    assert translation.tables(translation.parse(sql)) == names


def test_a_part_of_a_table_may_be_called_as_the_table_is(ask: Callable[[str], Answer]) -> None:
    sql = "with term_summary as (select * from term_summary where rank = 2) select term from term_summary"

    assert ask(sql).rows == [("tv",)]


@pytest.mark.parametrize("name", ["shop [old]", "shop {a,b}", "it's", "a*?#b", "ü 日本"])
def test_a_lakehouse_may_lie_in_any_directory(tmp_path: Path, name: str) -> None:
    write(tmp_path / "plain", {"term_summary": summary("pen")}).rename(tmp_path / name)

    assert LocalEngine(tmp_path / name, lambda: pytest.fail("needs Spark")).ask(RANKS).rows == [("pen", 1)]


def test_the_command_line_answers_without_spark_pandas_or_pyarrow(lake: Path) -> None:
    write(lake, {"daily_term_counts": [], "daily_totals": [], "rejected_records": []})
    program = f"""
import sys
from search_forecast import cli
words = (["query", "top_terms", "limit=3"], ["sql", "select term from term_summary where rank = 2"])
codes = [cli.main(["--lakehouse", {str(lake)!r}, "--json", *line]) for line in words]
print(codes, [name for name in ("pyspark", "pandas", "pyarrow", "numpy", "mlflow") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["[]", '[{"term": "tv"}]', "[0, 0] []"]


def test_the_command_line_lists_the_tables_with_their_rows(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tables", "--json", "--lakehouse", str(lake)]) == 0

    listed = {row["table"]: (row["row_count"], row["version"]) for row in json.loads(capsys.readouterr().out)}
    assert listed["search_gold.term_summary"] == (2, 1)
    assert listed["search_bronze.deliveries"] == (None, None)
    assert set(listed) == {table.full_name for table in TABLES}


def test_the_command_line_says_what_cannot_be(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sql", "drop table term_summary", "--lakehouse", str(lake)]) == 2
    assert cli.main(["query", "daily_counts", "term=tvv", "--lakehouse", str(lake)]) == 1
    assert cli.main(["sql", "select 1", "--lakehouse", str(lake / "none")]) == 1

    said = capsys.readouterr().err.splitlines()
    assert said[0] == "search-forecast: sql: takes one query (select ...); it reads, and changes nothing"
    assert said[1] == "search-forecast: query daily_counts: no daily_totals yet; run aggregate first"
    assert said[2].startswith("search-forecast: sql: no lakehouse at ")


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ("'men''s shoes'", "men's shoes"),
        ("''", ""),
        ("''''", "'"),
        ("'a'''", "a'"),
        ('"55"" wide"', '55" wide'),
        ("'it''s :term'", "it's :term"),
    ],
)
def test_a_doubled_quote_is_one_as_in_spark(ask: Callable[[str], Answer], literal: str, text: str) -> None:
    assert ask(f"select {literal} as a, 'b' as b").rows == [(text, "b")]

    commented = f"select rlike(term, {literal}) as `it's` from term_summary -- of one's own"
    [escaped] = translation.parse(translation.as_read(commented, translation.parse(commented))).find_all(exp.Literal)
    assert escaped.name == text


@pytest.mark.parametrize(
    ("sql", "terms"),
    [
        ("select term, -rank as rank from term_summary order by rank + 0", ["tv", "pen"]),
        ("select term, 2 - rank as RANK from term_summary order by abs(rank) limit 1", ["tv"]),
        ("select term from (select term, -rank as rank from term_summary order by rank + 0 limit 1)", ["tv"]),
        ("select term, -sum(rank) as rank from term_summary group by term order by rank + 0", ["tv", "pen"]),
        ("select term, -rank as rank from term_summary order by term_summary.rank + 0", ["pen", "tv"]),
        ("select term, -sum(rank) as rank from term_summary group by term order by 0 + sum(rank)", ["pen", "tv"]),
        ("select term, -rank as other from term_summary order by other + 0, rank", ["tv", "pen"]),
    ],
)
def test_rows_are_sorted_by_what_the_query_calls_so_as_in_spark(
    ask: Callable[[str], Answer], sql: str, terms: list[str]
) -> None:
    assert [row[0] for row in ask(sql).rows] == terms


def test_columns_of_one_name_lose_no_value_in_json(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = "select a.term, b.term from term_summary as a inner join term_summary as b on a.rank = b.rank + 1"
    assert cli.main(["sql", pairs, "--json", "--lakehouse", str(lake)]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    said = "sql: JSON can't hold two columns called term; give one another name, such as: term as term_2"
    assert printed.err == f"search-forecast: {said}\n"
    assert cli.main(["sql", pairs, "--csv", "--lakehouse", str(lake)]) == 0
    assert capsys.readouterr().out.splitlines() == ["term,term", "tv,pen"]


def test_a_struct_that_spark_answers_has_the_names_of_its_fields() -> None:
    nested = Row(of=[Row(term="tv", n=1)], by={"pen": Row(n=2)})
    frame = SimpleNamespace(columns=["a", "a"], collect=lambda: [(nested, None)])
    house: Any = SimpleNamespace(spark=SimpleNamespace(sql=lambda *_, **__: frame, catalog=None))

    answer = SparkEngine(house).run("select 1", {}, [])

    assert answer.rows == [({"of": [{"term": "tv", "n": 1}], "by": {"pen": {"n": 2}}}, None)]
