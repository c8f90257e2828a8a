"""storage.imapsql as a target (spec/storage-and-imap §2)."""

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest

from posthouse.core.errors import INTERNAL, MailError
from posthouse.db.blobs import LOG_BODY_MAX
from posthouse.framework.buffer import FileBody, MemoryBody
from posthouse.framework.interfaces.storage import RECENT
from posthouse.framework.interfaces.target import Delivery, Target
from posthouse.message.header import Header
from posthouse.message.structure import parts_of
from posthouse.modules.storage.imapsql import ImapSql
from posthouse.modules.storage.imapsql.incoming import HEAD_MAX
from posthouse.testing.disk import FaultyDisk
from posthouse.wire.smtp.reply import Reply

PREFIX = b"Delivered-To: ann@example.org\r\nReturn-Path: <bob@example.net>\r\n"
HEADER = b"From: Bob <bob@example.net>\r\nSubject: hello\r\n"
BODY = b"Hi!\r\n"


def test_it_is_a_target(mail: Any) -> None:
    assert isinstance(mail.module(), Target)
    assert mail.module().commit_order == 2


async def test_a_message_is_stored_with_its_own_fields_on_top(mail: Any, storage: ImapSql) -> None:
    await mail.deliver(storage, "ann@example.org")
    assert await mail.messages(storage, "ann@example.org") == [PREFIX + HEADER + b"\r\n" + BODY]


async def test_internal_date_is_now_and_flags_are_none_but_recent(mail: Any, storage: ImapSql) -> None:
    mail.fake.clock.advance(5)
    await mail.deliver(storage, "ann@example.org")
    account = await storage.account("ann@example.org")
    assert account is not None
    mailbox = await account.open("INBOX")
    (row,) = [row async for rows in mailbox.rows([1]) for row in rows]
    assert (row.received, row.flags) == (int(mail.fake.clock.time()), RECENT)


@pytest.mark.parametrize(
    ("reverse_path", "field"),
    [
        ("", b"<>"),
        ("a@b\r\nEvil: yes", b"<a@bEvil: yes>"),
        ("ä@bücher.example", "<ä@bücher.example>".encode()),
    ],
)
async def test_return_path_is_one_line(mail: Any, storage: ImapSql, reverse_path: str, field: bytes) -> None:
    await mail.deliver(storage, "ann@example.org", reverse_path=reverse_path)
    (message,) = await mail.messages(storage, "ann@example.org")
    assert message.split(b"\r\n")[1] == b"Return-Path: " + field


async def test_all_recipients_share_one_body(mail: Any, storage: ImapSql) -> None:
    await mail.deliver(storage, "ann@example.org", "bob@example.org", body=b"x" * 50_000)
    (ann,) = await mail.messages(storage, "ann@example.org")
    (bob,) = await mail.messages(storage, "bob@example.org")
    assert ann.startswith(PREFIX)
    assert bob.startswith(b"Delivered-To: bob@example.org\r\n")
    segments = (mail.fake.paths.state / "imapsql.db.blobs").glob("*.seg")
    assert sum(path.stat().st_size for path in segments) < 100_000


@pytest.mark.parametrize(
    "recipients",
    [("ann@example.org", "ann@example.org"), ("ann@example.org", "Ann@EXAMPLE.org")],
)
async def test_one_copy_for_an_account_that_is_named_twice(
    mail: Any, storage: ImapSql, recipients: tuple[str, ...]
) -> None:
    await mail.deliver(storage, *recipients)
    assert len(await mail.messages(storage, "ann@example.org")) == 1


@pytest.mark.parametrize("recipient", ["nobody@example.org", "ann", "ann@", "@", "", "a b@example.org"])
async def test_unknown_users_are_refused(mail: Any, storage: ImapSql, recipient: str) -> None:
    delivery = await storage.start_delivery(mail.envelope(), "")
    with pytest.raises(MailError) as caught:
        await delivery.add_recipient(recipient)
    assert caught.value.reply.to_bytes() == b"501 5.1.1 User does not exist\r\n"
    assert caught.value.module == "target.imapsql"
    await delivery.abort()


