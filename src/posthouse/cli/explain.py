"""`posthouse explain`: why does a message go where it goes?"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from posthouse.app.options import Options
from posthouse.cli import config_file
from posthouse.cli.command import Command, Failure
from posthouse.cli.flags import UsageError

if TYPE_CHECKING:
    from posthouse.app.explain import Explanation, Question

MESSAGE_MAX: Final = 256 * 1024 * 1024  # octets that we read of a message
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NEWLINE: Final = re.compile(rb"\r?\n")

EXAMPLES = """\b
Examples:
  posthouse explain -from ann@example.net -to bob@example.org -ip 192.0.2.7
  posthouse explain -auth bob@example.org -from bob@example.org -to ann@example.net -ip 192.0.2.7 message.eml
"""


@click.command("explain", cls=Command, short_help="Tell where a message would go, and why.", epilog=EXAMPLES)
@click.option("--from", "sender", metavar="ADDRESS", help="The sender of the envelope; `<>` for none.")
@click.option("--to", "recipients", metavar="ADDRESS", multiple=True, help="A recipient; repeatable.")
@click.option("--ip", default="", metavar="IP", help="Where the client is.")
@click.option(
    "--helo", default="", metavar="NAME", help="What the client calls itself.  [default: its IP in brackets]"
)
@click.option("--auth", "user", default="", metavar="USER", help="Who the client has logged in as.")
@click.option(
    "--endpoint",
    default="",
    metavar="NAME",
    help="Where the client connects: `smtp`, or an address as in the configuration.  [default: submission with --auth, else"
    " smtp]",
)
@click.option("--utf8", is_flag=True, help="The client asks for SMTPUTF8.")
@click.option("--tls", is_flag=True, help="The connection is encrypted.")
@click.option("--json", "as_json", is_flag=True, help="Print data for programs.")
@click.argument(
    "message", required=False, metavar="[MESSAGE]", help="A file with a message, to see the reply to DATA."
)
@click.pass_context
def explain(
    ctx: click.Context,
    sender: str | None,
    recipients: tuple[str, ...],
    ip: str,
    helo: str,
    user: str,
    endpoint: str,
    utf8: bool,
    tls: bool,
    as_json: bool,
    message: str | None,
) -> int:
    """Tell what would become of a message, and why: every rule that it meets, with its place in the configuration, what
    tables, DNS and checks say, where it would go, and the replies that its sender would get.

    Nothing is delivered, nothing is counted, and nobody is connected to but DNS. The server may run or not. The exit status
    is 0 if every recipient would be accepted, else 1.
    """
    options: Options = ctx.obj
    if sender is None:
        raise UsageError("--from is required", ctx)
    if not recipients:
        raise UsageError("--to is required", ctx)
    if any(map(_CONTROL.search, (sender, *recipients, helo, user))):
        raise UsageError("control characters cannot be in addresses and names", ctx)
    config_file.require(options, exit_code=2)
    from posthouse.app.explain import Question

    question = Question(
        sender=_bare(sender),
        recipients=tuple(map(_bare, recipients)),
        ip=ip,
        hello=helo,
        user=user,
        endpoint=endpoint,
        is_tls=tls,
        is_utf8=utf8,
        message=_read(message) if message else None,
    )
    found = _explained(options, question)
    _show(found, as_json=as_json)
    return 0 if found.is_accepted else 1


def _explained(options: Options, question: "Question") -> "Explanation":
    import asyncio

    from posthouse.app.explain import BadQuestion, explain
    from posthouse.app.rehearse import NoSuchEndpoint
    from posthouse.framework.config.node import ConfigError

    try:
        return asyncio.run(explain(options, question))
    except (ConfigError, NoSuchEndpoint, BadQuestion) as err:
        raise Failure(str(err), 2) from err


def _show(found: "Explanation", *, as_json: bool) -> None:
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    from posthouse.cli.explanation_text import lines

    for line in lines(found):
        click.echo(line)


def _bare(address: str) -> str:
    """An address without the brackets that it may be written in."""
    return address[1:-1] if address.startswith("<") and address.endswith(">") else address


def _read(name: str) -> bytes:
    """A message as it goes over the wire. Raises Failure."""
    try:
        with Path(name).open("rb") as file:
            octets = file.read(MESSAGE_MAX + 1)
    except OSError as err:
        raise Failure(f"{name}: {err.strerror or err}", 2) from err
    if len(octets) > MESSAGE_MAX:
        raise Failure(f"{name}: more than {MESSAGE_MAX} octets", 2)
    return _NEWLINE.sub(b"\r\n", octets)
