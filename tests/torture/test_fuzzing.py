"""Many inputs for every reader, put together at random from the pieces that matter to it."""

import random
import time
from collections.abc import Callable

import pytest

from support.fuzz import TARGETS

pytestmark = pytest.mark.timeout(4 * 3600)


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_fed_to_a_reader(
    name: str, request: pytest.FixtureRequest, note: Callable[[str, str, str], None]
) -> None:
    target, chance = TARGETS[name], random.Random(f"{name} {request.config.getoption('--seed')}")
    count, start = (
        request.config.getoption("--inputs") * target.weight // sum(t.weight for t in TARGETS.values()),
        time.time(),
    )
    for _ in range(count):
        content = type(target.pieces[0])().join(chance.choices(target.pieces, k=chance.randrange(1, 16)))
        try:
            target.check(content)
        except Exception as error:
            pytest.fail(f"{content!r}: {type(error).__name__} {error}")
    note(f"fuzzed: {name}", f"{count:,} inputs", f"read, or refused in one line ({time.time() - start:.0f} s)")
