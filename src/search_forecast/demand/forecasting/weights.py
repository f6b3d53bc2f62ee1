"""How much each candidate counts in a term's forecast: learnt from the backtest, each term borrowing from all others.

Two questions, two answers. Among the candidates: a weight falls off exponentially with the logarithm of the candidate's
loss against the least, some of it the term's own and some the mean over all terms, because a few windows say little
about one term. Between that and the historic mean: only what is gained over the mean beyond chance counts, again own
and pooled, so that of noise the mean remains. Constants were chosen on windows before the test data of three sets
(docs/forecast-quality.md).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from search_forecast.demand.forecasting.candidates import MEAN
from search_forecast.demand.forecasting.history import Floats

SHARPNESS = 32.0  # how fast a weight falls: a loss 10 % above the least has a twentieth of the weight
POOLED_SHARE = 0.65  # of the evidence that comes from all terms together, where candidates are compared
LARGEST_LOG_RATIO = 3.0  # e^3 is 20 times the least loss: worse is no worse
GAIN_FROM, GAIN_TO = 0.01, 0.03  # no weight but the mean's below, none for the mean as such above
LEAST_WEIGHT = 0.02  # what counts less is not worth its seconds

Losses = Mapping[str, Floats]  # by candidate, one a window
Weights = dict[str, float]


@dataclass(frozen=True)
class Pooled:
    """What all terms together say.

    Attributes:
        log_ratios: by candidate, the mean over the terms.
        gain_deviation: how much what is gained over the mean differs from term to term.
    """

    log_ratios: Mapping[str, float]
    gain_deviation: float = 0.0

    @property
    def gain(self) -> float:
        """How much less the error of the best candidate is than the mean's, over all terms, 0..1."""
        return 1 - math.exp(min(self.log_ratios.values(), default=0.0) - self.log_ratios.get(MEAN, 0.0))


@dataclass(frozen=True)
class Gain:
    """1 - error / error of the mean: of one term, and how sure that is."""

    value: float
    standard_error: float


def log_ratios(losses: Losses, *, is_small: bool) -> dict[str, float]:
    """Each candidate's loss against the least of the term, as a logarithm; losses of small counts are squares."""
    means = np.array([values.mean() for values in losses.values()])
    scale = means.mean() * 1e-9 or 1.0
    ratios = np.log((means + scale) / (means.min() + scale)) / (2 if is_small else 1)
    return dict(zip(losses, np.minimum(ratios, LARGEST_LOG_RATIO).tolist(), strict=True))


def among_candidates(own: Mapping[str, float], pooled: Pooled) -> Weights:
    """Weights by own and pooled evidence; they sum to 1."""
    elsewhere = {name: pooled.log_ratios.get(name, LARGEST_LOG_RATIO) for name in own}
    least = min(elsewhere.values())
    scores = np.array(
        [(1 - POOLED_SHARE) * ratio + POOLED_SHARE * (elsewhere[name] - least) for name, ratio in own.items()]
    )
    parts = np.exp(-SHARPNESS * (scores - scores.min()))
    return dict(zip(own, (parts / parts.sum()).tolist(), strict=True))


def with_mean(weights: Weights, own: Gain | None, pooled: Pooled) -> Weights:
    """Leave to the historic mean what was not gained over it.

    Args:
        weights: of `among_candidates`.
        own: of the weighted forecast over the mean, on windows that its weights were not learnt from; None where
            there are too few.
        pooled: of all terms.
    """
    gain = pooled.gain
    if own is not None:
        # The more terms differ, and the surer the term's own gain is, the less it borrows (empirical Bayes).
        between, within = pooled.gain_deviation**2, own.standard_error**2
        gain += (own.value - gain) * between / (between + within + 1e-9)
    share = float(np.clip((gain - GAIN_FROM) / (GAIN_TO - GAIN_FROM), 0.0, 1.0))
    mixed = {name: share * weight for name, weight in weights.items()}
    mixed[MEAN] = mixed.get(MEAN, 0.0) + 1 - share
    return pruned(mixed)


def pruned(weights: Mapping[str, float]) -> Weights:
    """Without candidates that hardly count; the others sum to 1."""
    enough = {name: weight for name, weight in weights.items() if weight >= LEAST_WEIGHT}
    whole = sum(enough.values())
    return {name: weight / whole for name, weight in enough.items()} if whole > 0 else {MEAN: 1.0}


def blend(weights: Mapping[str, float], forecasts: Mapping[str, Floats]) -> Floats:
    """The weighted mean of the forecasts that there are; the historic mean where no candidate gave one."""
    there = {name: weight for name, weight in weights.items() if name in forecasts} or {MEAN: 1.0}
    parts = [weight * forecasts[name] for name, weight in there.items()]
    return np.asarray(np.sum(parts, axis=0) / sum(there.values()), dtype=np.float64)


def made_of(weights: Mapping[str, float]) -> str:
    """The candidates with most weight, for people: `seasonal_naive 61 %, ets 25 %`."""
    first = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:3]
    if first[0][1] > 0.945:
        return first[0][0]
    return ", ".join(f"{name} {weight:.0%}".replace("%", " %") for name, weight in first if weight >= 0.095)
