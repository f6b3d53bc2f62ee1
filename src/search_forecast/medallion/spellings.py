"""`load-spellings`: spellings that count for another term, from a file to search_gold.accepted_spellings.

`aggregate` counts by that list, silver stays as it was: without an entry its spelling is a term of its own again.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_forecast.errors import DataError
from search_forecast.lakehouse import delta_log, small_csv, spreadsheet
from search_forecast.lakehouse.contracts import ACCEPTED_SPELLINGS, SEARCH_EVENTS, TERM_VARIANTS
from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion.quality import MAX_TERM_LENGTH

logger = logging.getLogger(__name__)
NEEDED = ("variant", "term")
IGNORED = ("search_count", "term_search_count")  # that the query spelling_suggestions has beside them


@dataclass(frozen=True)
class Spellings:
    """The accepted spellings.

    Attributes:
        rows: (variant, term), sorted; both are normalised, and no variant is another's term.
    """

    rows: tuple[tuple[str, str], ...] = ()

    def position(self, version: int) -> str:
        """What a table's commit says that shows a version of silver, counted by this list; the version is its end."""
        shown = f"{SEARCH_EVENTS.name}@{version}"
        if not self.rows:
            return shown
        digest = hashlib.sha256(json.dumps(self.rows).encode()).hexdigest()[:16]
        return f"{ACCEPTED_SPELLINGS.name} {digest}, {shown}"

    def variants_of(self, term: str) -> list[str]:
        """The spellings that count for a term."""
        return [variant for variant, own_term in self.rows if own_term == term]

    def are_those_of(self, position: str) -> bool:
        """Whether what says so was counted by this list."""
        return position == self.position(int(position.rpartition("@")[2]))


def accepted(lakehouse: Lakehouse) -> Spellings:
    """The list as it was loaded; empty where none was."""
    if not lakehouse.exists(ACCEPTED_SPELLINGS):
        return Spellings()
    rows = lakehouse.ask("select variant, term from {accepted_spellings}", ACCEPTED_SPELLINGS)
    return Spellings(tuple(sorted((row["variant"], row["term"]) for row in rows)))


def is_newer_than_gold(root: Path) -> bool:
    """Whether the list, on this machine, was loaded after gold was counted: then `aggregate` reads all of silver."""
    gold = root / "search_gold"
    return delta_log.written_at(gold / ACCEPTED_SPELLINGS.name) > delta_log.written_at(gold / TERM_VARIANTS.name)


def load_spellings(lakehouse: Lakehouse, spellings: Spellings) -> dict[str, Any]:
    """Let a list take the place of the one before; gold follows with the next `aggregate`.

    Returns:
        variant_count and term_count: how many spellings count for how many terms.
    """
    rows: list[tuple[object, ...]] = list(spellings.rows)
    lakehouse.write(lakehouse.create(rows, ACCEPTED_SPELLINGS), ACCEPTED_SPELLINGS)
    logger.info("load-spellings: %d spellings", len(rows))
    return {"variant_count": len(rows), "term_count": len({term for _, term in spellings.rows})}


def read_spellings(source: Path) -> Spellings:
    """The list in a CSV file with the columns variant and term; those that spelling_suggestions has too don't matter.

    Raises:
        UsageError: there is no such file.
        DataError: the first line that is wrong, and why.
    """
    normalise, terms, lines = normaliser(), dict[str, str](), dict[str, str]()
    for where, values in small_csv.records("load-spellings", "FILE", source, NEEDED, IGNORED):
        variant, term = (normalise(spreadsheet.text_of(values[name])) for name in NEEDED)
        for name, text in zip(NEEDED, (variant, term), strict=True):
            if not 1 <= len(text) <= MAX_TERM_LENGTH:
                raise DataError(f"{where}: {name} needs 1 to {MAX_TERM_LENGTH} characters once normalised")
        if variant == term:
            raise DataError(f"{where}: {variant!r} is both, once normalised; take the line out, they are one term")
        if variant in terms:
            raise DataError(f"{where}: {variant!r} is the variant of {_line(lines[variant])} too; keep one of them")
        terms[variant], lines[variant] = term, where
    return Spellings(tuple(sorted((variant, _end(variant, terms, lines)) for variant in terms)))


def _end(variant: str, terms: dict[str, str], lines: dict[str, str]) -> str:
    """The term that a spelling counts for: the end of the chain, where a line's term is another line's variant.

    `terms` learns it for all of the chain, which is not followed again.
    """
    chain, term = {variant: 0}, terms[variant]
    while term in terms:
        if term in chain:
            back = list(chain)[chain[term] :]
            raise DataError(
                f"{lines[back[0]]}: {back[0]!r} leads back to itself ({', '.join([*back, term])}); "
                "take one of these lines out"
            )
        chain[term] = len(chain)
        term = terms[term]
    terms.update(dict.fromkeys(chain, term))
    return term


def _line(where: str) -> str:
    return where.rpartition(": ")[2]
