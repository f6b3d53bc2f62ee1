"""Tables from delivered files to counted searches."""

from dataclasses import replace

from search_forecast.lakehouse.contracts.base import (
    BOOLEAN,
    DATE,
    LONG,
    RATIO,
    STRING,
    STRINGS,
    TEXT_BY_NAME,
    TIMESTAMP,
    Table,
    TableColumn,
)

_BATCH_ID = TableColumn("batch_id", STRING, "Batch (one ingest run that took files in), `batch-000001` upwards")
_DELIVERY_ID = TableColumn(
    "delivery_id", STRING, "Delivery the record came with: sha256 of its uncompressed content, hex"
)
_SOURCE_FILE = TableColumn("source_file", STRING, "Path of the delivered file")
_EVENT_DATE = TableColumn("event_date", DATE, "Day of the search")
TERM = TableColumn("term", STRING, "Search term, normalised; a placeholder such as `[e-mail]` for personal data")
_SEARCHED_AS = TableColumn("searched_as", STRING, "Search term as the visitor typed it, or a placeholder as `term`")
SEARCH_COUNT = TableColumn("search_count", LONG, "Number of searches")
_RAW_COLUMNS = (
    TableColumn(
        "day",
        STRING,
        "Day of the month, as delivered; null where the date is one column or the line could not be split",
        nullable=True,
    ),
    TableColumn("month", STRING, "Month, as delivered; null likewise", nullable=True),
    TableColumn("year", STRING, "Year, as delivered; null likewise", nullable=True),
    TableColumn("date", STRING, "Date or time, as delivered, where it stands in one column; else null", nullable=True),
    TableColumn(
        "searchterm", STRING, "Search term, as delivered; null where the line could not be split", nullable=True
    ),
    TableColumn("count", STRING, "Number of searches, as delivered; null where the layout has none", nullable=True),
    TableColumn(
        "extra_fields", TEXT_BY_NAME, "Columns the file had beside these, by name; null where none", nullable=True
    ),
    TableColumn("malformed_record", STRING, "The whole line where it could not be split, else null", nullable=True),
)

DELIVERIES = Table(
    "bronze",
    "deliveries",
    "file seen (a file that lies there unchanged is seen once)",
    (
        TableColumn(
            "delivery_id",
            STRING,
            "sha256 of the uncompressed content, hex; null where the file could not be read at all",
            nullable=True,
        ),
        _SOURCE_FILE,
        TableColumn("bytes", LONG, "Size of the file as it lay there, bytes"),
        TableColumn(
            "record_count",
            LONG,
            "Records in the file, counted while it was read; null unless it was ingested",
            nullable=True,
        ),
        TableColumn(
            "status",
            STRING,
            "`ingested`, `duplicate` (its content was ingested before) or `rejected`; what was ingested and counts no "
            "more is `withdrawn`, `replaced` (by another) or `erased`",
        ),
        TableColumn(
            "reason", STRING, "Why it was not ingested, or why it was corrected last; null where neither", nullable=True
        ),
        TableColumn(
            "layout", STRING, "Layout it was read by; null unless ingested since there are some", nullable=True
        ),
        TableColumn(
            "reading",
            STRING,
            "JSON: what that layout said on dates and counts then, as far as it isn't the origin's; null as `layout`",
            nullable=True,
        ),
        TableColumn("warning", STRING, "What is odd about it, as an overlap; null where nothing is", nullable=True),
        TableColumn("replaced_by", STRING, "delivery_id of what took its place; null unless replaced", nullable=True),
        TableColumn("erased_count", LONG, "Records of it that were erased; null where none were", nullable=True),
        TableColumn(
            "correction",
            STRING,
            "The last correction: `withdrawn`, `replaced`, `restored` or `erased`; null where there was none",
            nullable=True,
        ),
        TableColumn("corrected_at", TIMESTAMP, "When that was decided, UTC; null likewise", nullable=True),
        TableColumn("corrected_by", STRING, "Who decided it; null likewise", nullable=True),
        _BATCH_ID,
        TableColumn("received_at", TIMESTAMP, "When the ingest run that saw the file began, UTC"),
        TableColumn(
            "masked_at",
            TIMESTAMP,
            "When `clean` had masked the personal data in its raw records, UTC; null until that is due",
            nullable=True,
        ),
    ),
    checks={
        "known_status": "status in ('ingested', 'duplicate', 'rejected', 'withdrawn', 'replaced', 'erased')",
        "ingested_or_reason": "status = 'ingested' or reason is not null",
        "ingested_is_counted": "(status in ('duplicate', 'rejected')) = (record_count is null)",
        "corrected_by_someone": "(correction is null) = (corrected_at is null or corrected_by is null)",
        "replaced_by_another": "(status = 'replaced') = (replaced_by is not null)",
    },
)

RAW_SEARCH_TERMS = Table(
    "bronze",
    "raw_search_terms",
    "record of a file, as delivered",
    (
        *_RAW_COLUMNS,
        _DELIVERY_ID,
        _SOURCE_FILE,
        _BATCH_ID,
        TableColumn("ingested_at", TIMESTAMP, "When the ingest run began, UTC"),
    ),
    cluster_by=("batch_id",),
    stats_columns=("batch_id", "delivery_id"),
)

SEARCH_EVENTS = Table(
    "silver",
    "search_events",
    "search, or record that stands for several",
    (
        _EVENT_DATE,
        TERM,
        _SEARCHED_AS,
        replace(SEARCH_COUNT, backfill="1"),  # of before there were counts, as where the layout has none
        _DELIVERY_ID,
        _BATCH_ID,
    ),
    checks={
        "counted": "search_count > 0",
        "term_length": "char_length(term) between 1 and 256",
        "not_too_early": "event_date >= date'1995-01-01'",
    },
    cluster_by=("event_date",),
    has_change_feed=True,
    stats_columns=("event_date", "batch_id", "delivery_id"),
)

