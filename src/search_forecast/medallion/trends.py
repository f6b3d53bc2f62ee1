"""What the terms of each week and month did against the one before, and whether that is more than chance explains.

Everything is a full function of gold's daily tables. A comparison is of shares of all searches, over the same days of
both periods; docs/trends.md says why, and what the figures are worth.
"""

from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from search_forecast.medallion import significance

FALSE_CALL_RATIO = 0.05
MIN_SEARCH_COUNT = 10  # in both periods together: fewer can't differ by more than chance among many terms
YEAR_AGO_RATIO = 0.25  # of the searches compared, that the same two periods a year ago must hold to tell the season
MIN_CHANGES = 5  # from period to period, of which the dispersion between periods can be told
_PRIOR_DAYS, _PRIOR_CHANGES = 30, 8  # by how much evidence a term's own dispersion is drawn to that of all terms
_QUARTILES_OF_NORMAL = 1.349  # the distance between the quartiles of a standard normal number
GRAINS = ("week", "month")
_KEY = ("grain", "period_start_date")
_OWN = ("search_count", "square_sum", "searched_day_count")
_COMPARED = ("current", "previous", "year_current", "year_previous")


def term_trends(counts: DataFrame, totals: DataFrame, first: date, last: date) -> DataFrame:
    """Every term of every week and month, against the period before.

    Args:
        counts: search_gold.daily_term_counts.
        totals: search_gold.daily_totals.
        first: The first day of `totals`.
        last: The last one.

    Returns:
        search_gold.term_trends: one row per (grain, period_start_date, term) with a search in the period, or on the
        days of the period before that it is compared with.
    """
    days = totals.withColumn("day_count", F.col("search_count"))
    searches = counts.join(F.broadcast(days.select("event_date", "day_count")), "event_date", how="inner")
    of_terms = _compared(_by_period(searches, first, last, "term"), first, last, "term")
    of_all = _compared(_by_period(days, first, last), first, last)
    of_all = of_all.withColumnsRenamed({name: f"all_{name}" for name in ("search_count", *_COMPARED)})
    is_complete = F.count_if("is_complete_day").alias("complete_day_count")
    complete = days.select("is_complete_day", _periods()).groupBy(*_KEY).agg(is_complete)
    whole = of_all.drop("square_sum").join(complete, list(_KEY), how="left")
    shares = (
        of_terms.drop("searched_day_count")
        .where("search_count > 0 or previous > 0")
        .join(F.broadcast(whole), list(_KEY), how="inner")
    )
    return _published(_judged(_with_change(shares)), first)


def _periods() -> Column:
    """A row each for the week and the month of a day."""
    values = [value for grain in GRAINS for value in (F.lit(grain), F.trunc("event_date", grain))]
    return F.stack(F.lit(len(GRAINS)), *values).alias(*_KEY)


def _by_period(daily: DataFrame, first: date, last: date, *keys: str) -> DataFrame:
    """Sums of each week and month.

    Beside all its days over those like the first days of the last period (`head_count`) and those like the last days of
    the first one (`tail_count`), which the data may have cut short.
    """
    days = daily.select("*", _periods())
    place = F.datediff("event_date", "period_start_date")
    ends = {grain: [F.datediff(F.lit(day), F.trunc(F.lit(day), grain)) for day in (first, last)] for grain in GRAINS}
    is_week = F.col("grain") == "week"
    first_place, last_place = (
        F.when(is_week, week).otherwise(month) for week, month in zip(ends["week"], ends["month"], strict=True)
    )
    count = F.col("search_count")
    return days.groupBy(*_KEY, *keys).agg(
        F.sum("search_count").alias("search_count"),
        F.sum(F.when(place <= last_place, count).otherwise(0)).alias("head_count"),
        F.sum(F.when(place >= first_place, count).otherwise(0)).alias("tail_count"),
        # A fraction: as whole numbers squares may be beyond a bigint, and products of sums too.
        F.sum(F.try_divide(count.cast("double") * count, "day_count")).alias("square_sum"),
        F.count_if(F.col("day_count") > 0).alias("searched_day_count"),
    )


def _later(start: Column, *, months: int, days: int) -> Column:
    """The start of a period later or earlier: by months, or by days where the grain is a week."""
    return F.when(F.col("grain") == "month", F.add_months(start, months)).otherwise(F.date_add(start, days))


