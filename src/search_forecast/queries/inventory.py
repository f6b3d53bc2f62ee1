"""`tables`: what is in the lakehouse."""

from search_forecast.lakehouse.contracts import TABLES
from search_forecast.queries.answers import Answer, Engine


def list_tables(engine: Engine) -> Answer:
    """One row per table of the contracts: its rows, version and grain; None where it isn't there yet."""
    rows: list[tuple[object, ...]] = []
    notes: list[str | None] = []
    for table in TABLES:
        row_count = version = None
        if engine.has(table.full_name):
            counted = engine.run(f"select count(*) as row_count from {table.name}", {}, [table.name])  # noqa: S608
            [(row_count,)], version = counted.rows, engine.version(table.full_name)
            notes.append(counted.note)
        rows.append((table.full_name, row_count, version, table.grain))
    return Answer(["table", "row_count", "version", "one row per"], rows, "; ".join(filter(None, notes)) or None)
