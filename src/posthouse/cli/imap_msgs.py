"""`posthouse imap-msgs`: messages in a mailbox."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from posthouse.app.options import Options
from posthouse.cli.administer import Wait, account_of, block_flag, opened, yes_flag
from posthouse.cli.ask import confirm
from posthouse.cli.command import Group, argument
from posthouse.cli.kinds import DATE, FLAG, SEQUENCE_SET
from posthouse.cli.selection import ALL, together, uid_flag, warn_of_numbers
from posthouse.framework.interfaces.storage import FlagChange, Storage
from posthouse.wire.imap.flags import Flags
from posthouse.wire.imap.sequence import SequenceSet

if TYPE_CHECKING:
    from posthouse.cli.messages import Messages

EXAMPLES = """\b
Examples:
  posthouse imap-msgs list ann@example.org INBOX
  posthouse imap-msgs dump -uid ann@example.org INBOX 17
  posthouse imap-msgs add -flag '\\Seen' ann@example.org Archive < message.eml
  posthouse imap-msgs move -uid ann@example.org INBOX 3:8,12 Archive
"""
WHICH = "Which messages: 3, 2:5 or 1,7:*, where * is the last one."

cfg_block = block_flag("local_mailboxes")
username = argument("username", help="The account, as it is called in the storage.")
mailbox = argument("mailbox", help="The mailbox; a dot parts the levels of its name.")
seq = argument("seq", kind=SEQUENCE_SET, help=WHICH)
seqset = argument("seqset", kind=SEQUENCE_SET, help=WHICH)


@click.group("imap-msgs", cls=Group, epilog=EXAMPLES)
def imap_msgs() -> None:
    """Look at the messages of a mailbox, and change them.

    Mail programs that are connected see the change at once.
    """


@contextmanager
def _found(
    options: Options, block: str, username: str, mailbox: str, messages: SequenceSet, *, by_uid: bool
) -> Iterator[tuple["Messages", Wait]]:
    """The messages that the command names, and how to wait for what is done to them."""
    from posthouse.cli.messages import Messages  # here, because it loads much that other commands do without

    with opened(options, block, Storage) as (storage, wait):
        account = wait(account_of(storage, username))
        yield wait(Messages.find(account, mailbox, messages, by_uid=by_uid)), wait


@imap_msgs.command("add")
@username
@mailbox
@click.option("-f", "--flag", "flags", multiple=True, type=FLAG, metavar="FLAG", help="A flag; repeatable.")
@click.option("-d", "--date", type=DATE, metavar="DATE", help="When it came in (RFC 3339); by default now.")
@cfg_block
@click.pass_obj
def add(
    options: Options, username: str, mailbox: str, flags: tuple[Flags, ...], date: int | None, block: str
) -> None:
    """Store the message on standard input, and print its UID."""
    from posthouse.cli import messages

    with opened(options, block, Storage) as (storage, wait):
        account = wait(account_of(storage, username))
        source = sys.stdin.buffer
        uid = wait(messages.add(account, mailbox, source, together(flags), date))
    click.echo(uid)


def _flags_command(word: str, change: FlagChange, text: str) -> None:
    @imap_msgs.command(word, help=text)
    @username
    @mailbox
    @seq
    @argument("flag", kind=FLAG, many=True, help="A flag, such as \\Seen, or a keyword.")
    @uid_flag
    @cfg_block
    @click.pass_obj
    def command(
        options: Options,
        username: str,
        mailbox: str,
        seq: SequenceSet,
        flag: tuple[Flags, ...],
        uid: bool,
        block: str,
    ) -> None:
        warn_of_numbers(by_uid=uid)
        with _found(options, block, username, mailbox, seq, by_uid=uid) as (messages, wait):
            wait(messages.change_flags(change, together(flag)))


_flags_command("add-flags", FlagChange.ADD, "Give messages these flags besides those that they have.")
_flags_command("rem-flags", FlagChange.REMOVE, "Take these flags away from messages.")
_flags_command("set-flags", FlagChange.REPLACE, "Give messages these flags and no others.")


@imap_msgs.command("remove")
@username
@mailbox
@seqset
@uid_flag
@yes_flag
@cfg_block
@click.pass_obj
def remove(
    options: Options, username: str, mailbox: str, seqset: SequenceSet, uid: bool, yes: bool, block: str
) -> None:
    """Remove messages for good."""
    warn_of_numbers(by_uid=uid)
    with _found(options, block, username, mailbox, seqset, by_uid=uid) as (messages, wait):
        if not yes and messages.uids:
            confirm(f"{len(messages.uids)} of the messages in {mailbox} will be gone for good. Go on?")
        wait(messages.remove())


@imap_msgs.command("copy")
@username
@argument("src", help="The mailbox that they are in.")
@seqset
@argument("dst", help="The mailbox that they shall be in, too.")
@uid_flag
@cfg_block
@click.pass_obj
def copy(
    options: Options, username: str, src: str, seqset: SequenceSet, dst: str, uid: bool, block: str
) -> None:
    """Copy messages into another mailbox.

    All of them, or none if that fails.
    """
    warn_of_numbers(by_uid=uid)
    with _found(options, block, username, src, seqset, by_uid=uid) as (messages, wait):
        wait(messages.mailbox.copy(messages.uids, dst))


@imap_msgs.command("move")
@username
@argument("src", help="The mailbox that they are in.")
@seqset
@argument("dst", help="The mailbox that they shall be in.")
@uid_flag
@cfg_block
@click.pass_obj
def move(
    options: Options, username: str, src: str, seqset: SequenceSet, dst: str, uid: bool, block: str
) -> None:
    """Move messages into another mailbox."""
    warn_of_numbers(by_uid=uid)
    with _found(options, block, username, src, seqset, by_uid=uid) as (messages, wait):
        wait(messages.mailbox.move(messages.uids, dst))


@imap_msgs.command("list")
@username
@mailbox
@argument("seqset", kind=SEQUENCE_SET, optional=True, help=f"{WHICH} By default all.")
@uid_flag
@click.option("-f", "--full", is_flag=True, help="Show all fields of the header that IMAP's ENVELOPE has.")
@cfg_block
@click.pass_obj
def list_messages(
    options: Options,
    username: str,
    mailbox: str,
    seqset: SequenceSet | None,
    uid: bool,
    full: bool,
    block: str,
) -> None:
    """Print what messages there are.

    UID, From and Subject, then flags, and the date of the Date field or else when it came in.
    """
    if seqset is not None:
        warn_of_numbers(by_uid=uid)
    with _found(options, block, username, mailbox, seqset or ALL, by_uid=uid) as (messages, wait):
        wait(messages.show(full=full))


@imap_msgs.command("dump")
@username
@mailbox
@seq
@uid_flag
@cfg_block
@click.pass_obj
def dump(options: Options, username: str, mailbox: str, seq: SequenceSet, uid: bool, block: str) -> None:
    """Print messages as they are stored."""
    warn_of_numbers(by_uid=uid)
    with _found(options, block, username, mailbox, seq, by_uid=uid) as (messages, wait):
        wait(messages.dump(sys.stdout.buffer))
