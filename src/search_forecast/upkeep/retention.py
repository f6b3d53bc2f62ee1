"""How long a table keeps what it no longer uses: as long as somebody asks, and as a recorded version needs.

Both times are properties of the table, so VACUUM keeps to them whoever runs it, here and in a workspace. A VACUUM ...
RETAIN beyond the property would not do: Delta forgets after that time which files it removed, and VACUUM takes them for
nobody's. (delta-io/delta: InMemoryLogReplay.getTombstones, VacuumCommand.getValidFilesFromSnapshot, 4.x.)
"""

import math
from collections.abc import Collection, Mapping

FILES, ENTRIES = "delta.deletedFileRetentionDuration", "delta.logRetentionDuration"
LEEWAY_DAYS = 15  # `maintain` runs weekly: it may fail to twice
_STEP_DAYS = 30  # so that the properties change once a month, not at every run
_LEAST_LOG_DAYS = 30  # Delta's default; positions are kept in the log


def properties(
    retention_days: int, ages_days: Mapping[int, float], protected: Collection[int]
) -> tuple[int, dict[str, str]]:
    """The days for which unused files are kept, and the table's properties that say so.

    Args:
        retention_days: at least.
        ages_days: of the versions that the log still has, by version.
        protected: versions that must stay readable; one that the log lost is lost.
    """
    ages = [ages_days[version] for version in protected if version in ages_days]
    file_days = log_days = retention_days
    if ages and max(ages) + LEEWAY_DAYS > retention_days:
        file_days = max(retention_days, _stepped(max(ages)))
        # A version is read from a checkpoint that may be much older: all that is there of the log stays.
        log_days = _stepped(max(ages_days.values()))
    log_days = max(log_days, file_days, _LEAST_LOG_DAYS)
    return file_days, {FILES: f"interval {file_days} days", ENTRIES: f"interval {log_days} days"}


def _stepped(age_days: float) -> int:
    return _STEP_DAYS * math.ceil((age_days + LEEWAY_DAYS) / _STEP_DAYS)
