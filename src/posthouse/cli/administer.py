"""What the commands have in common that act on one block of the configuration: they open it, act, and close it.

The server may run meanwhile, or not: they meet in the database.
"""

import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import click

from posthouse.app.options import Options

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


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


def act(options: Options, block: str, role: type[T], action: Callable[[T], Awaitable[None]]) -> None:
    """Open a block of the configuration as a `role`, and let `action` work on it. Raises Failure."""
    import asyncio  # here, because it loads much that `version` and `--help` do without

    from posthouse.app.admin import open_block

    async def acting() -> None:
        async with open_block(options, block, role) as opened:
            await action(opened)

    asyncio.run(acting())


def print_names(names: Iterable[str]) -> None:
    """One a line on standard output; `No users.` on standard error when there are none."""
    lines = sorted(names)
    for line in lines:
        click.echo(line)
    if not lines:
        print("No users.", file=sys.stderr)
