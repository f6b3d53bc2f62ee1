from __future__ import annotations

import csv
import io
import re
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search_forecast.medallion import bronze, splitting
from search_forecast.medallion.bronze import Layout, layout_of
from support import reference

PLAIN = Layout(",", ("day", "month", "year", "searchterm"))
NONE = dict.fromkeys(splitting.SCHEMA.names)
# What may stand in a line: no line break. Python 3.10's csv module refuses NUL, ours takes it.
LINE_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)
CSV_TEXT = st.text(st.sampled_from("\",;\t ab7é💻'\\"), max_size=10)


def split(
    lines: list[str], delimiter: str, count: int, *, is_last_optional: bool = False, has_quotes: bool = True
) -> list[list[str] | None]:
    """What `split_record` makes of each line, which is what `raw_records` makes of all of them together."""
    columns = tuple(f"column_{number}" for number in range(count))
    layout = Layout(delimiter, columns, is_last_optional, (), has_quotes)
    result = [splitting.split_record(line, layout) for line in lines]
    block = "".join(line.replace("\n", "\r") + "\n" for line in lines if line).encode()  # blank lines are no records
    found = Counter(
        (row["malformed_record"], row["extra_fields"] and tuple(value for _, value in row["extra_fields"]))
        for row in splitting.raw_records(block, layout).to_pylist()
    )
    assert found == Counter(
        (line, None) if fields is None else (None, (*fields, None)[:count])
        for line, fields in zip(lines, result, strict=True)
        if line
    )
    return result


def split_by_python(line: str, delimiter: str, count: int) -> list[str] | None:
    """The same by Python's csv module, and where that knows no blanks around quotes, by the reference."""
    fields = reference.split(line, delimiter)
    if not re.search('[ \\t]"|"[ \\t]', line):
        try:
            assert fields == (next(csv.reader([line], delimiter=delimiter, strict=True)) or [""])
        except csv.Error:
            assert fields is None
    has_delimiter_behind = fields is not None and len(fields) == count + 1 and line.endswith(delimiter)
    return fields if fields is not None and (len(fields) == count or has_delimiter_behind) else None


def written_by_python(fields: list[str], delimiter: str, *, is_all_quoted: bool) -> str:
    """A line of a file by Python's csv module."""
    file = io.StringIO()
    quoting = csv.QUOTE_ALL if is_all_quoted else csv.QUOTE_MINIMAL
    csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator="").writerow(fields)
    return file.getvalue()


def test_a_line_is_split_as_rfc_4180_says() -> None:
    expected: dict[str, list[str] | None] = {
        "1,2,x": ["1", "2", "x"],
        " 1 ,\t2,x ": [" 1 ", "\t2", "x "],
        ",,": ["", "", ""],
        '"","",""': ["", "", ""],
        '1,2,"a, b"': ["1", "2", "a, b"],
        '1,2,"say ""hi"""': ["1", "2", 'say "hi"'],
        '"""",2,""""""': ['"', "2", '""'],
        '"1","2","x"': ["1", "2", "x"],
        '1,2,tv 55"': ["1", "2", 'tv 55"'],
        '1,2,5"" x': ["1", "2", '5"" x'],
        "1,2,it's \\, fine": None,
        "1,2,\\\\": ["1", "2", "\\\\"],
        "1,2,a\u0085b\u2028c": ["1", "2", "a\u0085b\u2028c"],
        '1,2,"a\u2028,b"': ["1", "2", "a\u2028,b"],
        "1,2,a\x00b": ["1", "2", "a\x00b"],
        "1;2;x": None,
        "1,2": None,
        "1,2,x,": ["1", "2", "x", ""],
        "1,2,,": ["1", "2", "", ""],
        '1,2,"x",': ["1", "2", "x", ""],
        "1,2,x,,": None,
        "1,2,x, ": None,
        '1,2,"x",,': None,
        "": None,
        '1,2,"mobile': None,
        '1,2,"': None,
        '"1,2,x': None,
        '1,2,"mobile" ': ["1", "2", "mobile"],
        '1,2,"mobile"5g': None,
        '1,2, "mobile"': ["1", "2", "mobile"],
        ' "1",\t"2" , "a,b" ': ["1", "2", "a,b"],
        '1,2, " a ""b"" "': ["1", "2", ' a "b" '],
        '1, 2, tv 55"': ["1", " 2", ' tv 55"'],
        '1,2, "a" b': None,
        '1,2,"55\\" wide"': None,
        '1,2,"55\\", wide"': None,
        '1,2,"a\nb, c"': ["1", "2", "a\nb, c"],
        '1,2,"a""': None,
        '1,2,"a"""b"': None,
    }

    assert split(list(expected), ",", 3) == list(expected.values())


