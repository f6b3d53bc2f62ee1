"""Runs commands in one process, as a job does: `python tests/support/commands.py CLUSTER COMMANDS`.

Files are staged by tasks, as if they were large, also where a Connect server's own Spark is local.

COMMANDS is a JSON list of lists of words. Prints a JSON line for each, its exit code and output; at the end, where the
Spark is that they used, whether it had executors, and how many files its tasks staged.
"""

import contextlib
import io
import json
import sys
from typing import Any

from search_forecast import cli
from search_forecast.lakehouse.session import session
from search_forecast.medallion import staging_tasks
from search_forecast.medallion.containers import Part


def main(cluster: str, commands: list[list[str]]) -> None:
    had_executors, staged = list[bool](), list[int]()
    has_executors, outcomes = staging_tasks._has_executors, staging_tasks._outcomes

    def asked(spark: Any) -> bool:
        had_executors.append(has_executors(spark))
        return True

    def noted(*given: Any) -> dict[Part, str]:
        result = outcomes(*given)
        staged.append(len(result))
        return result

    staging_tasks._LEAST_BYTES, staging_tasks._has_executors, staging_tasks._outcomes = 1, asked, noted
    for words in commands:
        printed, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            code = cli.main(words)
        print(json.dumps({"command": words, "code": code, "output": printed.getvalue(), "errors": errors.getvalue()}))
        sys.stdout.flush()
    spark = session(cluster=cluster)
    is_connect = ".connect." in type(spark).__module__
    master = "connect" if is_connect else spark.sparkContext.master
    print(json.dumps({"master": master, "had_executors": had_executors, "staged": staged}))
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
