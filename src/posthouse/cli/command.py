"""Commands and groups of commands: click's, with maddy's flags and our own words."""

import difflib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from posthouse.cli.flags import UsageError, normalise

F = TypeVar("F", bound=Callable[..., Any])
INTERRUPTED = 130  # exit status after Ctrl-C at a prompt, as shells have it: 128 + SIGINT
MANY = "..."  # behind the name of an argument that may come several times
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Failure(click.ClickException):
    """The command cannot do it: `Error: TEXT` on standard error."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance too


def argument(
    name: str,
    *,
    help: str,  # noqa: A002 - click's word
    kind: click.ParamType[Any] | None = None,
    many: bool = False,
    optional: bool = False,
) -> Callable[[F], F]:
    """An argument that must be there and not be empty, unless it is `optional`; `many`: one or more, the last of all.

    (`required` of click would ask for it beside --help, in other words.)
    """
    metavar = name.upper() + (MANY if many else "")
    return click.argument(
        name,
        required=False,
        nargs=-1 if many else 1,
        type=kind,
        metavar=f"[{metavar}]" if optional else metavar,
        help=help,
    )


def _parted(command: click.Command, ctx: click.Context, args: Sequence[str]) -> tuple[list[str], list[str]]:
    """(flags, other words). When a shell completes half a line (click's `resilient_parsing`), mistakes are no matter."""
    try:
        return normalise(command, ctx, args)
    except UsageError:
        if not ctx.resilient_parsing:
            raise
        return [], list(args)


def _missing(params: Sequence[click.Parameter], given: Mapping[str, object]) -> str | None:
    """The name of the first argument that must be there, and is not. Brackets are for those that need not."""
    for param in params:
        name = param.metavar or ""
        if isinstance(param, click.Argument) and not name.startswith("[") and not given[param.name or ""]:
            return name.removesuffix(MANY)
    return None


class Command(click.Command):
    """A command that does something."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = CONTEXT | {"allow_extra_args": True}
        kwargs.setdefault("options_metavar", "[FLAGS]")
        super().__init__(*args, **kwargs)

    def get_help(self, ctx: click.Context) -> str:
        return _with_our_headings(super().get_help(ctx))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags, words = _parted(self, ctx, args)
        surplus = super().parse_args(ctx, [*flags, "--", *words])
        if ctx.resilient_parsing:
            return surplus
        if surplus:
            late = "; flags go before the arguments" if surplus[0].startswith("-") else ""
            raise UsageError(f"unexpected argument: {surplus[0]}{late}", ctx)
        missing = _missing(self.params, ctx.params)
        if missing:
            raise UsageError(f"{missing} is required", ctx)
        return surplus


class Group(click.Group):
    """A command of commands; alone it shows its help."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = CONTEXT
        kwargs["no_args_is_help"] = False
        kwargs.setdefault("options_metavar", "[FLAGS]")
        kwargs.setdefault("subcommand_metavar", "COMMAND [ARGUMENTS]")
        super().__init__(*args, **kwargs)

    def get_help(self, ctx: click.Context) -> str:
        return _with_our_headings(super().get_help(ctx))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags, words = _parted(self, ctx, args)
        rest = super().parse_args(ctx, [*flags, "--", *words])
        if not words and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return rest

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        return args[0], find(self, ctx, args[0]), args[1:]


def _with_our_headings(text: str) -> str:
    """click's word for flags is "options", but the manual and the error messages say flags."""
    return text.replace("\nOptions:\n", "\nFlags:\n").replace("\nPositional arguments:\n", "\nArguments:\n")


def carry_out(command: click.Command, words: Sequence[str], program: str) -> int:
    """Do what the words of a command line say; gives the exit status. What goes wrong is told on standard error."""
    try:
        status = command.main(words, program, standalone_mode=False)
        sys.stdout.flush()
        return int(status or 0)
    except click.ClickException as err:
        print(_explained(err), file=sys.stderr)
        return err.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as in `posthouse creds list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as err:  # noqa: BLE001 - the top of the program
        traceback.print_exc()
        print(
            f"Error: {err}\nThis is a mistake in {program}: please report it, with the lines above.",
            file=sys.stderr,
        )
        return 1


def _explained(err: click.ClickException) -> str:
    """`Error: TEXT`, and for a mistake on the command line how it is used."""
    text = f"Error: {err.format_message()}"
    if isinstance(err, click.UsageError) and err.ctx is not None:
        path = err.ctx.command_path
        text += f"\n\n{err.ctx.get_usage()}\nMore about it: {path} --help"
    return text


def find(group: click.Group, ctx: click.Context, name: str) -> click.Command:
    """The command of this name. Raises UsageError, with the nearest name there is."""
    command = group.get_command(ctx, name)
    if command is not None:
        return command
    near = difflib.get_close_matches(name, group.list_commands(ctx), 1)
    raise UsageError(f"unknown command: {name}" + (f"; did you mean {near[0]}?" if near else ""), ctx)


def show_help(root: click.Context, names: Sequence[str]) -> None:
    """Print the help of a command (`["creds", "list"]`), or of the program."""
    ctx, command = root, root.command
    for name in names:
        if not isinstance(command, click.Group):
            raise UsageError(f"{ctx.command_path} has no commands of its own", ctx)
        command = find(command, ctx, name)
        ctx = click.Context(command, parent=ctx, info_name=name, **CONTEXT)
    click.echo(ctx.get_help())
