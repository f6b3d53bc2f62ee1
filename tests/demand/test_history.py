"""What a candidate sees of a series."""

import math
from datetime import date, timedelta

import pytest

from search_forecast.demand.forecasting.mending import mended
from support.series import SUNDAY, WEEK, history


def test_what_was_known_earlier_ends_earlier() -> None:
    known = history(range(10)).until(7)

    assert known.values.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert known.last_date == SUNDAY - timedelta(days=3)
    assert known.target_dates(2) == [SUNDAY - timedelta(days=2), SUNDAY - timedelta(days=1)]


def test_a_week_is_seven_days_long() -> None:
    monday = date(2025, 6, 23)

    assert history([1, 2, 3], monday, WEEK).target_dates(2) == [date(2025, 6, 30), date(2025, 7, 7)]
    assert history([1, 2, 3], monday, WEEK).until(2).last_date == date(2025, 6, 16)


@pytest.mark.parametrize(
    ("values", "expected", "words"),
    [
        ([1, 2, 3], [1, 2, 3], None),
        ([1, math.nan, 3], [1, 2, 3], "1 of 3 periods without any delivery: left out"),
        ([1, -5, 3, math.inf], [1, 2, 3, 3], "2 of 4 values"),
        ([1, 1e300, 5], [1, 3, 5], "1 of 3 values"),
        ([math.nan, -1], [0, 0], "1 of 2 periods without any delivery: left out; 1 of 2 values were negative"),
    ],
)
def test_values_that_are_no_counts_are_interpolated_and_it_is_said(
    values: list[float], expected: list[float], words: str | None
) -> None:
    found, _, sentence = mended(history(values))

    assert found.tolist() == expected
    assert sentence is None if words is None else words in str(sentence)
