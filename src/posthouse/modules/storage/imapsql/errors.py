"""The border to the database: its failures become what IMAP clients and SMTP peers are told."""

import contextlib
from collections.abc import Iterator
from typing import Final

from posthouse.core.errors import BUSY, DISK_FULL, INTERNAL, MailError
from posthouse.core.log import Logger
from posthouse.db.blobs import Damaged
from posthouse.db.errors import Busy, DatabaseError, DiskFull
from posthouse.db.mail import units
from posthouse.db.units import UnitError
from posthouse.framework.interfaces.storage import (
    BrokenMessage,
    CannotChange,
    MailboxExists,
    NoSuchMailbox,
    StorageBusy,
    StorageError,
    TooMany,
    TooManyKeywords,
)

_AS_STORAGE_ERROR: Final = {
    units.NoSuchMailbox: NoSuchMailbox,
    units.NoSuchAccount: NoSuchMailbox,  # with the account its mailboxes went away
    units.MailboxExists: MailboxExists,
    units.TooManyKeywords: TooManyKeywords,
    units.NoSuchEmail: BrokenMessage,  # expunged meanwhile: NO for this message, and nothing to log
}


@contextlib.contextmanager
def told_to_clients(log: Logger) -> Iterator[None]:
    """Raise StorageErrors for what the database raises; failures that an operator should see are logged."""
    try:
        yield
    except UnitError as err:
        if isinstance(err, units.CannotChange):
            raise CannotChange(str(err)) from err
        if isinstance(err, units.TooMany):
            raise TooMany(str(err)) from err
        raise _AS_STORAGE_ERROR[type(err)]() from err
    except Damaged as err:
        log.error("damaged message", err)
        raise BrokenMessage from err
    except Busy as err:
        log.error("database is busy", err)
        raise StorageBusy from err
    except DiskFull as err:
        log.error("no space left", err)
        raise StorageBusy("No space left, try again later") from err
    except DatabaseError as err:
        log.error("database failed", err)
        raise StorageError("Internal server error") from err


def mail_error(error: Exception, module: str) -> MailError:
    """What the sender of a message is told: always to try again (design §5)."""
    reply = BUSY if isinstance(error, Busy) else DISK_FULL if isinstance(error, DiskFull) else INTERNAL
    failure = MailError(reply, module=module)
    failure.__cause__ = error
    return failure
