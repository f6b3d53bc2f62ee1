"""The command line: a module for each wing's commands; printing, exit codes, the only clock."""

from search_forecast.cli.application import entry, main, parse

__all__ = ["entry", "main", "parse"]
