"""Every table, declared once: DDL, write checks, test schemas and docs/tables.md all come from here."""

from search_forecast.lakehouse.contracts.base import Layer, Table, TableColumn
from search_forecast.lakehouse.contracts.forecasts import (
    ALL,
    BACKTEST_METRICS,
    CALENDAR_EVENTS,
    DEMAND_DRIFT,
    FORECAST_ACCURACY,
    OTHER,
    TERM_FORECASTS,
    TOTAL,
)
from search_forecast.lakehouse.contracts.models import INFANT_GROWTH, MODEL_SCORES
from search_forecast.lakehouse.contracts.searches import (
    ACCEPTED_SPELLINGS,
    BATCHES,
    CORRECTIONS,
    DAILY_TERM_COUNTS,
    DAILY_TOTALS,
    DELIVERIES,
    RAW_SEARCH_TERMS,
    REJECTED_RECORDS,
    SEARCH_EVENTS,
    TERM_SUMMARY,
    TERM_VARIANTS,
)
from search_forecast.lakehouse.contracts.trends import TERM_PROFILE, TERM_TRENDS

__all__ = [
    "ACCEPTED_SPELLINGS",
    "ALL",
    "BACKTEST_METRICS",
    "BATCHES",
    "CALENDAR_EVENTS",
    "CORRECTIONS",
    "DAILY_TERM_COUNTS",
    "DAILY_TOTALS",
    "DELIVERIES",
    "DEMAND_DRIFT",
    "FORECAST_ACCURACY",
    "INFANT_GROWTH",
    "MODEL_SCORES",
    "OTHER",
    "RAW_SEARCH_TERMS",
    "REJECTED_RECORDS",
    "SEARCH_EVENTS",
    "TABLES",
    "TERM_FORECASTS",
    "TERM_PROFILE",
    "TERM_SUMMARY",
    "TERM_TRENDS",
    "TERM_VARIANTS",
    "TOTAL",
    "Layer",
    "Table",
    "TableColumn",
    "documentation",
]

TABLES: tuple[Table, ...] = (
    DELIVERIES,
    RAW_SEARCH_TERMS,
    SEARCH_EVENTS,
    REJECTED_RECORDS,
    DAILY_TERM_COUNTS,
    DAILY_TOTALS,
    TERM_SUMMARY,
    ACCEPTED_SPELLINGS,
    TERM_VARIANTS,
    TERM_TRENDS,
    TERM_PROFILE,
    CORRECTIONS,
    BATCHES,
    CALENDAR_EVENTS,
    TERM_FORECASTS,
    BACKTEST_METRICS,
    FORECAST_ACCURACY,
    DEMAND_DRIFT,
    INFANT_GROWTH,
    MODEL_SCORES,
)


def documentation(tables: tuple[Table, ...] = TABLES) -> str:
    """The text of docs/tables.md: every table with its grain, columns and constraints, as Markdown."""
    lines = [
        "# Tables",
        "",
        "Made from `src/search_forecast/lakehouse/contracts/` by `make docs`; a test keeps the two the same.",
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
