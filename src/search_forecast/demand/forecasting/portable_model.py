"""What MLflow loads as `search_demand`: needs pandas and pyarrow, neither Spark nor this package.

It is copied into every registered version, so it imports nothing of this project.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

ABOUT, FORECASTS = "about.json", "forecasts"  # of a version's files
LEVELS = {0.8: "80", 0.95: "95"}


class SearchDemand:
    """Forecasts of one version: what its training run expected, by term and horizon."""

    def __init__(self, directory: Path) -> None:
        self._about = json.loads((directory / ABOUT).read_text(encoding="utf-8"))
        self._forecasts = pd.read_parquet(directory / FORECASTS).set_index(["term", "step"])

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """The forecast for each input row.

        Args:
            model_input: term; horizon, the number of periods (days or weeks) after the last one trained on, from 1.
            params: interval_level 0.95 (default) or 0.8.

        Returns:
            A row per input row: target_date, forecast, lower, upper; None for numbers of a term that has no series.

        Raises:
            ValueError: a horizon or level that the version has no forecasts for.
        """
        level = float((params or {}).get("interval_level", 0.95))
        if level not in LEVELS:
            raise ValueError(f"interval_level {level}: there are {', '.join(map(str, LEVELS))}")
        asked, most = model_input["horizon"], int(self._about["horizon"])
        unknown = asked[~asked.isin(range(1, most + 1))]
        if len(unknown):
            raise ValueError(f"horizon {unknown.iloc[0]}: this version forecasts 1 to {most} periods ahead")
        horizons = asked.astype("int64")
        keys = pd.MultiIndex.from_arrays([model_input["term"].astype("str"), horizons])
        rows = self._forecasts.reindex(keys)
        days = pd.to_timedelta(horizons.to_numpy() * int(self._about["period_days"]), unit="D")
        answer = pd.DataFrame(
            {
                "target_date": pd.Timestamp(self._about["last_date"]) + days,
                "forecast": rows["forecast"].to_numpy(),
                "lower": rows[f"lower_{LEVELS[level]}"].to_numpy(),
                "upper": rows[f"upper_{LEVELS[level]}"].to_numpy(),
            },
            index=model_input.index,
        )
        if answer["forecast"].isna().any():  # a server would write NaN, which is no JSON
            for name in ("forecast", "lower", "upper"):
                values = [None if pd.isna(value) else value for value in answer[name]]
                answer[name] = pd.Series(values, index=answer.index, dtype=object)
        return answer


def _load_pyfunc(path: str) -> SearchDemand:
    """What MLflow calls with the path of the version's files."""
    return SearchDemand(Path(path))
