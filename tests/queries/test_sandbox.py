"""SQL that sqlglot and Spark read differently leads Spark to no other file. Found by fuzzing."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_forecast.errors import UsageError
from search_forecast.queries.local import LocalEngine
from support import lakes
from support.fuzz import Spark

ASKED = "select dayofweek(current_date()), term from term_variants"  # which only Spark answers


class Listening(Spark):
    def run(self, sql, values, inputs):  # type: ignore[no-untyped-def]
        self.sql, self.inputs = sql, inputs
        return super().run(sql, values, inputs)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lakes.whole(tmp_path_factory.mktemp("sandbox") / "lake")


@pytest.mark.parametrize(
    "hidden",
    [
        "-- \\\n/*\nunion all select 1, value from text.`/etc/passwd` -- */",  # a comment that goes on in the next line
        "/* /*+ */ union all select 1, value from text.`/etc/passwd` -- */",  # a hint, which nests no comment
    ],
)
def test_what_is_a_comment_to_one_of_them_reaches_the_other_as_none(lake: Path, hidden: str) -> None:
    spark = Listening()

    LocalEngine(lake, lambda: spark).ask(f"{ASKED} {hidden}")

    assert "passwd" not in spark.sql
    assert spark.sql.startswith("SELECT DAYOFWEEK(")


def test_text_with_doubled_quotes_reaches_spark_as_it_was_read(lake: Path) -> None:
    spark = Listening()

    LocalEngine(lake, lambda: spark).ask(f"{ASKED} where term = 'it''s' or term = ''")

    assert spark.sql.endswith(r"WHERE term = 'it\'s' OR term = ''")


def test_a_table_in_other_letters_reaches_spark_as_it_is_called(lake: Path) -> None:
    spark = Listening()

    LocalEngine(lake, lambda: spark).ask("select term from Term_Variants where dayofweek(current_date()) > 0")

    assert spark.inputs == ["term_variants"]


def test_what_ends_a_statement_does_not_reach_spark(lake: Path) -> None:
    spark = Listening()

    LocalEngine(lake, lambda: spark).ask(f";{ASKED};;")

    assert spark.sql.startswith("SELECT DAYOFWEEK(")
    assert ";" not in spark.sql


def test_a_name_with_a_schema_is_no_query_of_that_name(lake: Path) -> None:
    for name in ("text./etc/passwd", "etc/passwd"):
        with pytest.raises(UsageError, match=r"no table text\./etc/passwd"):
            LocalEngine(lake, Listening).ask(f"with `{name}` as (select 1) select * from text.`/etc/passwd`")
