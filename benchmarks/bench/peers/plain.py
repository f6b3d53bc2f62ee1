"""What the peers share: which files there are and what their columns hold, and how a term is written."""

import csv
import gzip
import re
import unicodedata
from collections import defaultdict
from functools import cache
from pathlib import Path

_COLUMNS = {"day", "month", "year", "searchterm"}


def layouts(folder: str) -> dict[tuple[str, tuple[str, ...]], list[str]]:
    """Files by delimiter and column names; the four that count are called day, month, year and searchterm."""
    files = defaultdict(list)
    for path in sorted(Path(folder).rglob("*.csv*")):
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig") as file:
            header = file.readline()
        delimiter = next(delimiter for delimiter in ";\t," if delimiter in header)
        [names] = csv.reader([header.strip()], delimiter=delimiter)
        columns = tuple(re.sub(r"[ _]", "", name.lower()) for name in names)
        if not set(columns) >= _COLUMNS:
            raise SystemExit(f"{path}: needs {sorted(_COLUMNS)}, has {columns}")
        files[delimiter, columns].append(str(path))
    return files


@cache  # spellings are few, searches are many
def normalised(typed: str) -> str:
    """A term as silver has it: compatibility forms and case folded, no control characters, single blanks."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", typed).casefold())
    spaced = "".join(" " if letter.isspace() else letter for letter in folded)
    return " ".join("".join(letter for letter in spaced if unicodedata.category(letter) not in ("Cc", "Cf")).split())
