"""Which messages a command is about: SEQ and SEQSET, sequence numbers or, with `--uid`, UIDs."""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import click

from posthouse.cli.command import Failure
from posthouse.framework.interfaces.storage import Snapshot
from posthouse.wire.imap.flags import Flags
from posthouse.wire.imap.sequence import STAR, SequenceSet

ALL = SequenceSet(((1, STAR),))

uid_flag = click.option("-u", "--uid", is_flag=True, help="The numbers are UIDs, not sequence numbers.")


def warn_of_numbers(*, by_uid: bool) -> None:
    """Tell who gives sequence numbers that this will need a flag one day (spec/cli-and-ops.md §2)."""
    if not by_uid:
        print(
            "Warning: these are sequence numbers; a later version takes UIDs by default, as --uid does now",
            file=sys.stderr,
        )


def chosen(snapshot: Snapshot, messages: SequenceSet, *, by_uid: bool) -> "array[int]":
    """The UIDs of the messages of a set, ascending.

    Raises Failure when it names none that is there; a set with `*` is about whatever there is, and may be empty.
    """
    uids = snapshot.uids
    found = array(uids.typecode)
    for low, high in messages.resolve(uids[-1] if by_uid and uids else len(uids)):
        if by_uid:
            found += uids[bisect_left(uids, low) : bisect_right(uids, high)]
        else:
            found += uids[low - 1 : high]
    if not found and not any(STAR in ends for ends in messages.ranges):
        raise Failure("no such message in this mailbox")
    return found


def together(flags: Sequence[Flags]) -> Flags:
    """All of these flags, each once."""
    return Flags(
        tuple(dict.fromkeys(name for one in flags for name in one.system)),
        tuple(dict.fromkeys(name for one in flags for name in one.keywords)),
    )
