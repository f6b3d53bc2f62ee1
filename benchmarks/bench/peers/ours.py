"""What no command of ours does: `query LAKEHOUSE TIMES` in one process, `start HOW DIRECTORY` of Spark."""

import sys
from pathlib import Path


def query(lakehouse: str, times: str) -> None:
    """The ten most searched terms, as `explore` answers them the first time."""
    from asking import tell

    from search_forecast.queries import answers, catalogue, local

    engine, asked = local.LocalEngine(Path(lakehouse)), catalogue.load("top_terms")
    tell(lambda: answers.answer(engine, asked, {}).rows, int(times))


def start(how: str, directory: str) -> None:
    """From nothing to a Delta table with a MERGE behind it: documented, plain (ours), archive (ours, class archive)."""
    if how == "documented":
        from notebook import session

        spark = session()
    else:
        from search_forecast.lakehouse import session as sessions
        from search_forecast.lakehouse.toolchain import archive, jars, java

        flags = archive.find_archive(java.find_java(), jars.find_jars()).flags() if how == "archive" else ()
        spark = sessions._start("small", None, None, flags)
    spark.range(1000).selectExpr("id", "id % 7 as k").write.format("delta").save(f"{directory}/t")
    spark.sql(f"create table t using delta location '{directory}/t'")
    spark.range(10).selectExpr("id * 200 as id", "1L as k").createOrReplaceTempView("u")
    spark.sql("merge into t using u on t.id = u.id when matched then update set * when not matched then insert *")


if __name__ == "__main__":
    {"query": query, "start": start}[sys.argv[1]](*sys.argv[2:])
