"""modify.dkim: keys, and what is signed with them."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from posthouse.core.events import MessageLog
from posthouse.framework.buffer import FileBody, MemoryBody
from posthouse.framework.config.node import ConfigError
from posthouse.framework.interfaces.message import Envelope, MailOptions
from posthouse.framework.interfaces.roles import MODIFIER
from posthouse.mailauth.dkim.verify import Outcome, Result, Verification
from posthouse.message.header import Header, split_fields
from posthouse.modules.modify.dkim import Dkim
from posthouse.modules.modify.dkim.module import NAMES_MAX
from posthouse.testing.module import module_of
from posthouse.testing.world import START, FakeWorld

Configure = Callable[[str], Dkim]

HEAD = b"From: Ann <ann@example.org>\r\nSubject: hello\r\nTo: bob@example.net\r\nList-Id: <l.example.org>\r\n"
BODY = MemoryBody(b"A body.\r\n")
ED25519 = "newkey_algo ed25519"
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeWorld]:
    with FakeWorld(tmp_path) as fake:
        yield fake


@pytest.fixture
def configured(fake: FakeWorld) -> Configure:
    """The modifier that a line, or a block, of a `modify` directive makes."""

    def configure(text: str) -> Dkim:
        found = module_of(fake, "modify", MODIFIER, text)
        assert isinstance(found, Dkim)
        return found

    return configure


async def started(modifier: Dkim) -> Dkim:
    await modifier.prepare()
    await modifier.start()
    return modifier


async def signed(
    fake: FakeWorld,
    modifier: Dkim,
    sender: str = "ann@example.org",
    *,
    head: bytes = HEAD,
    utf8: bool = False,
    body: MemoryBody | FileBody = BODY,
) -> Header:
    """The header of a message that went by."""
    log = MessageLog(fake.context("pipeline").log, "0123abcd", fake.events)
    envelope = Envelope("0123abcd", "other@example.net", None, log, MailOptions(utf8=utf8))
    header = Header.parse(head)
    state = modifier.start_modifier(envelope)
    assert await state.rewrite_sender(sender) == sender
    await state.rewrite_body(header, body)
    await state.close()
    return header


async def verified(fake: FakeWorld, header: Header) -> list[Result]:
    """What the records that were made say of a header as it arrives."""
    records = {}
    for path in (fake.paths.state / "dkim_keys").glob("*.dns"):
        domain, _, selector = path.stem.rpartition("_")
        name = f"{selector}._domainkey.{domain}".encode("idna").decode()
        records[name] = [path.read_bytes()]
    fake.resolver.txts = records
    verification = Verification(Header.parse(header.to_bytes()), now=fake.clock.time())
    for name in verification.key_names:
        await verification.lookup_key(name, fake.resolver)
    verification.update(BODY.data)
    return verification.results()


def tags(header: Header) -> dict[str, str]:
    """The tags of the topmost field, which is a signature."""
    name, _, value = split_fields(header.to_bytes())[0].decode().partition(":")
    assert name == "DKIM-Signature"
    pairs = (tag.partition("=") for tag in value.replace("\r\n", "").split(";"))
    return {name.strip(): value.replace(" ", "") for name, _, value in pairs}


# --- what is signed


async def test_a_message_is_signed_for_the_domain_of_its_sender(
    fake: FakeWorld, configured: Configure
) -> None:
    modifier = await started(configured(f"dkim example.com example.org s {{\n{ED25519}\n}}"))
    header = await signed(fake, modifier, "Ann@EXAMPLE.org")
    [result] = await verified(fake, header)
    assert (result.outcome, result.domain, result.identity) == (Outcome.PASS, "example.org", "@example.org")
    found = tags(header)
    assert found["h"] == (
        "subject:subject:sender:to:to:cc:from:from:date:mime-version:content-type:content-transfer-encoding"
        ":reply-to:in-reply-to:message-id:references:autocrypt:openpgp:list-id"
    )
    assert (found["c"], found["a"], found["s"]) == ("relaxed/relaxed", "ed25519-sha256", "s")
    assert (int(found["t"]), int(found["x"])) == (START, START + 120 * 3600)
    assert header.to_bytes().endswith(HEAD)


@pytest.mark.parametrize(
    "field", [b"From: eve@example.net\r\n", b"Subject: bye\r\n", b"Cc: eve@example.net\r\n"]
)
async def test_R_141_what_is_oversigned_cannot_be_added(
    fake: FakeWorld, configured: Configure, field: bytes
) -> None:
    modifier = await started(configured(f"dkim example.org s {{\n{ED25519}\n}}"))
    header = await signed(fake, modifier)
    header.add_raw(field)
    [result] = await verified(fake, header)
    assert result.outcome is not Outcome.PASS


@pytest.mark.parametrize("sender", ["", "postmaster", "Postmaster"])
async def test_senders_without_a_domain_have_the_first(
    fake: FakeWorld, configured: Configure, sender: str
) -> None:
    modifier = await started(configured(f"dkim example.org example.com s {{\n{ED25519}\n}}"))
    assert tags(await signed(fake, modifier, sender))["d"] == "example.org"


@pytest.mark.parametrize("sender", ["ann@example.net", "ann@sub.example.org", "ann@[192.0.2.1]"])
async def test_messages_of_other_domains_stay_unsigned(
    fake: FakeWorld, configured: Configure, sender: str
) -> None:
    modifier = await started(configured(f"dkim example.org s {{\n{ED25519}\n}}"))
    assert (await signed(fake, modifier, sender)).to_bytes() == HEAD
    domain = sender.partition("@")[2]
    assert fake.log.lines[-1] == f'dkim: no key for domain\t{{"domain":"{domain}","msg_id":"0123abcd"}}'


async def test_domains_below_the_one_are_signed_in_its_name(fake: FakeWorld, configured: Configure) -> None:
    modifier = await started(configured(f"dkim example.org s {{\n{ED25519}\nsign_subdomains\n}}"))
    found = tags(await signed(fake, modifier, "ann@a.b.example.org"))
    assert (found["d"], found["i"]) == ("example.org", "@example.org")
    assert (await signed(fake, modifier, "ann@badexample.org")).to_bytes() == HEAD


@pytest.mark.parametrize(
    ("utf8", "domain"), [(False, "xn--bcher-kva.example"), (True, "bücher.example")], ids=["ASCII", "UTF-8"]
)
async def test_domains_are_written_as_the_message_allows(
    fake: FakeWorld, configured: Configure, utf8: bool, domain: str
) -> None:
    modifier = await started(configured(f"dkim bücher.example s {{\n{ED25519}\n}}"))
    header = await signed(fake, modifier, "ann@bücher.example", utf8=utf8)
    assert (tags(header)["d"], tags(header)["i"]) == (domain, f"@{domain}")
    assert [result.outcome for result in await verified(fake, header)] == [Outcome.PASS]


async def test_fields_and_forms_are_configured(fake: FakeWorld, configured: Configure) -> None:
    modifier = await started(
        configured(
            f"""dkim {{
                domains example.org
                selector s
                {ED25519}
                oversign_fields From from
                sign_fields To FROM Subject To
                header_canon simple
                body_canon simple
                sig_expiry 0
                hash sha256
            }}"""
        )
    )
    found = tags(await signed(fake, modifier, head=b"To: <bob@example.net>\r\n" + HEAD))
    assert found["h"] == "from:from:to:to:subject"
    assert found["c"] == "simple/simple"
    assert "x" not in found


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        pytest.param(b"Subject: hello\r\n", "there is no From", id="no From"),
        pytest.param(b"From: eve@example.org\r\n" + HEAD, "there is more than one From", id="two"),
        pytest.param(b"To:\r\n" * NAMES_MAX + HEAD, "there are too many fields to sign", id="1000 To"),
    ],
)
async def test_R_141_messages_that_nobody_can_vouch_for_stay_unsigned(
    fake: FakeWorld, configured: Configure, head: bytes, reason: str
) -> None:
    modifier = await started(configured(f"dkim example.org s {{\n{ED25519}\n}}"))
    assert (await signed(fake, modifier, head=head)).to_bytes() == head
    assert (
        f'not signed\t{{"domain":"example.org","msg_id":"0123abcd","reason":"{reason}"}}'
        in fake.log.lines[-1]
    )


async def test_several_froms_are_all_signed_when_they_may_be_there(
    fake: FakeWorld, configured: Configure
) -> None:
    modifier = await started(configured(f"dkim example.org s {{\n{ED25519}\nallow_multiple_from\n}}"))
    header = await signed(fake, modifier, head=b"From: bob@example.org\r\n" + HEAD)
    assert tags(header)["h"].split(":").count("from") == 3
    assert [result.outcome for result in await verified(fake, header)] == [Outcome.PASS]


async def test_R_156_a_new_selector_signs_beside_the_old_one(fake: FakeWorld, configured: Configure) -> None:
    old = await started(configured(f"dkim example.org s1 {{\n{ED25519}\n}}"))
    new = await started(configured(f"dkim example.org s2 {{\n{ED25519}\n}}"))
    first = await signed(fake, old)
    both = await signed(fake, new, head=first.to_bytes())
    results = await verified(fake, both)
    assert [(result.outcome, result.selector) for result in results] == [
        (Outcome.PASS, "s2"),
        (Outcome.PASS, "s1"),
    ]


async def test_a_body_that_cannot_be_read_leaves_no_message_unsigned(
    fake: FakeWorld, configured: Configure, tmp_path: Path
) -> None:
    modifier = await started(configured(f"dkim example.org s {{\n{ED25519}\n}}"))
    with pytest.raises(FileNotFoundError):
        await signed(fake, modifier, body=FileBody(tmp_path / "gone", 9))


async def test_a_rehearsed_message_is_not_signed(fake: FakeWorld, configured: Configure) -> None:
    modifier = configured("dkim example.org s")
    assert (await signed(fake, modifier)).to_bytes() == HEAD
    assert not list(fake.paths.state.iterdir())
    assert not fake.log.lines


# --- keys


@pytest.mark.parametrize(
    ("algorithm", "kind", "bits"),
    [("rsa2048", RSAPrivateKey, 2048), ("ed25519", Ed25519PrivateKey, 256)],
)
async def test_a_missing_key_is_made_with_its_record(
    fake: FakeWorld, configured: Configure, algorithm: str, kind: type, bits: int
) -> None:
    modifier = configured(
        f"dkim example.org s {{\nnewkey_algo {algorithm}\nkey_path keys/{{selector}}/{{domain}}\n}}"
    )
    await started(modifier)
    path = fake.paths.state / "keys" / "s" / "example.org"
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, kind)
    assert getattr(key, "key_size", bits) == bits
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    record = path.with_name("example.org.dns")
    assert record.read_text().startswith(f"v=DKIM1; k={algorithm.removesuffix('2048')}; p=")
    assert {one.name for one in path.parent.iterdir()} == {"example.org", "example.org.dns"}
    [line] = fake.log.lines
    assert "publish" in line
    assert f'"file":"{record}"' in line
    assert '"record":"s._domainkey.example.org"' in line


async def test_domains_may_share_a_key_and_each_has_its_record(
    fake: FakeWorld, configured: Configure
) -> None:
    await started(configured(f"dkim a.example b.example s {{\n{ED25519}\nkey_path shared.key\n}}"))
    assert {one.name for one in fake.paths.state.iterdir()} == {"shared.key", "shared.dns"}
    told = [line.partition('"record":')[2] for line in fake.log.lines]
    assert told == ['"s._domainkey.a.example"}', '"s._domainkey.b.example"}']


async def test_a_key_that_is_there_is_kept(fake: FakeWorld, configured: Configure) -> None:
    path = fake.paths.state / "dkim_keys" / "example.org_s.key"
    await started(configured(f"dkim example.org s {{\n{ED25519}\n}}"))
    before = path.read_bytes()
    fake.log.lines.clear()
    await started(configured("dkim example.org s"))
    assert path.read_bytes() == before
    assert not fake.log.lines


async def test_what_a_crash_has_left_of_a_new_key_is_no_key(fake: FakeWorld, configured: Configure) -> None:
    folder = fake.paths.state / "dkim_keys"
    folder.mkdir()
    (folder / ".example.org_s.key.new").write_text("half")
    (folder / "example.org_s.dns").write_text("of the key that is lost")
    modifier = await started(configured(f"dkim example.org s {{\n{ED25519}\n}}"))
    assert [result.outcome for result in await verified(fake, await signed(fake, modifier))] == [Outcome.PASS]
    assert {one.name for one in folder.iterdir()} == {"example.org_s.key", "example.org_s.dns"}


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o604, True), (0o666, True)])
async def test_R_156_a_key_that_others_may_read_is_told_of(
    fake: FakeWorld, configured: Configure, mode: int, warned: bool
) -> None:
    path = fake.paths.state / "key"
    path.write_bytes(KEY)
    path.chmod(mode)
    await started(configured("dkim example.org s {\nkey_path key\n}"))
    told = [line for line in fake.log.lines if "other users may read" in line]
    assert bool(told) is warned
    assert all(str(path) in line for line in told)


async def test_R_156_a_broken_key_is_an_error_that_tells_its_file_and_not_its_octets(
    fake: FakeWorld, configured: Configure
) -> None:
    path = fake.paths.state / "key"
    lines = KEY.splitlines()
    path.write_bytes(b"\n".join((lines[0], lines[1][:-9], lines[2])))
    with pytest.raises(ConfigError) as caught:
        configured("dkim example.org s {\nkey_path key\n}")
    assert str(path) in caught.value.text
    assert lines[1][:20].decode() not in str(caught.value)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(ConfigError, match=f"{path}: No such file"):
        configured("dkim example.org s {\nkey_path key\n}")


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("dkim s", "at least two arguments are expected: DOMAIN... SELECTOR"),
        ("dkim", "at least one domain and a selector are required"),
        ("dkim {\ndomains example.org\n}", "at least one domain and a selector are required"),
        ("dkim ../../etc/example.org s", "domain ../../etc/example.org with selector s: malformed domain"),
        ("dkim example.org a/b", "domain example.org with selector a/b: malformed domain"),
        ("dkim a.example b.example s {\nsign_subdomains\n}", "sign_subdomains is for one domain only"),
        ("dkim example.org s {\nsig_expiry 10ms\n}", "sig_expiry is at least 1s, or 0"),
        ("dkim example.org s {\noversign_fields To\n}", "From must be signed"),
        ("dkim example.org s {\nsign_fields a;b\n}", "a;b is no name of a header field"),
        ("dkim example.org s {\nhash sha1\n}", "valid values are: [sha256]"),
        ("dkim example.org s {\nnewkey_algo rsa1024\n}", "valid values are: [rsa2048 rsa4096 ed25519]"),
    ],
)
def test_mistakes_are_told(configured: Configure, block: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(block)
    assert text in str(caught.value)


async def test_require_sender_match_of_old_configurations_is_told_to_do_nothing(
    fake: FakeWorld, configured: Configure
) -> None:
    await started(configured(f"dkim example.org s {{\n{ED25519}\nrequire_sender_match envelope auth\n}}"))
    assert "require_sender_match does nothing" in fake.log.lines[0]
