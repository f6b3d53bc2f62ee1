"""Runs a notebook cell by cell in this process, without Jupyter: it takes the Spark session that is there.

`PYTHONPATH=tests python -m support.notebook FILE...` writes into notebooks what came out of them. Recorded is what
cells print, the value of their last line and what they draw; not what goes to standard error.
"""

import ast
import base64
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from support.places import FIXTURES, PROJECT

NOTEBOOKS = PROJECT / "notebooks"
_CHECKOUT = "/home/you/search_term_forecast"  # what is recorded for the directory that a notebook ran in
Cell = dict[str, Any]


def load(name: str) -> Cell:
    return json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))


def code_cells(notebook: Cell) -> list[Cell]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def is_tagged(cell: Cell, tag: str) -> bool:
    return tag in cell["metadata"].get("tags", ())


@contextmanager
def folder(directory: Path) -> Iterator[None]:
    """Works in a folder `notebooks` below a directory, with the fixtures where a checkout has them."""
    before = Path.cwd()
    (directory / "notebooks").mkdir(exist_ok=True)
    if not (directory / "fixtures").exists():
        (directory / "fixtures").symlink_to(FIXTURES)
    os.chdir(directory / "notebooks")
    try:
        yield
    finally:
        os.chdir(before)


def run(notebook: Cell, values: Mapping[str, object] | None = None) -> list[list[Cell]]:
    """The outputs of each code cell; a cell that fails raises.

    Args:
        notebook: as nbformat 4 has it.
        values: take the place of what the cell tagged `parameters` sets.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    outputs = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        outputs.append(_outputs("".join(cell["source"]), names, number))
        if is_tagged(cell, "parameters"):
            names.update(values or {})
    return outputs


def _outputs(source: str, names: dict[str, Any], number: int) -> list[Cell]:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    printed, pictures = io.StringIO(), []

    def show() -> None:
        for figure in map(plt.figure, plt.get_fignums()):
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=80, metadata={"Software": None})
            pictures.append(base64.b64encode(picture.getvalue()).decode() + "\n")
        plt.close("all")

    with redirect_stdout(printed), mock.patch.object(plt, "show", show):
        exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None
    outputs: list[Cell] = []
    if printed.getvalue():
        text = printed.getvalue().replace(str(Path.cwd().parent), _CHECKOUT).splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": text})
    outputs += [{"data": {"image/png": png}, "metadata": {}, "output_type": "display_data"} for png in pictures]
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        result = {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}
        outputs.append(result)
    return outputs


def text(outputs: list[Cell]) -> list[str]:
    """What a person reads in a cell's outputs; of a picture that it is one."""
    return ["".join(each.get("text") or each["data"].get("text/plain") or ["(a picture)"]) for each in outputs]


def main(files: list[str]) -> None:
    for file in map(Path, files):
        notebook = json.loads(file.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as directory, folder(Path(directory)):
            outputs = run(notebook)
        for number, (cell, each) in enumerate(zip(code_cells(notebook), outputs, strict=True), start=1):
            cell.update(execution_count=number, outputs=each)
        file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
