from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from search_forecast.medallion import date_counts, splitting
from search_forecast.medallion.bronze import layout_of
from search_forecast.medallion.reading import ORIGIN

RAW = splitting.raw_records(
    (
        "1,1,2024,desk,north\n1,1,2024,стол,\n1,1,2024, 机 7,north\n2,1,2024,tv,north\n"
        "1,1,2024, -\u200b ,north\n1,1,2024,a\ufffd,north\nx\n1,1,2024,,north\n"
    ).encode(),
    layout_of("day,month,year,searchterm,shop"),
)


def test_records_are_counted_by_their_dates_but_for_those_that_may_be_no_searches() -> None:
    counted = date_counts.counted(RAW, ORIGIN)

    rows = counted.select(["day", "searchterm", "malformed_record", "record_count"]).to_pylist()
    assert sorted(map(repr, map(tuple, map(dict.values, rows)))) == [
        "('1', ' -\\u200b ', None, 1)",
        "('1', '', None, 1)",
        "('1', 'a�', None, 1)",
        "('1', 'x', None, 3)",
        "('2', 'x', None, 1)",
        "(None, None, 'x', 1)",
    ]
    assert counted.schema.equals(date_counts.SCHEMA)


def test_where_more_than_date_and_term_is_asked_all_records_stay() -> None:
    for reading in (replace(ORIGIN, only_column="shop"), replace(ORIGIN, total_pattern="^Total")):
        counted = date_counts.counted(RAW, reading)
        assert counted.select(splitting.SCHEMA.names) == RAW
        assert set(counted["record_count"].to_pylist()) == {1}


def test_a_broken_character_beside_the_term_keeps_all_records_too() -> None:
    broken = splitting.raw_records(
        b"1,1,2024,desk,\xff\n1,1,2024,tv,north\n", layout_of("day,month,year,searchterm,shop")
    )

    assert date_counts.counted(broken, ORIGIN)["record_count"].to_pylist() == [1, 1]


def test_of_no_records_nothing_is_counted() -> None:
    assert len(date_counts.counted(splitting.SCHEMA.empty_table(), ORIGIN)) == 0
    assert isinstance(RAW, pa.Table)
