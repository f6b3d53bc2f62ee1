"""Whether a new version may become champion: better than the present one on the same windows.

What a version chose by looking at windows looks too good on them; what it would have chosen without the window that is
measured looks too bad, above all after demand has shifted, when of the few windows that show the shift one is always
missing. The mean of the two errors is compared, as bootstrap estimates of an error do (Efron 1983, Estimating the error
rate of a prediction rule, averages an optimistic and a pessimistic one too).
"""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.forecasting.backtest import SELECTION
from search_forecast.forecasting.candidates import MEAN
from search_forecast.forecasting.series import TOTAL

UNKNOWN_SHARE = 0.05  # of all searches, on terms that the champion has no series for
MARGIN = 0.01  # relative difference of two WAPEs below which they are as good as equal


@dataclass(frozen=True)
class Comparison:
    """WAPE of a new version and of the champion on the windows and terms that both have.

    Attributes:
        own: of the new version's choice, made without the window it is measured on; None where nothing was measured.
        chosen: of the new version's choice as it is.
        mean: of the historic mean.
        champion: of what the present champion chose; None where there is no champion or no term that both have.
        unknown_ratio: share of the searches that belong to terms which the champion has no series for, 0..1.
    """

    own: float | None
    chosen: float | None
    mean: float | None
    champion: float | None
    unknown_ratio: float

    @property
    def expected(self) -> float | None:
        """What is compared with the champion's WAPE."""
        return None if self.own is None or self.chosen is None else (self.own + self.chosen) / 2


def compare(backtested: DataFrame, champion: DataFrame | None) -> Comparison:
    """Measure a new version against the champion.

    Args:
        backtested: one row per (term, candidate): absolute_error, actual, is_champion.
        champion: the champion's selection: term, candidate; None where there is no champion.
    """
    measured = backtested.where((F.col("term") != TOTAL) & F.col("absolute_error").isNotNull())
    of = F.col("candidate")
    if champion is None:
        return Comparison(*_wapes(measured), None, 0.0)
    held = champion.select("term", F.col("candidate").alias("held"))
    joined = measured.join(held, "term", how="left")
    both = joined.where(F.col("held").isNotNull())
    # A candidate of the champion's that could not be measured here would forecast the mean.
    could = both.where(of == F.col("held")).select("term", F.lit(True).alias("could"))
    theirs = both.join(could, "term", how="left").where(
        F.when(F.col("could"), of == F.col("held")).otherwise(of == MEAN)
    )
    searches = joined.where(of == MEAN).agg(
        F.sum(F.when(F.col("held").isNull(), F.col("actual"))).alias("unknown"), F.sum("actual").alias("whole")
    )
    counted = searches.collect()[0]
    unknown = (counted["unknown"] or 0.0) / counted["whole"] if counted["whole"] else 0.0
    return Comparison(*_wapes(both), _wape(theirs), unknown)


def decide(comparison: Comparison, champion_version: int | None) -> tuple[bool, str]:
    """Whether the new version passes, and a sentence that says why or why not."""
    expected, mean, other = comparison.expected, comparison.mean, comparison.champion
    said = "nothing measured"
    if expected is not None and mean is not None:
        said = f"WAPE {expected:.4f}, the mean's {mean:.4f}"
    if champion_version is None:
        return True, f"the first champion: {said}"
    if expected is None or other is None:
        shares_none = comparison.unknown_ratio > UNKNOWN_SHARE
        return shares_none, f"nothing to compare with version {champion_version}: no term and window that both have"
    against = f"{said}, version {champion_version}'s {other:.4f} on the same windows"
    if expected < other * (1 - MARGIN):
        return True, f"better than version {champion_version}: {against}"
    if comparison.unknown_ratio > UNKNOWN_SHARE and expected <= other * (1 + MARGIN):
        share = f"{comparison.unknown_ratio:.0%} of the searches are for terms that it does not know"
        return True, f"as good as version {champion_version} ({against}), and {share}"
    return False, f"no better than version {champion_version}: {against}"


def _wapes(rows: DataFrame) -> tuple[float | None, float | None, float | None]:
    of = F.col("candidate")
    return _wape(rows.where(of == SELECTION)), _wape(rows.where("is_champion")), _wape(rows.where(of == MEAN))


def _wape(rows: DataFrame) -> float | None:
    sums = rows.agg(F.sum("absolute_error").alias("absolute_error"), F.sum("actual").alias("actual")).collect()[0]
    return float(sums["absolute_error"] / sums["actual"]) if sums["actual"] else None