def _compared(periods: DataFrame, first: date, last: date, *keys: str) -> DataFrame:
    """Beside each period's searches those to compare: of it, of the one before, and of the same two a year before.

    A period that the data has cut short is compared over the days it has. A year before are twelve months, or 52 weeks.
    """
    start, counted = F.col("period_start_date"), F.col("search_count")
    following, year = _later(start, months=1, days=7), _later(start, months=12, days=364)
    year_following = _later(year, months=1, days=7)
    was_cut = _later(start, months=-1, days=-7) < F.lit(first)

    def role(name: str, target: Column, count: Column) -> list[Column]:
        own = [F.when(F.lit(name == "current"), F.col(each)) for each in _OWN]
        compared = [(count if name == each else F.lit(0)).cast("bigint") for each in _COMPARED]
        return [target, *own, *compared]

    def over_its_days(target: Column) -> Column:
        is_cut = F.date_sub(_later(target, months=1, days=7), 1) > F.lit(last)
        return F.when(is_cut, F.col("head_count")).otherwise(counted)

    roles = [
        role("current", start, F.when(was_cut, F.col("tail_count")).otherwise(counted)),
        role("previous", following, over_its_days(following)),
        role("year_current", year, F.when(was_cut, 0).otherwise(over_its_days(year))),
        role("year_previous", year_following, F.when(start < F.lit(first), 0).otherwise(over_its_days(year_following))),
    ]
    # Not an array of structs to explode, which would be made for every row.
    values = F.stack(F.lit(len(roles)), *(value for values in roles for value in values))
    return (
        periods.select("grain", *keys, values.alias("period_start_date", *_OWN, *_COMPARED))
        .where(F.col("period_start_date") <= F.lit(last))
        .groupBy(*_KEY, *keys)
        .agg(*(F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in (*_OWN, *_COMPARED)))
    )


def _with_change(shares: DataFrame) -> DataFrame:
    """With `z`: how far a term's share moved, in standard deviations of searches that come one by one.

    Null where that can't be told. Where a year ago tells how the season moved it, that is what is expected, as
    uncertain as those counts make it. Step by step, as Spark would write out in full each column that another one uses.
    """
    current, previous, year_current, year_previous = map(F.col, _COMPARED)
    all_current, all_previous, all_year, all_year_previous = (F.col(f"all_{name}") for name in _COMPARED)
    both, year_both = current + previous, year_current + year_previous
    is_seasonal = (year_both >= F.greatest(F.lit(MIN_SEARCH_COUNT), both * YEAR_AGO_RATIO)) & (all_year_previous > 0)
    growth = (year_current + 0.5) / all_year / ((year_previous + 0.5) / all_year_previous)
    # Variances of the logarithms of the two growths.
    own, of_year = 1 / (current + 0.5) + 1 / (previous + 0.5), 1 / (year_current + 0.5) + 1 / (year_previous + 0.5)
    expected = all_current * F.col("season")
    of_all = F.try_divide(both, all_current + all_previous)
    steps = (
        {"is_seasonal": is_seasonal & (all_year > 0), "others": 1 - of_all},  # a term that is most of all varies less
        {
            "season": F.when(F.col("is_seasonal"), growth).otherwise(1.0),
            "certainty": F.when(F.col("is_seasonal"), own / (own + of_year)).otherwise(1.0),
        },
        {"chance": F.try_divide(expected, expected + all_previous)},
    )
    for step in steps:
        shares = shares.withColumns(step)
    is_told = (both >= MIN_SEARCH_COUNT) & (all_current > 0) & (all_previous > 0) & (F.col("others") > 0)
    deviance = significance.signed_root_deviance(current, previous, F.col("chance"))
    z = F.when(is_told, deviance * F.sqrt(F.col("certainty") / F.col("others")))
    return shares.withColumn("z", z).drop(*(name for step in steps for name in step))


def _judged(changes: DataFrame) -> DataFrame:
    """With `p_value`, corrected for the number of terms of its period."""
    return (
        _with_dispersion(changes)
        .withColumn("chance_ratio", significance.two_sided_p(F.col("z") / F.sqrt("dispersion")))
        .withColumn("p_value", significance.benjamini_hochberg(F.col("chance_ratio"), *_KEY))
    )


