"""Where tests find what they read."""

from pathlib import Path

PROJECT = Path(__file__).parents[2]
FIXTURES = PROJECT / "fixtures"
ORIGINAL = PROJECT.parent / "shared" / "data"
