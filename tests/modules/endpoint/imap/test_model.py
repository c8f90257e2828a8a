"""R-114: random commands of several sessions, against a model of what each of them must see (posthouse.testing.imap_play).

`tests/interop/test_against_dovecot.py` plays the same on Dovecot.
"""

import asyncio
import os
import random
from functools import partial

import pytest

from posthouse.testing.imap import ImapClient, ImapServer
from posthouse.testing.imap_model import Box, Outcome, View
from posthouse.testing.imap_play import Play

ROUNDS = int(os.environ.get("POSTHOUSE_MODEL_ROUNDS", "6"))


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_R_114_sessions_see_what_the_model_says(server: ImapServer, seed: int) -> None:
    await Play(partial(server.login, "ann"), seed).run()


async def test_R_114_sequence_numbers_never_slip_under_moves_of_many(server: ImapServer) -> None:
    """All at once: each session counts by what it is told, and a message is never another."""
    for number in range(40):
        await server.add("ann", b"Subject: %d\r\n\r\n" % number)
    first = await server.login("ann")
    assert (await first.run("CREATE box")).is_ok
    clients = [await server.login("ann", "INBOX") for _ in range(12)]
    await asyncio.gather(*(_shuffle(client, seed) for seed, client in enumerate(clients)))
    subjects: list[bytes] = []
    for name in ("INBOX", "box"):
        client = await server.login("ann", name)
        found = await client.fetch("FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject)]")
        subjects += [items[1] for items in found.values()]
    assert sorted(subjects) == sorted(b"Subject: %d\r\n\r\n" % number for number in range(40))


async def _shuffle(client: ImapClient, seed: int) -> None:
    """Move messages to and fro; what a number is called is what its UID says."""
    chance = random.Random(seed)
    view, here = View(client, 0, condstore=False), "INBOX"
    for _ in range(15):
        there = "box" if here == "INBOX" else "INBOX"
        view.open(here, Box(), read_only=False)
        for command in (f"SELECT {here}", "FETCH 1:* (UID)", "NOOP", "FETCH 1:* (UID)"):
            await _follow(view, command)
        if view.uids:
            await _follow(view, f"MOVE {chance.randint(1, len(view.uids))} {there}")
        here = chance.choice(("INBOX", "box"))


async def _follow(view: View, command: str) -> None:
    reply = await view.client.run(command)
    assert reply.is_ok
    keeps_numbers = command.startswith("FETCH")
    view.follow(reply.untagged, Outcome(0, command), by_uid=False, keeps_numbers=keeps_numbers)
