"""Random commands of several sessions, on the real program and on Dovecot: every difference is of a kind that stands here.

Both end as the model says, which `Play` makes sure of. Mod-sequences are each server's own, and not compared.
"""

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import Any

import pytest

from posthouse.testing.imap_model import Outcome
from posthouse.testing.imap_play import Login, Play

ROUNDS = int(os.environ.get("POSTHOUSE_MODEL_ROUNDS", "3"))


@dataclass(frozen=True, slots=True)
class Told:
    """What was told with a command. flags: those that the session knows. data, stated: what FETCH and STORE answered.

    news: messages of which flags were told, asked for or not. It is not compared; what the session knows then is.
    """

    command: str
    news: set[int]
    condition: bytes
    code: bytes
    status: dict[str, int]
    found: dict[int, bool]
    copied: dict[int, int]
    expunged: list[int]
    uids: list[int]
    flags: dict[int, frozenset[str]]
    data: dict[int, dict[str, Any]]
    stated: dict[int, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A kind of difference in one field. applies: whether it is one, by what we told, what Dovecot told, and the UID if there is one."""

    field: str
    why: str
    applies: Callable[[Told, Told, Any], bool]


DIFFERENCES = (
    Difference(
        "code",
        "STATUS of the selected mailbox: Dovecot calls it a bug of the client",
        lambda ours, theirs, _: ours.command.startswith("STATUS") and theirs.code == b"CLIENTBUG",
    ),
    Difference(
        "status",
        "and answers with what the session knows; we with what is there",
        lambda _, theirs, __: theirs.code == b"CLIENTBUG",
    ),
    Difference(
        "code",
        "Dovecot tells that messages are gone by a code of RFC 5530; we pass over them",
        lambda ours, theirs, _: (ours.code, theirs.code) == (b"", b"EXPUNGEISSUED"),
    ),
    Difference(
        "data",
        "and still tells what it has of them",
        lambda ours, theirs, uid: uid not in ours.uids and uid not in ours.data,
    ),
    Difference(
        "stated",
        "and their flags; we do so in FETCH only",
        lambda ours, theirs, uid: uid not in ours.uids,
    ),
    Difference(
        "found",
        "and finds them",
        lambda ours, theirs, uid: uid not in ours.uids,
    ),
    Difference(
        "found",
        "Dovecot searches in flags as the session knew them before, we as they are",
        lambda ours, theirs, uid: uid in ours.news,
    ),
    Difference(
        "stated",
        "Dovecot answers STORE only for messages whose flags became others; RFC 3501 §6.4.6 wants all",
        lambda ours, theirs, uid: "STORE" in ours.command and uid not in theirs.stated,
    ),
    Difference(
        "stated",
        "after another's change Dovecot tells flags also where they are what the session knows, or reckons by .SILENT",
        lambda ours, theirs, uid: (
            uid not in ours.stated and theirs.stated[uid] == ours.flags.get(uid, theirs.stated[uid])
        ),
    ),
    Difference(
        "flags",
        "so one session may know flags where the other was not told",
        lambda ours, theirs, uid: not (uid in ours.flags and uid in theirs.flags),
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
        _compare(_told(our_outcome), _told(their_outcome))


def _compare(ours: Told, theirs: Told) -> None:
    for field in (field.name for field in fields(Told) if field.name != "news"):
        here, there = getattr(ours, field), getattr(theirs, field)
        known = [known for known in DIFFERENCES if known.field == field]
        for key in _differing(here, there):
            assert any(one.applies(ours, theirs, key) for one in known), (
                ours.command,
                field,
                key,
                here,
                there,
            )


def _differing(here: Any, there: Any) -> Collection[Any]:
    """Where they differ: keys, or something."""
    if not isinstance(here, dict):
        return [None] if here != there else []
    return [key for key in here.keys() | there.keys() if here.get(key) != there.get(key)]


def _told(outcome: Outcome) -> Told:
    status = re.match(rb"(OK|NO|BAD)(?: \[([^\]]*)\])?", outcome.tagged)
    assert status is not None
    known = zip(outcome.uids, outcome.flags, strict=True)
    flags = {uid: items["FLAGS"] for uid, items in outcome.fetched.items() if "FLAGS" in items}
    states = outcome.command.removeprefix("UID ").startswith(("FETCH", "STORE"))
    return Told(
        command=outcome.command,
        news=set(flags),
        condition=status[1],
        code=re.sub(rb"(APPENDUID|COPYUID) [0-9]+", rb"\1", status[2] or b""),
        status=outcome.status,
        found=dict.fromkeys(outcome.found or (), True),
        copied=outcome.copied,
        expunged=[uid for uid in outcome.expunged if uid],
        uids=outcome.uids,
        flags={uid: flags for uid, flags in known if flags is not None},
        data={uid: data for uid, items in outcome.fetched.items() if (data := _data(items))},
        stated={uid: frozenset(words) - {"\\Recent"} for uid, words in flags.items()} if states else {},
    )


def _data(items: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in items.items() if name not in ("UID", "MODSEQ", "FLAGS")}
