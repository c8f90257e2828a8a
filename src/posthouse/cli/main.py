"""The program: its global flags, its commands, and what its errors look like.

Only click is imported before a command is chosen, so that the small commands answer at once.
"""

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click

from posthouse.app.options import SMTP_PORT, Options, defaults_for
from posthouse.cli import (
    check,
    completion,
    creds,
    explain,
    hash,  # noqa: A004 - named as the command is
    imap_acct,
    imap_mboxes,
    imap_msgs,
    man,
    run,
    verify_config,
    version,
)
from posthouse.cli.command import Command, Group, carry_out, show_help
from posthouse.cli.flags import UsageError

EXAMPLES = """\b
Examples:
  {program} verify-config                        is the configuration right?
  {program} run                                  start the server
  {program} creds create ann@example.org         give a user a password
  {program} imap-acct create ann@example.org     and a mailbox
  {program} help creds create                    more about one command
"""


def main() -> None:
    """The console script `posthouse`."""
    _print_whatever_it_is()
    sys.exit(execute(sys.argv))


def main_debug() -> None:
    """The console script `posthouse-debug`: has the -debug.* flags besides."""
    _print_whatever_it_is()
    sys.exit(execute(sys.argv, debug_build=True))


def _print_whatever_it_is() -> None:
    """Names and subjects may have letters that the terminal's encoding does not: better odd than an error in mid-list."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def execute(argv: Sequence[str], *, debug_build: bool = False) -> int:
    """Do what a command line says; gives the exit status."""
    program = program_name(argv[0])
    root = _root(program, debug_build=debug_build)
    if argv[-1] == completion.GENERATE:
        completion.print_candidates(root, program, argv[1:-1])
        return 0
    return carry_out(root, argv[1:], program)


def program_name(path: str) -> str:
    """How we were called, without the directory; `posthouse` for `python -m posthouse`."""
    name = Path(path).name
    return "posthouse" if name in ("", "__main__.py", "-c") else name


def _root(program: str, *, debug_build: bool) -> Group:
    defaults = defaults_for(program)

    def callback(ctx: click.Context, **flags: Any) -> None:
        ctx.obj = _options(program, ctx, flags)

    params: list[click.Parameter] = [
        click.Option(
            ["--config"],
            metavar="FILE",
            envvar=["POSTHOUSE_CONFIG", "MADDY_CONFIG"],
            default=str(defaults.config),
            help="The configuration.",
            show_default=True,
            show_envvar=True,
        ),
        click.Option(["--debug"], is_flag=True, help="Log everything, from the very start."),
    ]
    return Group(
        name=program,
        params=[*params, *(_debug_flags() if debug_build else ())],
        callback=click.pass_context(callback),
        help="A composable, all-in-one mail server: SMTP, submission and IMAP, wired by one configuration file.",
        epilog=EXAMPLES.format(program=program),
        commands=[
            run.run,
            verify_config.verify_config,
            explain.explain,
            version.version,
            hash.hash,
            creds.creds,
            imap_acct.imap_acct,
            check.check,
            imap_mboxes.imap_mboxes,
            imap_msgs.imap_msgs,
            help_command,
            man.generate_man,
            completion.generate_fish_completion,
        ],
    )


def _debug_flags() -> list[click.Parameter]:
    return [
        click.Option(
            ["--debug.smtpport", "smtp_port"],
            type=click.IntRange(1, 65535),
            metavar="PORT",
            default=SMTP_PORT,
            show_default=True,
            help="Where SMTP servers of others listen.",
        ),
        click.Option(
            ["--debug.dnsoverride", "dns_override"],
            metavar="IP:PORT",
            help="Ask this DNS server for everything.",
        ),
    ]


def _options(program: str, ctx: click.Context, flags: dict[str, Any]) -> Options:
    defaults = defaults_for(program)
    override = flags.get("dns_override")
    return Options(
        program=program,
        config=Path(flags["config"]).absolute(),
        debug=flags["debug"],
        libexec=defaults.libexec,
        state=defaults.state,
        runtime=defaults.runtime,
        dns_override=_checked_server(override, ctx) if override else "",
        smtp_port=flags.get("smtp_port", SMTP_PORT),
    )


def _checked_server(text: str, ctx: click.Context) -> str:
    """`127.0.0.1:5353`, `[::1]:5353`."""
    host, _, port = text.rpartition(":")
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise UsageError(f"--debug.dnsoverride={text}: IP:PORT is expected", ctx)
    return text


@click.command("help", cls=Command)
@click.argument("names", nargs=-1, metavar="[COMMAND...]")
@click.pass_context
def help_command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show what a command does."""
    show_help(ctx.find_root(), names)
