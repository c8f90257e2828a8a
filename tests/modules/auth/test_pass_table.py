import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.core.errors import BUSY, MailError
from posthouse.framework.config.parser import parse
from posthouse.framework.config.scope import Scope
from posthouse.framework.hashing import HashCost, make_hash, verify_hash
from posthouse.framework.interfaces.auth import (
    Authenticator,
    AuthUnavailable,
    InvalidCredentials,
    UserDatabase,
)
from posthouse.framework.interfaces.table import Table
from posthouse.framework.registry import Registry
from posthouse.modules.auth.pass_table import PassTable
from posthouse.modules.catalogue import CATALOGUE
from posthouse.modules.table.sql_table import SqlTable
from posthouse.testing.world import FakeWorld

FAST = HashCost(bcrypt=4, argon2_time=1, argon2_memory=64)
SECRET = make_hash("bcrypt", "secret", FAST)
OTHER = make_hash("bcrypt", "other", FAST)


@dataclass
class Memory:
    values: dict[str, str] = field(default_factory=dict)
    error: MailError | None = None

    async def lookup(self, key: str) -> Sequence[str]:
        if self.error:
            raise self.error
        return [self.values[key]] if key in self.values else []

    async def keys(self) -> Sequence[str]:
        return sorted(self.values)

    async def set(self, key: str, value: str) -> None:
        self.values[key] = value

    async def add(self, key: str, value: str) -> bool:
        return self.values.setdefault(key, value) is value

    async def remove(self, key: str) -> None:
        self.values.pop(key, None)


class ReadOnly:
    async def lookup(self, key: str) -> Sequence[str]:
        return []


@pytest.fixture
def memory() -> Memory:
    return Memory({"ann@example.org": SECRET})


@pytest.fixture
async def auth(tmp_path: Path, memory: Memory) -> AsyncIterator[PassTable]:
    with FakeWorld(tmp_path) as fake:
        made = PassTable(PassTable.Settings(table=memory), fake.context("auth.pass_table", "local_authdb"))
        await made.start()
        yield made
        await made.stop()


async def test_it_fills_its_roles(auth: PassTable) -> None:
    assert isinstance(auth, Authenticator)
    assert isinstance(auth, UserDatabase)
    assert isinstance(auth, Table)


async def test_the_right_password_logs_in(auth: PassTable) -> None:
    await auth.authenticate("ann@example.org", "secret")
    with pytest.raises(InvalidCredentials, match="pass_table: hash mismatch"):
        await auth.authenticate("ann@example.org", "Secret")
    with pytest.raises(InvalidCredentials, match="unknown credentials"):
        await auth.authenticate("bob@example.org", "secret")


@pytest.mark.parametrize(
    ("stored", "reason"),
    [("plain", "no hash tag"), ("md5:x", "unknown hash: md5"), ("bcrypt:x", "malformed bcrypt")],
)
async def test_a_malformed_entry_is_a_failed_login_with_the_reason(
    auth: PassTable, memory: Memory, stored: str, reason: str
) -> None:
    memory.values["ann@example.org"] = stored
    with pytest.raises(InvalidCredentials, match=reason):
        await auth.authenticate("ann@example.org", "secret")


async def test_a_table_that_cannot_tell_is_temporary(auth: PassTable, memory: Memory) -> None:
    memory.error = MailError(BUSY)
    with pytest.raises(AuthUnavailable):
        await auth.authenticate("ann@example.org", "secret")


async def test_R_081_an_unknown_user_costs_a_hash_of_the_same_parameters(
    auth: PassTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []

    def counted(stored: str, password: str) -> bool:
        computed.append(stored)
        return verify_hash(stored, password)

    monkeypatch.setattr("posthouse.framework.passwords.verify_hash", counted)
    for user in ("ann@example.org", "bob@example.org", "not acceptable\0"):
        with pytest.raises(InvalidCredentials):
            await auth.authenticate(user, "wrong")
    assert computed == [SECRET] * 3


async def test_R_081_nobody_logs_in_with_the_hash_that_stands_for_unknown_users(auth: PassTable) -> None:
    await auth.authenticate("ann@example.org", "secret")
    with pytest.raises(InvalidCredentials, match="unknown credentials"):
        await auth.authenticate("bob@example.org", "secret")


@pytest.mark.parametrize(
    "password",
    ["", "secret\0", "secret\0x", "\0secret", "secret ", "secret\n", "sécret", "secret" * 1000, "\udcff"],
)
async def test_R_083_odd_passwords_fail(auth: PassTable, password: str) -> None:
    with pytest.raises(InvalidCredentials):
        await auth.authenticate("ann@example.org", password)


@pytest.mark.parametrize(
    "user", ["", "\0", "ann@example.org\0", "ann @example.org", "a" * 100_000, "\udcff", "\u200b"]
)
async def test_R_083_odd_users_fail(auth: PassTable, user: str) -> None:
    with pytest.raises(InvalidCredentials):
        await auth.authenticate(user, "secret")


@pytest.mark.parametrize("user", ["ANN@example.org", "Ann@Example.ORG", "\uff21nn@example.org"])
async def test_R_084_forms_of_one_name_are_one_user_in_every_call(
    auth: PassTable, memory: Memory, user: str
) -> None:
    await auth.authenticate(user, "secret")
    assert list(await auth.lookup(user)) == [SECRET]
    with pytest.raises(ValueError, match=r"credentials for ann@example.org already exist"):
        await auth.create_user(user, OTHER)
    await auth.set_password(user, OTHER)
    assert memory.values == {"ann@example.org": OTHER}
    await auth.remove_user(user)
    assert memory.values == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("\u0131nfo", "info", id="dotless i"),
        pytest.param("\u0130nfo", "info", id="dotted capital I"),
        pytest.param("stra\u00dfe", "strasse", id="sharp s"),
        pytest.param("\u03c3", "\u03c2", id="final sigma"),
        pytest.param("\u0430nn", "ann", id="Cyrillic a"),
    ],
)
async def test_R_084_look_alikes_stay_two_users(
    auth: PassTable, memory: Memory, one: str, other: str
) -> None:
    await auth.create_user(one, SECRET)
    await auth.create_user(other, OTHER)
    await auth.authenticate(other, "other")
    with pytest.raises(InvalidCredentials):
        await auth.authenticate(one, "other")
    assert len(memory.values) == 3


