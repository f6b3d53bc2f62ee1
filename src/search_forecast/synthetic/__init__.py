"""Synthetic deliveries of any size, and the exact counts that must come out of them.

The truth is counted while the records are drawn, never by reading the files back or by the code under test, so it can
disagree with that code.
"""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from search_forecast.errors import UsageError, did_you_mean
from search_forecast.synthetic.deliveries import Deliveries, by_file, chunks
from search_forecast.synthetic.demand import demand
from search_forecast.synthetic.export_deliveries import ExportDeliveries
from search_forecast.synthetic.exports import CONTAINERS, EXPORTS
from search_forecast.synthetic.vocabulary import vocabulary

__all__ = ["generate"]

TRUTH_FILE = "truth.json"
MARKER_FILE = ".incomplete"
EARLIEST_DATE = date(1995, 1, 1)
DEFAULT_TERM_COUNT = 400
_FILE_NAME = re.compile(rf"search_terms_\d{{4}}-\d{{2}}(_\d{{2,}})?({'|'.join(map(re.escape, CONTAINERS))})")


def generate(
    out: Path,
    *,
    rows: int,
    seed: int,
    dirty_ratio: float = 0.0,
    first_date: date = date(2024, 1, 1),
    last_date: date = date(2025, 12, 31),
    term_count: int = DEFAULT_TERM_COUNT,
    layout: str | None = None,
    container: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Writes deliveries, one a month or more where a month is large, and the truth about them.

    The same arguments give the same bytes on every platform and with every version of numpy. The good records are good
    only if they are received on `last_date` (UTC) or later.

    Args:
        out: Directory to write into: absent, empty, or holding only what an earlier call wrote, which is replaced.
        rows: CSV records over all files, the dirty ones among them.
        seed: 0 to 2**32 - 1.
        dirty_ratio: Share of records that silver must reject, 0..1; exactly round(rows * dirty_ratio) are written.
        first_date: First day searched on.
        last_date: Last day searched on.
        term_count: How many different terms are searched for; rare ones may not occur.
        layout: Layout of all files, one of `exports.EXPORTS`; without it the origin's in all its forms. `rows` are then
            searches, of which a record may hold several.
        container: Container of all files, by default the one that the layout's vendor uses.
        on_progress: Called after each file with the number of records written so far.

    Returns:
        The truth, as in `truth.json`: `parameters`; `rows`; `record_count`, `event_count`, `rejected_count`;
        `rejected_by_reason` and `rejected_by_reasons` (those with exactly these reasons, joined with `+`);
        `search_count_by_term`, `search_count_by_date`, `daily_term_counts` by date and term, `variants` by term and
        spelling; `trend_by_term`; for each of `files` its name, counts and the sha256 of its uncompressed content.
        Terms are normalised; what did not occur is left out.

    Raises:
        UsageError: An argument is out of range, or `out` holds something else.
    """
    _check(rows=rows, seed=seed, dirty_ratio=dirty_ratio, term_count=term_count)
    _check_layout(layout, container)
    if not EARLIEST_DATE <= first_date <= last_date:
        raise UsageError(
            f"generate: the first date must be {EARLIEST_DATE} or later and not after the last, "
            f"got {first_date} to {last_date}"
        )
    _claim(out)
    searches = demand(vocabulary(term_count), (last_date - first_date).days + 1, seed)
    deliveries = (
        Deliveries(out, searches, seed)
        if layout is None
        else ExportDeliveries(out, searches, seed, layout=layout, container=container)
    )
    dirty_count = round(rows * dirty_ratio)
    written = 0
    for stem, parts in by_file(chunks(rows, dirty_count, first_date=first_date, last_date=last_date, seed=seed)):
        written += deliveries.write_file(stem, parts)
        if on_progress:
            on_progress(written)
    parameters = {
        "rows": rows,
        "seed": seed,
        "dirty_ratio": dirty_ratio,
        "first_date": first_date.isoformat(),
        "last_date": last_date.isoformat(),
        "term_count": term_count,
        **({"layout": layout, "container": container} if layout else {}),
    }
    truth = {"parameters": parameters, "rows": rows, **deliveries.counts()}
    _finish(out, truth)
    return truth


def _check(*, rows: int, seed: int, dirty_ratio: float, term_count: int) -> None:
    if rows < 1:
        raise UsageError(f"generate: rows must be at least 1, got {rows}")
    if not 0 <= seed < 2**32:
        raise UsageError(f"generate: seed must be 0 to {2**32 - 1}, got {seed}")
    if not 0 <= dirty_ratio <= 1:
        raise UsageError(f"generate: the share of dirty records must be 0 to 1, got {dirty_ratio}")
    if term_count < 1:
        raise UsageError(f"generate: the number of terms must be at least 1, got {term_count}")


def _check_layout(layout: str | None, container: str | None) -> None:
    if layout is None:
        if container is not None:
            raise UsageError("generate: --container needs --layout")
    elif layout not in EXPORTS:
        raise UsageError(f"generate: no layout {layout}{did_you_mean(layout, EXPORTS)}")
    elif container is not None and container not in EXPORTS[layout].containers():
        containers = EXPORTS[layout].containers()
        raise UsageError(f"generate: {layout} can't stand in {container}{did_you_mean(container, containers)}")


def _claim(out: Path) -> None:
    """Empties `out` of an earlier output and marks it as unfinished; `_finish` takes the mark away."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"generate: {out} is not a directory; choose another")
    out.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in out.iterdir()}
    foreign = sorted(names - _own_names(out, names))
    if foreign:
        raise UsageError(f"generate: {out} holds what generate did not write ({foreign[0]}); choose another directory")
    # The mark comes first and the truth goes next: killed at any point, the directory is recognised as unfinished.
    (out / MARKER_FILE).touch()
    (out / TRUTH_FILE).unlink(missing_ok=True)
    for name in sorted(names - {MARKER_FILE, TRUTH_FILE}):
        (out / name).unlink()


def _own_names(out: Path, names: set[str]) -> set[str]:
    own = {MARKER_FILE, TRUTH_FILE}
    if MARKER_FILE in names:
        return own | {name for name in names if _FILE_NAME.fullmatch(name)}
    try:
        truth = json.loads((out / TRUTH_FILE).read_text(encoding="utf-8"))
        # Names that generate never gives are not claimed, whatever a truth.json says.
        return own | {file["name"] for file in truth["files"] if _FILE_NAME.fullmatch(file["name"])}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _finish(out: Path, truth: dict[str, Any]) -> None:
    draft = out / MARKER_FILE
    # The mark itself becomes the truth, in one step.
    draft.write_bytes((json.dumps(truth, ensure_ascii=False) + "\n").encode())
    draft.replace(out / TRUTH_FILE)
