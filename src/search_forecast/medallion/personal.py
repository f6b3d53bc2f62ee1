"""Personal data that somebody typed, or pasted, into a search box: a rule from text to what stands for it.

A number counts where its shape and its check digits say so. One check digit and nothing else says yes to one in ten of
all article numbers of its length, so such numbers (BSN, SIN, NHS number ...) are not looked for: those that are have a
date of birth, a second check digit, a letter or a fixed beginning too. benchmarks/personal_data.py measures the false
alarms.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from unicodedata import normalize
from urllib.parse import unquote

EMAIL, TELEPHONE, CARD, BANK_ACCOUNT, IDENTITY_NUMBER = PLACEHOLDERS = (
    *("[e-mail]", "[telephone]", "[card]", "[bank account]", "[identity number]"),
)
# Every text that holds personal data has this, and few others do. terms.may_be_personal asks less, for less.
SUSPECT = re.compile(
    r"@|[0-9](?:[^0-9A-Za-z]*[0-9]){6}|[0-9]{6}[Aa][0-9]{3}"
    r"|[A-Za-z]{6}[0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]"
)
_BEFORE, _AFTER = r"(?<![0-9a-z])(?<![0-9][.\-/])", r"(?![0-9a-z])(?![.\-/][0-9])"
# Not `icon@2x.png` nor `youtube.com/@shop.tv`; a comma is often typed for the dot.
_EMAIL = re.compile(r"[^\s@,;:<>()\[\]\"'/]@(?![0-9]x\.)[\w-]{1,63}(?:[.,][\w-]{1,63})*[.,][^\W\d_]{2,}")
_IBAN = re.compile(rf"{_BEFORE}[a-z]{{2}}[0-9]{{2}}(?: ?[a-z0-9]{{4}}){{2,7}}(?: ?[a-z0-9]{{1,3}})?{_AFTER}")
_CARD = re.compile(
    rf"{_BEFORE}(?:(?:4[0-9]{{3}}|5[1-5][0-9]{{2}}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{{2}}|7[01][0-9]|720)"
    r"|6(?:011|4[4-9][0-9]|[257][0-9]{2})|35(?:2[89]|[3-8][0-9]))([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}"
    r"|3[47][0-9]{2}([ -]?)[0-9]{6}\2[0-9]{5}"
    rf"|3(?:0[0-5]|[689][0-9])[0-9]([ -]?)[0-9]{{6}}\3[0-9]{{4}}){_AFTER}"
)
# The module of python-stdnum that knows a number, and how people write it. Where a pattern says less than the number's
# definition (births from 1900 on, separators that others leave out), it would fit too many others.
IDENTITY_NUMBERS = {
    "be.nn": r"[0-9]{2}[. ]?[0-9]{2}[. ]?[0-9]{2}[- ]?[0-9]{3}[. ]?[0-9]{2}",
    "bg.egn": r"[0-9]{2}[0145][0-9]{7}",
    "br.cpf": r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}",
    "ch.ssn": r"756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}",
    "cz.rc": r"[0-9]{6}/[0-9]{4}",
    "de.idnr": r"[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
    "ee.ik": r"[3-6][0-9]{10}",
    "es.dni": r"[0-9]{8}-?[a-z]",
    "es.nie": r"[xyz]-?[0-9]{7}-?[a-z]",
    "fi.hetu": r"[0-9]{6}[-+a][0-9]{3}[0-9a-y]",
    "fr.nir": r"[12] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9ab] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
    "gr.amka": r"[0-9]{11}",
    "is_.kennitala": r"[0-3][0-9]{5}-?[0-9]{4}",
    "it.codicefiscale": r"[a-z]{6}[0-9]{2}[a-z][0-9]{2}[a-z][0-9]{3}[a-z]",
    "kr.rrn": r"[0-9]{6}-[0-9]{7}",
    "no.fodselsnummer": r"[0-9]{6} ?[0-9]{5}",
    "pl.pesel": r"[0-9]{2}[0-3][0-9]{8}",
    "pt.cc": r"[0-9]{8} ?[0-9] ?[a-z][a-z0-9][0-9]",
    "ro.cnp": r"[1-8][0-9]{12}",
    "se.personnummer": r"(?:19|20[01])?[0-9]{6}[-+]?[0-9]{4}",
    "si.emso": r"[0-9]{13}",
    "tr.tckimlik": r"[1-9][0-9]{10}",
    "za.idnr": r"[0-9]{13}",
}
_ABROAD = re.compile(r"(?<![0-9a-z+])00([1-9][0-9]+)")  # as dialled from most countries
_DIGIT_OF_OTHER_SCRIPT, _DASH = re.compile(r"[^\D0-9]"), re.compile("[\u2010-\u2015\u2212]")
_MARKED_ISBN = re.compile(r"(?:97[89]-)?[0-9]{1,5}-[0-9]+-[0-9]+-[0-9x]")


def placeholder(text: str, country: str | None = None) -> str | None:
    """What stands for a text that holds personal data; None where it holds none.

    Args:
        text: A term, or a whole record.
        country: ISO 3166 code: whose telephone numbers are known without `+` or `00` before them.

    Returns:
        One of PLACEHOLDERS; a text that is one gives itself.
    """
    if text in PLACEHOLDERS:
        return text
    plain = unquote(text) if "%" in text else text  # as it stands in the address of a page: `%40`, `%2B`
    folded = _DASH.sub("-", normalize("NFKC", plain).casefold())
    folded = _DIGIT_OF_OTHER_SCRIPT.sub(lambda digit: str(int(digit[0])), folded)
    if not SUSPECT.search(folded):
        return None
    if "@" in folded and _EMAIL.search(folded):
        return EMAIL
    if any(map(_is_bank_account, _IBAN.findall(folded))):
        return BANK_ACCOUNT
    if any(_is_card(found.group()) for found in _CARD.finditer(folded)):
        return CARD
    if _has_identity_number(folded):
        return IDENTITY_NUMBER
    return TELEPHONE if _has_telephone(folded, country) else None


def finder(country: str | None) -> Callable[[str | None], str | None]:
    """`placeholder` for a column of texts; the workers of Spark need what it imports, as they have of the job's."""

    def find(text: str | None) -> str | None:
        return None if text is None else placeholder(text, country)

    return find


