"""Verdicts: RFC 9989 §4.4, §5.3, and the words of spec/message-pipeline.md §7."""

from collections.abc import Mapping, Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.world import DnsError
from posthouse.mailauth.dmarc.evaluation import NOT_ENOUGH, DkimResult, Dmarc, SpfResult, Value, Verdict
from posthouse.mailauth.dmarc.record import Mode, Policy
from posthouse.message.auth_results import auth_results_value
from posthouse.message.originators import MalformedField
from posthouse.testing.world import FakeResolver

DOWN = DnsError("server failure", transient=True)
Zone = Mapping[str, Sequence[bytes] | DnsError]
NOTHING = [DkimResult("none", "")]
SPF_FAIL = SpfResult("fail", "elsewhere.test")
FROM = "Ann <ann@mail.example.com>"


def sample(number: int) -> bytes:
    return (7).to_bytes(number, "big")


def records(text: str = "p=reject") -> Zone:
    return {"_dmarc.example.com": [f"v=DMARC1; {text}".encode()], "mail.example.com": ()}


async def verdict(
    dkim: Sequence[DkimResult] = NOTHING,
    spf: SpfResult | None = SPF_FAIL,
    text: str = "p=reject",
    *,
    mode: Mode = Mode.TREE,
    author: str = FROM,
    others: Zone | None = None,
) -> Verdict:
    resolver = FakeResolver(txts={**records(text), **(others or {})})
    return await Dmarc([author.encode()], resolver, mode).evaluate(dkim, spf, sample)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    ("dkim", "spf", "text", "value", "reason"),
    [
        pytest.param("pass mail.example.com", "none x.test", "p=none", "pass", "", id="DKIM, the same"),
        pytest.param("pass EXAMPLE.com.", "none x.test", "p=none", "pass", "", id="DKIM, above"),
        pytest.param("pass a.mail.example.com", "none x.test", "p=none", "pass", "", id="DKIM, below"),
        pytest.param("pass news.example.com", "none x.test", "p=none", "pass", "", id="DKIM, beside"),
        pytest.param("none -", "pass news.example.com", "p=none", "pass", "", id="SPF, beside"),
        pytest.param("none -", "pass Mail.example.com", "p=none", "pass", "", id="SPF, the same"),
        pytest.param("pass example.net", "pass example.org", "p=none", "fail", "No aligned identifiers", id="others'"),
        pytest.param("pass com", "pass com", "p=none", "fail", "No aligned identifiers", id="suffix"),
        pytest.param("pass notexample.com", "pass badexample.com", "p=none", "fail", "No aligned identifiers", id="ending"),
        pytest.param("fail mail.example.com", "softfail mail.example.com", "p=none", "fail", "No aligned identifiers", id="failed"),
        pytest.param("pass -", "pass -", "p=none", "fail", "No aligned identifiers", id="no domains"),
        pytest.param("pass [192.0.2.1]", "pass a..b", "p=none", "fail", "No aligned identifiers", id="not domains"),
        pytest.param("pass example.com", "none x", "p=none; adkim=s", "fail", "No aligned identifiers", id="strict DKIM, above"),
        pytest.param("pass mail.example.com", "none x", "p=none; adkim=s", "pass", "", id="strict DKIM, the same"),
        pytest.param("none -", "pass example.com", "p=none; aspf=s", "fail", "No aligned identifiers", id="strict SPF, above"),
        pytest.param("none -", "pass mail.example.com", "p=none; aspf=s", "pass", "", id="strict SPF, the same"),
        pytest.param("pass example.com", "pass example.com", "p=none; adkim=s", "pass", "", id="only DKIM is strict"),
        pytest.param("pass x.test/pass example.com/fail example.com", "none x", "p=none", "pass", "", id="one of three"),
        pytest.param("temperror example.com", "fail x.test", "p=none", "temperror", "DKIM authentication temp error", id="DKIM in doubt"),
        pytest.param("temperror x.test", "fail x.test", "p=none", "fail", "No aligned identifiers", id="another's DKIM in doubt"),
        pytest.param("temperror example.com", "pass example.com", "p=none", "pass", "", id="DKIM in doubt, SPF aligned"),
        pytest.param("pass x.test", "temperror example.com", "p=none", "temperror", "SPF authentication temp error", id="SPF in doubt"),
        pytest.param("pass example.com", "temperror example.com", "p=none", "pass", "", id="SPF in doubt, DKIM aligned"),
        pytest.param("permerror example.com", "permerror example.com", "p=none", "fail", "No aligned identifiers", id="wrong"),
        pytest.param("pass example.com", "", "p=reject", "none", NOT_ENOUGH, id="no SPF"),
        pytest.param("", "pass example.com", "p=reject", "none", NOT_ENOUGH, id="no DKIM"),
    ],
)  # fmt: skip
async def test_5_3_5_who_is_aligned_passes(
    dkim: str, spf: str, text: str, value: str, reason: str, mode: Mode
) -> None:
    signatures = [DkimResult(*one.replace("-", "").split(" ")) for one in dkim.split("/") if one]
    sender = SpfResult(*spf.replace("-", "").split(" ")) if spf else None
    found = await verdict(signatures, sender, text, mode=mode)
    assert found == Verdict(Value(value), reason, Policy.NONE, "mail.example.com", "example.com")


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("spf", ["fail", "temperror"])
async def test_5_3_6_what_fails_gets_the_policy(policy: Policy, spf: str, mode: Mode) -> None:
    found = await verdict(NOTHING, SpfResult(spf, "x.test"), f"p={policy}", mode=mode)
    assert found.disposition is policy


