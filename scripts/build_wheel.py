"""Build the wheel that the bundle deploys: dist/search_forecast-*.whl, and nothing else in dist.

Needs Python 3.10+ with pip. What builds is locked like all else. The wheel's modification time is made from a hash of
its content, because `dynamic_version` puts that time into the deployed wheel's version: other content gets another
version, the same content the same.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

project = Path(__file__).resolve().parent.parent
dist = project / "dist"
for old in dist.glob("search_forecast-*.whl"):
    old.unlink()
with tempfile.TemporaryDirectory() as tools:
    environment = {**os.environ, "PYTHONPATH": tools, "PIP_ROOT_USER_ACTION": "ignore"}
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", tools]
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(dist)]
    for command in ([*pip, "--require-hashes", "--requirement", "requirements-build.txt"], build):
        subprocess.run(command, check=True, cwd=project, env=environment)
(wheel,) = dist.glob("search_forecast-*.whl")
seconds = int(hashlib.sha256(wheel.read_bytes()).hexdigest()[:8], 16)
os.utime(wheel, (seconds, seconds))
