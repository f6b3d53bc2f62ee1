"""Every table, declared once: DDL, write checks, test schemas and docs/tables.md all come from here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from search_forecast.errors import ContractError

Layer = Literal["bronze", "silver", "gold"]

STRING, LONG, DATE, TIMESTAMP = T.StringType(), T.LongType(), T.DateType(), T.TimestampType()
RATIO, BOOLEAN, STRINGS = T.DoubleType(), T.BooleanType(), T.ArrayType(T.StringType())
TEXT_BY_NAME = T.MapType(T.StringType(), T.StringType())


@dataclass(frozen=True)
class Column:
    """One column: its name, Spark type, meaning with unit, and whether it may be null."""

    name: str
    type: T.DataType
    comment: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One Delta table: where it lies, what one row is, what its rows must hold."""

    layer: Layer
    name: str
    grain: str
    columns: tuple[Column, ...]
    checks: Mapping[str, str] = field(default_factory=dict)
    cluster_by: tuple[str, ...] = ()
    has_change_feed: bool = False

    @property
    def full_name(self) -> str:
        """Schema and name as the design spells them, such as `search_gold.term_summary`."""
        return f"search_{self.layer}.{self.name}"

    @property
    def schema(self) -> T.StructType:
        """The Spark schema, with nullability and comments."""
        return T.StructType([T.StructField(c.name, c.type, c.nullable, {"comment": c.comment}) for c in self.columns])

    @property
    def properties(self) -> dict[str, str]:
        """Delta table properties; a CHECK constraint is a property, so it is there from the table's first version."""
        feed = {"delta.enableChangeDataFeed": "true"} if self.has_change_feed else {}
        return feed | {f"delta.constraints.{name}": check for name, check in self.checks.items()}

    def check(self, df: DataFrame) -> None:
        """Raise ContractError unless names and types are exactly the contract's (order and nullability are free)."""
        expected = {c.name: c.type.simpleString() for c in self.columns}
        got = {f.name: f.dataType.simpleString() for f in df.schema.fields}
        problems = [
            *(f"missing column {name} {expected[name]}" for name in expected if name not in got),
            *(f"unknown column {name} {got[name]}" for name in got if name not in expected),
            *(
                f"column {name} is {got[name]}, expected {expected[name]}"
                for name in expected
                if name in got and got[name] != expected[name]
            ),
        ]
        if len(df.columns) != len(got):
            problems.append("a column name appears twice")
        if problems:
            raise ContractError(f"{self.full_name}: {'; '.join(problems)}")


_BATCH_ID = Column("batch_id", STRING, "Batch (one ingest run that took files in), `batch-000001` upwards")
_DELIVERY_ID = Column("delivery_id", STRING, "Delivery the record came with: sha256 of its uncompressed content, hex")
_SOURCE_FILE = Column("source_file", STRING, "Path of the delivered file")
_EVENT_DATE = Column("event_date", DATE, "Day of the search")
_TERM = Column("term", STRING, "Search term, normalised")
_SEARCHED_AS = Column("searched_as", STRING, "Search term as the visitor typed it")
_SEARCH_COUNT = Column("search_count", LONG, "Number of searches")
_RAW_COLUMNS = (
    Column("day", STRING, "Day of the month, as delivered; null where the line could not be split", nullable=True),
    Column("month", STRING, "Month, as delivered; null where the line could not be split", nullable=True),
    Column("year", STRING, "Year, as delivered; null where the line could not be split", nullable=True),
    Column("searchterm", STRING, "Search term, as delivered; null where the line could not be split", nullable=True),
    Column("extra_fields", TEXT_BY_NAME, "Columns the file had beside these, by name; null where none", nullable=True),
    Column("malformed_record", STRING, "The whole line where it could not be split, else null", nullable=True),
)

DELIVERIES = Table(
    "bronze",
    "deliveries",
    "file seen (a file that lies there unchanged is seen once)",
    (
        Column(
            "delivery_id",
            STRING,
            "sha256 of the uncompressed content, hex; null where the file could not be read at all",
            nullable=True,
        ),
        _SOURCE_FILE,
        Column("bytes", LONG, "Size of the file as it lay there, bytes"),
        Column(
            "record_count",
            LONG,
            "Records in the file, counted while it was read; null unless ingested",
            nullable=True,
        ),
        Column("status", STRING, "`ingested`, `duplicate` (its content was ingested before) or `rejected`"),
        Column("reason", STRING, "Why it was not ingested; null where it was", nullable=True),
        _BATCH_ID,
        Column("received_at", TIMESTAMP, "When the ingest run that saw the file began, UTC"),
    ),
    checks={
        "known_status": "status in ('ingested', 'duplicate', 'rejected')",
        "ingested_or_reason": "(status = 'ingested') = (reason is null)",
        "ingested_is_counted": "(status = 'ingested') = (record_count is not null)",
    },
)

RAW_SEARCH_TERMS = Table(
    "bronze",
    "raw_search_terms",
    "CSV record, as delivered",
    (
        *_RAW_COLUMNS,
        _DELIVERY_ID,
        _SOURCE_FILE,
        _BATCH_ID,
        Column("ingested_at", TIMESTAMP, "When the ingest run began, UTC; its date bounds `date_in_future`"),
    ),
    cluster_by=("batch_id",),
)

