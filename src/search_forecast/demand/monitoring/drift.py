"""Whether visitors still search for the same mix of terms as in the days that a model was trained on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F
from scipy import stats

from search_forecast.demand.periods import LEAST_WEEKS, REFERENCE_DAYS, WINDOW_DAYS
from search_forecast.parameters import MonitorParameters

_RARE = ""  # the category of all terms that are too rare; no term is empty
LEAST_EXPECTED = 5  # searches; Pearson's approximation needs about so many in every cell (Cochran 1954)
SMOOTHING = 0.5  # searches added to every term for the PSI, which has no value where a term is new or gone


@dataclass(frozen=True)
class Drift:
    """One row of search_gold.demand_drift; its fields are the table's columns, in order."""

    model_version: int
    window: str
    first_date: date
    last_date: date
    search_count: int
    training_count: int
    term_count: int
    psi: float
    js_distance: float
    chi_square: float
    p_value: float
    is_drifted: bool


def reference(first_date: date, last_date: date) -> tuple[date, date]:
    """The latest training days, which the mix is compared with: first and last."""
    return max(first_date, last_date - timedelta(days=REFERENCE_DAYS - 1)), last_date


def window_mixes(counts: DataFrame, first_date: date, last_date: date, as_of: date) -> DataFrame:
    """Each window's mix of terms against that of the training days, in a few numbers.

    The windows are the consecutive seven days from the day after the training on, as far as they are over. Terms of
    which a window would hold fewer than five searches if nothing had changed are counted as one, `(other)`; where these
    are still fewer than five, the next rarer terms join them.

    Args:
        counts: search_gold.daily_term_counts.
        first_date: first training day.
        last_date: last training day.
        as_of: last day whose searches are known in full.

    Returns:
        one row per window: number (from 0), search_count, training_count, term_count, chi_square (Pearson, two
        samples), psi, js_divergence in bits.
    """
    window_count = max((as_of - last_date).days // WINDOW_DAYS, 0)
    number = F.floor((F.datediff("event_date", F.lit(last_date)) - 1) / WINDOW_DAYS).cast("int").alias("number")
    numbers = F.explode(F.sequence(F.lit(0), F.lit(max(window_count - 1, 0)))).alias("number")
    trained = (
        counts.where(F.col("event_date").between(first_date, last_date))
        .groupBy("term")
        .agg(F.sum("search_count").alias("trained"), F.lit(0).cast("bigint").alias("came"))
    )
    came = counts.where(F.col("event_date") > last_date).select(
        number, "term", F.lit(0).cast("bigint").alias("trained"), F.col("search_count").alias("came")
    )
    cells = trained.select(numbers, "term", "trained", "came").unionByName(came).where(F.col("number") < window_count)
    by_term = cells.groupBy("number", "term").agg(F.sum("trained").alias("trained"), F.sum("came").alias("came"))
    whole = Window.partitionBy("number")
    both = by_term.select(
        "*", F.sum("trained").over(whole).alias("trained_all"), F.sum("came").over(whole).alias("came_all")
    )
    expected = (F.col("trained") + F.col("came")) * F.try_divide("came_all", F.col("trained_all") + F.col("came_all"))
    pooled = _with_category(both.withColumn("expected", F.coalesce(expected, F.lit(0.0))), "number")
    return _mixes(
        pooled.groupBy("number", "category").agg(
            F.sum("trained").cast("double").alias("trained"),
            F.sum("came").cast("double").alias("came"),
            F.first("trained_all").alias("trained_all"),
            F.first("came_all").alias("came_all"),
        )
    )


def ordinary_variation(counts: DataFrame, first_date: date, last_date: date) -> DataFrame:
    """How much the mix of terms varies from week to week of the training (day to day where it has under four weeks).

    Args:
        counts: search_gold.daily_term_counts.
        first_date: first training day.
        last_date: last training day; weeks are counted back from it.

    Returns:
        one row: chi_square (Pearson) of the table weeks x terms, rare terms as one; block_count, term_count.
    """
    day_count = (last_date - first_date).days + 1
    block_days = WINDOW_DAYS if day_count >= LEAST_WEEKS * WINDOW_DAYS else 1
    block_count = day_count // block_days
    block = F.floor(F.datediff(F.lit(last_date), "event_date") / block_days)
    cells = (
        counts.where(F.col("event_date").between(first_date, last_date))
        .groupBy(block.alias("block"), "term")
        .agg(F.sum("search_count").alias("observed"))
        .where(F.col("block") < block_count)
    )
    by_term = cells.groupBy("term", F.lit(0).alias("number")).agg((F.sum("observed") / block_count).alias("expected"))
    categories = _with_category(by_term, "number").select("term", "category")
    table = (
        cells.join(categories, "term", how="inner")
        .groupBy("block", "category")
        .agg(F.sum("observed").cast("double").alias("observed"))
    )
    rows, columns = (F.sum("observed").over(Window.partitionBy(key)) for key in ("block", "category"))
    # Sum of (observed - expected)^2 / expected, written so that cells without searches need not exist.
    share = table.withColumn("share", F.col("observed") * F.col("observed") / (rows * columns))
    return share.agg(
        F.coalesce(F.sum("observed") * (F.sum("share") - 1), F.lit(0.0)).alias("chi_square"),
        F.count_distinct("block").alias("block_count"),
        F.count_distinct("category").alias("term_count"),
    )


def drifts(
    mixes: Iterable[Row], variation: Row, model_version: int, last_date: date, parameters: MonitorParameters
) -> list[Drift]:
    """The verdict on every window.

    Counts of searches vary more than independent visitors would make them. That ordinary variation is measured within
    the training days (dispersion: Pearson's chi-square / its degrees of freedom, at least 1). The window's chi-square
    is divided by it and compared with the F distribution, because the dispersion is itself an estimate. What chance
    gives is taken off the PSI: dispersion x (terms - 1) x (1/searches trained on + 1/searches in the window).

    A window has drifted if both speak for it: the p-value alone finds trifles where searches are many, the PSI alone
    finds chance where they are few.

    Source: McCullagh and Nelder (1989), Generalized Linear Models, 4.5 and 9.2; Yurdakul (2018), Statistical Properties
    of Population Stability Index.

    Args:
        mixes: rows of `window_mixes`.
        variation: the row of `ordinary_variation`.
        model_version: version that was trained.
        last_date: last training day.
        parameters: `drift_alpha` and `drift_psi`, the limits of a drift.

    Returns:
        search_gold.demand_drift of the version, oldest window first.
    """
    freedom = max(variation["block_count"] - 1, 0) * max(variation["term_count"] - 1, 0)
    dispersion = max(1.0, variation["chi_square"] / freedom) if freedom else 1.0
    rows = []
    for mix in sorted(mixes, key=lambda row: int(row["number"])):
        first = last_date + timedelta(days=1 + WINDOW_DAYS * mix["number"])
        last = first + timedelta(days=WINDOW_DAYS - 1)
        trained, came, terms = mix["training_count"], mix["search_count"], mix["term_count"]
        chi_square = mix["chi_square"] / dispersion
        p_value = _p_value(chi_square, terms - 1, freedom)
        chance = dispersion * (terms - 1) * (1 / trained + 1 / came) if trained and came else 0.0
        psi = max(mix["psi"] - chance, 0.0)
        js_distance = min(max(mix["js_divergence"], 0.0), 1.0) ** 0.5
        sizes = (came, trained, terms)
        is_drifted = p_value < parameters.drift_alpha and psi > parameters.drift_psi
        measures = (psi, js_distance, chi_square, p_value, is_drifted)
        rows.append(Drift(model_version, f"{first}/{last}", first, last, *sizes, *measures))
    return rows


def _with_category(cells: DataFrame, group: str) -> DataFrame:
    """Beside every term what it is counted as: itself, or with the others of too few `expected` searches."""
    rarest_first = Window.partitionBy(group).orderBy("expected", "term")
    rarer = F.sum("expected").over(rarest_first.rowsBetween(Window.unboundedPreceding, -1))
    is_rare = (F.col("expected") < LEAST_EXPECTED) | (F.coalesce(rarer, F.lit(LEAST_EXPECTED)) < LEAST_EXPECTED)
    return cells.withColumn("category", F.when(is_rare, _RARE).otherwise(F.col("term")))


def _mixes(categories: DataFrame) -> DataFrame:
    """One row per window from its categories; all measures are 0 where either side has no search."""
    term_count = F.count("*").over(Window.partitionBy("number")).alias("term_count")
    counted = categories.select("*", term_count)
    old, new = F.try_divide("trained", "trained_all"), F.try_divide("came", "came_all")
    # Pearson's sum over both samples, with the expected counts put in.
    sizes = F.col("trained_all").cast("double") * F.col("came_all")
    chi_square = sizes * F.try_divide((old - new) ** 2, F.col("trained") + F.col("came"))
    smooth_old, smooth_new = (
        (F.col(name) + SMOOTHING) / (F.col(f"{name}_all") + SMOOTHING * F.col("term_count"))
        for name in ("trained", "came")
    )
    psi = F.when((F.col("trained_all") > 0) & (F.col("came_all") > 0), _psi(smooth_old, smooth_new))
    divergence = (_bits(old, (old + new) / 2) + _bits(new, (old + new) / 2)) / 2
    return counted.groupBy("number").agg(
        F.first("came_all").alias("search_count"),
        F.first("trained_all").alias("training_count"),
        F.count("*").alias("term_count"),
        F.coalesce(F.sum(chi_square), F.lit(0.0)).alias("chi_square"),
        F.coalesce(F.sum(psi), F.lit(0.0)).alias("psi"),
        F.coalesce(F.sum(divergence), F.lit(0.0)).alias("js_divergence"),
    )


def _psi(old: Column, new: Column) -> Column:
    return (new - old) * F.log(new / old)


def _bits(share: Column, middle: Column) -> Column:
    return F.when(share > 0, share * F.log2(share / middle)).when(share == 0, 0.0)


def _p_value(chi_square: float, terms_freedom: int, variation_freedom: int) -> float:
    if terms_freedom < 1:
        return 1.0
    if variation_freedom < 1:
        return float(stats.chi2.sf(chi_square, terms_freedom))
    return float(stats.f.sf(chi_square / terms_freedom, terms_freedom, variation_freedom))
