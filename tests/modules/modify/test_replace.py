from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from posthouse.core.errors import INTERNAL, MailError
from posthouse.core.events import MessageLog
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.modifier import Modifier, ModifierState
from posthouse.framework.interfaces.table import Table
from posthouse.modules.modify.replace_rcpt import ReplaceRcpt
from posthouse.modules.modify.replace_sender import ReplaceSender
from posthouse.testing.world import FakeWorld

ADDRESS = "Ann@Example.ORG"


class Aliases:
    """A table that keeps what it was asked. None as value: it cannot tell."""

    def __init__(self, entries: Mapping[str, Sequence[str] | None]) -> None:
        self._entries = entries
        self.asked: list[str] = []

    async def lookup(self, key: str) -> Sequence[str]:
        self.asked.append(key)
        found = self._entries.get(key, ())
        if found is None:
            raise MailError(INTERNAL, module="table.some")
        return found


def started(modifier: Modifier, fake: FakeWorld) -> ModifierState:
    log = MessageLog(fake.context("pipeline").log, "0123abcd", fake.events)
    return modifier.start_modifier(Envelope("0123abcd", "", None, log))


def recipients(tmp_path: Path, table: Table) -> ModifierState:
    fake = FakeWorld(tmp_path)
    settings = ReplaceRcpt.Settings(table=table)
    return started(ReplaceRcpt(settings, fake.context("modify.replace_rcpt")), fake)


def senders(tmp_path: Path, table: Table) -> ModifierState:
    fake = FakeWorld(tmp_path)
    settings = ReplaceSender.Settings(table=table)
    return started(ReplaceSender(settings, fake.context("modify.replace_sender")), fake)


@pytest.mark.parametrize(
    ("entries", "address", "result"),
    [
        pytest.param({}, ADDRESS, [ADDRESS], id="not there: stays as it is written"),
        pytest.param({"ann@example.org": ["bob@b.example"]}, ADDRESS, ["bob@b.example"], id="whole address"),
        pytest.param({ADDRESS: ["bob@b.example"]}, ADDRESS, [ADDRESS], id="keys are normalized"),
        pytest.param({"ann@example.org": ["a@b.example", "c@d.example"]}, ADDRESS, ["a@b.example", "c@d.example"], id="several"),
        pytest.param({"ann": ["bob"]}, ADDRESS, ["bob@example.org"], id="local part"),
        pytest.param({"ann": ["bob@b.example", "carol"]}, ADDRESS, ["bob@b.example", "carol@example.org"], id="local part to both"),
        pytest.param({"ann": ['"b@c"']}, ADDRESS, ['"b@c"@example.org'], id="quoted local part"),
        pytest.param({"ann@example.org": ["a@b.example"], "ann": ["c"]}, ADDRESS, ["a@b.example"], id="the whole address first"),
        pytest.param({"ann@bücher.example": ["a@b.example"]}, "ann@xn--bcher-kva.example", ["a@b.example"], id="A-labels"),
        pytest.param({"ann": ["b@XN--BCHER-KVA.example"]}, ADDRESS, ["b@bücher.example"], id="results have U-labels"),
        pytest.param({"ann": ["Bob"]}, "ann@xn--bcher-kva.example", ["Bob@bücher.example"], id="the normalized domain"),
        pytest.param({"postmaster": ["ann@example.org"]}, "Postmaster", ["ann@example.org"], id="bare postmaster"),
        pytest.param({"ann": ["postmaster"]}, ADDRESS, ["postmaster@example.org"], id="local part postmaster"),
        pytest.param({"ann@example.org": ["postmaster"]}, ADDRESS, ["postmaster"], id="to bare postmaster"),
        pytest.param({'"a b"@example.org': ["x@b.example"]}, '"A b"@example.org', ["x@b.example"], id="a quoted address"),
        pytest.param({"ann@example.org": ["ann@example.org", "bob@b.example"]}, ADDRESS, ["ann@example.org", "bob@b.example"], id="itself and another"),
    ],
)  # fmt: skip
async def test_recipients_are_replaced(
    entries: Mapping[str, Sequence[str]], address: str, result: list[str], tmp_path: Path
) -> None:
    state = recipients(tmp_path, Aliases(entries))
    assert list(await state.rewrite_recipient(address)) == result
    assert await state.rewrite_sender(address) == address


