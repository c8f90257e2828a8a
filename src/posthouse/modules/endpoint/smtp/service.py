"""What all sessions of an endpoint share."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from posthouse.core.events import Recorder
from posthouse.core.log import Logger
from posthouse.core.world import World
from posthouse.framework.interfaces.target import Target
from posthouse.framework.sasl import Sasl
from posthouse.modules.endpoint.smtp.intake import IntakeLimits
from posthouse.modules.endpoint.smtp.reserve import DiskReserve
from posthouse.modules.endpoint.smtp.spool import Spool
from posthouse.wire.smtp.config import ServerConfig


@dataclass(frozen=True, slots=True)
class Service:
    """An endpoint as its sessions see it. Durations are seconds."""

    config: ServerConfig
    target: Target
    sasl: Sasl
    spool: Spool
    reserve: DiskReserve
    limits: IntakeLimits
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
