"""The checks see each mistake that somebody may make in a bundle; docs/bundle-checks.md shows them beside the CLI."""

import pytest

from support import cli_answers, mistakes, mistakes_page
from support.places import PROJECT


@pytest.fixture(scope="module")
def said():
    """What the checks say of each mistake."""
    return {m.what: mistakes_page.said(mistakes.with_mistake(m)) for m in mistakes.MISTAKES}


def test_nothing_is_said_of_the_bundle_without_mistakes():
    assert mistakes_page.said(mistakes.RIGHT) == []


@pytest.mark.parametrize("mistake", mistakes.MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_is_seen_and_placed(said, mistake):
    lines = said[mistake.what]

    assert lines
    assert all("\n" not in line for line in lines)
    assert any(line.startswith((mistake.file, "resources/")) for line in lines)


def test_the_page_shows_what_both_say(said):
    assert set(cli_answers.recorded()["mistakes"]) == set(said)
    assert (PROJECT / "docs/bundle-checks.md").read_text(encoding="utf-8") == mistakes_page.page(said)
