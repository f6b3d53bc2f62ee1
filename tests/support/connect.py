"""Runs commands in one local Spark Connect session, which has no SparkContext, JVM or RDD, as on serverless compute.

python tests/support/connect.py COMMANDS, a JSON list of lists of words. Prints a JSON line for each: exit code and
output.
"""

import contextlib
import io
import json
import os
import sys
import warnings

from pyspark.sql import SparkSession

from search_forecast import cli
from search_forecast.lakehouse import session
from search_forecast.lakehouse.toolchain import jars, java


def start() -> SparkSession:
    """A session whose server runs in a JVM of its own, with Delta."""
    delta = jars.find_jars()
    os.environ["JAVA_HOME"] = str(java.find_java().home)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        **session.settings("small"),
        "spark.driver.extraClassPath": os.pathsep.join(map(str, delta.files)),
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss4m",
    }
    builder = SparkSession.builder.remote("local[2]")
    for key, value in settings.items():
        if key not in ("spark.master", "spark.app.name"):
            builder = builder.config(key, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Cannot modify the value of a static config": it has it from the start
        return builder.getOrCreate()


def main(commands: list[list[str]]) -> None:
    spark = start()
    print(json.dumps({"session": type(spark).__module__}))
    for words in commands:
        printed, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            code = cli.main(words)
        print(json.dumps({"command": words, "code": code, "output": printed.getvalue(), "errors": errors.getvalue()}))
        sys.stdout.flush()
    spark.stop()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
