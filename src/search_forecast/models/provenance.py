"""What a model was made from and with: content of tables, code, locked packages, versions."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from search_forecast.lakehouse.hashing import file_sha256
from search_forecast.models import origin

code = origin.code
_PACKAGES = ("pyspark", "delta-spark", "mlflow-skinny", "numpy", "pandas", "pyarrow", "search_forecast")
_CHUNK = 15  # hex digits, 60 bits: the sum over 10^19 rows still fits a decimal(38, 0)


def content_hash(rows: DataFrame) -> str:
    """A hash of the rows that depends on neither their order nor the versions of Spark and Java.

    Each row becomes a text (columns by name, numbers in exact hexadecimal), its sha256 four numbers of 60 bits; these
    are summed, so that a duplicate counts, and the sums hashed together with the number of rows and the columns' types.

    Returns:
        `sha256:` and 64 hex digits.
    """
    fields = sorted(rows.schema.fields, key=lambda field: field.name)
    digest = F.sha2(F.concat(*(_canonical(field) for field in fields)), 256)
    chunks = [F.conv(F.substring(digest, 1 + _CHUNK * i, _CHUNK), 16, 10).cast("decimal(38,0)") for i in range(4)]
    sums = [F.coalesce(F.sum(chunk), F.lit(0)).cast("string").alias(f"sum_{i}") for i, chunk in enumerate(chunks)]
    total = rows.agg(F.count("*").cast("string").alias("row_count"), *sums).collect()[0]
    schema = ",".join(f"{field.name}:{field.dataType.simpleString()}" for field in fields)
    return "sha256:" + hashlib.sha256("|".join([schema, *total]).encode()).hexdigest()


def _canonical(field: T.StructField) -> Column:
    """A column as text: its length in characters first, so that no two rows run together to the same text."""
    value = F.col(f"`{field.name}`")
    if isinstance(field.dataType, T.DoubleType | T.FloatType):
        # Java changed how it prints a double (JDK-4511638), never its hexadecimal form. Adding 0.0 makes -0.0 a 0.0.
        text = F.format_string("%a", value.cast("double") + F.lit(0.0))
    elif isinstance(field.dataType, T.TimestampType):
        text = F.unix_micros(value).cast("string")
    elif isinstance(field.dataType, T.ArrayType | T.MapType | T.StructType):
        text = F.to_json(value)
    else:
        text = value.cast("string")
    marked = F.concat(F.length(text).cast("string"), F.lit(":"), text)
    return F.when(value.isNull(), F.lit("null;")).otherwise(marked)


def files_manifest(directory: Path) -> dict[str, str]:
    """The sha256 of every file below a directory, by its path there."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): file_sha256(path) for path in files}


def combined_hash(manifest: dict[str, str]) -> str:
    """One sha256 for a manifest of files."""
    return hashlib.sha256(
        "".join(f"{path}\0{digest}\n" for path, digest in sorted(manifest.items())).encode()
    ).hexdigest()


def versions(spark_version: str) -> dict[str, str]:
    """The versions of Python, Spark and the packages that a model's numbers may depend on."""
    # Databricks' runtime has no distribution called pyspark or delta-spark.
    installed = {name: list(metadata.distributions(name=name)) for name in _PACKAGES}
    packages = {name: distributions[0].version for name, distributions in installed.items() if distributions}
    return {"python": platform.python_version(), "spark": spark_version, **packages}


def changed(recorded: Mapping[str, object], now: Mapping[str, object], names: Sequence[str]) -> list[str]:
    """A phrase for each of these facts that is not what it was."""
    differ = [name for name in names if recorded.get(name) != now.get(name)]
    return [f"{name} was {recorded.get(name)}, is {now.get(name)}" for name in differ]
