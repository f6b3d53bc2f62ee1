import pytest

from search_forecast.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("red shoes 👩‍💻 größe\u00a042", "red shoes 👩‍💻 größe\u00a042"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\r\nb\tc\x07", r"a\r\nb\tc\x07"),
        ("\x9b31m\u2028x\u2029", r"\x9b31m\u2028x\u2029"),
        ("evil\u202egnp.csv", r"evil\u202egnp.csv"),
        ("not \udcff utf-8", r"not \udcff utf-8"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("C:\\x1b", "C:\\x1b"),
    ],
)
def test_what_a_terminal_would_act_on_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
