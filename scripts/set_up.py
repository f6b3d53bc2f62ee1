"""Make .venv with search-forecast in it, from nothing but the lock files; `make setup` runs it.

    python3 scripts/set_up.py           what the commands need
    python3 scripts/set_up.py --dev     that, and what tests and checks need
    ... --this-python                   anew, where .venv is of another Python than this one

Safe to kill and to start twice: one works, the other waits, and what is set up already is left alone. pip installs uv,
whose hash is locked like all others; uv installs the rest, much of it at once and from its cache without copying.
"""

import ast
import fcntl
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
UNDER_WAY = VENV / ".under-way"
BUILD, RUNTIME, DEV = "requirements-build.txt", "requirements.txt", "requirements-dev.txt"
HEARTBEAT_SECONDS = 5
# Modules that no command imports: compiling them too would take half as long again.
NOT_COMPILED = "/(tests|testing|examples|pip|mypy|lexers|setuptools|pyasn1_modules|fontTools|distutils|genai)/"
# uv does not read pip's settings, which know a company's mirror and certificates.
UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}


def main(is_dev: bool, is_python_named: bool = False) -> None:
    """Set up what is not set up yet, alone."""
    threading.Thread(target=show_life, daemon=True).start()
    lock = os.open(PROJECT, os.O_RDONLY)
    wait_for(lock)
    stamps = {VENV / ".set-up": digest(RUNTIME)}
    if is_dev:
        stamps[VENV / ".set-up-dev"] = digest(RUNTIME, DEV)
    if is_python_named and not is_of_this_python():
        UNDER_WAY.touch()
    if UNDER_WAY.exists() or not all(is_file_with(stamp, content) for stamp, content in stamps.items()):
        install([RUNTIME, DEV] if is_dev else [RUNTIME], lock)
    for stamp, content in stamps.items():
        stamp.write_text(content)


def install(requirements: list[str], lock: int) -> None:
    """Install packages, this project and Delta's jars; a .venv whose packages were under way is made anew."""
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    print(f"setup 1/3  .venv with Python {sys.version.split()[0]}; pip installs uv", flush=True)
    if UNDER_WAY.exists() or not is_success([*pip, "--version"]):
        for stamp in VENV.glob(".set-up*"):  # first: killed in between, what is left is not set up
            stamp.unlink()
        shutil.rmtree(VENV, ignore_errors=True)
        VENV.mkdir()
        UNDER_WAY.touch()
        venv.create(VENV, symlinks=True, with_pip=True)  # in this process: its Python may be the one just removed
    UNDER_WAY.touch()
    run([*pip, "install", "--quiet", "--require-hashes", "--requirement", BUILD], lock)
    print("setup 2/3  packages (the first time 700 MB to fetch, and pyspark to build)", flush=True)
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(PYTHON), "--no-deps"]
    settings = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True).stdout
    environment = {**uv_variables(settings), **os.environ}
    run([*uv, "--require-hashes", *(f"--requirement={name}" for name in requirements)], lock, environment)
    run([*uv, "--no-build-isolation", "--editable", "."], lock, environment)
    # uv leaves that to the first import. Where Python is told to write no bytecode, as in many containers, each process
    # and each of Spark's Python workers would compile what it imports again: training, three thousand modules.
    site_packages = next((VENV / "lib").glob("python*")) / "site-packages"
    # What does not compile is of no use to this Python, and no error.
    compiler = [str(PYTHON), "-m", "compileall", "-qq", "-j", "0", "-x", NOT_COMPILED, str(site_packages), "src"]
    subprocess.run(compiler, cwd=PROJECT, pass_fds=[lock], check=False)
    UNDER_WAY.unlink()
    print("setup 3/3  Java and Delta's jars", flush=True)
    run([str(VENV / "bin" / "search-forecast"), "doctor", "--mend"], lock)


def run(command: list[str], lock: int, environment: dict[str, str] | None = None) -> None:
    """Run a command, which holds the lock too, in case it outlives this process."""
    code = subprocess.run(command, cwd=PROJECT, env=environment, pass_fds=[lock], check=False).returncode
    if code:
        sys.exit(f"setup: {Path(command[0]).name} stopped with exit code {code}: see above, then `make setup` again")


def wait_for(lock: int) -> None:
    """Take the lock on this directory, which ends with the process that has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("setup      another set-up is at work here: waiting for it", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def show_life() -> None:
    """Say every few seconds that all is well: pip and uv are silent where there is no terminal."""
    for second in itertools.count(HEARTBEAT_SECONDS, HEARTBEAT_SECONDS):
        time.sleep(HEARTBEAT_SECONDS)
        print(f"           {second} s", flush=True)


def uv_variables(pip_settings: str) -> dict[str, str]:
    """Turn what `pip config list` prints into environment variables for uv."""
    variables = {}
    for line in pip_settings.splitlines():
        name, _, value = line.partition("=")
        variable = UV_VARIABLES.get(name.rpartition(".")[2])
        if variable:
            separator = "," if variable == "UV_FIND_LINKS" else " "
            variables[variable] = separator.join(ast.literal_eval(value).split())
    return variables


def digest(*requirements: str) -> str:
    """Hash all that decides what is installed."""
    content = [(PROJECT / name).read_bytes() for name in (BUILD, "pyproject.toml", *requirements)]
    return hashlib.sha256(b"\0".join(content)).hexdigest()


def is_success(command: list[str]) -> bool:
    """Return whether a command can be run and ends well."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def is_of_this_python() -> bool:
    """Return whether .venv is none, or of this version of Python; a patch release is no other one."""
    configuration = VENV / "pyvenv.cfg"
    version = f"{sys.version_info.major}.{sys.version_info.minor}."
    return not configuration.is_file() or f"\nversion = {version}" in configuration.read_text()


def is_file_with(path: Path, content: str) -> bool:
    """Return whether a file is there with this content."""
    return path.is_file() and path.read_text() == content


if __name__ == "__main__":
    try:
        main("--dev" in sys.argv[1:], "--this-python" in sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
