"""Tables on how terms come, go and return."""

from search_forecast.lakehouse.contracts.base import BOOLEAN, DATE, LONG, RATIO, STRING, Table, TableColumn
from search_forecast.lakehouse.contracts.searches import SEARCH_COUNT, TERM

TERM_TRENDS = Table(
    "gold",
    "term_trends",
    "(grain, period_start_date, term) searched in the period, or in the one before on the days compared",
    (
        TableColumn("grain", STRING, "`week` (from Monday) or `month`"),
        TableColumn("period_start_date", DATE, "First day of the period"),
        TERM,
        SEARCH_COUNT,
        TableColumn(
            "previous_count",
            LONG,
            "Number of searches in the period before; where this one is not over, on as many of its first days",
        ),
        TableColumn("share_ratio", RATIO, "Share of all searches in the period, 0..1"),
        TableColumn(
            "rank",
            LONG,
            "1 for the most searched of the period, as in term_summary; null without a search",
            nullable=True,
        ),
        TableColumn("previous_rank", LONG, "Likewise by previous_count; null where that is 0", nullable=True),
        TableColumn(
            "growth_ratio",
            RATIO,
            "Growth of its share of all searches against the period before, over the same days; 0.5 is half as much "
            "again, -1 none any more; null where it wasn't searched then",
            nullable=True,
        ),
        TableColumn("index_0_100", LONG, "Its share as a percentage of its share in the period when that was largest"),
        TableColumn(
            "p_value",
            RATIO,
            "How often chance alone changes a share so much, given how uneven the term's counts are, corrected for the "
            "number of terms (Benjamini-Hochberg); null with fewer than 10 searches in both, or no period before",
            nullable=True,
        ),
        TableColumn(
            "status",
            STRING,
            "`new`: never searched before this period; `rising`, `falling`, `lost` (not searched any more): its share "
            "changed by more than chance explains (p_value at most 0.05) and, where a year ago tells, than the season "
            "does; else `stable`",
        ),
        TableColumn("is_partial_period", BOOLEAN, "Whether not all of its days are in the data and complete"),
    ),
    checks={
        "known_grain": "grain in ('week', 'month') and period_start_date = trunc(period_start_date, grain)",
        "counted": "search_count >= 0 and previous_count >= 0 and search_count + previous_count > 0",
        "ranked": "(rank is null) = (search_count = 0) and (previous_rank is null) = (previous_count = 0)",
        "ratio": "share_ratio between 0 and 1",
        "growth": "growth_ratio is null or growth_ratio >= -1",
        "chance": "p_value is null or p_value between 0 and 1",
        "index": "index_0_100 between 0 and 100",
        "known_status": "status in ('new', 'rising', 'falling', 'stable', 'lost')",
    },
    cluster_by=("grain", "period_start_date"),
)

TERM_PROFILE = Table(
    "gold",
    "term_profile",
    "(term, profile, value) with at least one search",
    (
        TERM,
        TableColumn("profile", STRING, "`weekday` or `month`"),
        TableColumn("value", LONG, "Of a weekday 1 (Monday) to 7, of a month 1 to 12"),
        SEARCH_COUNT,
        TableColumn(
            "share_ratio", RATIO, "Share of the term's searches, 0..1; days that the data has more of count more"
        ),
    ),
    checks={
        "known_profile": "profile in ('weekday', 'month')",
        "known_value": "value between 1 and if(profile = 'weekday', 7, 12)",
        "counted": "search_count > 0",
        "ratio": "share_ratio > 0 and share_ratio <= 1",
    },
    cluster_by=("term",),
)
