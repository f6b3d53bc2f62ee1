"""Whether a change is more than chance explains: column rules, native so that they run wherever Spark does."""

from pyspark.sql import Column, Window
from pyspark.sql import functions as F

# Chebyshev fit of log(erfc(x) exp(x * x) / t), t = 1 / (1 + x / 2): relative error below 1.2e-7 for every x >= 0, so
# that it can be trusted far out in the tail. Source: Press et al., Numerical Recipes, 2nd ed., section 6.2.
_ERFC = (
    *(-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806),
    *(0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277),
)


def two_sided_p(z: Column) -> Column:
    """How often a standard normal number is at least as far from 0 as `z`: erfc(|z| / sqrt 2). Spark has no erfc."""
    x = F.abs(z) / F.lit(2.0**0.5)
    t = F.lit(1.0) / (F.lit(1.0) + x / 2)
    fit = F.lit(_ERFC[-1])
    for coefficient in reversed(_ERFC[:-1]):
        fit = F.lit(coefficient) + t * fit
    return F.when(z.isNotNull(), F.least(t * F.exp(fit - x * x), F.lit(1.0)))  # `least` passes over a null


def signed_root_deviance(count: Column, previous_count: Column, chance: Column) -> Column:
    """How far two counts lie from their expected split, in standard deviations, where searches come one by one.

    Of `count + previous_count` searches each fell into the first with the same chance (0..1, not its ends). The signed
    root of the binomial deviance is much nearer to normal than (seen - expected) / deviation where counts are small and
    the tail is far; half a search is taken off the distance, as counts are whole.
    Source: McCullagh and Nelder, Generalized Linear Models, 2nd ed., sections 2.3 and 12.5.
    """
    both = count + previous_count
    expected = both * chance
    direction = F.signum(count - expected)
    near = expected + direction * F.greatest(F.abs(count - expected) - 0.5, F.lit(0.0))
    deviance = 2 * (_weighted_log(near, expected) + _weighted_log(both - near, both - expected))
    return direction * F.sqrt(F.greatest(deviance, F.lit(0.0)))


def _weighted_log(seen: Column, expected: Column) -> Column:
    return F.when(seen > 0, seen * F.log(seen / expected)).otherwise(0.0)


def benjamini_hochberg(p_value: Column, *group: str) -> Column:
    """Values of p, corrected for how many there are in a group.

    Who calls those up to q is wrong in at most a share q of the calls, on average. Null where `p_value` is, which then
    doesn't count. Source: Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995).
    """
    whole = Window.partitionBy(*group)
    # Of equal values each counts all of them, whatever their order: a range, not rows.
    smaller = whole.orderBy(p_value.asc_nulls_last()).rangeBetween(Window.unboundedPreceding, Window.currentRow)
    larger = whole.orderBy(p_value.desc_nulls_last()).rangeBetween(Window.unboundedPreceding, Window.currentRow)
    raised = p_value * F.count(p_value).over(whole) / F.count(p_value).over(smaller)
    return F.when(p_value.isNotNull(), F.min(raised).over(larger))
