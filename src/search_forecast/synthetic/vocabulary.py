"""The terms that synthetic visitors search for, and the ways in which they spell them.

Every term is given here in its normalised form, with spellings that the rules of silver turn into that form. The
generator holds no copy of those rules: the tests check each spelling against a reference, so that a mistake in the
rules cannot hide behind the same mistake in the truth.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

ITEMS = (
    "laptop", "tablet", "phone case", "headphones", "running shoes", "coffee grinder", "desk lamp", "office chair",
    "backpack", "water bottle", "yoga mat", "bike helmet", "rain jacket", "garden hose", "toaster", "kettle", "blender",
    "air fryer", "board game", "puzzle", "drone", "keyboard", "mouse", "monitor", "printer", "router", "smart watch",
    "pillow", "bed linen", "curtains", "carpet", "screwdriver set", "drill", "paint brush", "tent", "sleeping bag",
    "sunglasses", "wallet", "umbrella", "fish tank",
)  # fmt: skip
QUALIFIERS = (
    "black", "white", "blue", "small", "large", "cheap", "for kids", "for men", "for women", "waterproof", "wireless",
    "portable", "foldable", "steel", "wooden", "organic", "professional", "second hand", "gift", "sale", "replacement",
    "extra long", "rechargeable", "lightweight", "offer",
)  # fmt: skip

# Normalised form first, then the spellings; the first spelling is the usual one. Each is here for a trap: ß and final
# sigma (casefold is not lower), ligatures and half-width kana (compatibility forms), delimiters, quotes and backslashes
# in CSV, a term that readers take for NULL or for a comment, characters beyond the 16-bit plane.
SPECIAL_TERMS: tuple[tuple[str, ...], ...] = (
    ("café machine", "café machine", "cafe\u0301 machine", "CAFÉ machine"),
    ('tv 55" oled', 'tv 55" oled', 'TV 55" OLED'),
    ("cable, usb c", "cable, usb c", "Cable, USB C"),
    ("ポータブル電源", "ポータブル電源", "\uff8e\uff9f\uff70\uff80\uff8c\uff9e\uff99電源"),
    ("grösse 42 schuhe", "größe 42 schuhe", "GRÖSSE 42 SCHUHE", "GRÖ\u1e9eE 42 Schuhe"),
    ("fitness watch", "\ufb01tness watch", "fitness watch"),
    ("null", "null", "NULL"),
    ("cable; hdmi", "cable; hdmi", "Cable; HDMI"),
    ("hdmi\\vga adapter", "hdmi\\vga adapter"),
    ('monitor 27\\" 4k', 'monitor 27\\" 4k'),
    ("# 10 screws", "# 10 screws"),
    ("🎮 controller", "🎮 controller", "🎮 Controller"),
    ("χάρτησ τοίχου", "χάρτης τοίχου", "ΧΆΡΤΗΣ ΤΟΊΧΟΥ"),
    ("i\u0307stanbul mug", "\u0130stanbul mug"),
    ("1\u20442 inch hose", "\u00bd inch hose"),
    ("10 m2 rug", "10 m\u00b2 rug", "10 m2 rug"),
    ("한국 화장품", "한국 화장품", unicodedata.normalize("NFD", "한국 화장품")),
)
_SPECIAL_EVERY = 4
_SPELLINGS_PER_TERM = 5

FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
BOLD = {ord("a") + offset: 0x1D41A + offset for offset in range(26)}
MISSPELLINGS: tuple[Callable[[str], str], ...] = (
    str.upper,
    lambda term: term.replace(" ", "  "),
    lambda term: f"  {term} ",
    lambda term: term.replace(" ", "\u00a0"),
    str.title,
    lambda term: term.translate(FULL_WIDTH),
    lambda term: f"{term[:1]}\u200b{term[1:]}",
    lambda term: term.replace(" ", "\t"),
    lambda term: term.replace("fi", "\ufb01").replace("fl", "\ufb02").replace("ff", "\ufb00"),
    lambda term: f"\t{term}\u3000",
    lambda term: unicodedata.normalize("NFD", term),
    lambda term: f"{term}\u200f",
    str.capitalize,
    lambda term: term.replace(" ", "\u2009\u202f"),
    lambda term: f"\ufeff{term}",
    lambda term: f"{term[:2]}\u00ad{term[2:]}",
    lambda term: term.replace(" ", "\u2028"),
    lambda term: term.replace("k", "\u212a").replace("s", "\u017f"),
    lambda term: term.replace(" ", " \x1f\x0b\x85"),
    lambda term: f"{term}\x07",
    lambda term: term.translate(BOLD),
    lambda term: f" {term.upper()}",
)


@dataclass(frozen=True)
class Term:
    """A term and how it is typed.

    Attributes:
        normalised: The term as silver stores it.
        spellings: Distinct spellings that normalise to it, the usual one first.
    """

    normalised: str
    spellings: tuple[str, ...]


def vocabulary(term_count: int) -> list[Term]:
    """The first `term_count` terms: composed ones, with a special one at every fourth place while there are any.

    Args:
        term_count: How many terms, at least 1; no upper limit.

    Returns:
        Terms whose normalised forms are distinct.
    """
    specials = iter(SPECIAL_TERMS)
    terms: list[Term] = []
    composed_count = 0
    for index in range(term_count):
        special = next(specials, None) if index % _SPECIAL_EVERY == 1 else None
        if special is None:
            normalised = _composed(composed_count)
            composed_count += 1
            spellings: tuple[str, ...] = (normalised,)
        else:
            normalised, *known = special
            spellings = tuple(known)
        terms.append(Term(normalised, _with_misspellings(normalised, spellings, index)))
    return terms


def _composed(index: int) -> str:
    item = ITEMS[index % len(ITEMS)]
    turn = index // len(ITEMS)
    if turn == 0:
        return item
    series, place = divmod(turn - 1, len(QUALIFIERS))
    # 40 items and 25 qualifiers: with this step an item meets every qualifier once before a series number is needed.
    qualifier = QUALIFIERS[(place + index) % len(QUALIFIERS)]
    return f"{item} {qualifier}" if series == 0 else f"{item} {qualifier} {series + 1}"


def _with_misspellings(normalised: str, spellings: tuple[str, ...], index: int) -> tuple[str, ...]:
    turns = (
        MISSPELLINGS[(index * _SPELLINGS_PER_TERM + turn) % len(MISSPELLINGS)] for turn in range(_SPELLINGS_PER_TERM)
    )
    # A dict, not a set: it drops repeats (a one-word term has no inner space to change) and keeps the order.
    return tuple(dict.fromkeys([*spellings, *(misspell(normalised) for misspell in turns)]))
