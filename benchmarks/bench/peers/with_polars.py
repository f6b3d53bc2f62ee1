"""Polars, which reads and writes Delta through delta-rs: `load FOLDER TABLE`, `query TABLE TIMES`."""

import sys

import plain
import polars as pl
from asking import tell


def load(folder: str, table: str) -> None:
    """Searches for each day and term, as one Delta table."""
    day = pl.date(*(pl.col(name).str.strip_chars().cast(pl.Int32) for name in ("year", "month", "day")))
    frames = [
        pl.scan_csv(files, separator=delimiter, infer_schema=False, with_column_names=lambda _, names=columns: [*names])
        .filter(pl.col("month").is_not_null())  # a blank line
        .select(event_date=day, typed=pl.col("searchterm").fill_null(""))
        for (delimiter, columns), files in plain.layouts(folder).items()
    ]
    counts = pl.concat(frames).group_by("event_date", "typed").len("search_count").collect(engine="streaming")
    terms = {typed: plain.normalised(typed) for typed in counts["typed"].unique()}
    (
        counts.group_by("event_date", term=pl.col("typed").replace_strict(terms))
        .agg(pl.col("search_count").cast(pl.Int64).sum())
        .write_delta(table)
    )


def query(table: str, times: str) -> None:
    """The ten most searched terms."""
    tell(
        lambda: (
            pl.scan_delta(table)
            .group_by("term")
            .agg(pl.col("search_count").sum())
            .sort("search_count", "term", descending=[True, False])
            .head(10)
            .collect()
            .rows()
        ),
        int(times),
    )


if __name__ == "__main__":
    {"load": load, "query": query}[sys.argv[1]](*sys.argv[2:])
