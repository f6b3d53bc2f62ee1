"""What must not be kept: terms, or all that a pattern finds; in columns, in free text, in files."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unicodedata import normalize

from search_forecast.errors import UsageError
from search_forecast.lakehouse.contracts import OTHER, TOTAL
from search_forecast.lakehouse.normalisation import normaliser

# How the text of term_forecasts.events and of models' files begins where the event's name is everybody's.
PUBLIC_EVENT = "holiday "


@dataclass(frozen=True)
class Sought:
    """What must not be kept.

    Attributes:
        terms: Normalised.
        pattern: A regular expression (Python's) that is searched for in normalised text.
    """

    terms: frozenset[str] = frozenset()
    pattern: str | None = None

    def rule(self) -> Callable[[str | None, bool], bool]:
        """Whether a text is, or (False) somewhere holds, what is sought.

        A closure, as `normalisation.normaliser` is one and for the same reason. Terms are found in text as whole words.
        """
        terms, pattern, normalise, sums = self.terms, self.pattern, normaliser(), (TOTAL, OTHER)
        lengths, is_whole_word = sorted({len(term) for term in terms}), _word_rule()

        def holds_words(normal: str, starts: Iterable[int]) -> bool:
            # Not by an expression of all terms, which takes as long for each of them: a delivery's are many.
            ends = ((start, start + length) for start in starts for length in lengths)
            return any(normal[start:end] in terms and is_whole_word(normal, start, end) for start, end in ends)

        def is_sought(text: str | None, is_whole: bool) -> bool:
            import re as expressions  # noqa: PLC0415 - shipped with the code
            from urllib.parse import unquote_plus  # noqa: PLC0415

            if text is None:
                return False
            is_found = is_held(text, is_whole)
            if is_found or is_whole:
                return is_found
            # JSON, as in records of runs and in lines of it that are cut off, may spell é as \u00e9.
            plain = expressions.sub(r'(?:\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt]))+', unescaped, text)
            if plain != text and is_sought(plain, False):
                return True
            address = unquote_plus(text)  # of a page, perhaps within another one's
            return address != text and any(is_held(form, False) for form in (address, unquote_plus(address)))

        def is_held(text: str, is_whole: bool) -> bool:
            import re as expressions  # noqa: PLC0415

            normal = normalise(text)
            if is_whole and normal in terms:
                return True
            if pattern is not None and text not in sums and expressions.search(pattern, normal, expressions.IGNORECASE):
                return True
            starts = (place.start() for place in expressions.finditer(r"(?<!\w)", normal))
            return bool(terms) and not is_whole and holds_words(normal, starts)

        def unescaped(found: re.Match[str]) -> str:
            import json as notation  # noqa: PLC0415

            return str(notation.loads(f'"{found[0]}"'))

        return is_sought

    @cached_property
    def _rule(self) -> Callable[[str | None, bool], bool]:
        return self.rule()  # once for many texts: it sorts a delivery's terms by their lengths

    def is_in(self, text: str) -> bool:
        """Whether free text holds it."""
        return self._rule(text, False)

    def is_in_file(self, path: Path) -> bool:
        """Whether a file holds it: of Parquet and JSON a whole value, of Spark ML's parameters and any other its text.

        What a version says of a day's events is text too, but for holidays, whose names are everybody's.
        """
        is_sought = self._rule
        content = path.read_bytes().decode("utf-8", errors="replace")
        try:
            if path.suffix == ".parquet":
                from pyarrow import parquet  # noqa: PLC0415 - commands that erase nothing need not wait

                rows = parquet.read_table(path).to_pylist()
                said = {text for text in (row.get("events") for row in rows) if isinstance(text, str)}
                events = (text for text in said if not text.startswith(PUBLIC_EVENT))
                return any(is_sought(text, False) for text in events) or any(
                    is_sought(text, True) for text in _texts(rows)
                )
            value = json.loads(content)
            if isinstance(value, dict) and "paramMap" in value:  # Spark ML's: all else in it is Spark's own words
                parameters = {k: v for k, v in value["paramMap"].items() if not k.endswith(("Col", "Cols"))}
                return any(is_sought(text, False) for text in _texts(parameters))
            if path.suffix == ".json":
                return any(is_sought(text, True) for text in _texts(value))
        except (OSError, ValueError, RecursionError):
            pass  # cut off or damaged: looked through as text
        return is_sought(content, False)


def _word_rule() -> Callable[[str, int, int], bool]:
    """Whether what stands somewhere in a text, after no letter or digit, is whole words; a closure too.

    Marks belong to the letter before them, as most vowels of Hindi and Thai do.
    """

    def is_whole_word(text: str, start: int, end: int) -> bool:
        is_begun = is_mark(text[start - 1 : start]) and is_word(text[:start])
        is_unended = is_mark(text[end : end + 1]) and is_word(text[:end])
        return not is_begun and not is_unended and not is_word(text[end : end + 1])

    def is_word(text: str) -> bool:
        last = next((character for character in reversed(text) if not is_mark(character)), "")
        return last.isalnum() or last == "_"

    def is_mark(character: str) -> bool:
        from unicodedata import category  # noqa: PLC0415 - shipped with the code

        return character != "" and category(character)[0] == "M"

    return is_whole_word


def checked_pattern(pattern: str) -> str:
    """A pattern as normalised text can hold it.

    Raises:
        UsageError: it holds a character that is another one there, so that it would find nothing.
    """
    pattern, normalise = normalize("NFC", pattern), normaliser()
    if "  " in pattern:
        raise UsageError("erase: --matching holds two spaces in a row, where normalised terms have one: say one")
    for character in pattern:
        normal = normalise(f"字{character}字")[1:-1]  # between letters on which no mark stands, as spaces are trimmed
        if not re.fullmatch(re.escape(character), normal, re.IGNORECASE):
            instead = f"it is {normal!r} there, say that" if normal else "leave it out"
            raise UsageError(f"erase: --matching holds {character!r}, which no normalised term has: {instead}")
    return pattern


def _texts(value: Any) -> Iterator[str]:
    """Every text in nested lists and mappings, but for names of fields, which a table in pandas' split form lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        is_split = "data" in value
        yield from (text for key in value if not (is_split and key == "columns") for text in _texts(value[key]))
    elif isinstance(value, list | tuple):
        yield from (text for item in value for text in _texts(item))
