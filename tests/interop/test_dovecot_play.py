"""Random commands of several sessions, on the real program and on Dovecot: every difference is of a kind that stands here.

Both end as the model says, which `Play` makes sure of. Mod-sequences are each server's own, and not compared.
"""

import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from posthouse.testing.imap_model import Outcome
from posthouse.testing.imap_play import Login, Play

ROUNDS = int(os.environ.get("POSTHOUSE_MODEL_ROUNDS", "3"))


@dataclass(frozen=True, slots=True)
class Told:
    """What can be the same. flags: those that the session knows. data: what FETCH and STORE answered."""

    condition: bytes
    code: bytes
    found: list[int] | None
    status: dict[str, int]
    copied: dict[int, int]
    expunged: list[int]
    uids: list[int]
    flags: dict[int, frozenset[str]]
    data: dict[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A kind of difference in one field. applies: whether this is one, by the command and both servers' Told."""

    field: str
    why: str
    applies: Callable[[str, Told, Told], bool]


DIFFERENCES = (
    Difference(
        "code",
        "STATUS of the selected mailbox: Dovecot calls it a bug of the client",
        lambda command, _, theirs: command.startswith("STATUS") and theirs.code == b"CLIENTBUG",
    ),
    Difference(
        "status",
        "and answers with what the session knows; we with what is there",
        lambda _, __, theirs: theirs.code == b"CLIENTBUG",
    ),
    Difference(
        "code",
        "Dovecot tells that messages are gone by a code of RFC 5530; we pass over them",
        lambda _, ours, theirs: (ours.code, theirs.code) == (b"", b"EXPUNGEISSUED"),
    ),
    Difference(
        "data",
        "of messages that another has removed Dovecot still tells what it has; we only the flags, and not in UID FETCH",
        lambda _, ours, theirs: _but_for(ours.uids, ours.data) == _but_for(ours.uids, theirs.data),
    ),
    Difference(
        "found",
        "and finds them",
        lambda _, ours, theirs: _among(ours.uids, ours.found) == _among(ours.uids, theirs.found),
    ),
    Difference(
        "data",
        "Dovecot answers STORE only for messages whose flags became others; RFC 3501 §6.4.6 wants all",
        lambda command, ours, theirs: (
            "STORE" in command and _but_for(ours.uids, theirs.data).items() <= ours.data.items()
        ),
    ),
    Difference(
        "flags",
        "so of the others the session does not know the flags there",
        lambda _, ours, theirs: all(
            theirs.flags.get(uid, flags) == flags for uid, flags in ours.flags.items()
        ),
    ),
)


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_R_114_dovecot_tells_sessions_the_same_or_the_difference_is_known(
    ours: Login, theirs: Login, seed: int
) -> None:
    here, there = Play(ours, seed, strict=False), Play(theirs, seed, strict=False)
    await here.run()
    await there.run()
    for our_outcome, their_outcome in zip(here.outcomes, there.outcomes, strict=True):
        assert our_outcome.command == their_outcome.command
        _compare(our_outcome.command, _told(our_outcome), _told(their_outcome))


def _compare(command: str, ours: Told, theirs: Told) -> None:
    for field, value in asdict(ours).items():
        known = [known for known in DIFFERENCES if known.field == field]
        if value != asdict(theirs)[field]:
            assert any(one.applies(command, ours, theirs) for one in known), (command, field, ours, theirs)


def _told(outcome: Outcome) -> Told:
    status = re.match(rb"(OK|NO|BAD)(?: \[([^\]]*)\])?", outcome.tagged)
    assert status is not None
    answers = outcome.command.removeprefix("UID ").startswith(("FETCH", "STORE"))
    return Told(
        condition=status[1],
        code=re.sub(rb"(APPENDUID|COPYUID) [0-9]+", rb"\1", status[2] or b""),
        found=outcome.found,
        status=outcome.status,
        copied=outcome.copied,
        expunged=[uid for uid in outcome.expunged if uid],
        uids=outcome.uids,
        flags={
            uid: flags for uid, flags in zip(outcome.uids, outcome.flags, strict=True) if flags is not None
        },
        data=_data(outcome) if answers else {},
    )


def _data(outcome: Outcome) -> dict[int, dict[str, Any]]:
    """By UID; messages of which nothing but that was told are left out."""
    data: dict[int, dict[str, Any]] = {}
    for uid, items in outcome.fetched.items():
        shown = {name: value for name, value in items.items() if name not in ("UID", "MODSEQ")}
        if "FLAGS" in shown:
            shown["FLAGS"] = sorted(set(shown["FLAGS"]) - {"\\Recent"})
        if shown:
            data[uid] = shown
    return data


def _but_for(uids: list[int], data: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Only of these messages."""
    return {uid: items for uid, items in data.items() if uid in uids}


def _among(uids: list[int], found: list[int] | None) -> list[int]:
    return [uid for uid in found or () if uid in uids]
