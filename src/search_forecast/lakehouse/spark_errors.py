"""What Spark and Delta complain about, without Java's trace."""

import re

_MODULES = ("pyspark", "py4j", "delta", "grpc")
# Delta's and Spark's conditions for a table, a version or a file that is no longer there, or that Delta takes for gone:
# of versions older than the table's retention it reads none, whether or not their files are there. What changed in one
# is gone too where somebody had switched off the table's change feed.
_GONE = re.compile(
    r"\[[A-Z_.]*(NOT_FOUND|NOT_EXIST|TRUNCATED_TRANSACTION_LOG|TIME_TRAVEL_BEYOND|MISSING_CHANGE_DATA)[A-Z_.]*\]"
)


def is_sparks(error: BaseException) -> bool:
    """Whether Spark or Delta raised it; a KeyError, or another of Python's own, is a bug of ours and hides nothing."""
    return any(kind.__module__.partition(".")[0] in _MODULES for kind in type(error).__mro__)


def is_gone(error: BaseException) -> bool:
    """Whether Spark misses a table, a version of it or one of its files."""
    return is_sparks(error) and _GONE.search(str(error)) is not None


def first_line(error: BaseException) -> str:
    """The one line that says what went wrong: a full disk or memory before all else, then what is named an error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if "No space left on device" in line or "OutOfMemoryError" in line]
    named = [line for line in lines if re.match(r"\[[A-Z]", line) or "Exception: " in line or "Error: " in line]
    line = (causes or named or lines or [type(error).__name__])[0]
    line = re.sub(r"^: ([\w.$]+: (?=\[))?", "", line)
    # A stage of a model that fails is a "user defined function": what it says comes last.
    return line.rpartition(") failed due to: ")[2][:500]


def spark_complaint(error: BaseException) -> str | None:
    """A sentence on an error of Spark's; None for another one."""
    if not is_sparks(error):
        return None
    file = re.search(r"\S+\.parquet", str(error)) if is_gone(error) else None
    what = f"{file[0]} is gone; if aggregate wrote it, run aggregate --full, else bring it back" if file else None
    what = what or first_line(error)
    if "_delta_log" in what:
        what += "; the command check says what is broken and how it is mended"
    return f"Spark failed: {what} (--debug shows all)"