@pytest.mark.parametrize("mode", list(Mode))
async def test_R_154_the_null_sender_is_its_greeting_s_domain(mode: Mode) -> None:
    found = await verdict(NOTHING, SpfResult("pass", "mx.example.com"), mode=mode)
    assert (found.value, found.disposition) == (Value.PASS, Policy.NONE)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([], id="no From"),
        pytest.param([b"a@example.com", b"a@example.com"], id="two From"),
        pytest.param([b"a@example.com, b@example.net"], id="two addresses"),
        pytest.param([b"Nobody:;"], id="empty group"),
        pytest.param([b"a@[192.0.2.1]"], id="address literal"),
    ],
)
async def test_R_154_without_one_author_it_is_permerror_without_action(fields: list[bytes]) -> None:
    resolver = FakeResolver()
    dmarc = Dmarc(fields, resolver, Mode.TREE)
    found = await dmarc.evaluate(NOTHING, SPF_FAIL, sample)
    assert (found.value, found.disposition, found.author) == (Value.PERMERROR, Policy.NONE, "")
    assert found.reason
    assert resolver.asked == []
    with pytest.raises(MalformedField):
        await dmarc.policy()


async def test_R_154_sub_domain_policy() -> None:
    assert (await verdict(text="p=none; sp=quarantine")).disposition is Policy.QUARANTINE
    assert (await verdict(text="p=reject; sp=none")).disposition is Policy.NONE


async def test_R_154_np_is_applied() -> None:
    text = "p=none; np=reject"
    assert (await verdict(text=text)).disposition is Policy.NONE
    assert (await verdict(text=text, author="a@nowhere.example.com")).disposition is Policy.REJECT


async def test_R_154_with_a_record_twice_there_is_no_policy() -> None:
    twice: Zone = {"_dmarc.example.com": [b"v=DMARC1; p=reject"] * 2}
    for mode in Mode:
        found = await verdict(mode=mode, others=twice)
        assert found == Verdict(Value.NONE, author="mail.example.com")


