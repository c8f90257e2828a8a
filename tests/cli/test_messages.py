"""What `imap-msgs` does with messages, on mailboxes in memory."""

import io

import pytest

from posthouse.cli.command import Failure
from posthouse.cli.messages import CHUNK, STEP, Messages, add
from posthouse.cli.selection import ALL, together
from posthouse.framework.interfaces.storage import (
    DELETED,
    FLAGGED,
    RECENT,
    SEEN,
    FlagChange,
    NoSuchMailbox,
    TooBig,
)
from posthouse.message.structure import scan
from posthouse.testing.storage import FakeAccount, FakeBox, FakeStorage
from posthouse.wire.imap.flags import Flags
from posthouse.wire.imap.sequence import STAR, SequenceSet

HELLO = b"Subject: hello\r\n\r\n"


@pytest.fixture
def account() -> FakeAccount:
    return FakeStorage().add_account("ann")


@pytest.fixture
def inbox(account: FakeAccount) -> FakeBox:
    """UIDs 2, 4, 6 and 8."""
    for _ in range(8):
        account.add("INBOX", HELLO)
    box = account.boxes["INBOX"]
    for uid in (1, 3, 5, 7):
        del box.messages[uid]
    return box


@pytest.mark.parametrize(
    ("ranges", "by_number", "by_uid"),
    [
        pytest.param(((1, STAR),), [2, 4, 6, 8], [2, 4, 6, 8], id="all"),
        pytest.param(((STAR, STAR),), [8], [8], id="the last"),
        pytest.param(((2, 2), (4, 4)), [4, 8], [2, 4], id="several"),
        pytest.param(((3, 2), (2, 3)), [4, 6], [2], id="overlapping, turned round"),
        pytest.param(((100, STAR),), [8], [8], id="beyond the last up to it"),
        pytest.param(((1, 1), (3, 3), (9, 90)), [2, 6], None, id="some that are not there"),
        pytest.param(((5, 5),), None, None, id="none that is there"),
    ],
)
async def test_messages_are_chosen_by_number_or_uid(
    account: FakeAccount,
    inbox: FakeBox,
    ranges: tuple[tuple[int, int], ...],
    by_number: list[int] | None,
    by_uid: list[int] | None,
) -> None:
    for is_uid, uids in ((False, by_number), (True, by_uid)):
        if uids is None:
            with pytest.raises(Failure, match="no such message"):
                await Messages.find(account, "INBOX", SequenceSet(ranges), by_uid=is_uid)
        else:
            found = await Messages.find(account, "INBOX", SequenceSet(ranges), by_uid=is_uid)
            assert list(found.uids) == uids


@pytest.mark.parametrize("by_uid", [True, False])
async def test_all_of_an_empty_mailbox_is_nothing(account: FakeAccount, by_uid: bool) -> None:
    found = await Messages.find(account, "INBOX", ALL, by_uid=by_uid)
    assert not found.uids
    await found.change_flags(FlagChange.ADD, Flags((r"\Seen",)))
    await found.remove()


async def test_just_the_chosen_ones_are_removed(account: FakeAccount, inbox: FakeBox) -> None:
    inbox.messages[2].flags |= DELETED  # a mail program is going to expunge it
    await (await Messages.find(account, "INBOX", SequenceSet(((4, 6),)), by_uid=True)).remove()
    assert list(inbox.messages) == [2, 8]


async def test_long_work_goes_in_steps(account: FakeAccount) -> None:
    box, structure = account.boxes["INBOX"], scan(HELLO)
    for _ in range(STEP + 1):
        account.put(box, HELLO, structure, 0, 0)
    found = await Messages.find(account, "INBOX", ALL, by_uid=True)
    account.storage.calls.clear()
    await found.change_flags(FlagChange.REPLACE, Flags((r"\Seen", r"\Flagged"), ("work",)))
    assert account.storage.calls == ["store"] * 2
    assert {message.flags & ~RECENT for message in box.messages.values()} == {SEEN | FLAGGED | 1 << 8}
    await found.remove()
    assert not box.messages


async def test_a_message_that_is_damaged_keeps_no_other_back(
    account: FakeAccount, inbox: FakeBox, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox.messages[4].is_broken = True
    out = io.BytesIO()
    with pytest.raises(Failure, match="1 of 4 messages could not be read whole"):
        await (await Messages.find(account, "INBOX", ALL, by_uid=True)).dump(out)
    assert out.getvalue() == HELLO * 3
    assert capsys.readouterr().err == "Error: UID 4: Message is damaged\n"


async def test_a_large_message_is_dumped_whole(account: FakeAccount) -> None:
    message = HELLO + b"0123456789abcdef" * (CHUNK // 10)
    account.add("INBOX", message)
    out = io.BytesIO()
    await (await Messages.find(account, "INBOX", ALL, by_uid=True)).dump(out)
    assert out.getvalue() == message


@pytest.mark.parametrize("lines", [1, 100_000])
async def test_line_ends_become_those_of_mail(account: FakeAccount, lines: int) -> None:
    account.own_limit = 1 << 24
    source = io.BytesIO(b"Subject: hello\n\n" + b"line\nline\r\n" * lines)
    assert await add(account, "inbox", source, Flags((r"\Seen",)), 5) == 1
    message = account.boxes["INBOX"].messages[1]
    assert message.data == HELLO + b"line\r\nline\r\n" * lines
    assert (message.flags & ~RECENT, message.received) == (SEEN, 5)


async def test_what_is_too_big_is_not_read_to_its_end(account: FakeAccount) -> None:
    source = io.BytesIO(b"\n" * (account.append_limit + CHUNK))
    with pytest.raises(TooBig):
        await add(account, "INBOX", source, Flags(), None)
    assert source.tell() < account.append_limit
    assert not account.boxes["INBOX"].messages


async def test_without_the_mailbox_nothing_is_read(account: FakeAccount) -> None:
    source = io.BytesIO(HELLO)
    with pytest.raises(NoSuchMailbox):
        await add(account, "Work", source, Flags(), None)
    assert source.tell() == 0


async def test_no_octets_are_no_message(account: FakeAccount) -> None:
    with pytest.raises(Failure, match="there is no message"):
        await add(account, "INBOX", io.BytesIO(), Flags(), None)
    assert not account.boxes["INBOX"].messages


def test_flags_that_are_named_twice_count_once() -> None:
    flags = [Flags((r"\Seen",), ("work",)), Flags((r"\Draft", r"\Seen")), Flags((), ("work", "home"))]
    assert together(flags) == Flags((r"\Seen", r"\Draft"), ("work", "home"))
