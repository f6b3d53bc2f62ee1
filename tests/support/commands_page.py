"""Makes docs/commands.md from the command line itself.

`PYTHONPATH=src:tests python -m support.commands_page > docs/commands.md`
"""

import click

from search_forecast.cli.application import PROGRAM, ROOT
from search_forecast.cli.call import Call
from search_forecast.cli.command import EVERYWHERE, WORKSPACE, Command

_INTRODUCTION = f"""# Commands

Made from the commands themselves by `make docs`; a test keeps the two the same. `{PROGRAM} help NAME` prints the same.

Exit codes: 0 done; 1 the data or the model failed a check; 2 wrong usage; 3 this machine lacks something (`doctor` says
what). An error is one line; [troubleshooting](troubleshooting.md) goes through them.
"""


def page() -> str:
    """Every command by section, with its flags; those that all or all tasks have stand once, at the end."""
    root = click.Context(ROOT, info_name=PROGRAM, obj=Call())
    text, shared = _INTRODUCTION, {}
    for section, commands in ROOT.sections.items():
        text += f"\n## {section}\n"
        for command in commands:
            assert isinstance(command, Command)
            context = click.Context(command, info_name=command.name, parent=root)
            by_section: dict[str, list[tuple[str, str]]] = {}
            for parameter in command.params:
                record = parameter.get_help_record(context)
                if record and record[1]:
                    by_section.setdefault(getattr(parameter, "section", ""), []).append(record)
            text += f"\n### {command.name}\n{command.help}\n\n"
            text += f"`{' '.join([PROGRAM, str(command.name), *command.collect_usage_pieces(context)])}`\n\n"
            text += _table(by_section.pop("", []))
            text += f"Example: `{PROGRAM} {command.example}`\n"
            for title, records in by_section.items():
                shared[title] = max(records, shared.get(title, []), key=len)
    for title in (EVERYWHERE, WORKSPACE):
        text += f"\n## {title}\n\n{_table(shared[title])}".rstrip() + "\n"
    return text.rstrip() + "\n"


def _table(records: list[tuple[str, str]]) -> str:
    rows = (f"| `{_cell(flag)}` | {_cell(text)} |\n" for flag, text in records)
    return "".join(["| flag | |\n|---|---|\n", *rows, "\n"]) if records else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


if __name__ == "__main__":
    print(page(), end="")