def is_article_number(number: str) -> bool:
    """Whether digits in a row are an EAN, UPC, GTIN-14 or ISBN-10 by their check digit."""
    from stdnum import ean, isbn  # noqa: PLC0415 - where there is a number, which is seldom

    return number.isdecimal() and bool(ean.is_valid(number) or isbn.is_valid(number))


def _is_bank_account(text: str) -> bool:
    from stdnum import iban  # noqa: PLC0415

    # Words may follow it.
    compact = text.replace(" ", "")
    return any(iban.is_valid(compact[:length]) for length in range(15, len(compact) + 1))


def _is_card(text: str) -> bool:
    from stdnum import luhn  # noqa: PLC0415

    return not is_article_number(text) and bool(luhn.is_valid(re.sub("[ -]", "", text)))


@lru_cache(maxsize=1)
def _identity_numbers() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(f"{_BEFORE}{shape}{_AFTER}"), name) for name, shape in IDENTITY_NUMBERS.items()]


def _has_identity_number(text: str) -> bool:
    for shape, name in _identity_numbers():
        for number in shape.findall(text):
            # 756 is Switzerland's numeric code, and on no article.
            if len(set(number)) == 1:  # 88888888888 passes Brazil's
                continue
            is_article = name != "ch.ssn" and is_article_number(number)
            if not is_article and import_module(f"stdnum.{name}").is_valid(number):
                return True
    return False


def _has_telephone(text: str, country: str | None) -> bool:
    dialled = _ABROAD.sub(lambda found: found.group() if is_article_number(found.group()) else f"+{found[1]}", text)
    if country is None and "+" not in dialled:  # as most: the matcher takes a while to find nothing
        return False
    from phonenumbers import Leniency, PhoneNumberMatcher  # noqa: PLC0415

    numbers = (found.raw_string for found in PhoneNumberMatcher(dialled, country, Leniency.STRICT_GROUPING))
    return any(map(_is_telephone, numbers))


def _is_telephone(number: str) -> bool:
    """Whether a valid telephone number was written as one, and not as an article number."""
    if number.startswith("+"):
        return True
    if number.isdecimal():
        return number.startswith("0") and not is_article_number(number)
    return not _MARKED_ISBN.fullmatch(number)
