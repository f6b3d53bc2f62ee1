"""The command that writes synthetic deliveries."""

from pathlib import Path

import click

from search_forecast.cli.call import Call
from search_forecast.cli.command import PATH, Command, layout_names
from search_forecast.cli.output import shell_word


@click.command("generate", cls=Command, example="generate --rows 100000 --seed 1 --dirty 0.05 --out more")
@click.option("--rows", type=int, required=True, metavar="N", help="records over all files")
@click.option("--seed", type=int, required=True, metavar="S", help="the same seed gives the same bytes")
@click.option("--dirty", type=float, default=0.0, show_default=True, metavar="R", help="share of dirty records, 0 to 1")
@click.option(
    "--layout",
    shell_complete=layout_names,
    metavar="NAME",
    help="as another system exports, such as ubi; default: the origin's, in all forms",
)
@click.option("--container", metavar="ENDING", help="such as .jsonl.zst or .zip; default: the layout's own")
@click.option("--out", type=PATH, required=True, metavar="DIR", help="new or earlier generated directory")
@click.pass_obj
def generate(
    call: Call, rows: int, seed: int, dirty: float, layout: str | None, container: str | None, out: Path
) -> int:
    """Write synthetic deliveries and the exact truth about them."""
    from search_forecast.lakehouse.whole_file import writing
    from search_forecast.parameters import GenerateParameters
    from search_forecast.synthetic import generate

    parameters = GenerateParameters(out, rows, seed, dirty, layout, container)
    with writing("generate", out, "--out"):
        truth = generate(
            out,
            rows=parameters.rows,
            seed=parameters.seed,
            dirty_ratio=parameters.dirty_ratio,
            layout=parameters.layout,
            container=parameters.container,
        )
    counts = {key: truth[key] for key in ("record_count", "event_count", "rejected_count")}
    summary = {"out": str(out), "files": len(truth["files"]), **counts}
    named = f" --layout {layout}" if layout else ""
    return call.result(summary, next_step=f"ingest --source {shell_word(out)}{named}")


COMMANDS = (generate,)
