"""The report: one HTML file that needs no network, no server and no program but a browser."""

from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from search_forecast.lakehouse.whole_file import write_whole, writing
from search_forecast.pages.facts import gather
from search_forecast.pages.shell import DATA, REPORT, in_html, shell
from search_forecast.queries.answers import Engine


def write_report(engine: Engine, path: Path, made_at: datetime) -> dict[str, Any]:
    """Write the page; a file that stood there is replaced, at once and whole.

    Args:
        engine: what reads the lakehouse.
        path: the file.
        made_at: now, UTC.

    Returns:
        The file, its bytes, and how many terms it can show.

    Raises:
        DataError: gold has no searches.
        EnvironmentProblem: the file can't be written.
    """
    facts = gather(engine) | {
        "made_at": made_at.isoformat(timespec="seconds"),
        "version": metadata.version("search_forecast"),
    }
    before, _, after = shell(REPORT).partition(DATA)
    page = f"{before}{in_html(facts)}{after}".encode()
    with writing("report", path, "--out"):
        write_whole(path, page)
    return {"report": str(path), "bytes": len(page), "term_count": len(facts["history"]["terms"]) - 1}
