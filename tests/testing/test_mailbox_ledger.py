"""The ledger of what mailboxes must hold after a crash: it takes what may be, and nothing else."""

from dataclasses import replace

import pytest

from posthouse.testing import mailbox_ledger
from posthouse.testing.mailbox_ledger import Contents, Explains, Message, PairLedger, State

ONE, TWO, NEW = Message(1), Message(2), Message(3)
FLAGGED = ONE.with_flag("\\Flagged")
BOTH = {1: ONE, 2: TWO}


def state(contents: Contents, *, uidnext: int = 10, modseq: int = 10) -> State:
    return State(1, uidnext, modseq, contents, dict.fromkeys(contents, modseq))


@pytest.fixture
def pair() -> PairLedger:
    """Two messages at home, none in the other mailbox, all of it seen once."""
    pair = PairLedger("home", "other")
    pair.home.take(1, ONE)
    pair.home.take(2, TWO)
    pair.check(state(BOTH, uidnext=3), state({}, uidnext=1))
    return pair


COPIES, MOVES = mailbox_ledger.copies([ONE, TWO]), mailbox_ledger.moves(BOTH)
STORES = mailbox_ledger.stores({1: FLAGGED, 2: TWO.with_flag("\\Flagged")})


@pytest.mark.parametrize(
    ("explains", "home", "other"),
    [
        (mailbox_ledger.appends(NEW), BOTH, {}),
        (mailbox_ledger.appends(NEW), {**BOTH, 3: NEW}, {}),
        (COPIES, BOTH, {}),
        (COPIES, BOTH, {1: ONE, 2: TWO}),
        (MOVES, BOTH, {}),
        (MOVES, {1: ONE}, {1: TWO}),
        (MOVES, {}, {1: ONE, 2: TWO}),
        (STORES, {1: FLAGGED, 2: TWO}, {}),
        (mailbox_ledger.expunges({1: ONE}), {2: TWO}, {}),
    ],
)
def test_what_may_be(pair: PairLedger, explains: Explains, home: Contents, other: Contents) -> None:
    pair.ask("it", explains)
    pair.check(state(home), state(other))
    pair.check(state(home), state(other))


@pytest.mark.parametrize(
    ("explains", "home", "other"),
    [
        pytest.param(mailbox_ledger.appends(NEW), {**BOTH, 3: ONE}, {}, id="another message"),
        pytest.param(mailbox_ledger.appends(NEW), {**BOTH, 3: NEW, 4: NEW}, {}, id="twice"),
        pytest.param(mailbox_ledger.appends(NEW), {1: ONE, 3: NEW}, {}, id="one is lost"),
        pytest.param(COPIES, BOTH, {1: ONE}, id="half a COPY"),
        pytest.param(MOVES, BOTH, {1: ONE}, id="in both mailboxes"),
        pytest.param(MOVES, {1: ONE}, {}, id="in none"),
        pytest.param(STORES, {1: ONE.with_flag("\\Seen"), 2: TWO}, {}, id="another flag"),
        pytest.param(mailbox_ledger.expunges({1: ONE}), {1: ONE}, {}, id="another is gone"),
    ],
)
def test_what_may_not_be(pair: PairLedger, explains: Explains, home: Contents, other: Contents) -> None:
    pair.ask("it", explains)
    with pytest.raises(AssertionError):
        pair.check(state(home), state(other))


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(replace(state(BOTH), uidvalidity=2), id="UIDVALIDITY"),
        pytest.param(state(BOTH, uidnext=2), id="UIDNEXT"),
        pytest.param(state(BOTH, modseq=9), id="MODSEQ"),
        pytest.param(state({1: ONE}), id="a message"),
        pytest.param(state({1: ONE, 2: FLAGGED}), id="a flag"),
    ],
)
def test_what_was_answered_stays(pair: PairLedger, found: State) -> None:
    with pytest.raises(AssertionError):
        pair.check(found, state({}))


def test_a_uid_is_given_once(pair: PairLedger) -> None:
    with pytest.raises(AssertionError, match="UID 2 was given again"):
        pair.home.take(2, NEW)
    pair.ask("APPEND", mailbox_ledger.appends(NEW))
    pair.home.take(3, NEW)
    pair.answer()
    del pair.home.contents[3]
    pair.ask("APPEND", mailbox_ledger.appends(NEW))
    with pytest.raises(AssertionError, match="given again"):
        pair.check(state({**BOTH, 3: NEW}), state({}))
