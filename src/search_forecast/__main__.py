"""`python -m search_forecast COMMAND` does the same as `search-forecast COMMAND`."""

import sys

from search_forecast.cli import main

if __name__ == "__main__":
    sys.exit(main())