async def test_R_154_a_public_suffix_of_the_private_part_needs_the_same_domain() -> None:
    suffix: Zone = {"_dmarc.github.io": [b"v=DMARC1; p=reject"]}
    user = [DkimResult("pass", "ann.github.io")]
    own = [DkimResult("pass", "github.io")]
    for dkim, value in ((user, Value.FAIL), (own, Value.PASS)):
        found = await verdict(dkim, mode=Mode.PSL, author="a@github.io", others=suffix)
        assert found.value is value


async def test_R_154_users_of_one_private_suffix_are_not_aligned() -> None:
    others = {"_dmarc.bob.github.io": [b"v=DMARC1; p=reject"]}
    found = await verdict(
        [DkimResult("pass", "ann.github.io")], mode=Mode.PSL, author="b@bob.github.io", others=others
    )
    assert (found.value, found.disposition) == (Value.FAIL, Policy.REJECT)


async def test_R_154_a_record_of_64_kib_is_applied() -> None:
    text = f"p=reject; rua={'mailto:a@b.test,' * 1000}; x={'y' * 65_000}"
    assert (await verdict(text=text[:65_000])).disposition is Policy.REJECT


async def test_11_8_psd_n_keeps_other_parts_of_a_tree_away() -> None:
    others = {"_dmarc.mail.example.com": [b"v=DMARC1; p=reject; psd=n"]}
    evil = [DkimResult("pass", "evil.example.com")]
    inside = [DkimResult("pass", "a.mail.example.com")]
    assert (await verdict(evil, others=others)).value is Value.FAIL
    assert (await verdict(inside, others=others)).value is Value.PASS


@pytest.mark.parametrize("mode", list(Mode))
async def test_R_085_u_labels_and_a_labels_are_the_same(mode: Mode) -> None:
    others = {"_dmarc.xn--exmple-cua.com": [b"v=DMARC1; p=reject"]}
    for domain in ("exämple.com", "XN--EXMPLE-CUA.com", "a.EXÄMPLE.com"):
        found = await verdict([DkimResult("pass", domain)], mode=mode, author="ä@exämple.com", others=others)
        assert (found.value, found.author) == (Value.PASS, "xn--exmple-cua.com")


@pytest.mark.parametrize("mode", list(Mode))
async def test_R_160_when_the_policy_cannot_be_told_it_is_to_be_tried_again(mode: Mode) -> None:
    found = await verdict(
        [DkimResult("pass", "mail.example.com")], mode=mode, others={"_dmarc.example.com": DOWN}
    )
    reason = "Policy lookup failed: server failure"
    assert found == Verdict(Value.TEMPERROR, reason, Policy.REJECT, "mail.example.com")


async def test_when_alignment_cannot_be_told_the_policy_decides() -> None:
    others: Zone = {"_dmarc.mail.example.com": [b"v=DMARC1; p=quarantine"], "_dmarc.com": DOWN}
    beside, same = DkimResult("pass", "news.example.com"), DkimResult("pass", "mail.example.com")
    found = await verdict([beside], others=others)
    assert (found.value, found.disposition) == (Value.TEMPERROR, Policy.QUARANTINE)
    assert found.policy_domain == "mail.example.com"
    assert (await verdict([beside, same], others=others)).value is Value.PASS


@pytest.mark.parametrize(
    ("pct", "number", "disposition"),
    [
        (0, 0, "reject"),
        (0, 1, "none"),
        (50, 50, "reject"),
        (50, 51, "none"),
        (100, 99, "reject"),
        (50, 151, "none"),
    ],
)
async def test_pct_takes_a_sample(pct: int, number: int, disposition: str) -> None:
    for mode in Mode:
        dmarc = Dmarc([FROM.encode()], FakeResolver(txts=records(f"p=reject; pct={pct}")), mode)
        found = await dmarc.evaluate(NOTHING, SPF_FAIL, lambda size: number.to_bytes(size, "big"))
        assert found.disposition == (disposition if mode is Mode.PSL else "reject")


async def test_test_mode_is_one_step_less() -> None:
    assert (await verdict(text="p=reject; t=y")).disposition is Policy.QUARANTINE


