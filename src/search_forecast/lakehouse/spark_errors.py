"""What Spark, Delta or Py4J complained about, in one line."""

_MODULES = ("pyspark", "py4j")
_CAUSES = ("No space left on device", "OutOfMemoryError")


def is_sparks(error: BaseException) -> bool:
    """Whether an error came from Spark: any other one is a bug of ours."""
    return type(error).__module__.partition(".")[0] in _MODULES


def first_line(error: BaseException) -> str:
    """The line that says what is wrong, of the many that Spark gives."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if any(cause in line for cause in _CAUSES)]
    named = [line for line in lines if line.startswith("[") or "Exception: " in line or "Error: " in line]
    return (causes or named or lines or ["no message"])[0][:500]


def spark_complaint(error: BaseException) -> str | None:
    """A sentence on an error of Spark's; None for another one."""
    return f"Spark failed: {first_line(error)} (--debug shows all)" if is_sparks(error) else None
