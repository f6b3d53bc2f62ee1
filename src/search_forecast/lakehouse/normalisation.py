"""What a search term is, in plain Python: the rule that the column `term` of every table keeps.

Every whitespace character (Unicode's, and the separators U+001C..U+001F, as Python's `str.isspace`) becomes a space,
control and format characters (categories Cc, Cf) go; of what is left it is `NFKC(casefold(NFKC(term)))`, in which runs
of spaces collapse and the ends are trimmed. In this order a term stays what it is when it is normalised again: what
stood on both sides of a character that went may be one character together.
"""

from collections.abc import Callable


def normaliser() -> Callable[[str], str]:
    """The rule for any text.

    A closure, so that Spark ships its code by value: a worker need not have this package installed.
    """

    def normalise(text: str) -> str:
        from unicodedata import category, normalize  # noqa: PLC0415 - shipped with the code

        if not text.isprintable():  # else it has neither; most texts
            spaced = (" " if c.isspace() else c for c in text)
            text = "".join(c for c in spaced if category(c) not in ("Cc", "Cf"))
        return " ".join(normalize("NFKC", normalize("NFKC", text).casefold()).split())

    return normalise
