"""Runs the code of a notebook cell by cell, in one process, without Jupyter.

`python tests/notebook.py FILE` writes what came out into the notebook. A line that starts with ! is a command of the
shell, as in Jupyter. Only what cells print is kept, no values or pictures.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MARK = "--- end of a cell ---"
_START = """
import subprocess
def _shell(command):
    print(subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE, text=True).stdout, end="", flush=True)
"""


def code_cells(notebook: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def recorded(cell: Mapping[str, Any]) -> str:
    """What the notebook says that a cell prints."""
    return "".join("".join(output["text"]) for output in cell["outputs"])


def run(notebook: Mapping[str, Any], here: Path, environment: Mapping[str, str]) -> list[str]:
    """What each code cell prints, run in the directory `here`; a cell that fails raises."""
    program = [_START]
    for cell in code_cells(notebook):
        lines = "".join(cell["source"]).splitlines()
        program += [f"_shell({line[1:].strip()!r})" if line.startswith("!") else line for line in lines]
        program.append(f"print({_MARK!r}, flush=True)")
    words = [sys.executable, "-c", "\n".join(program)]
    done = subprocess.run(
        words, cwd=here, env=dict(environment), capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split(f"{_MARK}\n")[:-1]


def environment() -> dict[str, str]:
    """This process's, with our commands on the path and our Java for a bare pyspark."""
    from search_forecast.lakehouse.toolchain import java

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    home = str(java.find_java().home)
    return {
        **os.environ,
        "PATH": path,
        "JAVA_HOME": home,
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def main(file: Path) -> None:
    """Trains the example in a directory that goes, runs the notebook there, and writes what it printed into it."""
    notebook = json.loads(file.read_text())
    repository = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as directory:
        words = ["--table", "search_gold.infant_growth", "--features", "height_cm", "--label", "weight_kg"]
        source = str(repository / "fixtures" / "infant_growth.csv")
        for command in (
            ["load-measurements", "--source", source],
            ["train-regression", *words, "--name", "infant_weight"],
        ):
            subprocess.run(["search-forecast", *command], cwd=directory, env=environment(), check=True)
        outputs = run(notebook, Path(directory), environment())
    for number, (cell, text) in enumerate(zip(code_cells(notebook), outputs, strict=True), start=1):
        stream = [{"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}]
        cell.update(execution_count=number, outputs=stream if text else [])
    file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
