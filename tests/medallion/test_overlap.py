"""Deliveries that look like another one: what is counted of their records before they are judged."""

from __future__ import annotations

from datetime import date
from itertools import product
from typing import TYPE_CHECKING

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F
from pyspark.sql import types as T

from search_forecast.lakehouse.contracts import RAW_SEARCH_TERMS
from search_forecast.medallion import overlap
from search_forecast.medallion.reading import Reading

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TERMS = ("hat", " Hat ", "\x01 ", "", None, "b\N{REPLACEMENT CHARACTER}d", "x" * 256, "x" * 257, "Hüte")
EXTRAS = (None, {"page": "1"}, {"page": "\N{REPLACEMENT CHARACTER}"}, {"page": None})


@pytest.mark.parametrize("reading", [Reading(), Reading(has_count=True)], ids=["records", "counts"])
def test_records_counted_before_they_are_judged_are_as_many_searches(spark: SparkSession, reading: Reading) -> None:
    none = dict.fromkeys(RAW_SEARCH_TERMS.schema.names)
    own = [
        {"day": day, "month": "3", "year": "2024", "searchterm": term, "extra_fields": extra, "count": count}
        for day, term, extra, count in product(("1", "01 ", "31.0", "32", ""), TERMS, EXTRAS, ("2", "two", "-1"))
    ]
    lines = [{"malformed_record": "1,3"}, {"malformed_record": "1,4"}]
    rows = [tuple((none | {"delivery_id": "d"} | row).values()) for row in (*own, *lines)]
    columns = [T.StructField(field.name, field.dataType) for field in RAW_SEARCH_TERMS.schema.fields]
    raw, readings = spark.createDataFrame(rows, T.StructType(columns)), {"d": reading}

    counted = overlap._roughly(overlap._condensed(raw, readings), readings)
    judged = overlap._roughly(raw, readings)

    by_day = counted.groupBy("event_date").agg(F.sum(F.col("search_count") * F.col("records")).alias("searches"))
    expected = judged.groupBy("event_date").agg(F.sum("search_count").alias("searches"))
    assert_df_equality(by_day, expected, ignore_row_order=True)
    # 4 of 9 terms, 3 of 4 pages, 3 counts, of which one is a number above 0; the first day is written in two ways.
    each = 4 * 3 * (2 if reading.has_count else 3)
    assert {tuple(row) for row in by_day.collect()} == {(date(2024, 3, 1), 2 * each), (date(2024, 3, 31), each)}
    assert counted.count() < judged.count()
