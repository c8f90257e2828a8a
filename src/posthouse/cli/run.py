"""`posthouse run`: the server."""

import dataclasses
from pathlib import Path

import click

from posthouse.app.options import Options
from posthouse.cli import config_file
from posthouse.cli.command import Command
from posthouse.cli.flags import UsageError
from posthouse.cli.version import show


@click.command("run", cls=Command, short_help="Start the server.")
@click.option("--libexec", metavar="DIR", help="Where helper programs are.  [default: /usr/lib/PROGRAM]")
@click.option(
    "--log",
    metavar="TARGET",
    multiple=True,
    help="Where to log: stderr, stderr_ts (with times), syslog, off, or a file. May be given several times, or as"
    " a list with commas.  [default: stderr]",
)
@click.option("-v", "show_version", is_flag=True, hidden=True)
@click.pass_context
def run(ctx: click.Context, libexec: str | None, log: tuple[str, ...], show_version: bool) -> int:
    """Start the server, and run until it is told to stop (SIGTERM, SIGINT)."""
    options: Options = ctx.obj
    if show_version:
        show(options)
        return 0
    if libexec is not None:
        if not Path(libexec).is_absolute():
            raise UsageError(f"--libexec {libexec}: an absolute path is expected", ctx)
        options = dataclasses.replace(options, libexec=Path(libexec))
    if log:
        targets = tuple(part for given in log for part in given.split(","))
        options = dataclasses.replace(options, log=targets)
    config_file.require(options)
    from posthouse.app.run import run as serve

    return serve(options)