async def test_the_first_value_replaces_a_sender(tmp_path: Path) -> None:
    state = senders(tmp_path, Aliases({"ann": ["bob", "carol"]}))
    assert await state.rewrite_sender(ADDRESS) == "bob@example.org"
    assert await state.rewrite_sender("carol@example.org") == "carol@example.org"
    assert list(await state.rewrite_recipient(ADDRESS)) == [ADDRESS]


async def test_the_empty_sender_is_never_replaced(tmp_path: Path) -> None:
    table = Aliases({"": ["bob@example.org"]})
    assert await senders(tmp_path, table).rewrite_sender("") == ""
    assert table.asked == []


async def test_bare_postmaster_is_asked_for_once(tmp_path: Path) -> None:
    table = Aliases({})
    await recipients(tmp_path, table).rewrite_recipient("postmaster")
    assert table.asked == ["postmaster"]


@pytest.mark.parametrize("key", ["ann@example.org", "ann"])
@pytest.mark.parametrize(
    "value",
    ["", "@", "@b.example", "a b@b.example", "bob@", "bob@b..example", "a@b@c", 'a"b@c.example', "x" * 321 + "@b.example"],
)  # fmt: skip
async def test_what_is_no_address_fails_for_good(key: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(MailError) as caught:
        await recipients(tmp_path, Aliases({key: ["ok@b.example", value]})).rewrite_recipient(ADDRESS)
    fields = caught.value.log_fields()
    assert (caught.value.reply.code, caught.value.reply.text) == (554, "Local configuration error")
    assert fields["module"] == "modify.replace_rcpt"
    assert fields["reason"] == "the table gives no valid address"
    assert fields["address"] == "ann@example.org"
    assert value in str(fields["replacement"])


@pytest.mark.parametrize("key", ["ann@example.org", "ann"])
async def test_a_table_that_cannot_tell_fails_for_now(key: str, tmp_path: Path) -> None:
    state = recipients(tmp_path, Aliases({key: None}))
    with pytest.raises(MailError) as caught:
        await state.rewrite_recipient(ADDRESS)
    assert caught.value.is_transient


async def test_an_address_without_lookup_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MailError) as caught:
        await recipients(tmp_path, Aliases({})).rewrite_recipient("ann@xn--a-.example")
    assert str(caught.value.reply.code) == "553"
    with pytest.raises(MailError) as caught:
        await senders(tmp_path, Aliases({})).rewrite_sender("ann@xn--a-.example")
    assert caught.value.reply.enhanced == (5, 1, 7)


async def test_R_062_an_alias_that_leads_back_is_followed_once(tmp_path: Path) -> None:
    state = recipients(tmp_path, Aliases({"a": ["b"], "b": ["a"]}))
    assert list(await state.rewrite_recipient("a@example.org")) == ["b@example.org"]


@pytest.mark.parametrize("value", ["/etc/passwd", "|/bin/id", "${run{id}}", "%{user}", "`id`", "~root"])
async def test_R_061_what_looks_like_a_command_or_file_is_a_local_part(value: str, tmp_path: Path) -> None:
    """Nothing is run, opened or expanded."""
    state = recipients(tmp_path, Aliases({"ann": [value]}))
    assert list(await state.rewrite_recipient(ADDRESS)) == [f"{value}@example.org"]


@pytest.mark.parametrize("value", ["|/bin/sh -c id", ":include:/etc/passwd", "$(id)", "a,b"])
async def test_R_061_or_no_address_at_all(value: str, tmp_path: Path) -> None:
    with pytest.raises(MailError) as caught:
        await recipients(tmp_path, Aliases({"ann": [value]})).rewrite_recipient(ADDRESS)
    assert not caught.value.is_transient
