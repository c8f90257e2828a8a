"""What travels beside a message: its envelope, and the connection that it came by."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from posthouse.core.events import MessageLog
from posthouse.core.world import IpAddress
from posthouse.mailauth.dmarc.evaluation import Dmarc
from posthouse.net.connection import TlsState, peer_text
from posthouse.wire.smtp.parameters import NO_OPTIONS
from posthouse.wire.smtp.parameters import MailOptions as MailOptions  # a part of this interface
from posthouse.wire.smtp.parameters import RcptOptions as RcptOptions


@dataclass
class Connection:
    """The state of a peer's connection, shared by all its messages: whose it is does not change."""

    protocol: str  # "ESMTP", "ESMTPS" or "LMTP"
    hello: str  # the name given in EHLO, HELO or LHLO
    remote_ip: IpAddress | None  # None for Unix sockets
    remote_port: int = 0
    tls: TlsState | None = None
    rdns: "asyncio.Future[str | None] | None" = None  # the peer's verified-or-not PTR name; None: not asked
    auth_user: str = ""  # as sent; "" is not authenticated
    auth_password: str = ""
    findings: dict[object, object] = field(default_factory=dict)  # what checks know of the peer, by check

    @cached_property
    def ip_text(self) -> str:
        """The peer's address alone; "" for Unix sockets."""
        return str(self.remote_ip or "")

    @cached_property
    def remote(self) -> str:
        """IP:PORT for logs; IPv6 in brackets."""
        return peer_text(self.remote_ip, self.remote_port)

    async def remote_name(self) -> str | None:
        """The peer's PTR name, once it is looked up. None: it has none, or that is not known. Never raises."""
        if self.rdns is None:
            return None
        if not self.rdns.done():
            await asyncio.wait((self.rdns,))  # whoever stops waiting must not cancel it for the others
        return None if self.rdns.cancelled() or self.rdns.exception() else self.rdns.result()


@dataclass(slots=True)
class Envelope:
    """Metadata of one message, shared by all that handle it."""

    id: str  # 8 lower-case hex digits
    original_from: str  # reverse-path exactly as received; "" is `<>`
    connection: Connection | None  # None for messages made here
    log: MessageLog
    options: MailOptions = NO_OPTIONS
    hide_client: bool = False  # submission: no client data in Received
    quarantine: bool = False  # set by the pipeline only
    tls_required_override: bool = False  # header field `TLS-Required: No`
    original_recipients: dict[str, str] = field(
        default_factory=dict
    )  # effective recipient: as the client gave it
    recipient_options: dict[str, RcptOptions] = field(
        default_factory=dict
    )  # of DSN, where there are any; by the recipient as the endpoint gave it to its pipeline
    dmarc: Dmarc | None = None  # set by a pipeline that judges by DMARC, before its checks see the body
    is_rehearsed: bool = False  # set by a pipeline that only plans: what checks would say later is not asked
    recipients: Sequence[str] = ()  # accepted so far, as the client gave them
