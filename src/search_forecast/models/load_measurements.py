"""`load-measurements`: a file of infants' sizes to search_gold.infant_growth."""

import logging
import math
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError
from search_forecast.lakehouse import small_csv
from search_forecast.lakehouse.contracts import INFANT_GROWTH
from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.lakehouse.tables import Lakehouse

logger = logging.getLogger(__name__)

COLUMNS = ("height_cm", "weight_kg")
POSSIBLE = {"height_cm": (20.0, 120.0), "weight_kg": (0.2, 40.0)}


def load_measurements(lakehouse: Lakehouse, source: Path) -> dict[str, Any]:
    """Load a CSV file of measurements, all of it or, where one is impossible, nothing.

    A file is known by its content: loading it again, under any name, changes nothing.

    Returns:
        source, row_count of the file, is_new.

    Raises:
        DataError: the file is no such CSV, or a size is none that an infant can have.
    """
    rows = read_measurements(source)
    delivery_id = file_sha256(source)
    own_rows = f"delivery_id = '{delivery_id}'"
    is_new = lakehouse.read(INFANT_GROWTH).where(own_rows).count() != len(rows)
    if is_new:
        values = [(height, weight, delivery_id) for height, weight in rows]
        lakehouse.write(lakehouse.create(list(values), INFANT_GROWTH), INFANT_GROWTH, where=own_rows)
    logger.info("load-measurements: %d rows, %s", len(rows), "loaded" if is_new else "loaded before")
    return {"source": str(source), "row_count": len(rows), "is_new": is_new}


def read_measurements(source: Path) -> list[tuple[float, float]]:
    """The measurements of a CSV file with the columns height_cm and weight_kg, in any order.

    Raises:
        UsageError: there is no such file.
        DataError: the first line that is wrong, and why.
    """
    sizes = []
    for where, values in small_csv.records("load-measurements", "--source", source, COLUMNS):
        height, weight = (_size(values[name], name, where) for name in COLUMNS)
        sizes.append((height, weight))
    if not sizes:
        raise DataError(f"load-measurements: {source} holds no measurement")
    return sizes


def _size(text: str, name: str, where: str) -> float:
    low, high = POSSIBLE[name]
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{where}: {name} {text[:50]!r} is no number") from None
    if not (math.isfinite(value) and low <= value <= high):
        raise DataError(
            f"{where}: {name} {text} is impossible for an infant, expected {low:g} to "
            f"{high:g}; nothing of the file was loaded"
        )
    return value
