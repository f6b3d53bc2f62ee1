"""Whether the mix of terms has drifted, against scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency

from search_forecast.demand.monitoring.drift import ordinary_variation
from support.monitored import Counts, counts_of, day, drift_of, poisson

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


# Every training week is like the others, so that the dispersion is 1 and the test is the textbook's.
EVEN = {"laptop": [20] * 28, "tablet": [10] * 28, "phone": [10] * 28, "pen": [2] * 28}


def test_drift_is_measured_as_scipy_measures_it(spark: SparkSession) -> None:
    window = {"laptop": [15] * 7, "tablet": [14] * 7, "phone": [9] * 7, "pen": [3] * 7}

    found = drift_of(spark, {term: EVEN[term] + window[term] for term in EVEN}, 28, 34)

    old, new = (np.array([sum(values) for values in side.values()]) for side in (EVEN, window))
    test = chi2_contingency([old, new], correction=False)
    p, q = (old + 0.5) / (old.sum() + 2), (new + 0.5) / (new.sum() + 2)
    psi = sum((p - q) * np.log(p / q)) - 3 * (1 / old.sum() + 1 / new.sum())
    assert len(found) == 1
    drift = found[0]
    assert (drift.model_version, drift.window, drift.first_date, drift.last_date) == (
        7,
        f"{day(28)}/{day(34)}",
        day(28),
        day(34),
    )
    assert (drift.search_count, drift.training_count, drift.term_count) == (new.sum(), old.sum(), 4)
    assert drift.chi_square == pytest.approx(test.statistic)
    assert drift.psi == pytest.approx(psi)
    assert drift.js_distance == pytest.approx(jensenshannon(old, new, 2))
    # With as few as 3 x 3 degrees of freedom to tell the dispersion from, p must be larger than the textbook's.
    assert test.pvalue < drift.p_value < 0.1


def test_ordinary_variation_is_pearsons_chi_square_of_weeks_by_terms(spark: SparkSession) -> None:
    # Somebody searched for "(other)": a term like any other.
    counts = {"laptop": poisson(20, 30, 1), "(other)": poisson(9, 30, 2), "pen": [0] * 30, "ink": [0] * 30}
    counts["pen"][5], counts["pen"][13], counts["ink"][20] = 9, 8, 9  # one category together

    row = ordinary_variation(counts_of(spark, counts), day(0), day(29)).collect()[0]

    weeks = [range(start, start + 7) for start in (2, 9, 16, 23)]  # counted back from the last day
    table = [
        [sum(counts[t][i] for t in group for i in week) for group in (["laptop"], ["(other)"], ["pen", "ink"])]
        for week in weeks
    ]
    test = chi2_contingency(table, correction=False)
    assert row["chi_square"] == pytest.approx(test.statistic)
    assert (row["block_count"] - 1) * (row["term_count"] - 1) == test.dof


def test_less_than_four_weeks_of_training_vary_from_day_to_day(spark: SparkSession) -> None:
    counts = {"laptop": poisson(20, 20, 1), "tablet": poisson(9, 20, 2)}

    row = ordinary_variation(counts_of(spark, counts), day(0), day(19)).collect()[0]

    test = chi2_contingency(list(zip(*counts.values(), strict=True)), correction=False)
    assert row["chi_square"] == pytest.approx(test.statistic)
    assert (row["block_count"], row["term_count"]) == (20, 2)


def test_what_varied_in_training_is_no_drift(spark: SparkSession) -> None:
    window = {"laptop": [10] * 7, "tablet": [20] * 7}
    steady = {"laptop": [15] * 84, "tablet": [15] * 84}
    swinging = {"laptop": ([10] * 7 + [20] * 7) * 6, "tablet": ([20] * 7 + [10] * 7) * 6}

    of_steady = drift_of(spark, {t: steady[t] + window[t] for t in window}, 84, 90)[0]
    of_swinging = drift_of(spark, {t: swinging[t] + window[t] for t in window}, 84, 90)[0]

    assert of_steady.js_distance == pytest.approx(of_swinging.js_distance)
    assert (of_steady.is_drifted, of_swinging.is_drifted) == (True, False)


def test_a_trifle_is_no_drift_however_certain(spark: SparkSession) -> None:
    counts = {"laptop": [10_000] * 28 + [11_000] * 7, "tablet": [10_000] * 35}

    drift = drift_of(spark, counts, 28, 34)[0]

    assert drift.p_value < 1e-3
    assert not drift.is_drifted


def test_rare_terms_are_counted_as_one_until_they_are_five(spark: SparkSession) -> None:
    weeks = 5
    counts = {f"rare {i}": [1 if d % 7 == i else 0 for d in range(7 * weeks)] for i in range(3)}
    counts |= {"laptop": [30] * 7 * weeks, "pen": [1] * 7 * weeks}

    drift = drift_of(spark, counts, 28, 34)[0]

    # Three rare terms make 3 a week, which is still too few: pen, with 7, joins them.
    assert (drift.term_count, drift.search_count) == (2, 220)
    assert (drift.p_value, drift.psi, drift.chi_square) == (pytest.approx(1.0), 0.0, pytest.approx(0.0, abs=1e-9))


def test_a_term_new_since_training_is_seen_and_so_is_one_that_went(spark: SparkSession) -> None:
    steady = {"laptop": [20] * 35, "tablet": [20] * 35}
    new = drift_of(spark, {**steady, "console": [0] * 28 + [20] * 7}, 28, 34)[0]
    gone = drift_of(spark, {**steady, "console": [20] * 28 + [0] * 7}, 28, 34)[0]

    assert (new.term_count, gone.term_count) == (3, 3)
    assert (new.is_drifted, gone.is_drifted) == (True, True)


@pytest.mark.parametrize(
    ("counts", "training_days", "as_of", "searches"),
    [
        pytest.param({"laptop": [9] * 40}, 28, 33, [], id="six days after training are no window"),
        pytest.param({"laptop": [9] * 40}, 28, 20, [], id="as if it were before the end of training"),
        pytest.param({}, 28, 40, [], id="no searches at all"),
        pytest.param({"laptop": [9] * 28, "pen": [9] * 28}, 28, 41, [0, 0], id="no searches since"),
        pytest.param({"laptop": [0] * 28 + [9] * 7}, 28, 34, [63], id="no searches in training"),
        pytest.param({"laptop": [9] * 49}, 28, 48, [63, 63, 63], id="a single term"),
        pytest.param({"laptop": [9] * 10, "pen": [9] * 10}, 1, 7, [126], id="one day of training"),
    ],
)
def test_there_is_no_drift_where_nothing_can_be_compared(
    spark: SparkSession, counts: Counts, training_days: int, as_of: int, searches: list[int]
) -> None:
    found = drift_of(spark, counts, training_days, as_of)

    assert [drift.search_count for drift in found] == searches
    for drift in found:
        assert (drift.p_value, drift.psi, drift.is_drifted) == (pytest.approx(1.0), 0.0, False)
