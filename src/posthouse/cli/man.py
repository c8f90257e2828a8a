"""`posthouse generate-man`: the manual page, made of what the commands say of themselves."""

from collections.abc import Iterable, Iterator
from inspect import cleandoc

import click

from posthouse import __version__
from posthouse.app.options import defaults_for
from posthouse.cli.command import CONTEXT, Command

PURPOSE = "a composable, all-in-one mail server"
EXIT_STATUS = (
    ("0", "It is done."),
    ("1", "It could not be done, or a flag is unknown; standard error says why."),
    ("2", "The words on the command line make no sense, or do not fit the configuration."),
)
# What troff would take for its own, or print as typographic characters that nobody can paste into a shell.
_ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", "\b": None}
)


@click.command("generate-man", cls=Command, hidden=True)
@click.pass_context
def generate_man(ctx: click.Context) -> None:
    """Print the manual page, for man(1)."""
    click.echo("\n".join(page(ctx.find_root())))


def page(root: click.Context) -> Iterator[str]:
    """The lines of the manual page of a program."""
    program = root.info_name or ""
    yield f'.TH "{_escaped(program.upper())}" 8 "" "{_escaped(f"{program} {__version__}")}"'
    yield from (".SH NAME", rf"{_escaped(program)} \- {_escaped(PURPOSE)}")
    yield from (".SH SYNOPSIS", _usage(root))
    yield from (".SH DESCRIPTION", *_paragraphs(root.command.help))
    yield from (".SH FLAGS", *_params(root))
    yield ".SH COMMANDS"
    for ctx in _commands(root):
        yield f'.SS "{_escaped(ctx.command_path.removeprefix(f"{program} "))}"'
        yield from _section(ctx)
    yield from (".SH EXAMPLES", *_paragraphs(root.command.epilog))
    yield from (".SH FILES", *_terms([(str(defaults_for(program).config), "The configuration.")]))
    yield from (".SH EXIT STATUS", *_terms(EXIT_STATUS))


def _commands(ctx: click.Context) -> Iterator[click.Context]:
    """All commands that are shown, each group before its own."""
    group = ctx.command
    if isinstance(group, click.Group):
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            if command is not None and not command.hidden:
                below = click.Context(command, parent=ctx, info_name=name, **CONTEXT)
                yield below
                yield from _commands(below)


def _section(ctx: click.Context) -> Iterator[str]:
    command = ctx.command
    if not isinstance(command, click.Group):
        yield _usage(ctx)
    yield from _paragraphs(command.help)
    yield from _params(ctx)
    yield from _paragraphs(command.epilog)


def _usage(ctx: click.Context) -> str:
    pieces = " ".join(ctx.command.collect_usage_pieces(ctx))
    return rf"\fB{_escaped(ctx.command_path)}\fR {_escaped(pieces)}"


def _params(ctx: click.Context) -> Iterator[str]:
    """Arguments and flags; `--help`, which every command has, is left to the program's page."""
    is_root = ctx.parent is None
    params = [param for param in ctx.command.get_params(ctx) if is_root or "--help" not in param.opts]
    records = (param.get_help_record(ctx) for param in params)
    yield from _terms(record for record in records if record)


def _terms(terms: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in terms:
        yield from (".TP", rf"\fB{_escaped(term)}\fR", _escaped(text))


def _paragraphs(text: str | None) -> Iterator[str]:
    """Paragraphs; those that begin with click's mark keep their lines."""
    for paragraph in cleandoc(text or "").split("\n\n"):
        if paragraph.startswith("\b"):
            yield from (".PP", ".nf", _escaped(paragraph.removeprefix("\b\n").rstrip("\n")), ".fi")
        elif paragraph:
            yield from (".PP", _escaped(paragraph))


def _escaped(text: str) -> str:
    lines = text.translate(_ESCAPES).split("\n")
    return "\n".join(rf"\&{line}" if line.startswith(".") else line for line in lines)
