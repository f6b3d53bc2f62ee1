"""Whether a new version may become champion: better than the present one on the same windows.

Errors are compared as shares of the mean's on the same term, by the loss that the choice goes by (absolute errors, or
squared ones where counts are small), and averaged over the terms by their searches. What a version chose by looking at
windows looks too good on them; what it would have chosen without the window that is measured looks too bad, above all
after demand has shifted, when of the few windows that show the shift one is always missing. The mean of the two is
compared, as bootstrap estimates do (Efron 1983, Estimating the error rate of a prediction rule).
"""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting.backtest import SELECTION
from search_forecast.demand.forecasting.candidates import MEAN
from search_forecast.lakehouse.contracts import TOTAL

LARGE_SHARE = 0.05  # of all searches: on terms that a champion does not know, or whose candidate was not tried
MARGIN = 0.01  # relative difference of two errors below which they are as good as equal


@dataclass(frozen=True)
class Comparison:
    """Errors of a new version and of the champion, as shares of the mean's, on the windows and terms that both have.

    Attributes:
        own: of the new version's choice, made without the window it is measured on; None where nothing was measured.
        chosen: of the new version's choice as it is.
        champion: of what the present champion chose; None where there is none or no term that both have.
        unknown_ratio: share of the searches that belong to terms which the champion has no series for, 0..1.
        untried_ratio: share of those that it forecasts by a candidate which the new version did not try, 0..1.
    """

    own: float | None
    chosen: float | None
    champion: float | None = None
    unknown_ratio: float = 0.0
    untried_ratio: float = 0.0

    @property
    def expected(self) -> float | None:
        """What is compared with the champion's error."""
        return None if self.own is None or self.chosen is None else (self.own + self.chosen) / 2


def compare(backtested: DataFrame, champion: DataFrame | None) -> Comparison:
    """Measure a new version against the champion.

    Args:
        backtested: one row per (term, candidate): loss_ratio (null: it could not be measured), actual, is_champion.
        champion: the champion's selection: term, candidate; None where there is no champion.
    """
    rows = backtested.where(F.col("term") != TOTAL)
    if champion is None:
        return Comparison(*_own(rows))
    held = champion.select("term", F.col("candidate").alias("held"))
    tried = rows.select("term", F.col("candidate").alias("held"), F.lit(True).alias("is_tried"))
    joined = rows.join(held.join(tried, ["term", "held"], how="left"), "term", how="left")
    both = joined.where("is_tried")
    # A candidate that was tried and failed would forecast the mean, whose share is 1.
    theirs = both.where(F.col("candidate") == F.col("held"))
    lost = both.where(F.col("candidate") == MEAN).select("term", F.col("actual").alias("searches"))
    failed = theirs.where("loss_ratio is null").select("term").join(lost, "term", how="inner")
    theirs = theirs.where("loss_ratio is not null").select("loss_ratio", "actual")
    theirs = theirs.unionByName(failed.select(F.lit(1.0).alias("loss_ratio"), F.col("searches").alias("actual")))
    is_unknown, is_untried = F.col("held").isNull(), F.col("held").isNotNull() & F.col("is_tried").isNull()
    counted = joined.where(F.col("candidate") == MEAN).agg(
        F.coalesce(F.try_divide(F.sum(F.when(is_unknown, F.col("actual"))), F.sum("actual")), F.lit(0.0)).alias(
            "unknown"
        ),
        F.coalesce(F.try_divide(F.sum(F.when(is_untried, F.col("actual"))), F.sum("actual")), F.lit(0.0)).alias(
            "untried"
        ),
    )
    shares = counted.collect()[0]
    return Comparison(*_own(both), _error(theirs), float(shares["unknown"]), float(shares["untried"]))


def decide(comparison: Comparison, champion_version: int | None) -> tuple[bool, str]:
    """Whether the new version passes, and a sentence that says why or why not."""
    expected, other = comparison.expected, comparison.champion
    said = "nothing measured" if expected is None else f"error {expected:.4f} of the mean's"
    if champion_version is None:
        return True, f"the first champion: {said}"
    if comparison.untried_ratio > LARGE_SHARE:
        return False, (
            f"version {champion_version} forecasts {comparison.untried_ratio:.0%} of the searches by candidates that "
            f"were not tried here: train with its --candidates too, or promote by number with --force"
        )
    if expected is None or other is None:
        shares_none = comparison.unknown_ratio > LARGE_SHARE
        return shares_none, f"nothing to compare with version {champion_version}: no term and window that both have"
    against = f"{said}, version {champion_version}'s {other:.4f} on the same windows"
    if expected < other * (1 - MARGIN):
        return True, f"better than version {champion_version}: {against}"
    if comparison.unknown_ratio > LARGE_SHARE and expected <= other * (1 + MARGIN):
        share = f"{comparison.unknown_ratio:.0%} of the searches are for terms that it does not know"
        return True, f"as good as version {champion_version} ({against}), and {share}"
    return False, f"no better than version {champion_version}: {against}"


def _own(rows: DataFrame) -> tuple[float | None, float | None]:
    return _error(rows.where(F.col("candidate") == SELECTION)), _error(rows.where("is_champion"))


def _error(rows: DataFrame) -> float | None:
    measured = rows.where("loss_ratio is not null")
    weighted = F.sum(F.col("loss_ratio") * F.col("actual"))
    found = measured.agg(F.try_divide(weighted, F.sum("actual")).alias("error")).collect()[0]["error"]
    return None if found is None else float(found)
