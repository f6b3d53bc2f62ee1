"""What people read: tables that fit, numbers, hostile texts."""

import csv
import inspect
import io
import json
import sys
from datetime import date, datetime
from decimal import Decimal

import pytest
from rich.cells import cell_len
from rich.console import Console

from search_forecast.cli import output
from search_forecast.cli.call import Call
from search_forecast.cli.models import _show_prediction
from search_forecast.cli.queries import _show
from search_forecast.models.registry import Version
from search_forecast.queries.answers import Answer


@pytest.fixture
def shown(monkeypatch):
    """Print a table on a terminal (or, without a width, into a pipe); its lines."""

    def table(columns, rows, width=None):
        file = io.StringIO()
        console = Console(file=file, width=width, force_terminal=width is not None, color_system=None, markup=False)
        monkeypatch.setattr(output, "console", console)
        output.table(columns, rows)
        return file.getvalue().splitlines()

    return table


def test_numbers_stand_to_the_right_and_nothing_is_padded_behind_the_last_column(shown):
    assert shown(["term", "count", "rule"], [("tv", 1234, "exact"), ("radio", 7, "case")]) == [
        "term   count  rule",
        "tv     1,234  exact",
        "radio      7  case",
    ]


def test_a_pipe_gets_everything(shown):
    assert shown(["term"], [("x" * 500,)])[1] == "x" * 500


