"""What must not be kept: terms, or all that a pattern finds; in columns, in free text, in files."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        terms, pattern, normalise = self.terms, self.pattern, normaliser()
        lengths = sorted({len(term) for term in terms})

        def holds_words(normal: str, starts: Iterable[int]) -> bool:
            # Not by an expression of all terms, which takes as long for each of them: a delivery's are many.
            ends = ((start, start + length) for start in starts for length in lengths)
            return any(normal[start:end] in terms and not is_word(normal[end : end + 1]) for start, end in ends)

        def is_word(character: str) -> bool:
            return character.isalnum() or character == "_"

        def is_sought(text: str | None, is_whole: bool) -> bool:
            import re as expressions  # noqa: PLC0415 - shipped with the code

            if text is None:
                return False
            normal = normalise(text)
            if is_whole and normal in terms:
                return True
            if pattern is not None and expressions.search(pattern, normal, expressions.IGNORECASE):
                return True
            if terms and not is_whole:
                starts = (place.start() for place in expressions.finditer(r"(?<!\w)", normal))
                if holds_words(normal, starts):
                    return True
            # JSON, as in records of runs and in lines of it that are cut off, may spell é as \u00e9.
            plain = text if is_whole else expressions.sub(r'(?:\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt]))+', unescaped, text)
            return plain != text and is_sought(plain, False)

        def unescaped(found: re.Match[str]) -> str:
            import json as notation  # noqa: PLC0415

            return str(notation.loads(f'"{found[0]}"'))

        return is_sought

    def is_in(self, text: str) -> bool:
        """Whether free text holds it."""
        return self.rule()(text, False)

    def is_in_file(self, path: Path) -> bool:
        """Whether a file holds it: of Parquet and JSON a whole value or a key, of any other its text.

        What a version says of a day's events is text too, but for holidays, whose names are everybody's.
        """
        is_sought = self.rule()
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
            if path.suffix == ".json":
                return any(is_sought(text, True) for text in _texts(json.loads(content)))
        except (OSError, ValueError, RecursionError):
            pass  # cut off or damaged: looked through as text
        return is_sought(content, False)

    def is_below(self, directory: Path) -> bool:
        """Whether a file of a directory holds it."""
        return any(self.is_in_file(path) for path in sorted(directory.rglob("*")) if path.is_file())


def _texts(value: Any) -> Iterator[str]:
    """Every text in nested lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in value.items() for text in _texts(list(item)))
    elif isinstance(value, list | tuple):
        yield from (text for item in value for text in _texts(item))
