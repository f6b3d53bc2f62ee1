from __future__ import annotations

import pytest

from search_forecast.errors import DataError
from search_forecast.medallion.bronze import Layout, layout_of

PLAIN = ("day", "month", "year", "searchterm")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("day,month,year,searchterm", Layout(",", PLAIN)),
        ("day;month;year;searchterm", Layout(";", PLAIN)),
        ("day\tmonth\tyear\tsearchterm", Layout("\t", PLAIN)),
        ("Day,MONTH,Year,SearchTerm", Layout(",", PLAIN)),
        ("day,month,year,Search Term", Layout(",", PLAIN)),
        ("day,month,year,SEARCH_TERM", Layout(",", PLAIN)),
        ("day,month,year,search-term", Layout(",", PLAIN)),
        (" day , month\t, year ,  search  term ", Layout(",", PLAIN)),
        ('"day","month","year","Search Term"', Layout(",", PLAIN)),
        ("searchterm,year,month,day", Layout(",", ("searchterm", "year", "month", "day"))),
        ("shop,day,month,year,searchterm,Device ", Layout(",", ("shop", *PLAIN, "Device"))),
        ("day;month;year;searchterm;a,b", Layout(";", (*PLAIN, "a,b"))),
        ('day,month,year,searchterm,"a,b"', Layout(",", (*PLAIN, "a,b"))),
        ("day,month,year,searchterm,,", Layout(",", (*PLAIN, "column_5", "column_6"), is_last_optional=True)),
        ("day,month,year,searchterm,a,a,a", Layout(",", (*PLAIN, "a", "a_6", "a_7"))),
        ("day,month,year,searchterm,column_6,", Layout(",", (*PLAIN, "column_6", "column_6_6"), is_last_optional=True)),
        ("day,month,year,searchterm,a_6,a,a", Layout(",", (*PLAIN, "a_6", "a", "a_7"))),
        ("day,month,year,searchterm,a_7,a,a", Layout(",", (*PLAIN, "a_7", "a", "a_7_7"))),
        ("day,month,year,searchterm,Größe 'x' `y`", Layout(",", (*PLAIN, "Größe 'x' `y`"))),
    ],
)
def test_a_header_gives_delimiter_and_names_in_order(header: str, expected: Layout) -> None:
    assert layout_of(header) == expected


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "missing day, month, year, searchterm in ''"),
        ("day,month,year", "missing searchterm in 'day,month,year'"),
        ("day,month,year,term", "missing searchterm"),
        ("day|month|year|searchterm", "missing day, month, year, searchterm"),
        ("day,month;year,searchterm", "missing month, year"),
        ("12,11,2021,mobile 5g", "missing day, month, year, searchterm"),
        ("day,month,year,searchterm,Search Term", "column searchterm appears twice"),
        ("day,day,month,month,year,searchterm", "column day, month appears twice"),
        ("x" * 1000, f"'{'x' * 80}…'"),
        ("1,3,2024,anna@example.com", "in '[e-mail]'"),
        (f"1,3,2024,{'x' * 60} anna@example.com", "in '[e-mail]'"),
    ],
)
def test_a_header_without_each_column_once_is_refused_by_name(header: str, message: str) -> None:
    with pytest.raises(DataError) as raised:
        layout_of(header)

    assert message in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_first_line_that_is_too_long_for_the_csv_module_is_refused_too() -> None:
    with pytest.raises(DataError, match="missing day, month, year, searchterm"):
        layout_of("x" * 200_000)


def test_a_very_wide_header_takes_no_longer_for_each_name() -> None:
    names = [*(f"name {place}" for place in range(50_000)), ""]
    columns = layout_of(",".join(["day", "month", "year", "searchterm", *names, "name 1"])).columns
    assert columns[-2:] == ("column_50005", "name 1_50006")
