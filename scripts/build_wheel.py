"""Build the wheel that the bundle deploys: dist/search_forecast-*.whl, and nothing else in dist.

Needs Python 3.10+ with pip. The wheel's modification time is made from a hash of its content, because that time is what
`dynamic_version` puts into the deployed wheel's version: other content gets another version, the same content the same.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

project = Path(__file__).resolve().parent.parent
dist = project / "dist"
for old in dist.glob("search_forecast-*.whl"):
    old.unlink()
command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]
subprocess.run([*command, "--wheel-dir", str(dist), str(project)], check=True)
(wheel,) = dist.glob("search_forecast-*.whl")
seconds = int(hashlib.sha256(wheel.read_bytes()).hexdigest()[:8], 16)
os.utime(wheel, (seconds, seconds))
