"""Junk goes into a mailbox that is there, and is there still when others have been purged."""

from typing import TYPE_CHECKING

from posthouse.db.mail.units import (
    JUNK,
    CreateMailbox,
    Deliver,
    Description,
    PurgeRemoved,
    Recipient,
    RemoveMailbox,
    Stored,
)
from posthouse.testing.crash import NOW

if TYPE_CHECKING:
    from tests.db.mail.conftest import Store


async def _deliver(store: "Store") -> Stored:
    recipients = (Recipient(store.account, b"", b""),)
    unit = Deliver(b"spam\r\n", Description(6, b"", b"NIL", b"NIL"), recipients, NOW, junk="Junk")
    (stored,) = await store.db.run(unit)
    return stored


async def test_junk_does_not_go_into_a_mailbox_that_was_removed_and_waits_to_be_purged(
    store: "Store",
) -> None:
    await store.db.run(CreateMailbox(store.account, "Spam", JUNK, NOW))
    await store.db.run(RemoveMailbox(store.account, "Spam"))
    stored = await _deliver(store)
    while await store.db.run(PurgeRemoved()):
        pass
    assert store.db.mailbox_named(store.account, "Junk").id == stored.mailbox
    assert store.db.mailbox(stored.mailbox).total == 1
