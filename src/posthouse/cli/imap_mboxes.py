"""`posthouse imap-mboxes`: mailboxes of an account."""

import sys
from collections.abc import Iterator, Sequence

import click

from posthouse.app.options import Options
from posthouse.cli.administer import account_of, block_flag, opened, yes_flag
from posthouse.cli.ask import confirm
from posthouse.cli.command import Group, argument
from posthouse.framework.interfaces.storage import MailboxInfo, Storage

SPECIAL_USES = ("archive", "drafts", "junk", "sent", "trash")
EXAMPLES = """\b
Examples:
  posthouse imap-mboxes list ann@example.org
  posthouse imap-mboxes create -special archive ann@example.org Archive
  posthouse imap-mboxes rename ann@example.org Work Archive.Work
"""

cfg_block = block_flag("local_mailboxes")
username = argument("username", help="The account, as it is called in the storage.")
name = argument("name", help="The mailbox; a dot parts the levels of its name.")


@click.group("imap-mboxes", cls=Group, epilog=EXAMPLES)
def imap_mboxes() -> None:
    """Manage the mailboxes of an account.

    Mail programs do this by themselves. Those that are connected see the change at once.
    """


@imap_mboxes.command("list")
@username
@click.option("-s", "--subscribed", is_flag=True, help="Only those that mail programs show.")
@cfg_block
@click.pass_obj
def list_mailboxes(options: Options, username: str, subscribed: bool, block: str) -> None:
    """Print the mailboxes, oldest first, with what IMAP says of them."""
    with opened(options, block, Storage) as (storage, wait):
        account = wait(account_of(storage, username))
        mailboxes = wait(account.mailboxes())
        names = wait(account.subscriptions()) if subscribed else [mailbox.name for mailbox in mailboxes]
        delimiter = storage.delimiter
    shown = [mailbox for mailbox in mailboxes if mailbox.name in names]
    parents = {parent for mailbox in mailboxes for parent in _parents(mailbox.name, delimiter)}
    for mailbox in shown:
        click.echo(f"{mailbox.name}\t[{' '.join(_attributes(mailbox, parents))}]")
    if not shown:
        print("No mailboxes.", file=sys.stderr)


def _parents(name: str, delimiter: str) -> Iterator[str]:
    while delimiter in name:
        name = name.rpartition(delimiter)[0]
        yield name


def _attributes(mailbox: MailboxInfo, parents: set[str]) -> Sequence[str]:
    """As LIST shows them."""
    children = "\\HasChildren" if mailbox.name in parents else "\\HasNoChildren"
    return (mailbox.special_use, children) if mailbox.special_use else (children,)


@imap_mboxes.command("create")
@username
@name
@click.option(
    "--special",
    metavar="USE",
    type=click.Choice(SPECIAL_USES),
    help=f"What mail programs put there: {', '.join(SPECIAL_USES)}.",
)
@cfg_block
@click.pass_obj
def create(options: Options, username: str, name: str, special: str | None, block: str) -> None:
    """Make a mailbox, and those above it that are missing."""
    attribute = f"\\{special.capitalize()}" if special else ""
    with opened(options, block, Storage) as (storage, wait):
        wait(wait(account_of(storage, username)).create_mailbox(name, attribute))


@imap_mboxes.command("remove")
@username
@name
@yes_flag
@cfg_block
@click.pass_obj
def remove(options: Options, username: str, name: str, yes: bool, block: str) -> None:
    """Remove a mailbox with its messages. Those below it stay."""
    with opened(options, block, Storage) as (storage, wait):
        account = wait(account_of(storage, username))
        if not yes:
            count = wait(account.status(name)).messages
            confirm(f"{name} has {count} messages. Remove it with them, for good?")
        wait(account.delete_mailbox(name))


@imap_mboxes.command("rename")
@username
@argument("old", help="The mailbox as it is called now.")
@argument("new", help="What it shall be called.")
@cfg_block
@click.pass_obj
def rename(options: Options, username: str, old: str, new: str, block: str) -> None:
    """Give a mailbox another name, and move those below it along.

    Of INBOX only the messages move: INBOX itself stays, and is empty then.
    """
    with opened(options, block, Storage) as (storage, wait):
        wait(wait(account_of(storage, username)).rename_mailbox(old, new))
