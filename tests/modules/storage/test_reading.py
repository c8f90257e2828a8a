"""A storage that is not started, but asked who has an account (`posthouse explain`)."""

from typing import Any

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.interfaces.module import Readable
from posthouse.framework.interfaces.target import ProbedTarget
from posthouse.modules.storage.imapsql import ImapSql
from posthouse.testing.world import FakeWorld


async def test_it_knows_the_accounts_of_one_that_works_and_changes_nothing(
    mail: Any, storage: ImapSql
) -> None:
    files = sorted(mail.fake.paths.state.rglob("*"))
    reading: ImapSql = mail.module()
    for protocol in (Readable, ProbedTarget):
        assert isinstance(reading, protocol)
    await reading.start_reading()
    await reading.probe(mail.envelope(), "Ann@example.org")
    with pytest.raises(MailError, match="User does not exist"):
        await reading.probe(mail.envelope(), "eve@example.org")
    assert list(await reading.lookup("ann@example.org")) == [""]
    await reading.stop()
    assert sorted(mail.fake.paths.state.rglob("*")) == files


async def test_one_that_never_ran_is_not_there(mail: Any, fake: FakeWorld) -> None:
    reading = mail.module()
    with pytest.raises(FileNotFoundError, match=r"imapsql\.db is not there yet"):
        await reading.start_reading()
    await reading.stop()
    assert list(fake.paths.state.iterdir()) == []