def test_a_pipe_gets_everything_in_colours_too(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    piped = type(output.console)(file=io.StringIO(), width=20, color_system="standard")
    monkeypatch.setattr(output, "console", piped)

    output.table(["term", "why"], [("x" * 50, "y" * 50)])

    head, row = piped.file.getvalue().splitlines()
    assert head.startswith("\x1b[1mterm")
    assert row == "x" * 50 + "  " + "y" * 50


def test_a_year_is_no_number_of_thousands(shown):
    assert shown(["year", "YEAR(day)", "year_before_count"], [(2024, 2023, 1200), (None, 2024, 3)])[1:] == [
        "2024       2023              1,200",
        "   -       2024                  3",
    ]


@pytest.mark.parametrize("width", [20, 40, 80])
@pytest.mark.parametrize("text", ["a very long text ", "日本語 の 検索 "])
def test_a_table_fits_the_terminal(shown, width, text):
    rows = [(text * 9 + str(n), n, text * 9 + str(n), 0.5 + n) for n in range(2)]

    lines = shown(["検索_term", "count", "why", "share"], rows, width)

    assert max(map(cell_len, lines)) <= width
    assert any("…" in line for line in lines) == (width > 20)  # where one column is left, it is folded


def test_the_last_column_is_folded_not_cut(shown):
    rows = [("top_terms", "The most searched terms of a period, and their counts."), ("row_count", "How much.")]

    assert [line.strip() for line in shown(["query", "answers"], rows, 40)[1:]] == [
        "top_terms  The most searched terms of a",
        "period, and their counts.",
        "row_count  How much.",
    ]


def test_columns_that_do_not_fit_are_left_out_and_named(shown, capsys):
    lines = shown([f"列番号_{i}" for i in range(9)], [tuple(range(9)), (9,) * 9], 40)

    numbers = "      0        1        2        3"
    assert lines == ["列番号_  列番号_  列番号_  列番号_", numbers, numbers, "      9        9        9        9"]
    note = capsys.readouterr().err
    assert "left out, as the terminal is narrow: 列番号_4, 列番号_5" in " ".join(note.split())
    assert max(map(cell_len, note.splitlines())) <= 40


def test_what_is_the_same_in_every_row_stands_below_where_there_is_no_room_beside(shown):
    columns = ["event_date", "forecast", "verdict", "version", "reason", "term"]
    rows = [(f"2021-12-0{day}", 22.5, "no better than the mean", 1, None, "tv") for day in (1, 2)]

    assert shown(columns, rows, 36) == [
        "event_date  forecast",
        "2021-12-01      22.5",
        "2021-12-02      22.5",
        "in every row",
        "  verdict  no better than the mean",
        "  version  1",
        "  reason   -",
        "  term     tv",
    ]
    assert shown(columns, rows, 80)[0] == "event_date  forecast  verdict                  version  reason  term"
    nothing = [(*row[:4], "", "") for row in rows]
    assert shown(columns, nothing, 36)[3:] == ["in every row", "  verdict  no better than the mean", "  version  1"]
    alone = shown(["event_date", "forecast", "a_reason_why"], [(row[0], row[1], "") for row in rows], 24)
    assert alone == ["event_date  forecast", "2021-12-01      22.5", "2021-12-02      22.5"]


def test_a_single_row_that_does_not_fit_becomes_a_line_for_each_column(shown):
    assert shown(["search_count", "term"], [(12345678, "a long searched term")], 24) == [
        "search_count  12,345,678",
        "term          a long",
        "              searched",
        "              term",
    ]


def test_the_first_column_is_shown_however_narrow_the_terminal_is(shown):
    rows = [(12345678, "tv"), (2, "radio")]

    assert shown(["search_count", "term"], rows, 6) == ["   search_", "     count", "12,345,678", "         2"]


def test_a_name_may_be_empty(shown):
    assert shown(["", "of_all"], [(1, 22)], 6) == ["   of_", "   all", "1   22"]


def test_the_names_of_columns_are_folded_before_any_column_is_cut(shown):
    columns, rows = ["first_seen_date", "search_count", "is_whole", "term"], [("2021-11-12", 1234, True, "a tv set")]

    assert shown(columns, rows, 36) == [
        "first_      search_  is_",
        "seen_date     count  whole  term",
        "2021-11-12    1,234  yes    a tv set",
    ]
    assert shown(columns, rows, 60)[0] == "first_seen_date  search_count  is_whole  term"


def test_an_entry_is_folded_below_its_name(capsys, monkeypatch):
    monkeypatch.setattr(output, "console", Console(width=12, color_system=None, markup=False))

    output.entry("top_terms [limit=10]", "the most searched")

    assert capsys.readouterr().out.splitlines() == ["top_terms [limit=10]", "  the most", "  searched"]


def test_wide_characters_take_two_columns(shown):
    assert shown(["term", "n"], [("日本", 1), ("tv", 2)]) == ["term  n", "日本  1", "tv    2"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1234567, "1,234,567"),
        (1234.5, "1,234.5000"),
        (datetime(2026, 11, 25, 20, 46, 2, 999), "2026-11-25 20:46:02"),
        ([], "none"),
        (["a", 1000], "a, 1,000"),
        ({"wape": 0.5}, "wape=0.5000"),
    ],
)
def test_values_have_one_format(value, text):
    assert output.text_of(value) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("tv", "tv"),
        ("caffè 日本", "caffè 日本"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\r", r"two\nlines\r"),
        ("abc\u202edcba", r"abc\u202edcba"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_no_text_moves_the_cursor_or_the_line(text, safe):
    assert output.printable(text) == safe


@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_programs_read_moves_no_cursor_either(capsys, monkeypatch, form):
    term = "\x1b[31m\x9b2J\u202e\u2028\U000e0001é日"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    output.rows(["term"], [(term,)], form=form)

    text = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "é日" in text
    if form == "json":
        assert json.loads(text) == [{"term": term}]


def test_a_csv_in_a_file_holds_what_was_delivered(capsys):
    output.rows(["term"], [("a\x1b[0m\nb",)], form="csv")

    assert capsys.readouterr().out == 'term\n"a\x1b[0m\nb"\n'


def test_no_cell_of_a_csv_is_a_formula_and_a_negative_number_stays_one(capsys):
    cells = [("=1+1", -5), ("@sum", 2.5), ("-tv", None), ("tv", 1), ("\n=1", 0), ("＝1+1", 0), ("a=1", 0)]
    output.rows(["term", "change"], cells, form="csv")

    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["term", "change"],
        ["'=1+1", "-5"],
        ["'@sum", "2.5"],
        ["'-tv", ""],
        ["tv", "1"],
        ["'\n=1", "0"],
        ["'＝1+1", "0"],
        ["a=1", "0"],
    ]


def test_no_cell_is_a_formula_where_a_semicolon_begins_one_either(capsys):
    """As in a German spreadsheet, which splits at it whatever quotes stand around the second column."""
    output.rows(["count", "term"], [(5, 'tv;=HYPERLINK("x")'), (4, ";-1;a=1"), (3, "a;b")], form="csv")

    text = capsys.readouterr().out
    assert [line.split(";") for line in text.splitlines()] == [
        ["count,term"],
        ['5,"tv', '\'=HYPERLINK(""x"")"'],
        ["4,", "'-1", "a=1"],
        ["3,a", "b"],
    ]


def test_what_spark_says_of_wrong_sql_is_printed_by_us_alone(capsys):
    from pyspark.errors.exceptions.captured import AnalysisException
    from pyspark.logger import PySparkLogger

    output.hush_spark()
    logger = PySparkLogger.getLogger("SQLQueryContextLogger")
    logger.error("[MISSING_GROUP_BY]", errorClass="MISSING_GROUP_BY")

    assert capsys.readouterr().err == ""
    assert isinstance(logger, PySparkLogger)
    assert "SQLQueryContextLogger" in inspect.getsource(AnalysisException._log_exception)  # still called so


def test_what_a_model_of_others_calls_its_label_moves_no_cursor(capsys):
    version = Version("weight", 1, (), {}, 0, "")
    answer = {"inputs": {"a": 1}, "label": "\x1b[2Jsales", "prediction": 1.0, "predicted_label": "b\x1b]0;x\x07",
              "warning": None, "spark_ml_class": "org.apache.spark.ml.regression.LinearRegressionModel"}  # fmt: skip
    _show_prediction(version, answer)

    assert "\x1b" not in capsys.readouterr().out


def test_json_says_null_for_what_is_no_number(capsys):
    output.rows(["n", "of"], [(float("nan"), [1.5, float("-inf")])], form="json")
    output.result({"prediction": float("inf")}, is_json=True)
    assert capsys.readouterr().out.splitlines() == ['[{"n": null, "of": [1.5, null]}]', '{"prediction": null}']


def test_a_map_of_days_is_an_object(capsys):
    output.rows(["by_day"], [({date(2024, 3, 1): 7},)], form="json")

    assert json.loads(capsys.readouterr().out) == [{"by_day": {"2024-03-01": 7}}]


def test_a_list_or_a_struct_in_a_csv_is_json(capsys):
    output.rows(["days", "of"], [([date(2024, 3, 1)], {"größe": [1, None]}), ([], None)], form="csv")

    assert list(csv.reader(io.StringIO(capsys.readouterr().out)))[1:] == [
        ['["2024-03-01"]', '{"größe": [1, null]}'],
        ["[]", ""],
    ]


def test_a_decimal_is_a_number_like_any_other(capsys, shown):
    columns, rows = ["n", "term"], [(Decimal("9307.50"), "tv"), (None, "pen"), (Decimal("0.25"), "mop")]
    large = Decimal(2**64 + 1)

    assert [line[:8] for line in shown(columns, rows)] == ["       n", "9,307.50", "       -", "    0.25"]
    output.rows(columns, rows, form="json")
    output.rows(columns, rows, form="csv")
    as_json, *as_csv = capsys.readouterr().out.splitlines()
    assert [row["n"] for row in json.loads(as_json)] == [9307.5, None, 0.25]
    output.rows(["n"], [(large,)], form="json")
    assert json.loads(capsys.readouterr().out) == [{"n": 2**64 + 1}]
    assert as_csv == ["n,term", "9307.50,tv", ",pen", "0.25,mop"]


def test_names_that_come_from_outside_are_shown_as_harmless_as_values(capsys, shown):
    name = "a\x1b[2J\nb"  # of a column of somebody's model or query, of a directory, in a complaint of DuckDB's
    output.result({name: {name: 1}}, is_json=False)
    Call().hint(f"ingest --source '{name}'")
    _show(Call(), Answer(["n"], [(1,)], f"answered by Spark: {name}"))
    shown_lines = shown([name, "n"], [("x", 1)])

    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err + "".join(shown_lines)
    assert len(shown_lines) == 2
    assert r"ingest --source 'a\x1b[2J\nb'" in printed.err
    assert r"answered by Spark: a\x1b[2J\nb" in printed.err
