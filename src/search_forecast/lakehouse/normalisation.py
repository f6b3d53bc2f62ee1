"""What a search term is, in plain Python: the rule that the column `term` of every table keeps.

The definition is `NFKC(casefold(NFKC(term)))`, then every whitespace character (Unicode's, and the separators
U+001C..U+001F, as Python's `str.isspace`) becomes a space, control and format characters (categories Cc, Cf) go, runs
of spaces collapse and the ends are trimmed.
"""

from collections.abc import Callable


def normaliser() -> Callable[[str], str]:
    """The rule for any text.

    A closure, so that Spark ships its code by value: a worker need not have this package installed.
    """

    def normalise(text: str) -> str:
        from unicodedata import category, normalize  # noqa: PLC0415 - shipped with the code

        folded = normalize("NFKC", normalize("NFKC", text).casefold())
        spaced = (" " if c.isspace() else c for c in folded)
        return " ".join("".join(c for c in spaced if category(c) not in ("Cc", "Cf")).split())

    return normalise
