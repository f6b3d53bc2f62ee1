"""A little of what `make torture` does a lot: whatever is fed to a reader, what must hold holds."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fuzz import TARGETS

FOUND = (
    ("YAML of layouts", "2024-13-45"),
    ("YAML of layouts", "[" * 500),  # deeper than Python goes
    ("parameters of queries", "\n"),
    ("sql", "\\\n/*"),
    ("terms", "e\u200d\u0301"),
)


@pytest.mark.parametrize(("name", "content"), FOUND)
def test_what_was_found_stays_mended(name: str, content: str) -> None:
    TARGETS[name].check(content)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_fed_to_a_reader(name: str, data: st.DataObject) -> None:
    target = TARGETS[name]
    pieces = data.draw(st.lists(st.sampled_from(target.pieces), max_size=12))

    target.check(type(target.pieces[0])().join(pieces))