def test_where_the_header_ends_in_a_delimiter_records_do_so_or_not() -> None:
    expected: dict[str, list[str] | None] = {
        "1,x,": ["1", "x", ""],
        "1,x": ["1", "x"],
        "1,x,y": ["1", "x", "y"],
        '1,"x"': ["1", "x"],
        '1,"x",': ["1", "x", ""],
        "1": None,
        "1,x,y,z": None,
        '"1"': None,
    }

    assert split(list(expected), ",", 3, is_last_optional=True) == list(expected.values())


@pytest.mark.parametrize("delimiter", bronze.DELIMITERS)
def test_only_its_own_delimiter_splits_a_line(delimiter: str) -> None:
    others = "".join(other for other in bronze.DELIMITERS if other != delimiter)

    found = split([f"1{others}{delimiter}x", f'"1{others}{delimiter}"{delimiter}x', f"1{others}x"], delimiter, 2)

    assert found == [[f"1{others}", "x"], [f"1{others}{delimiter}", "x"], None]


@given(
    st.sampled_from(bronze.DELIMITERS),
    st.lists(st.tuples(st.lists(LINE_TEXT | CSV_TEXT, min_size=4, max_size=4), st.booleans()), min_size=1, max_size=60),
)
def test_what_python_writes_is_split_into_the_same_fields(
    delimiter: str, records: list[tuple[list[str], bool]]
) -> None:
    lines = [written_by_python(fields, delimiter, is_all_quoted=is_quoted) for fields, is_quoted in records]

    assert split(lines, delimiter, 4) == [fields for fields, _ in records]


@example(",", 2, ['""', '"",', ',""', '"a"b,', 'a"b",c', '"a\u2028b",c', ',,""'])
@given(
    st.sampled_from(bronze.DELIMITERS),
    st.integers(2, 5),
    st.lists(
        CSV_TEXT | st.lists(st.sampled_from(['"', ",", "a", '"a"', '""', '"a,"']), max_size=8).map("".join) | LINE_TEXT,
        min_size=1,
        max_size=150,
    ),
)
def test_any_line_is_malformed_exactly_where_python_says_so(delimiter: str, count: int, lines: list[str]) -> None:
    assert split(lines, delimiter, count) == [split_by_python(line, delimiter, count) for line in lines]


def test_a_very_long_line_is_split_without_overflowing_the_stack() -> None:
    quotes = 'x""' * 350_000
    lines = [f'a,"{quotes}"', f'a,"{quotes}', f'"{quotes}","{quotes}"', "a," + 'x"' * 500_000, '"' * 1_000_001]

    found = split(lines, ",", 2)

    whole = 'x"' * 350_000
    assert [None if fields is None else [len(field) for field in fields] for fields in found] == [
        [1, len(whole)],
        None,
        [len(whole), len(whole)],
        [1, 1_000_000],
        None,
    ]
    assert found[0] == ["a", whole]