class Answers:
    """A table with one answer, or a failure."""

    def __init__(self, answer: list[str] | Exception) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def lookup(self, key: str) -> list[str]:
        self.asked.append(key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_delivery_map_says_the_account(mail: Any, opened: Any) -> None:
    table = Answers(["Ann"])
    storage = await opened(mail.module(delivery_map=table))
    await storage.create_account("ann")
    await mail.deliver(storage, "Ann@Example.Org")
    assert table.asked == ["ann@example.org"]
    assert len(await mail.messages(storage, "ann")) == 1


@pytest.mark.parametrize("answer", [[], MailError(Reply(554, (5, 3, 5), "No"))], ids=["miss", "error"])
async def test_what_delivery_map_does_not_know_is_refused(mail: Any, opened: Any, answer: Any) -> None:
    storage = await opened(mail.module(delivery_map=Answers(answer)))
    await storage.create_account("ann@example.org")
    with pytest.raises(MailError, match="User does not exist"):
        await mail.deliver(storage, "ann@example.org")


async def test_a_delivery_map_that_cannot_tell_now_bounces_no_mail(mail: Any, opened: Any) -> None:
    storage = await opened(mail.module(delivery_map=Answers(MailError(INTERNAL))))
    await storage.create_account("ann@example.org")
    with pytest.raises(MailError) as caught:
        await mail.deliver(storage, "ann@example.org")
    assert caught.value.reply == INTERNAL


async def test_quarantined_mail_goes_to_a_mailbox_for_junk_that_is_made(mail: Any, storage: ImapSql) -> None:
    for _ in range(2):
        await mail.deliver(storage, "ann@example.org", quarantine=True)
    account = await storage.account("ann@example.org")
    assert account is not None
    listed = [(info.name, info.special_use) for info in await account.mailboxes()]
    assert listed == [("INBOX", ""), ("Junk", "\\Junk")]
    assert len(await mail.messages(storage, "ann@example.org", "Junk")) == 2
    assert await mail.messages(storage, "ann@example.org") == []


@pytest.mark.parametrize(("configured", "name"), [("Spam.", "Spam"), ("inbox", "INBOX")])
async def test_the_mailbox_for_junk_is_called_as_clients_can_call_it(
    mail: Any, opened: Any, configured: str, name: str
) -> None:
    storage = await opened(mail.module(("junk_mailbox", configured)))
    await storage.create_account("ann@example.org")
    await mail.deliver(storage, "ann@example.org", quarantine=True)
    assert len(await mail.messages(storage, "ann@example.org", name)) == 1
    account = await storage.account("ann@example.org")
    assert name in [info.name for info in await account.mailboxes()]


@pytest.mark.parametrize(
    ("made", "used"),
    [
        pytest.param([("Rubbish", "\\Junk")], "Rubbish", id="by special use"),
        pytest.param([("Spam", "")], "Spam", id="by name"),
        pytest.param([("Spam", ""), ("Rubbish", "\\Junk")], "Rubbish", id="special use first"),
    ],
)
async def test_quarantined_mail_goes_to_the_mailbox_for_junk_that_is_there(
    mail: Any, opened: Any, made: list[tuple[str, str]], used: str
) -> None:
    storage = await opened(mail.module(("junk_mailbox", "Spam")))
    account = await storage.create_account("ann@example.org")
    for name, special_use in made:
        await account.create_mailbox(name, special_use)
    await mail.deliver(storage, "ann@example.org", quarantine=True)
    assert len(await mail.messages(storage, "ann@example.org", used)) == 1
    assert len(await account.mailboxes()) == len(made) + 1


async def test_an_aborted_delivery_leaves_nothing(mail: Any, storage: ImapSql, tmp_path: Path) -> None:
    delivery = await storage.start_delivery(mail.envelope(), "")
    await delivery.add_recipient("ann@example.org")
    await delivery.body(Header.parse(HEADER), MemoryBody(b"x" * (LOG_BODY_MAX + 1)))
    await delivery.abort()
    await storage.stop()
    assert large_files(mail) == []
    await storage.prepare()


def large_files(mail: Any) -> list[Path]:
    blobs: Path = mail.fake.paths.state / "imapsql.db.blobs"
    return [path for path in blobs.rglob("*") if path.is_file() and path.suffix != ".seg"]


async def test_sessions_see_a_message_after_its_commit_and_not_before(mail: Any, storage: ImapSql) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    mailbox = await account.open("INBOX")
    before = await mailbox.snapshot()
    heard: list[str] = []
    watch = mailbox.watch(lambda: heard.append("look"))
    delivery = await storage.start_delivery(mail.envelope(), "")
    await delivery.add_recipient("ann@example.org")
    await delivery.body(Header.parse(HEADER), MemoryBody(BODY))
    assert (heard, (await mailbox.changes(before.modseq)).added) == ([], [])
    await delivery.commit()
    assert heard == ["look"]
    assert (await mailbox.changes(before.modseq)).added == [(1, RECENT)]
    watch.close()
    await mail.deliver(storage, "ann@example.org")
    assert heard == ["look"]


async def test_other_processes_hear_which_mailbox_changed(mail: Any, storage: ImapSql, opened: Any) -> None:
    other = await opened(mail.module())
    account = await other.account("ann@example.org")
    mailbox = await account.open("INBOX")
    heard = asyncio.Event()
    watch = mailbox.watch(heard.set)
    await mail.deliver(storage, "bob@example.org")
    await asyncio.sleep(0)
    assert not heard.is_set()
    await mail.deliver(storage, "ann@example.org")
    await heard.wait()
    watch.close()
    topic, _ = mail.fake.bus.published[-1]
    assert topic.startswith("sql-")
    assert {topic for topic, _ in mail.fake.bus.published} == {topic}


LARGE = bytes(range(1, 256)) * 5000


@pytest.mark.parametrize("header_size", [100, HEAD_MAX + 1], ids=["small header", "large header"])
@pytest.mark.parametrize("is_spooled", [False, True], ids=["in memory", "spooled"])
async def test_large_messages_are_read_back_from_any_offset(
    mail: Any, storage: ImapSql, tmp_path: Path, header_size: int, is_spooled: bool
) -> None:
    header = HEADER + b"X-Long: y\r\n" * (header_size // 11)
    body: Any = MemoryBody(LARGE)
    if is_spooled:
        spool = tmp_path / "spool"
        spool.write_bytes(LARGE)
        body = FileBody(spool, len(LARGE))
    await mail.deliver(storage, "ann@example.org", "bob@example.org", header=header, body=body)
    whole = PREFIX + header + b"\r\n" + LARGE
    assert await mail.messages(storage, "ann@example.org") == [whole]
    account = await storage.account("ann@example.org")
    assert account is not None
    mailbox = await account.open("INBOX")
    (row,) = [row async for rows in mailbox.rows([1]) for row in rows]
    content = await mailbox.content(row.email)
    begin = len(whole) - len(LARGE)
    for offset, length in ((0, 10), (begin - 5, 10), (begin, 1), (begin + 300_000, 70_000), (len(whole), 5)):
        assert await content.read(offset, length) == whole[offset : offset + length]
    assert len(large_files(mail)) == 1


async def test_a_spooled_body_that_is_small_goes_to_the_log(
    mail: Any, storage: ImapSql, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(BODY)
    await mail.deliver(storage, "ann@example.org", body=FileBody(spool, len(BODY)))
    spool.unlink()
    assert await mail.messages(storage, "ann@example.org") == [PREFIX + HEADER + b"\r\n" + BODY]
    assert large_files(mail) == []


@pytest.mark.parametrize("size", [10, LOG_BODY_MAX + 1])
async def test_sections_are_found_in_each_copy(mail: Any, storage: ImapSql, size: int) -> None:
    body = b"--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b\r\n\r\n" + b"x" * size + b"\r\n--b--\r\n"
    header = HEADER + b"Content-Type: multipart/mixed; boundary=b\r\n"
    await mail.deliver(storage, "ann@example.org", "bob@example.org", header=header, body=body)
    for name in ("ann@example.org", "bob@example.org"):
        account = await storage.account(name)
        assert account is not None
        mailbox = await account.open("INBOX")
        (row,) = [row async for rows in mailbox.rows([1]) for row in rows]
        content = await mailbox.content(row.email)
        parts = parts_of(content.parts)

        async def section(*numbers: int, text: bytes = b"") -> bytes:
            place = parts.section(numbers, text)  # noqa: B023 - used in this turn only
            assert place is not None
            return await content.read(*place)  # noqa: B023

        assert (await section(text=b"HEADER")).startswith(b"Delivered-To: " + name.encode())
        assert (await section(text=b"HEADER")).endswith(header + b"\r\n")
        assert await section(text=b"TEXT") == body
        assert await section(1) == b"one"
        assert await section(2) == b"x" * size


async def finish(delivery: Delivery, body: bytes) -> None:
    await delivery.body(Header.parse(HEADER), MemoryBody(body))
    await delivery.commit()


def fault(call: str, suffix: str, code: int) -> Any:
    def raises(done: str, path: Path) -> None:
        if done == call and path.name.endswith(suffix):
            raise OSError(code, "fault")

    return raises


@pytest.mark.parametrize(
    ("code", "reply"),
    [
        pytest.param(errno.ENOSPC, b"452 4.3.1 Insufficient system storage\r\n", id="R-008"),
        pytest.param(errno.EIO, b"451 4.3.0 Internal server error\r\n", id="R-007"),
        pytest.param(errno.EROFS, b"451 4.3.0 Internal server error\r\n", id="R-010"),
    ],
)
@pytest.mark.parametrize("size", [10, LOG_BODY_MAX + 1], ids=["small", "large"])
async def test_R_008_a_failing_disk_refuses_for_now_and_leaves_nothing(
    mail: Any, storage: ImapSql, disk: FaultyDisk, code: int, reply: bytes, size: int
) -> None:
    disk.fault = fault("write", "", code)
    delivery = await storage.start_delivery(mail.envelope(), "")
    await delivery.add_recipient("ann@example.org")
    with pytest.raises(MailError) as caught:
        await finish(delivery, b"x" * size)
    await delivery.abort()
    assert caught.value.reply.to_bytes() == reply
    disk.fault = fault("", "", 0)
    await mail.deliver(storage, "ann@example.org")
    assert len(await mail.messages(storage, "ann@example.org")) == 1
    assert large_files(mail) == []


async def test_an_account_removed_before_the_commit_refuses_for_now(mail: Any, storage: ImapSql) -> None:
    delivery = await storage.start_delivery(mail.envelope(), "")
    await delivery.add_recipient("ann@example.org")
    await delivery.body(Header.parse(HEADER), MemoryBody(BODY))
    await storage.remove_account("ann@example.org")
    with pytest.raises(MailError) as caught:
        await delivery.commit()
    assert caught.value.is_transient


async def test_an_account_removed_by_another_process_is_forgotten(
    mail: Any, storage: ImapSql, opened: Any
) -> None:
    await mail.deliver(storage, "ann@example.org")
    other = await opened(mail.module())
    await other.remove_account("ann@example.org")
    with pytest.raises(MailError):
        await mail.deliver(storage, "ann@example.org")
    with pytest.raises(MailError, match="User does not exist"):
        await mail.deliver(storage, "ann@example.org")


async def test_a_commit_ends_before_its_task_is_cancelled(mail: Any, storage: ImapSql) -> None:
    delivery = await storage.start_delivery(mail.envelope(), "")
    await delivery.add_recipient("ann@example.org")
    await delivery.body(Header.parse(HEADER), MemoryBody(BODY))
    replies: list[str] = []

    async def session() -> None:
        await delivery.commit()
        replies.append("250")
        await asyncio.sleep(0)
        replies.append("next command")

    task = asyncio.create_task(session())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert replies == ["250"]
    assert len(await mail.messages(storage, "ann@example.org")) == 1


async def test_a_large_delivery_that_is_cancelled_leaves_nothing(mail: Any, storage: ImapSql) -> None:
    delivery = await storage.start_delivery(mail.envelope(), "")
    await delivery.add_recipient("ann@example.org")
    for steps in range(6):
        task = asyncio.create_task(delivery.body(Header.parse(HEADER), MemoryBody(LARGE)))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await delivery.abort()
    await storage.stop()
    assert large_files(mail) == []


async def test_where_a_message_went_is_told_to_whoever_debugs(mail: Any, opened: Any) -> None:
    storage = await opened(mail.module(debug=True))
    await storage.create_account("ann@example.org")
    await mail.deliver(storage, "ann@example.org")
    assert '"account":"ann@example.org"' in mail.fake.log.lines[-1]
    assert mail.fake.log.lines[-1].startswith("[debug] imapsql: stored")


async def test_R_062_what_has_been_delivered_to_the_account_before_is_a_loop(mail: Any, opened: Any) -> None:
    storage = await opened(mail.module(("refuse_delivered", "yes")))
    for name in ("ann", "eve"):
        await storage.create_account(f"{name}@example.org")
    seen = b"Delivered-To:\r\n Ann@example.org \r\n" + HEADER
    with pytest.raises(MailError) as refused:
        await mail.deliver(storage, "eve@example.org", "ann@example.org", header=seen)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (554, (5, 4, 6))
    assert await mail.messages(storage, "ann@example.org") == []
    await mail.deliver(storage, "eve@example.org", header=seen)
    assert len(await mail.messages(storage, "eve@example.org")) == 1


async def test_mail_that_was_fetched_from_another_server_is_stored(mail: Any, storage: ImapSql) -> None:
    """Which has the Delivered-To of that one: by default it is none of our business."""
    await mail.deliver(storage, "ann@example.org", header=b"Delivered-To: ann@example.org\r\n" + HEADER)
    assert len(await mail.messages(storage, "ann@example.org")) == 1
