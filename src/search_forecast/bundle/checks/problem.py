"""What a check says."""

from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        path: Resource (`jobs.medallion`) or task of a job (`jobs.medallion.ingest`); empty where it is neither.
        text: What is wrong.
    """

    path: str
    text: str
