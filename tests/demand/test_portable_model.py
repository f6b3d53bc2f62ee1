"""What MLflow loads of a version, as Python that skips MLflow's signature would use it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from search_forecast.demand.forecasting.portable_model import ABOUT, FORECASTS, SearchDemand

STEPS = (1, 2)


@pytest.fixture
def model(tmp_path: Path) -> SearchDemand:
    bounds = {f"{end}_{level}": [step * 1.0 for step in STEPS] for end in ("lower", "upper") for level in (80, 95)}
    forecasts = pd.DataFrame({"term": "tv", "step": STEPS, "forecast": [3.0, 4.0], **bounds})
    (tmp_path / FORECASTS).mkdir()
    forecasts.to_parquet(tmp_path / FORECASTS / "0.parquet")
    (tmp_path / ABOUT).write_text(json.dumps({"horizon": max(STEPS), "period_days": 7, "last_date": "2026-11-22"}))
    return SearchDemand(tmp_path)


def test_each_row_gets_its_forecast(model: SearchDemand) -> None:
    answer = model.predict(pd.DataFrame({"term": ["tv", "tv"], "horizon": [2.0, 1]}))

    assert answer[["target_date", "forecast"]].to_numpy().tolist() == [
        [pd.Timestamp("2026-12-06"), 4.0],
        [pd.Timestamp("2026-11-29"), 3.0],
    ]


@pytest.mark.parametrize("horizon", [0, 3, 1.5, float("nan"), None, "1"])
def test_a_horizon_without_a_forecast_is_refused(model: SearchDemand, horizon: object) -> None:
    with pytest.raises(ValueError, match=rf"^horizon {horizon}: this version forecasts 1 to 2 periods ahead$"):
        model.predict(pd.DataFrame({"term": ["tv"], "horizon": pd.Series([horizon], dtype=object)}))
