from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from search_forecast.lakehouse import contracts
from search_forecast.medallion import gold

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.usefixtures("compiled")

FIRST, SECOND, FOURTH = date(2021, 11, 1), date(2021, 11, 2), date(2021, 11, 4)
COUNTS = "event_date date, term string, search_count bigint"
SUMMARY = (
    "term string, search_count bigint, share_ratio double, rank bigint, first_seen_date date, last_seen_date date, "
    "active_day_count bigint"
)
CHANGES = "term string, searched_as string, change int, search_count bigint"
VARIANTS = "term string, variant string, searched_as string, search_count bigint, rule string"


def quiet_after(days: int) -> list[int]:
    """60 days: the first with 5 searches, one with 4 so many days after it, the others with 9."""
    return [5, *(4 if day == days else 9 for day in range(1, 60))]


def test_searches_are_counted_by_day_and_term(spark: SparkSession) -> None:
    events = spark.createDataFrame(
        [
            (FIRST, "laptop", "Laptop", 1, "d1", "batch-000001"),
            (FIRST, "laptop", "laptop", 1, "d1", "batch-000001"),
            (FIRST, "laptop", "laptop", 4, "d2", "batch-000002"),
            (FIRST, "tv", "tv", 1, "d1", "batch-000001"),
            (FOURTH, "laptop", "laptop", 1, "d1", "batch-000001"),
        ],
        contracts.SEARCH_EVENTS.schema,
    )
    expected = spark.createDataFrame([(FIRST, "laptop", 6), (FIRST, "tv", 1), (FOURTH, "laptop", 1)], COUNTS)

    actual = gold.daily_term_counts(events)

    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True, ignore_metadata=True)


def test_every_day_of_the_range_has_its_totals() -> None:
    assert gold.daily_totals({FOURTH: (1, 1), FIRST: (4, 2), SECOND: (2, 1)}) == [
        (FIRST, 4, 2, True),
        (SECOND, 2, 1, True),
        (date(2021, 11, 3), 0, 0, True),
        (FOURTH, 1, 1, False),
    ]
    assert gold.daily_totals({}) == []


@pytest.mark.parametrize(
    ("search_counts", "is_first_complete", "is_last_complete"),
    [
        pytest.param([5], True, True, id="a single day"),
        pytest.param([5, 1], True, True, id="two days have no inner day to compare with"),
        pytest.param([1, 5, 5, 2], False, False, id="both ends are quieter"),
        pytest.param([5, 5, 6, 7], True, True, id="as many as the quietest is enough"),
        pytest.param([4, 5, 6, 5], False, True, id="one less is not"),
        pytest.param([9, 9, 1, 9, 2], True, True, id="the quietest day counts, not the mean"),
        pytest.param([2, 0, 3, 0, 2], False, False, id="days without searches are not compared with"),
        pytest.param([1, 0, 0, 1], True, True, id="inner days without searches only"),
        pytest.param(quiet_after(28), True, True, id="the 28th day counts for the first"),
        pytest.param(quiet_after(29), False, True, id="the 29th day does not"),
        pytest.param(quiet_after(28)[::-1], True, True, id="the 28th day counts for the last"),
        pytest.param(quiet_after(29)[::-1], True, False, id="the 29th day does not, for the last"),
    ],
)
def test_the_first_and_the_last_day_are_complete_unless_quieter_than_the_days_near_them(
    search_counts: list[int], is_first_complete: bool, is_last_complete: bool
) -> None:
    days = [(FIRST + timedelta(days=number), count) for number, count in enumerate(search_counts)]

    totals = gold.daily_totals({day: (count, 1) for day, count in days if count})

    flags = [is_first_complete, *[True] * (len(days) - 2), is_last_complete][: len(days)]
    expected = [(day, count, min(count, 1), flag) for (day, count), flag in zip(days, flags, strict=True)]
    assert totals == expected


def test_a_term_is_summed_up_over_all_days_and_equal_counts_share_a_rank(spark: SparkSession) -> None:
    counts = spark.createDataFrame(
        [
            (FIRST, "laptop", 3),
            (FOURTH, "laptop", 1),
            (SECOND, "tv", 2),
            (FIRST, "tablet", 1),
            (SECOND, "tablet", 1),
            (FOURTH, "", 2),
            (FOURTH, "pen", 6),
            (FOURTH, "ink", 1),
        ],
        COUNTS,
    )
    total = 17
    expected = spark.createDataFrame(
        [
            ("pen", 6, 6 / total, 1, FOURTH, FOURTH, 1),
            ("laptop", 4, 4 / total, 2, FIRST, FOURTH, 2),
            ("tv", 2, 2 / total, 3, SECOND, SECOND, 1),
            ("tablet", 2, 2 / total, 3, FIRST, SECOND, 2),
            ("", 2, 2 / total, 3, FOURTH, FOURTH, 1),
            ("ink", 1, 1 / total, 6, FOURTH, FOURTH, 1),
        ],
        SUMMARY,
    )

    actual = gold.term_summary(counts)

    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True)


def test_the_shares_of_all_terms_add_up_to_one(spark: SparkSession) -> None:
    counts = spark.createDataFrame([(FIRST, f"term {number}", number) for number in range(1, 300)], COUNTS)

    rows = gold.term_summary(counts).collect()

    assert sum(row["share_ratio"] for row in rows) == pytest.approx(1, abs=1e-12)
    assert sorted(row["rank"] for row in rows) == list(range(1, 300))


