"""Passwords on the command line: the flags that `hash` and `creds` share, and the hash made of them."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from posthouse.cli.ask import ask_password
from posthouse.cli.command import Failure

F = TypeVar("F", bound=Callable[..., Any])

password_flag = click.option(
    "-p",
    "--password",
    metavar="TEXT",
    help="The password; without this flag it is asked for, or read from standard input.",
)
hash_flag = click.option(
    "--hash",
    "algorithm",
    metavar="ALGORITHM",
    default="bcrypt",
    show_default=True,
    help="How it is hashed: bcrypt or argon2.",
)
bcrypt_cost_flag = click.option(
    "--bcrypt-cost",
    type=click.IntRange(4, 31),
    default=10,
    show_default=True,
    help="Each step doubles the work, for us and for who guesses.",
)


def password_from(flag: str | None, prompt: str) -> str:
    """The password given with the flag, or asked for. Warns of what is hardly meant."""
    password = ask_password(prompt) if flag is None else flag
    if not password:
        print("Warning: the password is empty", file=sys.stderr)
    elif password != password.strip():
        print("Warning: the password begins or ends with a blank, which is part of it", file=sys.stderr)
    return password


def hashed(algorithm: str, password: str, **cost: int) -> str:
    """`ALGORITHM:HASH`. Raises Failure for what the algorithm cannot take."""
    from posthouse.framework.hashing import HashCost, make_hash

    try:
        return make_hash(algorithm, password, HashCost(**cost))
    except UnicodeEncodeError as err:
        raise Failure("the password is not UTF-8", 2) from err
    except ValueError as err:
        raise Failure(str(err), 2) from err
