"""`posthouse imap-acct`: accounts of the mail storage."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from posthouse.app.options import Options
from posthouse.cli.administer import block_flag, opened, print_names, yes_flag
from posthouse.cli.ask import confirm
from posthouse.cli.command import Group, argument
from posthouse.framework.interfaces.storage import AccountDatabase, StorageError

F = TypeVar("F", bound=Callable[..., Any])
EXAMPLES = """\b
Examples:
  posthouse imap-acct create ann@example.org
  posthouse imap-acct appendlimit -value 10485760 ann@example.org
  posthouse imap-acct list
"""
NO_LIMIT = -1
LIMIT_MAX = 2**32 - 1  # octets: IMAP has no larger numbers (RFC 7889)

cfg_block = block_flag("local_mailboxes")
username = argument("username", help="The account, as it is called in the storage.")


@click.group("imap-acct", cls=Group, epilog=EXAMPLES)
def imap_acct() -> None:
    """Manage accounts: who has mailboxes here.

    Passwords are another matter: see `creds`.
    """


@imap_acct.command("list")
@cfg_block
@click.pass_obj
def list_accounts(options: Options, block: str) -> None:
    """Print the accounts, one a line."""
    with opened(options, block, AccountDatabase) as (storage, wait):
        names = wait(storage.accounts())
    print_names(names)


def _special_use_flag(name: str) -> Callable[[F], F]:
    return click.option(
        f"--{name}-name",
        name,
        metavar="NAME",
        default=name.capitalize(),
        show_default=True,
        help=f"What the mailbox with the attribute \\{name.capitalize()} is called; empty makes none.",
    )


@imap_acct.command("create")
@username
@click.option("--no-specialuse", is_flag=True, help="Make no mailbox but INBOX.")
@_special_use_flag("sent")
@_special_use_flag("trash")
@_special_use_flag("junk")
@_special_use_flag("drafts")
@_special_use_flag("archive")
@cfg_block
@click.pass_obj
def create(options: Options, /, username: str, no_specialuse: bool, block: str, **names: str) -> None:
    """Make an account, with INBOX and the mailboxes that mail programs expect."""
    special = {} if no_specialuse else {f"\\{use.capitalize()}": name for use, name in names.items() if name}
    with opened(options, block, AccountDatabase) as (storage, wait):
        account = wait(storage.create_account(username))
        for attribute, name in special.items():
            try:
                wait(account.create_mailbox(name, attribute))
            except StorageError as err:
                print(f"Warning: mailbox {name} was not made: {err}", file=sys.stderr)


@imap_acct.command("remove")
@username
@yes_flag
@cfg_block
@click.pass_obj
def remove(options: Options, username: str, yes: bool, block: str) -> None:
    """Remove an account with all its mailboxes and messages."""
    with opened(options, block, AccountDatabase) as (storage, wait):
        if not yes:
            confirm(f"All messages of {username} will be gone for good. Go on?")
        wait(storage.remove_account(username))


@imap_acct.command("appendlimit")
@username
@click.option(
    "-v",
    "--value",
    type=click.IntRange(NO_LIMIT, LIMIT_MAX),
    metavar="OCTETS",
    help="The new limit; -1 removes it.",
)
@cfg_block
@click.pass_obj
def appendlimit(options: Options, username: str, value: int | None, block: str) -> None:
    """Print or change how large a message a mail program may store (APPENDLIMIT)."""
    with opened(options, block, AccountDatabase) as (storage, wait):
        if value is not None:
            wait(storage.set_append_limit(username, None if value == NO_LIMIT else value))
            return
        limit = wait(storage.get_append_limit(username))
    click.echo("No limit" if limit is None else limit)
