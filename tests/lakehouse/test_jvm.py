"""What Java is told about the machine."""

import pytest

from search_forecast.lakehouse.toolchain import jvm


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, {"LC_ALL": "C.UTF-8"}),
        ({"LC_ALL": "C", "LANG": "de_CH.UTF-8"}, {"LC_ALL": "C.UTF-8"}),
        ({"LANG": "de_CH.ISO-8859-1"}, {"LC_ALL": "C.UTF-8"}),
        ({"LANG": "C", "LC_CTYPE": "C.utf8"}, {}),
        ({"LC_ALL": "", "LANG": "tr_TR.UTF-8"}, {}),
    ],
)
def test_java_finds_files_of_any_name_whatever_the_locale(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: dict[str, str]
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert jvm.locale() == said
    assert "-Duser.language=en" in jvm.flags("small")