async def test_R_084_composed_and_decomposed_forms_are_one_user(auth: PassTable) -> None:
    await auth.create_user("jose\u0301", SECRET)
    await auth.authenticate("jos\u00e9", "secret")


@pytest.mark.parametrize("user", ["", "a b", "zero\u200bwidth", "\ufb01", "nul\0"])
async def test_R_084_names_without_normal_form_are_refused(
    auth: PassTable, memory: Memory, user: str
) -> None:
    for change in (auth.create_user, auth.set_password):
        with pytest.raises(ValueError):
            await change(user, SECRET)
    with pytest.raises(ValueError):
        await auth.remove_user(user)
    assert memory.values == {"ann@example.org": SECRET}


async def test_of_two_that_make_a_user_one_does(tmp_path: Path) -> None:
    settings = SqlTable.Settings(
        driver="sqlite3", dsn="a.db", table_name="users", key_column="key", value_column="value"
    )
    with FakeWorld(tmp_path) as fake:
        tables = [SqlTable(settings, fake.context("table.sql_table")) for _ in range(2)]
        users = [
            PassTable(PassTable.Settings(table=table), fake.context("auth.pass_table")) for table in tables
        ]
        for table in tables:
            await table.prepare()
        made = await asyncio.gather(
            *(auth.create_user("ann", made) for auth, made in zip(users, (SECRET, OTHER), strict=True)),
            return_exceptions=True,
        )
        assert sorted(map(type, made), key=str) == [type(None), ValueError]
        assert list(await tables[0].lookup("ann")) == [(SECRET, OTHER)[made.index(None)]]
        for table in tables:
            await table.stop()


async def test_users_are_listed(auth: PassTable) -> None:
    await auth.create_user("Bob@example.org", OTHER)
    assert list(await auth.users()) == ["ann@example.org", "bob@example.org"]


async def test_changed_credentials_are_told_on_the_bus_and_forgotten(tmp_path: Path, memory: Memory) -> None:
    with FakeWorld(tmp_path) as fake:
        auth = PassTable(PassTable.Settings(table=memory), fake.context("auth.pass_table"))
        await auth.start()
        await auth.authenticate("ann@example.org", "secret")
        await auth.set_password("ann@example.org", OTHER)
        assert fake.bus.published == [("credentials", "ann@example.org")]
        with pytest.raises(InvalidCredentials):
            await auth.authenticate("ann@example.org", "secret")
        await auth.authenticate("ann@example.org", "other")
        await auth.remove_user("ann@example.org")
        with pytest.raises(InvalidCredentials):
            await auth.authenticate("ann@example.org", "other")
        await auth.stop()


async def test_a_table_that_cannot_change_says_so(tmp_path: Path) -> None:
    auth = PassTable(PassTable.Settings(table=ReadOnly()), FakeWorld(tmp_path).context("auth.pass_table"))
    with pytest.raises(ValueError, match="table is not mutable, no management functionality available"):
        await auth.users()
    with pytest.raises(ValueError, match="table is not mutable"):
        await auth.create_user("ann", SECRET)


@given(st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=15)
def test_R_142_any_user_and_password_log_in_or_fail(
    tmp_path_factory: pytest.TempPathFactory, user: str, password: str
) -> None:
    context = FakeWorld(tmp_path_factory.getbasetemp()).context("auth.pass_table")

    async def attempt() -> None:
        auth = PassTable(PassTable.Settings(table=Memory({"ann": SECRET})), context)
        with suppress(InvalidCredentials):
            await auth.authenticate(user, password)
        await auth.stop()

    asyncio.run(attempt())


CONFIG = """
auth.pass_table local_authdb {
    table sql_table {
        driver sqlite3
        dsn credentials.db
        table_name passwords
    }
}
auth.pass_table inline_authdb {
    table static {
        entry ann@example.org "HASH"
    }
}
"""


async def test_it_is_configured_over_the_tables_of_the_catalogue(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        registry = Registry(CATALOGUE, lambda module, instance, *_: fake.context(module, instance))
        scope = Scope({}, fake.paths, registry)
        for node in parse(CONFIG.replace("HASH", SECRET), "x.conf").nodes:
            registry.register(node)
        database, inline = registry.named("local_authdb", scope), registry.named("inline_authdb", scope)
        for _, module in registry.lifetime:
            await module.prepare()
            await module.start()
        assert isinstance(database, PassTable)
        assert isinstance(inline, PassTable)
        await database.create_user("Ann@example.org", SECRET)
        for auth in (database, inline):
            await auth.authenticate("ann@example.org", "secret")
        with pytest.raises(ValueError, match="not mutable"):
            await inline.users()
        for _, module in reversed(registry.lifetime):
            await module.stop()
