"""The errors that this project raises on purpose; the command line turns each into one line and an exit code."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class SearchForecastError(Exception):
    """Root of them all: the data failed a check (exit code 1)."""

    exit_code = 1


class ContractError(SearchForecastError):
    """A DataFrame or a table is not what its contract declares."""


class DataError(SearchForecastError):
    """Input, or the content of a table, failed a check."""


class UsageError(SearchForecastError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class EnvironmentProblem(SearchForecastError):
    """This machine lacks something: Java, jars, memory, a login."""

    exit_code = 3


def repeated(names: Sequence[str]) -> str | None:
    """The first of several names that comes again; None where each is there once."""
    return next((name for name in names if names.count(name) > 1), None)


def counted(number: int, noun: str) -> str:
    """`1 file`, `2,000 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to say after "no such X": the nearest names, else all of them (`; did you mean clean?`)."""
    names = sorted(known)
    nearest = get_close_matches(word, names, n=2, cutoff=0.7)
    if nearest:
        return f"; did you mean {' or '.join(nearest)}?"
    return f"; there are: {', '.join(names)}" if names else "; there are none"
