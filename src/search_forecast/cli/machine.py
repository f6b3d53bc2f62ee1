"""The commands about this machine: what it has, completion for its shell, help."""

import click
from click.shell_completion import get_completion_class

from search_forecast.cli import output
from search_forecast.cli.call import Call
from search_forecast.cli.command import Command
from search_forecast.errors import EnvironmentProblem, UsageError, did_you_mean


@click.command("doctor", cls=Command, has_csv=True, example="doctor --mend")
@click.option("--mend", is_flag=True, help="fetch and make what is missing")
@click.pass_obj
def doctor(call: Call, mend: bool) -> int:
    """Say what this machine has, what is missing and how to mend it."""
    from search_forecast.lakehouse import toolchain

    root = call.root
    if mend:
        with output.progress("doctor: fetching and making what is missing"):
            for sentence in toolchain.mend():
                output.logger.warning("doctor: %s", sentence)
    findings = toolchain.check(root)
    rows = [(f.name, "ok" if f.is_ok else "MISSING", f.state, f.mend) for f in findings]
    call.rows(["what", "state", "found", "how to mend"], rows)
    return 0 if all(finding.is_ok for finding in findings) else EnvironmentProblem.exit_code


@click.command("completion", cls=Command, example="completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(["bash", "zsh"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the lines that make a shell complete commands, flags and queries."""
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"completion: no {shell}")
    root = ctx.find_root()
    program = str(root.info_name)
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    lines = kind(root.command, {}, program, variable).source()
    if shell == "bash":  # which would put a blank behind term=; a test runs it, as click may word its lines anew
        lines = lines.replace("    return 0\n", "    [[ $COMPREPLY == *= ]] && compopt -o nospace\n    return 0\n", 1)
    output.line(lines)
    return 0


@click.command("help", cls=Command, example="help query top_terms")
@click.argument("command", required=False)
@click.argument("query", required=False)
@click.pass_context
def help_(ctx: click.Context, command: str | None, query: str | None) -> int:
    """Say what there is, or how a command or a query is used."""
    root = ctx.find_root()
    commands: dict[str, click.Command] = root.command.commands  # type: ignore[attr-defined]
    if command is None:
        output.line(root.get_help())
        return 0
    if command not in commands:
        raise UsageError(f"help: no command {command}{did_you_mean(command, commands)}")
    if query is not None:
        from search_forecast.queries import catalogue

        if command != "query":
            raise UsageError(f"help: {command} has one page; say: help {command}")
        catalogue.load(query)  # refused where there is none
    words = [] if query is None else [query]
    with commands[command].make_context(command, words, root, obj=Call(), resilient_parsing=True) as inner:
        output.line(inner.get_help())
    return 0


COMMANDS = (doctor, completion, help_)
