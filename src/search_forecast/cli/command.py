"""How a command is declared: its own flags, those that every command has, and a help page with an example."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from search_forecast.cli.call import LAYERS, Call
from search_forecast.cli.events import recorded
from search_forecast.errors import DataError, UsageError, did_you_mean, repeated

if TYPE_CHECKING:
    from search_forecast.lakehouse.tables import Lakehouse

F = TypeVar("F", bound=Callable[..., Any])


class _Path(click.Path):
    """A path; an empty text, as of a variable that is not set, is none and not the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)
VERSION = click.IntRange(min=1)
EVERYWHERE, WORKSPACE = "Everywhere", "On Databricks, instead of --lakehouse"
_LAKEHOUSE_VARIABLE = "SEARCH_FORECAST_LAKEHOUSE"


class KeyValue(click.ParamType):  # type: ignore[type-arg] # serverless compute has click 8.2, where it is no generic
    """A text `name=value`."""

    name = "k=v"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first equals sign."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is no k=v, such as limit=5", param, ctx)
        return name, text


def layout_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The names of the layouts that come with the project, for a shell to complete."""
    from search_forecast.medallion import layouts

    return sorted(name for name in layouts.load() if name.startswith(incomplete))


def each_once(ctx: click.Context, param: click.Parameter, pairs: tuple[tuple[str, str], ...]) -> Any:
    """Refuse a name that is given twice, of which one value would count in silence."""
    twice = repeated([name for name, _ in pairs or ()])
    if twice is not None:
        ctx.fail(f"{twice} is given twice")
    return pairs


class _CallOption(click.Option):
    """An option whose value goes into the call, wherever on the command line it stands."""

    def __init__(self, *declarations: str, section: str, **settings: Any) -> None:
        super().__init__(declarations, expose_value=False, callback=self._store, **settings)
        self.section = section

    @staticmethod
    def _store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        call = ctx.find_object(Call)
        if call is not None and value not in (None, False):
            setattr(call, str(param.name), value)


def _everywhere(**lakehouse: Any) -> list[click.Parameter]:
    text = f"local lakehouse (default .lakehouse, or {_LAKEHOUSE_VARIABLE})"
    return [
        _CallOption("--lakehouse", type=PATH, metavar="DIR", help=text, section=EVERYWHERE, **lakehouse),
        _CallOption(
            "--spark",
            metavar="URL",
            help="cluster to work on: spark://HOST:7077 or sc://HOST:15002",
            section=EVERYWHERE,
        ),
        _CallOption("--json", is_flag=True, help="print the result as JSON", section=EVERYWHERE),
        _CallOption(
            "--event-log",
            type=PATH,
            metavar="FILE",
            help="append a JSON line about the command once it has ended",
            section=EVERYWHERE,
        ),
        _CallOption("--quiet", is_flag=True, help="print the result only", section=EVERYWHERE),
        _CallOption("--debug", is_flag=True, help="show the traceback of an error", section=EVERYWHERE),
    ]


def _workspace(*, has_models: bool) -> list[click.Parameter]:
    texts = {"--catalog": "catalog of the tables"} | {
        f"--{layer}-schema": f"schema of {layer} tables" for layer in LAYERS
    }
    options: list[click.Parameter] = [
        _CallOption(flag, metavar="NAME", help=text, section=WORKSPACE) for flag, text in texts.items()
    ]
    text = "volume directory for files under way"
    options.append(_CallOption("--staging", type=PATH, metavar="DIR", help=text, section=WORKSPACE))
    if has_models:
        options.append(_CallOption("--experiment", metavar="PATH", help="MLflow experiment", section=WORKSPACE))
    return options


class Command(click.Command):
    """A command with the flags that all have.

    Attributes:
        example: A command line to learn from, without the program's name.
        is_task: Whether a job can run it: it takes the flags that name tables on Databricks.
    """

    def __init__(
        self,
        *args: Any,
        example: str,
        is_task: bool = False,
        has_models: bool = False,
        has_csv: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.example, self.is_task = example, is_task
        if has_csv:
            self.params.append(_CallOption("--csv", is_flag=True, help="print the result as CSV", section=""))
        self.params += [*(_workspace(has_models=has_models) if is_task else []), *_everywhere()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, once the call knows which command it is of."""
        call = ctx.find_object(Call)
        if call is None:
            return super().parse_args(ctx, args)
        call.command = str(ctx.info_name)
        rest = super().parse_args(ctx, args)
        at_most_one(json=call.json, csv=call.csv)
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Own flags first; those for Databricks and those of every command stand apart."""
        _sections(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example."""
        with formatter.section("Example"):
            program = ctx.find_root().info_name if ctx.parent else ctx.info_name
            formatter.write_text(f"{program} {self.example}")


