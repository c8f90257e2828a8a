"""What the commands have in common that act on one block of the configuration: they open it, act, and close it.

The server may run meanwhile, or not: they meet in the database.
"""

import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Protocol, TypeVar

import click

from posthouse.app.options import Options
from posthouse.cli import config_file
from posthouse.cli.command import Failure
from posthouse.framework.interfaces.storage import Account, Storage, StorageError

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
R = TypeVar("R")


class Wait(Protocol):
    """Waits for a coroutine, and gives what it gives."""

    def __call__(self, work: Coroutine[Any, Any, R], /) -> R: ...


def block_flag(default: str) -> Callable[[F], F]:
    """`--cfg-block NAME`: which block to act on."""
    return click.option(
        "--cfg-block",
        "block",
        metavar="NAME",
        envvar=["POSTHOUSE_CFGBLOCK", "MADDY_CFGBLOCK"],
        default=default,
        show_default=True,
        show_envvar=True,
        help="The block of the configuration to work on.",
    )


yes_flag = click.option("-y", "--yes", is_flag=True, help="Do not ask whether to go on.")


@contextmanager
def opened(options: Options, block: str, role: type[T]) -> Iterator[tuple[T, Wait]]:
    """A block of the configuration as a `role`, and how to wait for what it does: `wait(users.remove_user(name))`.

    Between the waits the program may ask questions: no event loop runs then. Raises Failure for whatever goes wrong.
    """
    config_file.require(options)
    import asyncio  # here, because it loads much that `version` and `--help` do without

    with _failures(), asyncio.Runner() as runner:
        from posthouse.app.admin import open_block

        stack = AsyncExitStack()
        module = runner.run(stack.enter_async_context(open_block(options, block, role)))
        try:
            yield module, runner.run
        finally:
            runner.run(stack.aclose())


@contextmanager
def read_only(options: Options, block: str, role: type[T]) -> Iterator[T]:
    """A block of the configuration as a `role`, for what only reads: it is not started. Raises Failure."""
    config_file.require(options)
    with _failures():
        from posthouse.app.admin import read_block

        yield read_block(options, block, role)


@contextmanager
def _failures() -> Iterator[None]:
    """What may go wrong with a block, as what the operator is told."""
    from posthouse.app.admin import BlockError
    from posthouse.core.directories import DirectoryError
    from posthouse.core.errors import MailError
    from posthouse.framework.config.node import ConfigError
    from posthouse.framework.interfaces.auth import InvalidCredentials

    try:
        yield
    except BrokenPipeError:  # nobody reads what we print: `carry_out` knows what to do
        raise
    except BlockError as err:
        raise Failure(str(err), 2) from err
    except MailError as err:
        raise Failure(str(err.log_fields()["reason"])) from err
    except UnicodeEncodeError as err:
        raise Failure(f"{err.object!r} is not UTF-8", 2) from err
    except (ConfigError, DirectoryError, InvalidCredentials, StorageError, ValueError, OSError) as err:
        raise Failure(str(err)) from err


async def account_of(storage: Storage, username: str) -> Account:
    """The account of this name. Raises Failure when there is none."""
    account = await storage.account(username)
    if account is None:
        raise Failure(f"there is no account {username}")
    return account


def print_names(names: Iterable[str]) -> None:
    """One a line on standard output; `No users.` on standard error when there are none."""
    lines = sorted(names)
    for line in lines:
        click.echo(line)
    if not lines:
        print("No users.", file=sys.stderr)
