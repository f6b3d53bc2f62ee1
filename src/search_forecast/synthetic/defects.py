"""Records that silver must reject, each with the reasons that it must give."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from itertools import chain

from search_forecast.synthetic.layouts import Layout, quoted

BASE_TERM = "usb cable"
# U+FDFA is one character that normalises to eighteen: 15 of them are 270 characters long.
_EXPANDING = "\ufdfa" * 15


def _too_few_fields(cells: list[str], layout: Layout) -> list[str]:
    return cells[:-1]


def _too_many_fields(cells: list[str], layout: Layout) -> list[str]:
    return [*cells, "surplus"]


def _unclosed_quote(cells: list[str], layout: Layout) -> list[str]:
    return _with_term(cells, layout, f'"{BASE_TERM}')


def _text_after_quote(cells: list[str], layout: Layout) -> list[str]:
    return _with_term(cells, layout, f'"{BASE_TERM}" 2 m')


def _single_field(cells: list[str], layout: Layout) -> list[str]:
    return ["end of export " + " ".join(cells)]


def _bad_byte_and_surplus(cells: list[str], layout: Layout) -> list[str]:
    return [*cells, "surplus\udce9"]


def _with_term(cells: list[str], layout: Layout, cell: str) -> list[str]:
    return [cell if column == "term" else old for column, old in zip(layout.columns, cells, strict=True)]


@dataclass(frozen=True)
class Defect:
    """One way to be wrong.

    Attributes:
        reasons: Every reason silver must give, sorted.
        fields: Which of `day`, `month`, `year`, `term` are replaced in an otherwise good record.
        break_line: Turns the cells of a good record into those of a line that cannot be split; None where it can.
    """

    reasons: tuple[str, ...]
    fields: dict[str, str] = field(default_factory=dict)
    break_line: Callable[[list[str], Layout], list[str]] | None = None

    def line(self, day: date, layout: Layout) -> str:
        """The record as a line, without its line end; `day` fills the fields that are not wrong."""
        # The date in the term keeps the lines of different days apart.
        term = f"{BASE_TERM} {day:%Y%m%d}"
        good = {"day": str(day.day), "month": str(day.month), "year": f"{day.year:04d}", "term": term}
        if self.break_line is None:
            return layout.line({**good, **self.fields})
        cells = [quoted(good.get(column, "web"), layout.delimiter) for column in layout.columns]
        return layout.delimiter.join(self.break_line(cells, layout))


# Where the year is replaced by another real one, day and month are replaced too: 29 February exists in few years and
# would add a reason.
def _one(reason: str, *replaced: dict[str, str]) -> list[Defect]:
    return [Defect((reason,), fields) for fields in replaced]


def _date(day: str, month: str, year: str) -> dict[str, str]:
    return {"day": day, "month": month, "year": year}


def _cycle() -> tuple[Defect, ...]:
    kinds = [
        _one(
            "bad_encoding",
            {"term": "caf\udce9 machine"},
            {"term": "\udcff\udcfe"},
            {"term": "half \udce3\udc83 kana"},
            {"term": "already \ufffd replaced"},
        ),
        _one("date_in_future", _date("15", "6", "2999"), _date("31", "12", "9999"), _date("01", "01", " 2999 ")),
        _one("date_too_early", _date("31", "12", "1994"), _date("01", "01", "1970"), _date("1", "1", "0001")),
        _one(
            "empty_term",
            {"term": ""},
            {"term": "   "},
            {"term": "\u200b\u200d"},
            {"term": " \u00a0\u3000 "},
            {"term": "\u00ad\ufeff\x07"},
        ),
        _one(
            "impossible_date",
            {"day": "30", "month": "2"},
            {"month": "13"},
            _date("29", "02", "2023"),
            {"day": "0"},
            {"year": "21"},
            {"year": "12021"},
            {"year": "0000"},
            {"day": "31", "month": "04"},
            {"month": "00"},
            {"day": "99999999999999999999"},
        ),
        [
            Defect(("malformed_record",), break_line=break_line)
            for break_line in (
                _too_few_fields,
                _too_many_fields,
                _unclosed_quote,
                _text_after_quote,
                _single_field,
                _bad_byte_and_surplus,
            )
        ],
        _one("missing_date", {"day": ""}, {"month": "  "}, {"year": "\t"}, _date("", "", "")),
        _one(
            "not_a_number",
            {"day": "abc"},
            {"day": "1.5"},
            {"month": "\uff11\uff12"},
            {"day": "-3"},
            {"day": "+7"},
            {"year": "2 024"},
            {"month": "\u00a07"},
            {"year": "0x7E8"},
            {"month": "March"},
        ),
        _one(
            "term_too_long",
            {"term": "x" * 257},
            {"term": "very long " * 40},
            {"term": _EXPANDING},
            {"term": "\U0001f3ae" * 257},
        ),
        [
            Defect(("empty_term", "missing_date"), {"day": "", "term": " "}),
            Defect(("missing_date", "not_a_number"), {"day": "", "month": "abc"}),
            Defect(("bad_encoding", "not_a_number"), {"day": "1\udcff"}),
            Defect(("empty_term", "impossible_date"), {"day": "32", "term": ""}),
            Defect(("date_in_future", "term_too_long"), {**_date("15", "6", "2999"), "term": "y" * 300}),
            Defect(("bad_encoding", "date_too_early"), {**_date("15", "6", "1900"), "term": "gr\udcf6\udcdfe"}),
            Defect(
                ("bad_encoding", "missing_date", "not_a_number", "term_too_long"),
                {"day": " ", "month": "?", "term": "z" * 257 + "\udcff"},
            ),
            Defect(("empty_term", "not_a_number"), {"year": "n/a", "term": "\u200e"}),
        ],
    ]
    # Round robin: any ten records in a row show each of the nine kinds and one combination.
    rounds = max(len(kind) for kind in kinds)
    return tuple(chain.from_iterable((kind[turn % len(kind)] for kind in kinds) for turn in range(rounds)))


DEFECTS = _cycle()
