"""Runs commands in one process, as a job does: `python tests/support/commands.py` and a JSON list of lists of words.

Prints a JSON line for each: the command, its exit code and output; at the end, where the Spark that they used is.
"""

import contextlib
import io
import json
import sys

from pyspark.sql import SparkSession

from search_forecast import cli


def main(commands: list[list[str]]) -> None:
    for words in commands:
        printed, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            code = cli.main(words)
        print(json.dumps({"command": words, "code": code, "output": printed.getvalue(), "errors": errors.getvalue()}))
        sys.stdout.flush()
    spark = SparkSession.builder.getOrCreate()
    is_connect = ".connect." in type(spark).__module__
    print(json.dumps({"master": "connect" if is_connect else spark.sparkContext.master}))
    spark.stop()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
