"""`posthouse creds`: users and their passwords."""

import click

from posthouse.app.options import Options
from posthouse.cli.administer import block_flag, opened, print_names, yes_flag
from posthouse.cli.ask import confirm
from posthouse.cli.command import Group, argument
from posthouse.cli.passwords import bcrypt_cost_flag, hash_flag, hashed, password_flag, password_from
from posthouse.framework.interfaces.auth import UserDatabase

EXAMPLES = """\b
Examples:
  posthouse creds create ann@example.org
  posthouse creds password ann@example.org
  posthouse creds list
"""

cfg_block = block_flag("local_authdb")
username = argument("username", help="The name that the user logs in with; it is folded to lower case.")


@click.group("creds", cls=Group, epilog=EXAMPLES)
def creds() -> None:
    """Manage who may log in, and with which password.

    Mailboxes are another matter: see `imap-acct`.
    """


@creds.command("list")
@cfg_block
@click.pass_obj
def list_users(options: Options, block: str) -> None:
    """Print the users, one a line."""
    with opened(options, block, UserDatabase) as (users, wait):
        names = wait(users.users())
    print_names(names)


@creds.command("create")
@username
@password_flag
@hash_flag
@bcrypt_cost_flag
@cfg_block
@click.pass_obj
def create(
    options: Options, username: str, password: str | None, algorithm: str, bcrypt_cost: int, block: str
) -> None:
    """Let a new user log in."""
    with opened(options, block, UserDatabase) as (users, wait):
        stored = hashed(algorithm, password_from(password, f"Password for {username}: "), bcrypt=bcrypt_cost)
        wait(users.create_user(username, stored))


@creds.command("remove")
@username
@yes_flag
@cfg_block
@click.pass_obj
def remove(options: Options, username: str, yes: bool, block: str) -> None:
    """Take a user's password away. The mailboxes stay."""
    with opened(options, block, UserDatabase) as (users, wait):
        if not yes:
            confirm(f"{username} will not be able to log in any more. Go on?")
        wait(users.remove_user(username))


@creds.command("password")
@username
@password_flag
@hash_flag
@bcrypt_cost_flag
@cfg_block
@click.pass_obj
def password(
    options: Options, username: str, password: str | None, algorithm: str, bcrypt_cost: int, block: str
) -> None:
    """Give a user another password."""
    with opened(options, block, UserDatabase) as (users, wait):
        stored = hashed(
            algorithm, password_from(password, f"New password for {username}: "), bcrypt=bcrypt_cost
        )
        wait(users.set_password(username, stored))
