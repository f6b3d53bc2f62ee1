"""Text from files and tables, harmless where it is shown."""

import unicodedata

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # scripts and emoji need them


def printable(text: str) -> str:
    r"""The text, with each character that a terminal or a log would act on as an escape, such as `\x1b` or `\u202e`.

    These are control and format characters, line and paragraph separators, and halves of surrogate pairs.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    is_harmful = unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs") and character not in _JOINERS
    return character.encode("unicode_escape").decode("ascii") if is_harmful else character
