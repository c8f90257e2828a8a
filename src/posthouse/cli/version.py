"""`posthouse version`: what runs here, and where it looks for its files."""

import os
import sys

import click

from posthouse import __version__
from posthouse.app.options import Options, defaults_for
from posthouse.cli.command import Command


@click.command("version", cls=Command, short_help="Print the version.")
@click.pass_obj
def version(options: Options) -> None:
    """Print the version, and where the program's files are by default."""
    show(options)


def show(options: Options) -> None:
    """The lines of `version`."""
    system = os.uname()
    runtime = f"{sys.implementation.name}{sys.version.split()[0]}"
    click.echo(f"{__version__} {system.sysname.lower()}/{system.machine} {runtime}\n")
    defaults = defaults_for(options.program)
    click.echo(f"default config: {defaults.config}")
    click.echo(f"default state_dir: {defaults.state}")
    click.echo(f"default runtime_dir: {defaults.runtime}")
