"""What all sessions of an endpoint share."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from posthouse.core.events import Recorder
from posthouse.core.log import Logger
from posthouse.core.world import World
from posthouse.framework.interfaces.check import EarlyCheck
from posthouse.framework.interfaces.limits import Limits
from posthouse.framework.interfaces.target import Target
from posthouse.framework.sasl import Sasl
from posthouse.framework.spool import Spool
from posthouse.modules.endpoint.smtp.intake import IntakeLimits
from posthouse.modules.endpoint.smtp.reserve import Reserve
from posthouse.wire.smtp.config import ServerConfig

ID_DIGITS: Final = 8  # hexadecimal, of a message's ID
IDS_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Service:
    """An endpoint as its sessions see it. Durations are seconds."""

    config: ServerConfig
    target: Target
    sasl: Sasl
    spool: Spool
    reserve: Reserve
    intake: IntakeLimits
    limits: Limits | None
    early: EarlyCheck | None
    ids: Iterator[str]  # of messages, without end
    log: Logger
    recorder: Recorder
    world: World
    tls_context: Callable[[], ssl.SSLContext] | None
    is_submission: bool
    defers_sender_reject: bool
    logged_errors_max: int  # refused recipients of a session that are logged
    read_timeout: float
    write_timeout: float
    mirrors_traffic: bool


def message_ids(random: Callable[[int], bytes]) -> Iterator[str]:
    """Unguessable IDs. Randomness is drawn for many at once: a call of the kernel for each costs more than MAIL itself."""
    while True:
        digits = random(IDS_AT_ONCE * ID_DIGITS // 2).hex()
        yield from (digits[at : at + ID_DIGITS] for at in range(0, len(digits), ID_DIGITS))
