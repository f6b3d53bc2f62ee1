"""How every peer asks for the most searched terms, and what it prints."""

import json
import statistics
import time
from collections.abc import Callable, Sequence

TOP_TERMS = """
select term, sum(search_count) as search_count from daily_term_counts
group by term order by search_count desc, term limit 10
"""


def tell(ask: Callable[[], Sequence[Sequence[object]]], times: int) -> None:
    """Asks once, and then as often as was said; prints the answer, and the median seconds of the later times."""
    rows, seconds = ask(), []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - begun)
    answer = [[term, int(count)] for term, count in rows]
    print(json.dumps({"rows": answer, "warm": statistics.median(seconds) if seconds else None}))
