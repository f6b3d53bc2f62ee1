"""How much each candidate counts in a term's forecast: learnt from the backtest, each term borrowing from all others.

Two questions, two answers. Among the candidates: a weight falls off exponentially with the logarithm of the candidate's
loss against the least, some of it the term's own and some the mean over all terms, because a few windows say little
about one term. Between that and the historic mean: only what is gained over the mean beyond chance counts, again own
and pooled, so that of noise the mean remains. Constants were chosen on windows before the test data of three sets
(docs/forecast-quality.md).
"""

from collections.abc import Mapping

import numpy as np

from search_forecast.demand.forecasting.candidates import MEAN
from search_forecast.demand.forecasting.history import Floats

SHARPNESS = 24.0  # how fast a weight falls: a loss 10 % above the least has a tenth of the weight
POOLED_SHARE = 0.6  # of the evidence that comes from all terms together, where candidates are compared
POOLED_GAIN_SHARE = 0.5  # the same where the mean is left
LARGEST_LOG_RATIO = 3.0  # e^3 is 20 times the least loss: worse is no worse
LARGEST_GAIN = 0.3  # of one term, either way: it must not outweigh all others
GAIN_FROM, GAIN_TO = 0.01, 0.03  # no weight but the mean's below, none for the mean as such above
LEAST_WEIGHT = 0.02  # what counts less is not worth its seconds

Losses = Mapping[str, Floats]  # by candidate, one a window
Pooled = Mapping[str, float]  # by candidate, the mean of `log_ratios` over all terms
Weights = dict[str, float]


def log_ratios(losses: Losses, *, is_small: bool) -> dict[str, float]:
    """Each candidate's loss against the least of the term, as a logarithm; losses of small counts are squares."""
    means = np.array([values.mean() for values in losses.values()])
    scale = means.mean() * 1e-9 or 1.0
    ratios = np.log((means + scale) / (means.min() + scale)) / (2 if is_small else 1)
    return dict(zip(losses, np.minimum(ratios, LARGEST_LOG_RATIO).tolist(), strict=True))


def among_candidates(own: Mapping[str, float], pooled: Pooled) -> Weights:
    """Weights by own and pooled evidence; they sum to 1."""
    least = min((pooled.get(name, LARGEST_LOG_RATIO) for name in own), default=0.0)
    scores = np.array(
        [
            (1 - POOLED_SHARE) * ratio + POOLED_SHARE * (pooled.get(name, LARGEST_LOG_RATIO) - least)
            for name, ratio in own.items()
        ]
    )
    parts = np.exp(-SHARPNESS * (scores - scores.min()))
    return dict(zip(own, (parts / parts.sum()).tolist(), strict=True))


def with_mean(weights: Weights, own_gain: float, pooled: Pooled) -> Weights:
    """Leave to the historic mean what was not gained over it.

    Args:
        weights: of `among_candidates`.
        own_gain: 1 - error of the weighted forecast / error of the mean, on windows that its weights were not learnt
            from.
        pooled: of all terms.
    """
    own_gain = float(np.clip(own_gain, -LARGEST_GAIN, LARGEST_GAIN))
    gain = (1 - POOLED_GAIN_SHARE) * own_gain + POOLED_GAIN_SHARE * pooled_gain(pooled)
    share = float(np.clip((gain - GAIN_FROM) / (GAIN_TO - GAIN_FROM), 0.0, 1.0))
    mixed = {name: share * weight for name, weight in weights.items()}
    mixed[MEAN] = mixed.get(MEAN, 0.0) + 1 - share
    return pruned(mixed)


def pooled_gain(pooled: Pooled) -> float:
    """How much less the error of the best candidate is than the mean's, over all terms, 0..1."""
    return 1 - float(np.exp(min(pooled.values(), default=0.0) - pooled.get(MEAN, 0.0)))


def pruned(weights: Mapping[str, float]) -> Weights:
    """Without candidates that hardly count; the others sum to 1."""
    enough = {name: weight for name, weight in weights.items() if weight >= LEAST_WEIGHT}
    whole = sum(enough.values())
    return {name: weight / whole for name, weight in enough.items()} if whole > 0 else {MEAN: 1.0}


def blend(weights: Mapping[str, float], forecasts: Mapping[str, Floats]) -> Floats:
    """The weighted mean of forecasts; a candidate that gave none is replaced by the historic mean."""
    parts = [weight * forecasts.get(name, forecasts[MEAN]) for name, weight in weights.items()]
    return np.asarray(np.sum(parts, axis=0) / sum(weights.values()), dtype=np.float64)


def made_of(weights: Mapping[str, float]) -> str:
    """The candidates with most weight, for people: `seasonal_naive 61 %, ets 25 %`."""
    first = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:3]
    if first[0][1] > 0.945:
        return first[0][0]
    return ", ".join(f"{name} {weight:.0%}".replace("%", " %") for name, weight in first if weight >= 0.095)
