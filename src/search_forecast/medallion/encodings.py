"""Files that are not UTF-8: read as it, and what to suggest where nobody said what a file is."""

import codecs
from collections.abc import Callable

from search_forecast.errors import DataError

_UTF_8 = {"utf-8", "utf8", "utf_8"}
_SAMPLE_BYTES = 2**16
_MARKS = {  # in this order: one of UTF-32's begins with one of UTF-16's
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}
_PACKED = {
    ".gz": (b"\x1f\x8b",),
    ".bz2": tuple(b"BZh%d1AY&SY" % level for level in range(1, 10)),
    ".zst": (b"\x28\xb5\x2f\xfd",),
    ".zip or .xlsx": (b"PK\x03\x04",),
    ".parquet": (b"PAR1\x15",),
}


def as_utf8(content: Callable[[int], bytes], encoding: str) -> Callable[[int], bytes]:
    """The same content in UTF-8, whatever its encoding; characters that it can't hold become U+FFFD.

    Args:
        content: gives the next bytes of the file, at most so many.
        encoding: a name that Python knows.

    Raises:
        DataError: (while it is read) it can't be in that encoding, such as UTF-16 without a byte order mark.
    """
    if encoding.lower() in _UTF_8:
        return content
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")

    def decoded(size: int) -> bytes:
        """Nothing only at the end: a block may hold no whole character."""
        try:
            while block := content(size):
                text = decoder.decode(block)
                if text:
                    return text.encode(errors="replace")
            return decoder.decode(b"", final=True).encode(errors="replace")
        except UnicodeError as error:
            raise DataError(f"the file is not in {encoding}, as its layout says ({error})") from error

    return decoded


def refuse_others(start: bytes) -> None:
    """Raise DataError where a text begins with the byte order mark of UTF-16 or UTF-32, or as what is packed does."""
    for ending, beginnings in _PACKED.items():
        if start.startswith(beginnings):
            raise DataError(f"the file is not text, it begins as {ending} files do; name it so, or save it as CSV")
    if name := _marked(start):
        raise DataError(f"the file is {name.upper()}; save it as UTF-8 and deliver it again")


def _marked(start: bytes) -> str | None:
    return next((name for name, marks in _MARKS.items() if start.startswith(marks)), None)


def _unmarked(start: bytes) -> str | None:
    """UTF-16 without a mark: of most characters one byte is 0, always the same one."""
    first, second = start[::2].count(0), start[1::2].count(0)
    if min(first, second) > 0 or 4 * max(first, second) <= len(start):
        return None
    return "utf-16-le" if second else "utf-16-be"


def suggestion(start: bytes) -> str:
    """What to try where the start of a file is no UTF-8; empty where it is, or where nothing can be told.

    Args:
        start: its first bytes.
    """
    sample = start[:_SAMPLE_BYTES]
    if name := _marked(sample) or _unmarked(sample):
        return f"; a layout can say encoding: {name}"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes  # noqa: PLC0415 - takes a moment to import, and is seldom needed

        best = from_bytes(sample).best()
        if best is None:
            return ""
        is_western = str(best) == sample.decode("cp1252", errors="replace")  # a few accents are the same in many
        name = "cp1252" if is_western else best.encoding
        return f"; its text may be {name}: a layout can say encoding: {name}"
    return ""
