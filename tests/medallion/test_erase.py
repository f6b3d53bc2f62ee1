"""The right to be forgotten: what was erased is in no byte below the lakehouse.

Killed at every point by `make torture`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from search_forecast.medallion import erase
from support import erasing, lakes
from support.flow import rows

pytestmark = pytest.mark.usefixtures("spark")


def test_nothing_of_an_erased_term_is_in_any_byte_of_the_lakehouse(run: Callable[..., Any], tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    files = erasing.delivered(tmp_path / "in")
    lakes.taken_in(lake, *files)
    erasing.seed_what_other_jobs_wrote(lake, lakes.add, ("term_forecasts", "model_scores", "calendar_events"))
    spellings = {"zebra lmap": "zebra lamp", "ibex boot": "ibex boots"}
    lakes.append(
        lake, "accepted_spellings", [{"variant": variant, "term": term} for variant, term in spellings.items()]
    )
    assert len(erasing.holding(lake, "zebra")) > 12

    erased = run(*erasing.WORDS)

    erasing.assert_erased(lake, erased, files)
    assert rows(lake, "search_gold/accepted_spellings") == [{"variant": "ibex boot", "term": "ibex boots"}]
    assert [path.name for path in (lake / "_mlflow" / "artifacts").iterdir()] == ["other"]
    assert sorted(path.name for path in (lake / "_runs" / "medallion").iterdir()) == ["20240304-2"]
    aggregated = run("aggregate")  # gold still says what it shows: nothing is made anew
    assert (aggregated["is_full"], aggregated["days"]) == (False, 0)


def test_of_what_a_model_was_given_values_are_looked_through_and_no_names(spark: SparkSession) -> None:
    inputs = ('{"year": 2024, "city": "New \\"York\\": year"}', '{"year" : "city", "a": {"city": [1]}}', "{}")
    values = spark.createDataFrame([(text,) for text in inputs], "inputs string").select(F.expr(erase._INPUT_VALUES))

    looked_through = [" ".join(row[0].split()) for row in values.collect()]
    assert looked_through == ['{ 2024, "New \\"York\\": year"}', '{ "city", { [1]}}', "{}"]
