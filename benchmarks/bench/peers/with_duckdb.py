"""DuckDB, which writes Parquet, and reads Delta as delta-rs' data set: `load FOLDER TABLE`, `query TABLE TIMES`."""

import sys
from pathlib import Path

import duckdb
import plain
from asking import TOP_TERMS, tell


def load(folder: str, table: str) -> None:
    """Searches for each day and term, as one Parquet file."""
    connection = duckdb.connect()
    connection.create_function("normalised", plain.normalised, ["varchar"], "varchar")
    parts = [
        f"""select make_date(trim(year)::int, trim(month)::int, trim(day)::int) as event_date, searchterm as typed
        from read_csv({files}, delim = '{delimiter}', names = {list(columns)}, header = true, all_varchar = true,
                      quote = '"', escape = '"', null_padding = true, parallel = true)
        where month is not null"""
        for (delimiter, columns), files in plain.layouts(folder).items()
    ]
    connection.execute(
        f"create table typed as select event_date, typed, count(*) as n from ({' union all '.join(parts)}) group by all"
    )
    connection.execute(
        "create table terms as select typed, normalised(typed) as term from (select distinct typed from typed)"
    )
    Path(table).mkdir(parents=True)
    connection.execute(
        "copy (select event_date, term, sum(n)::bigint as search_count"
        f" from typed join terms using (typed) group by all) to '{table}/counts.parquet' (format parquet)"
    )


def query(table: str, times: str) -> None:
    """The ten most searched terms."""
    from deltalake import DeltaTable

    connection = duckdb.connect()

    def top_terms() -> list[tuple[str, int]]:
        daily_term_counts = DeltaTable(table).to_pyarrow_dataset()  # noqa: F841  DuckDB finds it by its name
        return connection.execute(TOP_TERMS).fetchall()

    tell(top_terms, int(times))


if __name__ == "__main__":
    {"load": load, "query": query}[sys.argv[1]](*sys.argv[2:])
