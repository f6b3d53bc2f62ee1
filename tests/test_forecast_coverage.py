"""benchmarks/forecast_coverage.py: what it says an interval of small counts holds."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from support.places import PROJECT

sys.path.append(str(PROJECT / "benchmarks"))
from forecast_coverage import inside, inside_shared

DRAWS = 20_000


def rows(mean: float, error: float, actual: np.ndarray, *, is_small: bool = True) -> pd.DataFrame:
    fixed = {"forecast": mean, "typical_error": error, "is_small": is_small}
    ends = {f"{side}_{level}": end for level in (80, 95) for side, end in (("lower", 0.0), ("upper", 1.0))}
    return pd.DataFrame({"actual": actual.astype(float), **fixed, **ends})


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("mean", "error"), [(0.3, 0.3**0.5), (1.2, 1.2**0.5), (2.0, 2.0), (4.0, 4.0)])
def test_of_counts_that_follow_their_law_the_interval_holds_its_level(mean: float, error: float, level: float) -> None:
    law = stats.poisson(mean) if error**2 < mean * 1.01 else stats.nbinom(mean**2 / (error**2 - mean), mean / error**2)
    counts = law.rvs(DRAWS, random_state=5)

    assert inside_shared(rows(mean, error, counts), level).mean() == pytest.approx(level, abs=0.01)


def test_a_count_at_an_end_is_inside_by_the_randomised_transform_of_its_probability() -> None:
    mean, law = 1.2, stats.poisson(1.2)
    uniform = np.random.default_rng(3).uniform(size=DRAWS)

    for count, share in enumerate(inside_shared(rows(mean, mean**0.5, np.arange(6)), 0.8)):
        transform = law.cdf(count - 1) + uniform * law.pmf(count)
        assert share == pytest.approx(((transform > 0.1) & (transform < 0.9)).mean(), abs=0.01)


def test_counts_of_another_law_are_not_inside_as_often_as_the_level_says() -> None:
    counts = stats.poisson.rvs(2.4, size=DRAWS, random_state=5)

    assert inside_shared(rows(1.2, 1.2**0.5, counts), 0.8).mean() < 0.7


def test_of_large_counts_ends_are_inside() -> None:
    large = rows(1.0, 1.0, np.arange(4), is_small=False)

    assert inside_shared(large, 0.8).tolist() == inside(large, 0.8).tolist() == [1.0, 1.0, 0.0, 0.0]
