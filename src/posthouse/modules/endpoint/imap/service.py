"""What all sessions of an endpoint share."""

from dataclasses import dataclass, field

from posthouse.core.log import Logger
from posthouse.framework.interfaces.storage import Storage
from posthouse.framework.interfaces.table import Table
from posthouse.framework.interfaces.tls import ServerTls
from posthouse.framework.normalize import Normalization
from posthouse.framework.sasl import Sasl
from posthouse.framework.spool import Spool
from posthouse.modules.endpoint.imap.books import Shelf
from posthouse.modules.endpoint.imap.derived import Derived


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    login: float = 60.0  # to log in, from the beginning of the connection
    idle: float = 1800.0  # between two things that a client sends; RFC 3501 §5.4 asks for 30 minutes at least
    write: float = 60.0  # for a client to take what it asked for


@dataclass(frozen=True, slots=True)
class Service:
    """See the directives of the same names.

    tls: for STARTTLS; None: off. spool: where large messages wait until they are stored. derived: for searches.
    shelf: what sessions know of mailboxes.
    """

    storage: Storage
    sasl: Sasl
    log: Logger
    spool: Spool
    storage_normalize: Normalization
    storage_map: Table | None = None
    tls: ServerTls | None = None
    insecure_auth: bool = False
    io_debug: bool = False
    io_errors: bool = False
    timeouts: Timeouts = Timeouts()
    derived: Derived = field(default_factory=Derived)
    shelf: Shelf = field(default_factory=Shelf)
