"""Raw records to searches and rejected records: every record becomes exactly one of them."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from search_forecast.lakehouse import contracts
from search_forecast.medallion import quality, terms


def classified(raw: DataFrame, today: date) -> DataFrame:
    """Apply every rule to raw records.

    Args:
        raw: search_bronze.raw_search_terms.
        today: the last day on which a search can have been.

    Returns:
        raw with `event_date`, the normalised `term` and `reject_reasons` (empty for a search). Row order is not kept.
    """
    dated = raw.withColumn("event_date", quality.event_date(F.col("day"), F.col("month"), F.col("year")))
    named = terms.with_normalised(dated, "searchterm", "term")
    record = {name: F.col(name) for name in named.columns}
    return named.withColumn("reject_reasons", quality.reject_reasons(record, today))


def search_events(records: DataFrame) -> DataFrame:
    """The classified records that broke no rule, as search_silver.search_events: one row per search."""
    searches = records.where(F.size("reject_reasons") == 0).withColumnRenamed("searchterm", "searched_as")
    return searches.select(*(column.name for column in contracts.SEARCH_EVENTS.columns))


def rejected_records(records: DataFrame) -> DataFrame:
    """The classified records that broke a rule, as search_silver.rejected_records."""
    rejected = records.where(F.size("reject_reasons") > 0)
    return rejected.select(*(column.name for column in contracts.REJECTED_RECORDS.columns))
