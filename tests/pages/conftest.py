"""The browser of the tests of the pages."""

from support.browsing import browser  # noqa: F401 - a fixture
