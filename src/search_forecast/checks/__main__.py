"""`python -m search_forecast.checks [DIR]` checks the bundle of a directory; `make check` calls it."""

import sys
from pathlib import Path

from search_forecast.checks import check
from search_forecast.local.bundle import find

if __name__ == "__main__":
    root = find(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
    problems = check(root)
    for problem in problems:
        sys.stderr.write(f"bundle: {problem}\n")
    sys.stdout.write(f"bundle: {len(problems)} problems\n" if problems else "bundle: nothing wrong\n")
    sys.exit(1 if problems else 0)