async def test_what_check_spf_asked_before_is_not_asked_again() -> None:
    resolver = FakeResolver(txts=records())
    dmarc = Dmarc([FROM.encode()], resolver, Mode.TREE)
    applied = await dmarc.policy()
    assert applied is not None
    assert (applied.policy, applied.domain) == (Policy.REJECT, "example.com")
    asked = len(resolver.asked)
    await dmarc.evaluate([DkimResult("pass", "example.com")], SPF_FAIL, sample)
    assert len(resolver.asked) == asked


async def test_others_signatures_cost_no_lookups() -> None:
    resolver = FakeResolver(txts={"_dmarc.mail.example.com": [b"v=DMARC1; p=reject"]})
    many = [DkimResult("pass", f"{'a.' * 9}d{number}.test") for number in range(100)]
    await Dmarc([FROM.encode()], resolver, Mode.TREE).evaluate(many, SPF_FAIL, sample)
    assert resolver.asked == [("txt", "_dmarc.mail.example.com")]


async def test_a_verdict_stands_in_authentication_results() -> None:
    found = await verdict()
    assert auth_results_value("mx.test", [found.auth_result()]) == (
        'mx.test; dmarc=fail reason="No aligned identifiers" header.from=mail.example.com'
    )
    malformed = await Dmarc([], FakeResolver(), Mode.TREE).evaluate([], None, sample)
    assert (
        auth_results_value("mx.test", [malformed.auth_result()])
        == 'mx.test; dmarc=permerror reason="no From field"'
    )


DOMAINS = st.lists(st.sampled_from(["a", "b", "com", "github", "io"]), min_size=1, max_size=9).map(".".join)
ANY_DOMAIN = DOMAINS | st.text(max_size=12)
VALUES = st.sampled_from(["pass", "fail", "none", "temperror", "permerror", "neutral", ""])
TEXTS = st.sampled_from(
    [b"v=DMARC1; p=reject", b"v=DMARC1; p=none; psd=y", b"v=DMARC1; psd=n; rua=x:y", b"v=DMARC1"]
)
ZONES = st.dictionaries(
    DOMAINS.map("_dmarc.{}".format), st.lists(TEXTS, max_size=2) | st.just(DOWN), max_size=5
)


@given(
    st.lists(st.binary(max_size=20) | DOMAINS.map(lambda domain: f"a@{domain}".encode()), max_size=2),
    ZONES,
    st.lists(st.builds(DkimResult, VALUES, ANY_DOMAIN), max_size=3),
    st.none() | st.builds(SpfResult, VALUES, ANY_DOMAIN),
    st.sampled_from(list(Mode)),
)
async def test_there_is_always_a_verdict(
    fields: list[bytes],
    zone: Zone,
    dkim: list[DkimResult],
    spf: SpfResult | None,
    mode: Mode,
) -> None:
    resolver = FakeResolver(txts=zone)
    found = await Dmarc(fields, resolver, mode).evaluate(dkim, spf, sample)
    assert found.value in (Value.FAIL, Value.TEMPERROR) or found.disposition is Policy.NONE
    assert len(resolver.asked) == len(set(resolver.asked))


@given(st.lists(DOMAINS, min_size=2, max_size=2), ZONES, st.sampled_from(list(Mode)))
async def test_relaxed_alignment_is_symmetric(pair: list[str], zone: Zone, mode: Mode) -> None:
    """Wherever both domains have a policy of their own, so that alignment is looked at."""
    told = {name: texts for name, texts in zone.items() if not isinstance(texts, DnsError)}
    told |= {f"_dmarc.{name}": [b"v=DMARC1; p=reject"] for name in pair}
    values = []
    for author, signer in permutations(pair):
        dmarc = Dmarc([f"a@{author}".encode()], FakeResolver(txts=told), mode)
        values.append((await dmarc.evaluate([DkimResult("pass", signer)], SPF_FAIL, sample)).value)
    assert values[0] is values[1]
