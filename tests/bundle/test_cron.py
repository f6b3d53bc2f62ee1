"""Quartz expressions of schedules."""

import pytest

from search_forecast.bundle.checks.cron import cron_problem


@pytest.mark.parametrize(
    "expression",
    [
        "0 30 6 * * ?",
        "0 0/15 8-18 ? * MON-FRI",
        "0 0 0 L * ? 2026",
        "0 0 12 ? * 6#3",
        "*/10 * * 1,15 JAN,JUL ?",
        "0 0 4 ? * MON#1",
        "0 0 4 ? * friL",
    ],
)
def test_quartz_expressions_that_are_right(expression):
    assert cron_problem(expression) is None


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("0 0 6 * * *", "one of day of month and day of week must be ?"),
        ("0 0 6 ? * ?", "one of day of month and day of week must be ?"),
        ("61 0 6 * * ?", "seconds 61"),
        ("0 0 6 ? * FUN", "day of week FUN"),
        ("0 0/0 6 * * ?", "minutes 0/0"),
        ("0 0/70 6 * * ?", "minutes 0/70"),
        ("0 0 */24 * * ?", "hours */24"),
        ("0 0 6 ? * FUN#1", "day of week FUN#1"),
        ("0 0 6 ? * FUNL", "day of week FUNL"),
        ("0 0 ² * * ?", "hours ²"),
        ("0 0/² 6 * * ?", "minutes 0/²"),
        ("", "has 0 fields"),
    ],
)
def test_quartz_expressions_that_are_wrong(expression, problem):
    assert problem in (cron_problem(expression) or "")