class Commands(click.Group):
    """All commands, listed by section."""

    def __init__(self, name: str, sections: Mapping[str, Sequence[click.Command]]) -> None:
        commands = {str(item.name): item for items in sections.values() for item in items}
        text = "Search terms from CSV files to gold Delta tables, and forecasts of them."
        super().__init__(
            name, commands, help=text, no_args_is_help=True, params=_everywhere(envvar=_LAKEHOUSE_VARIABLE)
        )
        self.sections = sections
        click.version_option(package_name="search_forecast", message="%(prog)s %(version)s")(self)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As ever, but a name that is none is answered with the nearest."""
        if args and args[0] not in self.commands:
            from search_forecast.queries import catalogue  # not for each command that is one

            is_query = args[0] in catalogue.names()
            advice = f"; it is a query: query {args[0]}" if is_query else did_you_mean(args[0], self.commands)
            ctx.fail(f"no command {args[0]}{advice}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, then the flags."""
        for title, items in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(str(item.name), item.get_short_help_str(200)) for item in items])
        _sections(self, ctx, formatter)


def _sections(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    by_section: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            by_section.setdefault(getattr(param, "section", "") or "Options", []).append(record)
    for title in ("Options", WORKSPACE, EVERYWHERE):
        if title in by_section:
            with formatter.section(title):
                formatter.write_dl(by_section[title])


def flags(parameters: object, texts: Mapping[str, str], names: Mapping[str, str] | None = None) -> Callable[[F], F]:
    """A flag for fields of a dataclass of parameters, of the type and with the default that the field has.

    Args:
        parameters: An instance with the defaults.
        texts: What each field means.
        names: The flags of fields that are not called as the field.
    """

    def declare(function: F) -> F:
        for field, text in reversed(list(texts.items())):
            default = getattr(parameters, field)
            flag = (names or {}).get(field, f"--{field.replace('_', '-')}")
            option = click.option(
                flag, field, type=type(default), default=default, show_default=True, metavar="X", help=text
            )
            function = option(function)
        return function

    return declare


def at_most_one(**values: object) -> None:
    """Raise UsageError where two flags that exclude each other are given."""
    present = [f"--{name.replace('_', '-')}" for name, value in values.items() if value not in (None, False, (), "")]
    if len(present) > 1:
        raise UsageError(f"{click.get_current_context().info_name}: say {present[0]} or {present[1]}, not both")


def complaint(error: click.UsageError, program: str) -> str:
    """One line on wrong usage, and where to read on."""
    path = error.ctx.command_path if error.ctx else program
    return (
        f"{path.removeprefix(program).strip()}: {error.format_message().rstrip('.')}".removeprefix(": ")
        + f"; see {path} --help"
    )


@dataclass(frozen=True)
class Task:
    """A command line of a job's task, parsed."""

    context: click.Context

    @property
    def call(self) -> Call:
        """What its flags say."""
        return self.context.ensure_object(Call)

    @property
    def is_task(self) -> bool:
        """Whether a job can run it."""
        return bool(getattr(self.context.command, "is_task", False))

    def run(self, lakehouse: "Lakehouse") -> None:
        """Run it on a lakehouse; raises where it fails."""
        self.call.task_lakehouse = lakehouse
        with self.context, recorded(self.call):
            if self.context.command.invoke(self.context):
                raise DataError(f"{self.call.command} found something wrong; its log says what")


def parse(root: click.Command, words: Sequence[str]) -> Task:
    """Parse the command line of a job's task.

    Raises:
        UsageError: it is wrong.
    """
    try:
        with click.Context(root, info_name=root.name, obj=Call()) as above:
            name, command, rest = root.resolve_command(above, list(words) or [""])  # type: ignore[attr-defined]
            return Task(command.make_context(name, rest, parent=above))
    except click.UsageError as error:
        raise UsageError(complaint(error, str(root.name)).partition("; see ")[0]) from error