REJECTED_RECORDS = Table(
    "silver",
    "rejected_records",
    "raw record that is no search",
    (
        *_RAW_COLUMNS,
        TableColumn("reject_reasons", STRINGS, "All rules the record broke, sorted"),
        _DELIVERY_ID,
        _SOURCE_FILE,
        _BATCH_ID,
    ),
    checks={"has_reason": "size(reject_reasons) > 0"},
    cluster_by=("batch_id",),
    stats_columns=("batch_id", "delivery_id"),
)

DAILY_TERM_COUNTS = Table(
    "gold",
    "daily_term_counts",
    "(event_date, term) with at least one search",
    (_EVENT_DATE, TERM, SEARCH_COUNT),
    checks={"counted": "search_count > 0"},
    cluster_by=("event_date",),
)

DAILY_TOTALS = Table(
    "gold",
    "daily_totals",
    "event_date, every day from the first to the last search, days without searches included",
    (
        _EVENT_DATE,
        SEARCH_COUNT,
        TableColumn("distinct_term_count", LONG, "Number of different terms searched that day"),
        TableColumn(
            "is_complete_day",
            BOOLEAN,
            "False for the first and the last day where they have fewer searches than the quietest day with any among "
            "the (up to) 28 days inside the range that are nearest to them; true for every other day",
        ),
    ),
    checks={"not_negative": "search_count >= 0 and distinct_term_count between 0 and search_count"},
    cluster_by=("event_date",),
)

TERM_SUMMARY = Table(
    "gold",
    "term_summary",
    "term",
    (
        TERM,
        SEARCH_COUNT,
        TableColumn("share_ratio", RATIO, "Share of all searches, 0..1"),
        TableColumn("rank", LONG, "1 for the most searched; equal counts share a rank and the next ranks are left out"),
        TableColumn("first_seen_date", DATE, "Day of the first search"),
        TableColumn("last_seen_date", DATE, "Day of the last search"),
        TableColumn("active_day_count", LONG, "Number of days with at least one search"),
    ),
    checks={
        "counted": "search_count > 0 and active_day_count > 0",
        "ratio": "share_ratio > 0 and share_ratio <= 1",
        "seen_in_order": "first_seen_date <= last_seen_date",
    },
)

ACCEPTED_SPELLINGS = Table(
    "gold",
    "accepted_spellings",
    "spelling that counts for another term",
    (
        TableColumn("variant", STRING, "The spelling, normalised: a term of silver, and none of gold"),
        TableColumn("term", STRING, "Search term that it counts for, normalised; no variant itself"),
    ),
    checks={
        "variant_length": "char_length(variant) between 1 and 256",
        "term_length": "char_length(term) between 1 and 256",
        "another_term": "variant <> term",
    },
)

TERM_VARIANTS = Table(
    "gold",
    "term_variants",
    "(term, searched_as)",
    (
        TERM,
        TableColumn(
            "variant",
            STRING,
            "What was typed, normalised, where it counts for the term by accepted_spellings; null where it is the term",
            nullable=True,
        ),
        _SEARCHED_AS,
        SEARCH_COUNT,
        TableColumn(
            "rule",
            STRING,
            "What normalising changed, to the variant where there is one: `exact` nothing, `case` letters' case, "
            "`spacing` spaces, `case_and_spacing` both, `unicode` characters too (compatibility forms, accents typed "
            "apart, invisible characters)",
        ),
    ),
    checks={
        "counted": "search_count > 0",
        "known_rule": "rule in ('exact', 'case', 'spacing', 'case_and_spacing', 'unicode')",
    },
)

CORRECTIONS = Table(
    "gold",
    "corrections",
    "decision that changed what counts of a delivery",
    (
        _DELIVERY_ID,
        TableColumn(
            "what",
            STRING,
            "`withdrawn`: counts no more; `replaced`: another counts in its place; `restored`: counts again; `erased`: "
            "records of it, or all, are gone for good",
        ),
        TableColumn("why", STRING, "The reason that was given"),
        TableColumn("record_count", LONG, "Records that it took out, brought back or erased"),
        TableColumn("corrected_at", TIMESTAMP, "When it was decided, UTC"),
        TableColumn("by", STRING, "Who decided it"),
    ),
    checks={
        "known_what": "what in ('withdrawn', 'replaced', 'restored', 'erased')",
        "not_negative": "record_count >= 0",
    },
)

BATCHES = Table(
    "gold",
    "batches",
    "batch",
    (
        _BATCH_ID,
        TableColumn("delivered_count", LONG, "Records in its files that count, counted while they were read"),
        TableColumn("raw_count", LONG, "Records of those files in search_bronze.raw_search_terms"),
        TableColumn("event_count", LONG, "Records of it in search_silver.search_events"),
        TableColumn("rejected_count", LONG, "Records of it in search_silver.rejected_records"),
        replace(SEARCH_COUNT, backfill="event_count"),
        TableColumn(
            "aggregated_count", LONG, "Events of it on days for which gold counts exactly as many searches as silver"
        ),
        TableColumn("reconciled", BOOLEAN, "delivered = raw = events + rejected, and events = aggregated"),
        TableColumn("started_at", TIMESTAMP, "When its ingest run began, UTC"),
        TableColumn("finished_at", TIMESTAMP, "When it was checked first as it is now, UTC"),
    ),
)
