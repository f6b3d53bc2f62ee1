"""Whether a new version may become champion: better than the present one on the same windows.

Errors are compared as shares of the mean's on the same term, by the loss that the weights go by (absolute errors, or
squared ones where counts are small), and averaged over the terms by their searches. What a version learnt from
windows looks too good on them; what it would have learnt without the window that is measured looks too bad, above all
after demand has shifted, when of the few windows that show the shift one is always missing. The mean of the two is
compared, as bootstrap estimates do (Efron 1983, Estimating the error rate of a prediction rule).
"""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.demand.forecasting.assessment import SELECTION
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


def compare(assessed: DataFrame, *, has_champion: bool) -> Comparison:
    """Measure a new version against the champion, whose weights the assessment knows.

    Args:
        assessed: one row per (term, candidate); of `selection` are read: loss_ratio (null: it could not be measured),
            chosen_loss_ratio, champion_loss_ratio, is_untried (null: the champion has no series), actual.
        has_champion: whether there is one.
    """
    rows = assessed.where((F.col("term") != TOTAL) & (F.col("candidate") == SELECTION) & F.col("actual").isNotNull())
    is_known = F.col("is_untried").isNotNull()
    is_compared = F.col("champion_loss_ratio").isNotNull() if has_champion else F.lit(True)
    whole = F.sum("actual")
    row = rows.agg(
        *(
            F.try_divide(
                F.sum(F.when(is_compared, F.col(name) * F.col("actual"))), F.sum(F.when(is_compared, F.col("actual")))
            ).alias(name)
            for name in ("loss_ratio", "chosen_loss_ratio", "champion_loss_ratio")
        ),
        F.coalesce(F.try_divide(F.sum(F.when(~is_known, F.col("actual"))), whole), F.lit(0.0)).alias("unknown"),
        F.coalesce(F.try_divide(F.sum(F.when(F.col("is_untried"), F.col("actual"))), whole), F.lit(0.0)).alias(
            "untried"
        ),
    ).collect()[0]
    errors = row["loss_ratio"], row["chosen_loss_ratio"], row["champion_loss_ratio"]
    return Comparison(*errors, *((row["unknown"], row["untried"]) if has_champion else ()))


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
