"""From where `replay` goes on; no Spark."""

from datetime import date, datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from search_forecast.demand.replay import replay
from search_forecast.errors import UsageError
from search_forecast.parameters import ForecastParameters


@pytest.mark.parametrize(
    ("frequency", "made_on", "start"),
    [
        ("day", "2025-05-25", "2025-06-01"),
        ("day", "2025-05-18", "2025-05-25"),
        ("week", "2025-05-19", "2025-06-01"),  # the Monday that its last week begins with
        ("week", "2025-05-12", "2025-05-25"),
    ],
)
def test_what_was_replayed_is_gone_on_with_after_the_last_week_that_has_forecasts(
    frequency: str, made_on: str, start: str
) -> None:
    models: Any = SimpleNamespace(versions=lambda _: [SimpleNamespace(tags={"trained_to": "2025-05-25"})])
    lakehouse: Any = SimpleNamespace(exists=lambda _: True, ask=lambda sql, _: [{"n": 1}] if made_on in sql else [])

    weeks = replay(
        lakehouse, models, "search_demand", first=date(2025, 5, 1), last=date(2025, 7, 1),
        parameters=ForecastParameters(frequency=frequency), now=lambda: datetime.now(timezone.utc),
    )  # fmt: skip

    with pytest.raises(UsageError, match=f"go on --from {start}, or"):
        next(weeks)
