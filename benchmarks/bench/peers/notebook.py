"""A plain notebook's way with Spark and Delta, as documented: `load FOLDER TABLE`, `query TABLE TIMES`, `session`."""

import sys
from functools import reduce
from pathlib import Path

import pandas as pd
import plain
from asking import TOP_TERMS, tell
from delta import configure_spark_with_delta_pip
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T


def session() -> SparkSession:
    """Delta's documented way, and the terms' rule for the Python workers."""
    builder = SparkSession.builder.master("local[*]")
    builder = builder.config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    builder = builder.config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    spark = configure_spark_with_delta_pip(builder).getOrCreate()
    spark.sparkContext.addPyFile(str(Path(__file__).with_name("plain.py")))
    return spark


@F.pandas_udf(T.StringType())
def normalised(typed: pd.Series) -> pd.Series:
    """Terms as silver has them."""
    return typed.map(plain.normalised)


def load(folder: str, table: str) -> None:
    """Searches for each day and term, as one Delta table."""
    spark = session()
    frames = [
        spark.read.csv(
            files, sep=delimiter, header=True, escape='"', schema=", ".join(f"{name} string" for name in columns)
        ).select("year", "month", "day", "searchterm")
        for (delimiter, columns), files in plain.layouts(folder).items()
    ]
    searches = reduce(DataFrame.unionByName, frames)
    event_date = F.make_date(*(F.trim(F.translate(name, "\t", "")).cast("int") for name in ("year", "month", "day")))
    typed = searches.groupBy(event_date.alias("event_date"), "searchterm").count()
    counts = typed.groupBy("event_date", normalised("searchterm").alias("term")).agg(
        F.sum("count").alias("search_count")
    )
    counts.write.format("delta").save(table)


def query(table: str, times: str) -> None:
    """The ten most searched terms."""
    spark = session()

    def top_terms() -> list[tuple[str, int]]:
        spark.read.format("delta").load(table).createOrReplaceTempView("daily_term_counts")
        return [tuple(row) for row in spark.sql(TOP_TERMS).collect()]

    tell(top_terms, int(times))


if __name__ == "__main__":
    {"load": load, "query": query, "session": session}[sys.argv[1]](*sys.argv[2:])
