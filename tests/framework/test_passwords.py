import asyncio
import os
from collections.abc import Iterator

import pytest

from posthouse.framework.hashing import HashCost, MalformedHash, make_hash
from posthouse.framework.interfaces.auth import AuthUnavailable
from posthouse.framework.passwords import (
    REMEMBERED_FOR,
    REMEMBERED_MAX,
    WAITING_MAX,
    PasswordChecker,
    VerifiedLogins,
)
from posthouse.testing.world import SimulatedClock

FAST = HashCost(bcrypt=4)
STORED = make_hash("bcrypt", "secret", FAST)


@pytest.fixture
def checker() -> Iterator[PasswordChecker]:
    made = PasswordChecker(SimulatedClock(), os.urandom)
    yield made
    made.close()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def verified(clock: SimulatedClock) -> VerifiedLogins:
    return VerifiedLogins(clock, b"k" * 32)


async def test_the_right_password_is_told_from_a_wrong_one(checker: PasswordChecker) -> None:
    assert await checker.check("ann", STORED, "secret")
    assert await checker.check("ann", STORED, "secret")
    assert not await checker.check("ann", STORED, "secre")


async def test_a_malformed_hash_is_an_error_and_not_a_crash(checker: PasswordChecker) -> None:
    with pytest.raises(MalformedHash):
        await checker.check("ann", "bcrypt:x", "secret")
    await checker.check_nobody("secret")


async def test_R_175_the_event_loop_runs_while_passwords_are_hashed(checker: PasswordChecker) -> None:
    stored = make_hash("bcrypt", "secret", HashCost(bcrypt=6))
    checks = asyncio.gather(*(checker.check("ann", stored, f"wrong {i}") for i in range(20)))
    turns = 0
    while not checks.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    assert not any(checks.result())


async def test_more_than_a_bounded_number_of_checks_are_told_to_try_again(checker: PasswordChecker) -> None:
    asked = WAITING_MAX + 10
    results = await asyncio.gather(
        *(checker.check("ann", STORED, "wrong") for _ in range(asked)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, AuthUnavailable)]
    assert len(refused) == 10
    assert not await checker.check("ann", STORED, "wrong")


async def test_a_client_that_leaves_makes_room(checker: PasswordChecker) -> None:
    tasks = [asyncio.create_task(checker.check("ann", STORED, "wrong")) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert await checker.check("ann", STORED, "secret")


@pytest.mark.parametrize(
    ("user", "stored", "password"),
    [
        pytest.param("ann@example.net", "h", "p", id="user"),
        pytest.param("ann@example.org", "i", "p", id="stored hash"),
        pytest.param("ann@example.org", "h", "q", id="password"),
        pytest.param("ann@example.orgh", "", "p", id="parts moved"),
    ],
)
def test_R_090_only_the_whole_identity_is_remembered(
    verified: VerifiedLogins, user: str, stored: str, password: str
) -> None:
    verified.remember("ann@example.org", "h", "p")
    assert verified.knows("ann@example.org", "h", "p")
    assert not verified.knows(user, stored, password)


def test_a_login_is_remembered_for_a_minute(verified: VerifiedLogins, clock: SimulatedClock) -> None:
    verified.remember("ann", "h", "p")
    clock.advance(REMEMBERED_FOR - 1)
    assert verified.knows("ann", "h", "p")
    clock.advance(1)
    assert not verified.knows("ann", "h", "p")


def test_the_oldest_login_makes_room(verified: VerifiedLogins) -> None:
    for number in range(REMEMBERED_MAX + 1):
        verified.remember(f"user{number}", "h", "p")
        verified.remember("user1", "h", "p")
    assert not verified.knows("user0", "h", "p")
    assert verified.knows("user1", "h", "p")
    assert verified.knows(f"user{REMEMBERED_MAX}", "h", "p")


def test_what_is_forgotten_is_checked_again(verified: VerifiedLogins) -> None:
    verified.remember("ann", "h", "p")
    verified.forget()
    assert not verified.knows("ann", "h", "p")
