"""To change a few messages of a large mailbox, nobody looks at all of them for each: counted in steps of SQLite."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest

from posthouse.db.files import Files
from posthouse.db.mail import reads
from posthouse.db.mail.executors import SQLITE
from posthouse.db.mail.units import INBOX, ClaimRecent, Copy, CreateMailbox, Expunge, FlagMode, StoreFlags
from posthouse.db.sqlite import connect
from posthouse.db.units import Unit, Work
from posthouse.testing import crash

MESSAGES = 20_000
NEW = range(MESSAGES - 99, MESSAGES + 1)
SCATTERED = range(7, MESSAGES, MESSAGES // 100)
MAILBOX = 1
STEPS_AT_ONCE = 100
STEPS_MAX = 10 * MESSAGES  # all looked at once; who looks at all for each of a few takes millions


@pytest.fixture
async def large(tmp_path: Path) -> AsyncIterator[apsw.Connection]:
    """A database whose first mailbox has many messages, all of one email."""
    path = tmp_path / "mail.db"
    db = crash.open_database(path)
    await db.prepare()
    await db.start()
    account = await crash.create_account(db)
    await db.run(CreateMailbox(account, "Done", "", crash.NOW))
    await crash.deliver(db, account, ["", "kept"], lambda step: None)
    assert db.mailbox_named(account, INBOX).id == MAILBOX
    await db.stop()
    connection = connect(path, Files())
    connection.execute(
        "WITH RECURSIVE uids(uid) AS (SELECT 3 UNION ALL SELECT uid + 1 FROM uids WHERE uid < ?)"
        " INSERT INTO message SELECT ?, uid, 2, 1, 40, 0 FROM uids",  # 40: \\Recent and \\Deleted
        (MESSAGES, MAILBOX),
    )
    connection.execute("UPDATE mailbox SET uidnext = ? WHERE id = ?", (MESSAGES + 1, MAILBOX))
    yield connection
    connection.close()


def steps(connection: apsw.Connection, run: Callable[[], object]) -> int:
    """About how many of SQLite's virtual machine it takes."""
    count = 0

    def counted() -> bool:
        nonlocal count
        count += STEPS_AT_ONCE
        return False

    connection.set_progress_handler(counted, STEPS_AT_ONCE)
    run()
    connection.set_progress_handler(None)
    return count


@pytest.mark.parametrize("uids", [NEW, SCATTERED], ids=["new", "scattered"])
@pytest.mark.parametrize(
    "make",
    [
        lambda uids: ClaimRecent(MAILBOX, uids),
        lambda uids: StoreFlags(MAILBOX, uids, FlagMode.ADD, 1, ()),
        lambda uids: StoreFlags(MAILBOX, uids, FlagMode.ADD, 1, (), unchanged_since=5),
        lambda uids: Expunge(MAILBOX, uids),
        lambda uids: Copy(MAILBOX, uids, INBOX, 0),
        lambda uids: Copy(MAILBOX, uids, "Done", 0, removes=True),
    ],
    ids=["ClaimRecent", "StoreFlags", "StoreFlags unchanged", "Expunge", "Copy", "Move"],
)
def test_a_change_of_a_few(
    large: apsw.Connection, make: "Callable[[range], Unit[object]]", uids: range
) -> None:
    unit = make(uids)
    assert steps(large, lambda: SQLITE.one[type(unit)](Work(large), unit, None)) < STEPS_MAX


@pytest.mark.parametrize("uids", [NEW, SCATTERED], ids=["new", "scattered"])
@pytest.mark.parametrize("read", [reads.rows, reads.whole_rows])
def test_a_look_at_a_few(
    large: apsw.Connection, read: Callable[[apsw.Connection, int, range], object], uids: range
) -> None:
    assert steps(large, lambda: read(large, MAILBOX, uids)) < STEPS_MAX
