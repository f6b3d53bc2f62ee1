"""Quartz cron expressions, as jobs and alerts take them: seconds first, and `?` for the day that is not said."""

import re

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# Name, least, greatest, words that stand for numbers, further forms.
_FIELDS: tuple[tuple[str, int, int, dict[str, int], str | None], ...] = (
    ("seconds", 0, 59, {}, None),
    ("minutes", 0, 59, {}, None),
    ("hours", 0, 23, {}, None),
    ("day of month", 1, 31, {}, r"L|LW|L-\d{1,2}|\d{1,2}W"),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}, None),
    (
        "day of week",
        1,
        7,
        {name: number for number, name in enumerate(_DAYS, 1)},
        rf"L|(?:[1-7]|{'|'.join(_DAYS)})(?:L|#[1-5])",
    ),
    ("year", 1970, 2199, {}, None),
)


def cron_problem(expression: str) -> str | None:
    """What is wrong with a Quartz cron expression; None when nothing is."""
    fields = expression.split()
    if len(fields) not in (6, 7):
        return f"has {len(fields)} fields, expected 6 or 7 (seconds minutes hours day month weekday [year])"
    if (fields[3] == "?") == (fields[5] == "?"):
        return "one of day of month and day of week must be ?, and only one"
    for text, (name, least, greatest, words, special) in zip(fields, _FIELDS, strict=False):
        if text in ("*", "?") and (text == "*" or name.startswith("day")):
            continue
        for part in text.split(","):
            is_special = special is not None and re.fullmatch(special, part, re.IGNORECASE)
            if not is_special and not _is_range(part, least, greatest, words):
                return f"{name} {part} is not in {least}-{greatest}"
    return None


def _is_range(part: str, least: int, greatest: int, words: dict[str, int]) -> bool:
    """Whether it is `n`, `n-m`, `*/s`, `n/s` or `n-m/s` within the bounds."""
    base, slash, step = part.partition("/")
    if slash and not 0 < _number(step) <= greatest:
        return False
    if base == "*":
        return bool(slash)
    numbers = [words.get(text.upper(), _number(text)) for text in base.split("-")]
    return len(numbers) <= 2 and all(least <= number <= greatest for number in numbers)


def _number(text: str) -> int:
    """A number of few ASCII digits; -1 where it is none."""
    return int(text) if re.fullmatch("[0-9]{1,4}", text) else -1