def test_variants_are_counted_with_the_rule_that_makes_them_the_term(spark: SparkSession) -> None:
    changes = spark.createDataFrame(
        [
            ("laptop", "laptop", 1, 1),
            ("laptop", "Laptop", 1, 1),
            ("laptop", "Laptop", 1, 1),
            ("laptop", " laptop", 1, 1),
            ("laptop", " LAPTOP", 1, 1),
            ("café", "Cafe\u0301", 1, 3),
        ],
        CHANGES,
    )
    expected = spark.createDataFrame(
        [
            ("laptop", None, "laptop", 1, "exact"),
            ("laptop", None, "Laptop", 2, "case"),
            ("laptop", None, " laptop", 1, "spacing"),
            ("laptop", None, " LAPTOP", 1, "case_and_spacing"),
            ("café", None, "Cafe\u0301", 3, "unicode"),
        ],
        VARIANTS,
    )

    actual = gold.term_variants(changes)

    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True)


def test_changes_are_added_to_the_variants_and_what_falls_to_zero_vanishes(spark: SparkSession) -> None:
    before = spark.createDataFrame(
        [
            ("laptop", None, "laptop", 5, "exact"),
            ("laptop", None, "Laptop", 2, "case"),
            ("tv", None, "tv", 1, "exact"),
            ("pen", None, "pen", 7, "exact"),
        ],
        VARIANTS,
    )
    changes = spark.createDataFrame(
        [
            ("laptop", "laptop", 1, 1),
            ("laptop", "Laptop", -1, 1),
            ("laptop", "Laptop", -1, 1),
            ("tv", "tv", -1, 1),
            ("tv", "tv", 1, 1),
            ("tv", "TV", 1, None),
            ("ink", "ink", 1, 1),
            ("ink", "ink", -1, 1),
        ],
        CHANGES,
    )
    expected = spark.createDataFrame(
        [
            ("laptop", None, "laptop", 6, "exact"),
            ("tv", None, "tv", 1, "exact"),
            ("tv", None, "TV", 1, "case"),
            ("pen", None, "pen", 7, "exact"),
        ],
        VARIANTS,
    )

    actual = gold.term_variants(changes, before)

    assert_df_equality(actual, expected, ignore_nullable=True, ignore_row_order=True)


def test_adding_changes_bit_by_bit_gives_what_counting_all_of_them_gives(spark: SparkSession) -> None:
    names = ["laptop", "Laptop", " laptop", "LAPTOP", "lap\u200btop"]
    searches = [("laptop", names[number * number % 5], 1, number % 3 + 1) for number in range(50)]
    gone = [(term, searched_as, -1, count) for term, searched_as, _, count in searches[:30:2]]
    bits: list[DataFrame] = [
        spark.createDataFrame(rows, CHANGES) for rows in (searches[:20], searches[20:] + gone[:9], gone[9:])
    ]

    variants = None
    for bit in bits:
        variants = gold.term_variants(bit, variants)

    assert variants is not None
    assert variants.count() > 1
    assert_df_equality(
        variants,
        gold.term_variants(bits[0].union(bits[1]).union(bits[2])),
        ignore_nullable=True,
        ignore_row_order=True,
    )


def test_no_changes_leave_the_variants_as_they_are(spark: SparkSession) -> None:
    before = spark.createDataFrame([("laptop", None, "Laptop", 2, "case"), ("tv", None, "tv", 1, "exact")], VARIANTS)

    actual = gold.term_variants(spark.createDataFrame([], CHANGES), before)

    assert_df_equality(actual, before, ignore_nullable=True, ignore_row_order=True)


def test_an_accepted_spelling_counts_for_its_term_and_says_so(spark: SparkSession) -> None:
    accepted = spark.createDataFrame([("lpatop", "laptop"), ("tvv", "tv")], contracts.ACCEPTED_SPELLINGS.schema)
    bits = [
        [("laptop", "laptop", 1, 5), ("lpatop", "lpatop", 1, 2), ("lpatop", "Lpatop", 1, 1), ("pen", "PEN", 1, 1)],
        [("lpatop", "lpatop", 1, 1), ("lpatop", "Lpatop", -1, 1), ("tvv", "tvv", 1, 3)],
    ]
    expected = spark.createDataFrame(
        [
            ("laptop", None, "laptop", 5, "exact"),
            ("laptop", "lpatop", "lpatop", 3, "exact"),
            ("pen", None, "PEN", 1, "case"),
            ("tv", "tvv", "tvv", 3, "exact"),
        ],
        VARIANTS,
    )

    variants = None
    for bit in bits:
        variants = gold.term_variants(spark.createDataFrame(bit, CHANGES), variants, accepted)

    assert variants is not None
    assert_df_equality(variants, expected, ignore_nullable=True, ignore_row_order=True, ignore_metadata=True)
    changes = spark.createDataFrame([("lpatop", 1, 2), ("laptop", 1, 3)], "term string, change int, search_count int")
    counted = gold.changed_counts(gold.merged(changes, accepted).withColumn("event_date", F.lit(FIRST)))
    assert [tuple(row) for row in counted.collect()] == [(FIRST, "laptop", 5)]


def test_without_searches_gold_is_empty_but_has_its_columns(spark: SparkSession) -> None:
    events = spark.createDataFrame([], contracts.SEARCH_EVENTS.schema)
    counts = gold.daily_term_counts(events)

    for table, rows in (
        (contracts.DAILY_TERM_COUNTS, counts),
        (contracts.TERM_SUMMARY, gold.term_summary(counts)),
        (
            contracts.TERM_VARIANTS,
            gold.term_variants(events.selectExpr("term", "searched_as", "search_count", "1 as change")),
        ),
    ):
        table.check(rows)
        assert rows.columns == table.schema.names
        assert rows.collect() == []
