from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.framework.hashing import ALGORITHMS, HashCost, MalformedHash, make_hash, verify_hash

FAST = HashCost(bcrypt=4, argon2_time=1, argon2_memory=64)

# Vectors of crypt_blowfish, and of Go's bcrypt package.
BCRYPT = [
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
    ("allmine", "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga"),
]


@pytest.mark.parametrize(("password", "value"), BCRYPT)
def test_published_bcrypt_hashes_verify(password: str, value: str) -> None:
    assert verify_hash(f"bcrypt:{value}", password)
    assert not verify_hash(f"bcrypt:{value}", password + "x")


def test_an_argon2id_hash_of_the_reference_program_verifies() -> None:
    # printf password | argon2 somesalt -id -t 2 -m 8 -p 1: 2 passes, 256 KiB
    digest = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4="
    assert verify_hash(f"argon2:2:256:1:c29tZXNhbHQ=:{digest}", "password")
    assert not verify_hash(f"argon2:2:256:1:c29tZXNhbHQ=:{digest}", "passwore")


def test_sha256_is_verified_but_never_made() -> None:
    # printf saltpass | openssl dgst -sha256 -binary | base64
    stored = "sha256:c2FsdA==:nJW/kJzxe+qnpMcdhmcVZilGmamU23qqj/6gBPQllU8="
    assert verify_hash(stored, "pass")
    assert not verify_hash(stored, "password")
    with pytest.raises(ValueError, match="Unknown hash function, available: bcrypt, argon2"):
        make_hash("sha256", "pass")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("password", ["x", "correct horse battery staple", "päßwörd ", "a" * 72])
def test_what_is_made_verifies(algorithm: str, password: str) -> None:
    stored = make_hash(algorithm, password, FAST)
    assert stored.startswith(f"{algorithm}:")
    assert verify_hash(stored, password)
    assert not verify_hash(stored, password[:-1])
    assert make_hash(algorithm, password, FAST) != stored


def test_new_hashes_look_as_maddy_writes_them() -> None:
    assert make_hash("bcrypt", "x").startswith("bcrypt:$2a$10$")
    time, memory, threads, salt, digest = make_hash("argon2", "x").removeprefix("argon2:").split(":")
    assert (time, memory, threads) == ("3", "1024", "1")
    assert (len(salt), len(digest)) == (24, 88)


def test_bcrypt_of_a_password_over_72_octets_is_refused_but_verified_by_its_first_72() -> None:
    with pytest.raises(ValueError, match="at most 72 octets"):
        make_hash("bcrypt", "ä" * 37, FAST)
    stored = make_hash("bcrypt", "a" * 72, FAST)
    assert verify_hash(stored, "a" * 72 + "more")


@pytest.mark.parametrize(
    "cost", [HashCost(bcrypt=3), HashCost(bcrypt=32), HashCost(argon2_time=0), HashCost(argon2_memory=7)]
)
def test_costs_out_of_range_are_refused(cost: HashCost) -> None:
    with pytest.raises(ValueError):
        make_hash("bcrypt" if cost.bcrypt != 10 else "argon2", "x", cost)


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        pytest.param("", "no hash tag", id="empty"),
        pytest.param("secret", "no hash tag", id="plain text"),
        pytest.param("md5:x", "unknown hash: md5", id="unknown"),
        pytest.param("bcrypt:", "bcrypt", id="bcrypt: empty"),
        pytest.param("bcrypt:$2a$10$short", "bcrypt", id="bcrypt: short"),
        pytest.param("bcrypt:$2a$99$" + "a" * 53, "bcrypt", id="bcrypt: cost"),
        pytest.param("bcrypt:" + BCRYPT[0][1] + "x", "bcrypt", id="bcrypt: long"),
        pytest.param("bcrypt:" + BCRYPT[0][1] + "\n", "bcrypt", id="bcrypt: line end"),
        pytest.param("bcrypt:" + BCRYPT[0][1][:-1] + "é", "bcrypt", id="bcrypt: not ASCII"),
        pytest.param("argon2:1:64:1:c29tZXNhbHQ=", "argon2", id="argon2: parts"),
        pytest.param("argon2:x:64:1:c29tZXNhbHQ=:AAAA", "number", id="argon2: number"),
        pytest.param("argon2:²:64:1:c29tZXNhbHQ=:AAAA", "number", id="argon2: digit"),
        pytest.param("argon2:-1:64:1:c29tZXNhbHQ=:AAAA", "number", id="argon2: negative"),
        pytest.param("argon2:1:4294967295:1:c29tZXNhbHQ=:AAAAAAAA", "range", id="argon2: memory"),
        pytest.param("argon2:4294967295:64:1:c29tZXNhbHQ=:AAAAAAAA", "range", id="argon2: time"),
        pytest.param("argon2:1:64:0:c29tZXNhbHQ=:AAAAAAAA", "argon2", id="argon2: threads"),
        pytest.param("argon2:1:64:1::AAAAAAAA", "argon2", id="argon2: no salt"),
        pytest.param("argon2:1:64:1:c29tZXNhbHQ=:", "argon2", id="argon2: no hash"),
        pytest.param("argon2:1:64:1:c29tZXNhbHQ:AAAA", "base64", id="argon2: base64"),
        pytest.param("sha256:c2FsdA==", "sha256", id="sha256: parts"),
        pytest.param("sha256:c2FsdA==:", "sha256", id="sha256: no hash"),
        pytest.param("sha256:!:AAAA", "sha256", id="sha256: base64"),
    ],
)
def test_a_malformed_hash_is_an_error_that_says_so(stored: str, text: str) -> None:
    with pytest.raises(MalformedHash, match=text):
        verify_hash(stored, "x")


@given(st.sampled_from(["bcrypt:", "argon2:", "sha256:", ""]), st.text(max_size=80))
def test_R_142_any_stored_text_verifies_or_is_refused(tag: str, value: str) -> None:
    with suppress(MalformedHash):
        assert verify_hash(tag + value, "x") in (True, False)