def _with_dispersion(changes: DataFrame) -> DataFrame:
    """With `dispersion`: the variance of a term's counts over what chance gives searches that come one by one.

    The largest of 1, that of the days of its weeks (Pearson's chi square over its expectation), and that of its changes
    from week to week (of months: also from month to month) once there are five, measured between their quartiles: a
    steady trend doesn't widen it, nor does a rare leap. All are its own as far as there is evidence, else all terms'.
    """
    count, all_count, grain = F.col("search_count"), F.col("all_search_count"), F.col("grain")
    is_told = (grain == "week") & (count >= MIN_SEARCH_COUNT) & (all_count > count)
    chi_square = F.when(is_told, (F.col("square_sum") * all_count / count - count) / (1 - count / all_count))
    freedom = F.when(is_told, F.col("searched_day_count") - 1)
    term = Window.partitionBy("term")
    own_days, own_freedom = (F.coalesce(F.sum(sum_).over(term), F.lit(0.0)) for sum_ in (chi_square, freedom))
    pools = [F.coalesce(F.try_divide(F.sum(chi_square), F.sum(freedom)), F.lit(1.0)).alias("days_pool")]
    of_grain = {}
    for name in GRAINS:
        change = F.when(grain == name, F.col("z"))
        # Not count_distinct, for which Spark gives every row out once more for each.
        periods = F.array_size(F.collect_set(F.when(change.isNotNull(), F.col("period_start_date"))))
        ends = [F.percentile_approx(change, F.lit(part), F.lit(1000)) for part in (0.75, 0.25)]
        pools.append(F.when(periods >= MIN_CHANGES, _squared_scale(*ends)).alias(f"{name}_pool"))
        own = F.coalesce(_squared_scale(*(F.percentile(change, part).over(term) for part in (0.75, 0.25))), F.lit(0.0))
        told = F.count(change).over(term)
        of_grain[name] = (told * own + _PRIOR_CHANGES * F.col(f"{name}_pool")) / (told + _PRIOR_CHANGES)
    by_days = (own_days + _PRIOR_DAYS * F.col("days_pool")) / (own_freedom + _PRIOR_DAYS)
    dispersion = F.greatest(F.lit(1.0), by_days, of_grain["week"], F.when(grain == "month", of_grain["month"]))
    return changes.crossJoin(F.broadcast(changes.agg(*pools))).withColumn("dispersion", dispersion)


def _squared_scale(upper: Column, lower: Column) -> Column:
    return ((upper - lower) / _QUARTILES_OF_NORMAL) ** 2


def _published(judged: DataFrame, first: date) -> DataFrame:
    """search_gold.term_trends."""
    period, own = Window.partitionBy(*_KEY), Window.partitionBy("grain", "term")
    count, previous, start = F.col("search_count"), F.col("previous"), F.col("period_start_date")
    share = F.coalesce(F.try_divide(count, "all_search_count"), F.lit(0.0))  # a period without any search
    now, before = (F.col(name).cast("double") for name in ("current", "previous"))
    growth = F.try_divide(now * F.col("all_previous"), before * F.col("all_current")) - 1
    is_called = F.coalesce(F.col("p_value") <= FALSE_CALL_RATIO, F.lit(False))
    is_first = F.min(F.when(count > 0, start)).over(own) == start
    status = (
        F.when(is_first & (start > F.lit(first)), "new")
        .when(is_called & (F.col("z") > 0), "rising")
        .when(is_called & (count == 0), "lost")
        .when(is_called & (F.col("z") < 0), "falling")
        .otherwise("stable")
    )
    length = F.datediff(_later(start, months=1, days=7), start)
    return judged.select(
        *_KEY,
        "term",
        "search_count",
        previous.alias("previous_count"),
        share.alias("share_ratio"),
        F.when(count > 0, F.rank().over(period.orderBy(count.desc()))).cast("bigint").alias("rank"),
        F.when(previous > 0, F.rank().over(period.orderBy(previous.desc()))).cast("bigint").alias("previous_rank"),
        growth.alias("growth_ratio"),
        F.round(100 * share / F.max(share).over(own)).cast("bigint").alias("index_0_100"),
        "p_value",
        status.alias("status"),
        (F.col("complete_day_count") < length).alias("is_partial_period"),
    )


def term_profile(counts: DataFrame) -> DataFrame:
    """When in the week and in the year a term is searched.

    Args:
        counts: search_gold.daily_term_counts.

    Returns:
        search_gold.term_profile: one row per (term, profile, value) with a search.
    """
    values = {"weekday": F.weekday("event_date") + 1, "month": F.month("event_date")}
    kinds = [column for kind, value in values.items() for column in (F.lit(kind), value.cast("bigint"))]
    by_value = (
        counts.select("term", "search_count", F.stack(F.lit(len(values)), *kinds).alias("profile", "value"))
        .groupBy("term", "profile", "value")
        .agg(F.sum("search_count").alias("search_count"))
    )
    share = F.col("search_count") / F.sum("search_count").over(Window.partitionBy("term", "profile"))
    return by_value.select("term", "profile", "value", "search_count", share.alias("share_ratio"))
