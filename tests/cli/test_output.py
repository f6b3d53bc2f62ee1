"""What people read: tables that fit, numbers, hostile texts."""

import csv
import io
import json
import sys
from datetime import datetime

import pytest
from rich.console import Console

from search_forecast.cli import output


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


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_table_fits_the_terminal(shown, width):
    rows = [("a very long term " * 5, 5, "a very long explanation " * 5, 0.5)]

    lines = shown(["term", "count", "why", "share"], rows, width)

    assert max(map(len, lines)) <= width
    assert "…" in lines[1]


def test_the_last_column_is_folded_not_cut(shown):
    lines = shown(["query", "answers"], [("top_terms", "The most searched terms of a period, and their counts.")], 40)

    assert [line.strip() for line in lines[1:]] == [
        "top_terms  The most searched terms of a",
        "period, and their counts.",
    ]


def test_columns_that_do_not_fit_are_left_out_and_named(shown, capsys):
    lines = shown([f"number_{i}" for i in range(9)], [tuple(range(9))], 40)

    assert lines == ["number_  number_  number_  number_", *(["      0        1        2        3"] * 2)]
    note = capsys.readouterr().err
    assert "left out, as the terminal is narrow: number_4, number_5" in " ".join(note.split())
    assert max(map(len, note.splitlines())) <= 40


def test_the_first_column_is_shown_however_narrow_the_terminal_is(shown):
    assert shown(["search_count", "term"], [(12345678, "tv")], 6) == ["   search_", "     count", "12,345,678"]


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
