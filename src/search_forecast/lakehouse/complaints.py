"""What Spark and Delta complain about, in a line."""

import re


def complaint(error: BaseException) -> str | None:
    """The line that says what Spark or Delta complains about, and a known remedy; None for other errors."""
    if type(error).__module__.partition(".")[0] not in ("pyspark", "py4j"):
        return None
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if is_file_missing(error):
        file = next((file for line in lines for file in re.findall(r"\S+\.parquet", line)), "a data file")
        return f"{file} is gone: in a table that aggregate writes, run aggregate --full; else bring it back"
    named = [line for line in lines if line.startswith("[") or "Exception: " in line or "Error: " in line]
    causes = [line for line in lines if "No space left on device" in line or "OutOfMemoryError" in line]
    return (causes or named or lines or ["no message"])[0][:500]


def is_file_missing(error: BaseException) -> bool:
    """Whether a data file is gone that a table says it has."""
    return bool(re.search(r"FILE_NOT_EXIST|FileNotFoundException|DELTA_(FILE_NOT_FOUND|CHANGE_DATA_FILE)", str(error)))
