from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from posthouse.db.mail.database import MailDatabase
from posthouse.testing import crash
from posthouse.testing.disk import FaultyDisk


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    with FaultyDisk() as disk:
        yield disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


@pytest.fixture
async def db(path: Path, disk: FaultyDisk) -> AsyncIterator[MailDatabase]:
    """An open mail database on a disk that may fail."""
    db = crash.open_database(path, disk.files)
    await db.prepare()
    await db.start()
    yield db
    await db.stop()
