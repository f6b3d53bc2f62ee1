"""`trends`: reconciled gold to search_gold.term_trends and search_gold.term_profile."""

import logging
from typing import Any

from search_forecast.lakehouse.contracts import DAILY_TERM_COUNTS, DAILY_TOTALS, TERM_PROFILE, TERM_TRENDS
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion import trends

logger = logging.getLogger(__name__)

PUBLISHED = (TERM_PROFILE, TERM_TRENDS)


def publish_trends(lakehouse: Lakehouse, *, is_full: bool = False) -> dict[str, Any]:
    """Judge anew what every term does, if the counts moved since it was judged last.

    A task of its own, after `reconcile`: only counts that add up are judged, and `aggregate` stays cheap. Both tables
    are functions of gold's daily tables and are replaced as a whole; which version of daily_term_counts they show is
    kept with the commit of term_trends, the last one, so that a run which was killed before is simply done again.

    Args:
        lakehouse: where; `aggregate` ran there.
        is_full: judge anew even if nothing moved.

    Returns:
        is_up_to_date: whether nothing was to do; counts_version.
    """
    version = lakehouse.version(DAILY_TERM_COUNTS)
    position = f"{DAILY_TERM_COUNTS.name}@{version}"
    is_whole = all(lakehouse.exists(table) and not lakehouse.lost_files(table) for table in PUBLISHED)
    if not is_full and is_whole and lakehouse.position(TERM_TRENDS) == position:
        logger.info("trends: up to date")
        return {"is_up_to_date": True, "counts_version": version}
    counts = lakehouse.read(DAILY_TERM_COUNTS, version=version)
    lakehouse.write(trends.term_profile(counts), TERM_PROFILE)
    ends = "select min(event_date) as first, max(event_date) as last from {daily_totals}"
    [days], totals = lakehouse.ask(ends, DAILY_TOTALS), lakehouse.read(DAILY_TOTALS)
    judged = trends.term_trends(counts, totals, **days) if days["first"] else lakehouse.create([], TERM_TRENDS)
    lakehouse.write(judged, TERM_TRENDS, position=position)
    logger.info("trends: judged as of version %d of %s", version, DAILY_TERM_COUNTS.full_name)
    return {"is_up_to_date": False, "counts_version": version}


def refresh(lakehouse: Lakehouse) -> None:
    """Likewise, for what changes counts itself: where trends were never judged there is nothing to bring up to date."""
    if any(map(lakehouse.exists, PUBLISHED)):
        publish_trends(lakehouse)
