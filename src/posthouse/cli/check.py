"""`posthouse check`: is the mail storage sound?"""

import sys
from collections.abc import AsyncIterator

import click

from posthouse.app.options import Options
from posthouse.cli.administer import block_flag, opened, read_only
from posthouse.cli.command import Command
from posthouse.framework.interfaces.storage import CheckedStorage, Fault

EXAMPLES = """\b
Examples:
  posthouse check              look at everything, change nothing
  posthouse check -repair      and repair what is safe to repair
"""


@click.command("check", cls=Command, short_help="Check the mail storage.", epilog=EXAMPLES)
@click.option(
    "--repair",
    is_flag=True,
    help="Count wrong numbers anew, and remove what no mailbox refers to. Messages are never removed.",
)
@block_flag("local_mailboxes")
@click.pass_obj
def check(options: Options, repair: bool, block: str) -> int:
    """Look whether all messages are there, and whether all that is written down about them is right.

    Every octet is read. The server may run meanwhile. The exit status is 0 when nothing is wrong, or all was repaired,
    else 1.
    """
    if repair:
        with opened(options, block, CheckedStorage) as (started, wait):
            faults, mended = wait(_repaired(started.repair()))
    else:
        with read_only(options, block, CheckedStorage) as storage:
            faults, mended = _found(storage)
    _summary(faults, mended, repair=repair)
    return 1 if faults > (mended if repair else 0) else 0


def _found(storage: CheckedStorage) -> tuple[int, int]:
    """Print the faults; gives how many there are, and how many could be repaired."""
    faults = mendable = 0
    for fault in storage.check():
        faults += 1
        mendable += bool(fault.repair)
        _print(fault, "would repair: ")
    return faults, mendable


async def _repaired(found: AsyncIterator[Fault]) -> tuple[int, int]:
    """Print the faults; gives how many there were, and how many were repaired."""
    faults = mended = 0
    async for fault in found:
        faults += 1
        mended += bool(fault.repair)
        _print(fault, "repaired: ")
    return faults, mended


def _print(fault: Fault, done: str) -> None:
    print(f"{fault.what}; {done}{fault.repair}" if fault.repair else fault.what, flush=True)


def _summary(faults: int, mended: int, *, repair: bool) -> None:
    if not faults:
        text = "No faults found"
    elif repair:
        text = f"{faults} faults, {mended} of them repaired"
    else:
        text = f"{faults} faults; {mended} of them can be repaired: posthouse check -repair"
    if faults > mended:
        text += "; for the others see a backup"
    print(text, file=sys.stderr)