SEARCH_EVENTS = Table(
    "silver",
    "search_events",
    "search",
    (_EVENT_DATE, _TERM, _SEARCHED_AS, _DELIVERY_ID, _BATCH_ID),
    checks={
        "term_length": "char_length(term) between 1 and 256",
        "not_too_early": "event_date >= date'1995-01-01'",
    },
    cluster_by=("event_date",),
    has_change_feed=True,
)

REJECTED_RECORDS = Table(
    "silver",
    "rejected_records",
    "raw record that is no search",
    (
        *_RAW_COLUMNS,
        Column("reject_reasons", STRINGS, "All rules the record broke, sorted"),
        _DELIVERY_ID,
        _SOURCE_FILE,
        _BATCH_ID,
    ),
    checks={"has_reason": "size(reject_reasons) > 0"},
    cluster_by=("batch_id",),
)

DAILY_TERM_COUNTS = Table(
    "gold",
    "daily_term_counts",
    "(event_date, term) with at least one search",
    (_EVENT_DATE, _TERM, _SEARCH_COUNT),
    checks={"counted": "search_count > 0"},
    cluster_by=("event_date",),
)

DAILY_TOTALS = Table(
    "gold",
    "daily_totals",
    "event_date, every day from the first to the last search, days without searches included",
    (
        _EVENT_DATE,
        _SEARCH_COUNT,
        Column("distinct_term_count", LONG, "Number of different terms searched that day"),
        Column(
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
        _TERM,
        _SEARCH_COUNT,
        Column("share_ratio", RATIO, "Share of all searches, 0..1"),
        Column("rank", LONG, "1 for the most searched; equal counts share a rank and the next ranks are left out"),
        Column("first_seen_date", DATE, "Day of the first search"),
        Column("last_seen_date", DATE, "Day of the last search"),
        Column("active_day_count", LONG, "Number of days with at least one search"),
    ),
    checks={
        "counted": "search_count > 0 and active_day_count > 0",
        "ratio": "share_ratio > 0 and share_ratio <= 1",
        "seen_in_order": "first_seen_date <= last_seen_date",
    },
)

TERM_VARIANTS = Table(
    "gold",
    "term_variants",
    "(term, searched_as)",
    (
        _TERM,
        _SEARCHED_AS,
        _SEARCH_COUNT,
        Column(
            "rule",
            STRING,
            "What normalising changed: `exact` nothing, `case` letters' case, `spacing` spaces, `case_and_spacing` "
            "both, `unicode` characters too (compatibility forms, accents typed apart, invisible characters)",
        ),
    ),
    checks={
        "counted": "search_count > 0",
        "known_rule": "rule in ('exact', 'case', 'spacing', 'case_and_spacing', 'unicode')",
    },
)

BATCHES = Table(
    "gold",
    "batches",
    "batch",
    (
        _BATCH_ID,
        Column("delivered_count", LONG, "Records in its ingested files, counted while they were read"),
        Column("raw_count", LONG, "Records of it in search_bronze.raw_search_terms"),
        Column("event_count", LONG, "Records of it in search_silver.search_events"),
        Column("rejected_count", LONG, "Records of it in search_silver.rejected_records"),
        Column(
            "aggregated_count", LONG, "Events of it on days for which gold counts exactly as many searches as silver"
        ),
        Column("reconciled", BOOLEAN, "delivered = raw = events + rejected, and events = aggregated"),
        Column("started_at", TIMESTAMP, "When its ingest run began, UTC"),
        Column("finished_at", TIMESTAMP, "When it was checked first with these counts, UTC"),
    ),
)

TABLES: tuple[Table, ...] = (
    DELIVERIES,
    RAW_SEARCH_TERMS,
    SEARCH_EVENTS,
    REJECTED_RECORDS,
    DAILY_TERM_COUNTS,
    DAILY_TOTALS,
    TERM_SUMMARY,
    TERM_VARIANTS,
    BATCHES,
)


def documentation(tables: tuple[Table, ...] = TABLES) -> str:
    """The text of docs/tables.md: every table with its grain, columns and constraints, as Markdown."""
    lines = [
        "# Tables",
        "",
        "Made from `src/search_forecast/contracts.py` by `make docs`; a test keeps the two the same.",
        "`search_count` is always a number of searches, ratios are 0..1, `*_date` is DATE, `*_at` is a UTC TIMESTAMP.",
    ]
    for table in tables:
        lines += ["", f"## {table.full_name}", "", f"One row per {table.grain}.", ""]
        lines += ["| column | type | null | meaning |", "|---|---|---|---|"]
        for column in table.columns:
            null = "yes" if column.nullable else "no"
            lines.append(f"| {column.name} | {column.type.simpleString().upper()} | {null} | {column.comment} |")
        if table.checks:
            lines += ["", "Checked on every write: " + "; ".join(f"`{check}`" for check in table.checks.values()) + "."]
        if table.cluster_by:
            lines += ["", f"Clustered by {', '.join(table.cluster_by)}."]
    return "\n".join(lines) + "\n"
