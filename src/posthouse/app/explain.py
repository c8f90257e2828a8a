"""`posthouse explain`: why a message would go where it would go."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from posthouse.app.bus import WorkerBus
from posthouse.app.compose import NoListeners, configure, read, to_stderr
from posthouse.app.dns_told import ToldResolver
from posthouse.app.options import Options
from posthouse.app.rehearse import Step, Story, address_of, find_endpoint, needs_of, reading, rehearse
from posthouse.core.world import IpAddress
from posthouse.framework.interfaces.endpoint import Address, Client
from posthouse.pipeline.facts import Named


@dataclass(frozen=True, slots=True)
class Question:
    """A client and its message.

    ip: as text; "" for a client of a Unix socket. hello: what it calls itself; "" is its address in brackets.
    endpoint: the name of an endpoint or one of its addresses; "" is where such a client would connect.
    """

    sender: str
    recipients: tuple[str, ...]
    ip: str = ""
    hello: str = ""
    user: str = ""
    endpoint: str = ""
    is_tls: bool = False
    is_utf8: bool = False
    message: bytes | None = None


class Explanation(msgspec.Struct, frozen=True):
    """notes: what is wrong beside, as a database that is not there. is_accepted: everybody would get the message."""

    endpoint: Named
    address: str
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    is_accepted: bool


class BadQuestion(Exception):
    """The question does not fit the configuration; the text is for the operator."""


async def explain(options: Options, question: Question) -> Explanation:
    """Raises ConfigError, NoSuchEndpoint, BadQuestion."""
    story = Story()
    configured = configure(
        read(options),
        options,
        to_stderr,
        WorkerBus(),
        NoListeners(),
        asks=lambda resolver: ToldResolver(resolver, story.hear),
    )
    try:
        endpoint = find_endpoint(configured, question.endpoint, has_user=bool(question.user))
        address = address_of(endpoint[1], question.endpoint)
        client = client_at(address, question)
        async with reading(needs_of(configured, endpoint), story.hear) as notes:
            try:
                steps = await rehearse(configured, endpoint, client, story, probes=True)
            except ValueError as err:
                raise BadQuestion(str(err)) from err
            context = endpoint[0]
            name = Named(context.module, context.where)
            accepted = is_accepted(steps, question)
            return Explanation(name, address.text, tuple(notes), tuple(steps), accepted)
    finally:
        await configured.resolver.aclose()


def client_at(address: Address, question: Question) -> Client:
    """The client that connects to an address. Raises BadQuestion."""
    ip = None if address.scheme == "unix" else _ip(question.ip, address)
    literal = "localhost" if ip is None else f"[IPv6:{ip}]" if ip.version == 6 else f"[{ip}]"
    return Client(
        ip=ip,
        hello=question.hello or literal,
        sender=question.sender,
        recipients=question.recipients,
        user=question.user,
        is_tls=question.is_tls or address.is_tls,
        is_utf8=question.is_utf8,
        message=question.message,
    )


def is_accepted(steps: Sequence[Step], question: Question) -> bool:
    """Whether every recipient would be accepted, and the message too, if there is one."""
    said = [step for step in steps if step.command.startswith(("RCPT ", "DATA"))]
    expected = len(question.recipients) + (question.message is not None)
    return len(said) == expected and all(step.is_accepted for step in said)


def _ip(text: str, address: Address) -> IpAddress:
    if not text:
        raise BadQuestion(f"--ip is required: clients come to {address.text} from somewhere")
    try:
        return ip_address(text)
    except ValueError as err:
        raise BadQuestion(f"--ip {text}: an IP address is expected") from err