def test_lines_become_raw_records_and_a_malformed_one_is_kept_whole() -> None:
    block = (
        '"a, b",mobile,2021,11, 07,\n,,,,,\nlaptop,mobile,2021,11\n"laptop,mobile,2021,11,7,x\n'
        'lap\ufffdtop,m\ufffd,2021,11,7,x\n"red\rshoes", "m",2021,11,7\n'
    )
    layout = layout_of("Search Term,Device,Year,Month,Day,")

    records = splitting.raw_records(block.encode(), layout).to_pylist()

    expected = [
        (" 07", "11", "2021", "a, b", [("Device", "mobile"), ("column_6", "")], None),
        ("", "", "", "", [("Device", ""), ("column_6", "")], None),
        ("7", "11", "2021", "lap\ufffdtop", [("Device", "m\ufffd"), ("column_6", "x")], None),
        ("7", "11", "2021", "red\nshoes", [("Device", "m"), ("column_6", None)], None),
        (None, None, None, None, None, '"laptop,mobile,2021,11,7,x'),
        (None, None, None, None, None, "laptop,mobile,2021,11"),
    ]
    names = ("day", "month", "year", "searchterm", "extra_fields", "malformed_record")
    assert records == [NONE | dict(zip(names, values, strict=True)) for values in expected]


def test_records_of_a_file_without_other_columns_have_no_extra_fields() -> None:
    records = splitting.raw_records(b"7,11,2021,laptop\nlaptop\n", PLAIN).to_pylist()

    whole = {"day": "7", "month": "11", "year": "2021", "searchterm": "laptop"}
    assert records == [NONE | whole, NONE | {"malformed_record": "laptop"}]


def test_fields_beside_those_of_a_layout_are_taken_out_of_their_json() -> None:
    layout = Layout("\x1f", ("date", "searchterm", "event", "rest"), False, ("date", "searchterm"), rest="rest")
    block = 'd\x1fa\x1fs\x1f"{""n"": ""1.50"", ""is"": true, ""o"": {""k"": [1, null]}}"\nd\x1fb\x1f\x1f\n{broken\n'

    records = splitting.raw_records(block.encode(), layout).to_pylist()

    others = [("event", "s"), ("n", "1.50"), ("is", "true"), ("o", '{"k":[1,null]}')]
    assert records == [
        NONE | {"date": "d", "searchterm": "a", "extra_fields": others},
        NONE | {"date": "d", "searchterm": "b", "extra_fields": [("event", "")]},
        NONE | {"malformed_record": "{broken"},
    ]


@example([b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x92", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"a\x80b"])
@given(
    st.lists(
        st.binary(max_size=8) | st.lists(st.sampled_from([b"\xe2", b"\x82", b"\xf0\x9f", b"\xc3", b"a"])).map(b"".join),
        min_size=1,
        max_size=60,
    )
)
def test_bytes_that_are_no_utf_8_are_replaced(terms: list[bytes]) -> None:
    terms = [term.translate(None, delete=b'\n\r,"') for term in terms]

    records = splitting.raw_records(b"".join(b"7,11,2021," + term + b"\n" for term in terms), PLAIN)

    assert records["searchterm"].to_pylist() == [term.decode("utf-8", errors="replace") for term in terms]


@pytest.mark.parametrize("delimiter", ["¦", "\xa0"])
def test_a_delimiter_outside_ascii_splits_too(delimiter: str) -> None:
    assert split([f"1{delimiter}x", f'"1{delimiter}"{delimiter}"x"', "1"], delimiter, 2) == [
        ["1", "x"],
        [f"1{delimiter}", "x"],
        None,
    ]


def test_without_quotes_a_quote_is_text() -> None:
    lines = ['1,"x', '"1","x"', '"1,x",2']

    assert split(lines, ",", 2, has_quotes=False) == [["1", '"x'], ['"1"', '"x"'], None]


def test_a_block_that_begins_with_a_byte_order_mark_keeps_it() -> None:
    assert split(["\ufeff1,x", "2,y"], ",", 2) == [["\ufeff1", "x"], ["2", "y"]]
