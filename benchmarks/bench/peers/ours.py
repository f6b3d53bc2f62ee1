"""Parts of ours, no command of which does one alone: `query LAKEHOUSE TIMES`, `stage FROM TO`, `start HOW FOLDER`."""

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


def stage(source: str, staging: str) -> None:
    """What `ingest` does in Python on the driver: hash the files and copy their records; megabytes a CPU second."""
    import time
    from datetime import datetime, timezone

    from search_forecast.medallion import ingest, landing, new_files
    from search_forecast.parameters import IngestParameters

    survey, choice = landing.survey(Path(source)), ingest.layout_choice(IngestParameters(Path(source)))
    begun = time.process_time()
    batch, _ = new_files.stage_new_files(Path(staging), survey, choice, [], datetime.now(timezone.utc))
    print(sum(delivery.bytes for delivery in batch.deliveries) / 1e6 / (time.process_time() - begun))


if __name__ == "__main__":
    {"query": query, "stage": stage, "start": start}[sys.argv[1]](*sys.argv[2:])
