"""Finding policies and organisations: RFC 9989 §4.10 with its examples, RFC 7489 §3.2 and §6.6.3."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.world import DnsError
from posthouse.mailauth.dmarc.discovery import QUERIES_MAX, AppliedPolicy, Discovery, walk_names
from posthouse.mailauth.dmarc.record import Mode, Policy, Record
from posthouse.testing.world import FakeResolver

DOWN = DnsError("server failure", transient=True)
Zone = Mapping[str, str | Sequence[str] | DnsError]


def dns(records: Zone, names: Sequence[str] = ()) -> FakeResolver:
    """DNS with records of DMARC by domain, without their version, and with names that exist besides."""
    txts: dict[str, Sequence[bytes] | DnsError] = dict.fromkeys(names, ())
    for domain, found in records.items():
        texts = [found] if isinstance(found, str) else found
        txts[f"_dmarc.{domain}"] = (
            texts if isinstance(texts, DnsError) else [f"v=DMARC1; {text}".encode() for text in texts]
        )
    return FakeResolver(txts=txts)


async def found(domain: str, records: Zone, mode: Mode = Mode.TREE, *names: str) -> tuple[str, str] | None:
    """The policy and where it is."""
    applied = await Discovery(dns(records, names), mode).policy(domain)
    return None if applied is None else (applied.policy.value, applied.domain)


def test_4_10_long_names_are_cut_to_seven_labels() -> None:
    assert walk_names("a.b.c.d.e.f.g.h.i.j.mail.example.com") == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]


@pytest.mark.parametrize("labels", [1, 2, 7, 8, 9, 10, 127])
def test_4_10_a_walk_has_at_most_eight_names(labels: int) -> None:
    names = walk_names(".".join("a" * labels))
    assert len(names) == min(labels, QUERIES_MAX)
    assert [len(name.split(".")) for name in names[1:]] == list(range(min(labels - 1, 7), 0, -1))


@pytest.mark.parametrize(
    ("records", "organisation"),
    [
        pytest.param(
            {"mail.example.com": "p=none", "example.com": "p=none"}, "example.com", id="the shortest"
        ),
        pytest.param(
            {"mail.example.com": "p=none; psd=n", "example.com": "p=none"}, "mail.example.com", id="psd=n"
        ),
        pytest.param({"com": "p=none; psd=y"}, "example.com", id="psd=y"),
        pytest.param(
            {"a.mail.example.com": "p=none", "example.com": "psd=y"},
            "mail.example.com",
            id="psd=y in between",
        ),
        pytest.param(
            {"a.mail.example.com": "psd=n", "example.com": "p=none"}, "a.mail.example.com", id="psd=n at once"
        ),
        pytest.param(
            {"a.mail.example.com": "psd=y", "example.com": "p=none"}, "a.mail.example.com", id="psd=y at once"
        ),
        pytest.param({"mail.example.com": "psd=y"}, "a.mail.example.com", id="psd=y right above"),
        pytest.param(
            {"com": "p=none", "example.com": "p=none; psd=u"}, "com", id="§11.8: suffix without psd"
        ),
        pytest.param({"example.com": ["psd=n", "psd=n"], "com": "psd=y"}, "example.com", id="two are none"),
        pytest.param({}, "a.mail.example.com", id="no record"),
    ],
)
async def test_4_10_2_the_organisation_is_what_the_walk_ends_at(records: Zone, organisation: str) -> None:
    assert await Discovery(dns(records), Mode.TREE).organisation("a.mail.example.com") == organisation


async def test_4_10_the_walk_stops_at_psd() -> None:
    resolver = dns({"mail.example.com": "psd=n", "example.com": "p=none"})
    await Discovery(resolver, Mode.TREE).organisation("a.mail.example.com")
    assert resolver.asked == [("txt", "_dmarc.a.mail.example.com"), ("txt", "_dmarc.mail.example.com")]


EXISTS = ("a.b.example.com",)


@pytest.mark.parametrize(
    ("records", "policy"),
    [
        pytest.param({"a.b.example.com": "p=none; sp=reject"}, ("none", "a.b.example.com"), id="its own, p"),
        pytest.param({"example.com": "p=reject"}, ("reject", "example.com"), id="organisation, p"),
        pytest.param({"example.com": "p=none; sp=reject"}, ("reject", "example.com"), id="organisation, sp"),
        pytest.param(
            {"b.example.com": "p=reject", "example.com": "p=none"},
            ("none", "example.com"),
            id="not in between",
        ),
        pytest.param(
            {"b.example.com": "p=reject; psd=n", "example.com": "p=none"},
            ("reject", "b.example.com"),
            id="psd=n",
        ),
        pytest.param({"com": "p=reject; psd=y"}, ("reject", "com"), id="public suffix"),
        pytest.param({"com": "p=reject; psd=y; sp=none"}, ("none", "com"), id="public suffix, sp"),
        pytest.param(
            {"com": "p=reject; psd=y", "example.com": "p=none"},
            ("none", "example.com"),
            id="rather the organisation",
        ),
        pytest.param(
            {"com": "p=reject; psd=y", "b.example.com": "p=none"},
            ("reject", "com"),
            id="organisation without record",
        ),
        pytest.param(
            {"a.b.example.com": ["p=none", "p=none"], "example.com": "p=reject"},
            ("reject", "example.com"),
            id="R-154: twice is none",
        ),
        pytest.param({"a.b.example.com": "sp=x", "example.com": "p=reject"}, None, id="its own is unusable"),
        pytest.param({"example.com": "p=x"}, None, id="the organisation's is unusable"),
        pytest.param(
            {"example.com": "p=x; rua=mailto:a@b.test"}, ("none", "example.com"), id="unusable, with rua"
        ),
        pytest.param({}, None, id="nothing"),
    ],
)
async def test_4_10_1_the_policy_of_an_existing_domain(records: Zone, policy: tuple[str, str] | None) -> None:
    assert await found("a.b.example.com", records, Mode.TREE, *EXISTS) == policy


@pytest.mark.parametrize(
    ("text", "missing", "existing"),
    [
        pytest.param("p=none; np=reject", "reject", "none", id="np"),
        pytest.param("p=none; sp=quarantine; np=reject", "reject", "quarantine", id="np and sp"),
        pytest.param("p=reject; np=none", "none", "reject", id="np is less"),
        pytest.param("p=none; sp=quarantine", "quarantine", "quarantine", id="no np, but sp"),
        pytest.param("p=reject", "reject", "reject", id="only p"),
    ],
)
async def test_R_154_np_is_for_sub_domains_that_do_not_exist(text: str, missing: str, existing: str) -> None:
    assert await found("a.example.com", {"example.com": text}) == (missing, "example.com")
    assert await found("a.example.com", {"example.com": text}, Mode.TREE, "a.example.com") == (
        existing,
        "example.com",
    )


async def test_np_is_not_for_the_domain_itself() -> None:
    assert await found("example.com", {"example.com": "p=none; np=reject"}) == ("none", "example.com")


async def test_a_domain_too_long_for_dns_does_not_exist_but_has_a_policy() -> None:
    domain = f"{'a' * 70}.example.com"
    resolver = FakeResolver(txts={"_dmarc.example.com": [b"v=DMARC1; p=none; np=reject"]})
    applied = await Discovery(resolver, Mode.TREE).policy(domain)
    assert applied is not None
    assert applied.policy is Policy.REJECT


@pytest.mark.parametrize(
    ("policy", "lessened"), [("reject", "quarantine"), ("quarantine", "none"), ("none", "none")]
)
async def test_4_7_test_mode_wants_one_step_less(policy: str, lessened: str) -> None:
    assert await found("example.com", {"example.com": f"p={policy}; t=y"}) == (lessened, "example.com")
    assert await found("example.com", {"example.com": f"p={policy}; t=y"}, Mode.PSL) == (
        policy,
        "example.com",
    )


@pytest.mark.parametrize(
    ("records", "policy"),
    [
        pytest.param({"a.b.example.co.uk": "p=none; sp=reject"}, ("none", "a.b.example.co.uk"), id="its own"),
        pytest.param({"example.co.uk": "p=reject"}, ("reject", "example.co.uk"), id="organisation, p"),
        pytest.param(
            {"example.co.uk": "p=none; sp=reject"}, ("reject", "example.co.uk"), id="organisation, sp"
        ),
        pytest.param({"example.co.uk": "p=none; np=reject"}, ("none", "example.co.uk"), id="np is unknown"),
        pytest.param({"b.example.co.uk": "p=reject; psd=n"}, None, id="not in between"),
        pytest.param({"co.uk": "p=reject; psd=y"}, None, id="not the suffix"),
        pytest.param(
            {"a.b.example.co.uk": ["p=none", "p=none"], "example.co.uk": "p=reject"},
            None,
            id="R-154: twice ends it",
        ),
        pytest.param(
            {"example.co.uk": ["p=reject", "p=reject"]}, None, id="R-154: twice at the organisation"
        ),
        pytest.param({"example.co.uk": "p=reject; pct=0"}, ("reject", "example.co.uk"), id="pct is left"),
    ],
)
async def test_7489_6_6_3_the_list_names_the_organisation(
    records: Zone, policy: tuple[str, str] | None
) -> None:
    assert await found("a.b.example.co.uk", records, Mode.PSL) == policy


async def test_R_154_a_suffix_of_the_private_part_has_no_organisation() -> None:
    records = {"github.io": "p=reject", "ann.github.io": "p=quarantine"}
    assert await found("x.ann.github.io", records, Mode.PSL) == ("quarantine", "ann.github.io")
    assert await found("bob.github.io", records, Mode.PSL) is None
    assert await found("github.io", records, Mode.PSL) == ("reject", "github.io")
    assert await Discovery(dns(records), Mode.PSL).organisation("github.io") is None


async def test_other_records_at_the_name_are_passed_over() -> None:
    texts = [b"v=spf1 -all", b"v=DMARC1; p=reject", b"", b"v=dmarc1"]
    for mode in Mode:
        applied = await Discovery(FakeResolver(txts={"_dmarc.example.com": texts}), mode).policy(
            "example.com"
        )
        assert applied == AppliedPolicy(Policy.REJECT, "example.com", Record(Policy.REJECT))


@pytest.mark.parametrize(
    ("down", "mode"),
    [
        ("_dmarc.a.example.com", Mode.TREE),
        ("_dmarc.example.com", Mode.TREE),
        ("_dmarc.com", Mode.TREE),
        ("a.example.com", Mode.TREE),
        ("_dmarc.a.example.com", Mode.PSL),
        ("_dmarc.example.com", Mode.PSL),
    ],
)
async def test_R_160_when_dns_cannot_tell_the_policy_is_not_known(down: str, mode: Mode) -> None:
    txts = {"_dmarc.example.com": [b"v=DMARC1; p=none; np=reject"]}
    resolver = FakeResolver(txts=txts | {down: DOWN})
    with pytest.raises(DnsError) as caught:
        await Discovery(resolver, mode).policy("a.example.com")
    assert caught.value.transient


async def test_its_own_record_needs_no_walk() -> None:
    resolver = dns({"a.example.com": "p=reject", "example.com": DOWN})
    assert await Discovery(resolver, Mode.TREE).policy("a.example.com") is not None
    assert resolver.asked == [("txt", "_dmarc.a.example.com")]


@pytest.mark.parametrize("mode", list(Mode))
async def test_each_name_is_asked_once(mode: Mode) -> None:
    resolver = dns({"example.com": "p=none; np=reject", "down.example.com": DOWN})
    discovery = Discovery(resolver, mode)
    for domain in ("a.example.com", "down.example.com", "a.example.com", "down.example.com", "example.com"):
        with suppress(DnsError):
            await discovery.policy(domain)
            await discovery.organisation(domain)
    assert len(resolver.asked) == len(set(resolver.asked))


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=12).map(".".join)
TEXTS = st.sampled_from(["p=none", "p=reject; np=none", "psd=y", "p=none; psd=y", "p=none; psd=n", "x"])
ZONES = st.dictionaries(NAMES, TEXTS | st.lists(TEXTS, max_size=2) | st.just(DOWN), max_size=6)


@given(NAMES, ZONES, st.sampled_from(list(Mode)))
async def test_at_most_eight_queries_find_the_policy(domain: str, records: Zone, mode: Mode) -> None:
    resolver = dns(records)
    with suppress(DnsError):
        applied = await Discovery(resolver, mode).policy(domain)
        assert applied is None or f".{domain}".endswith(f".{applied.domain}")
    assert sum(name.startswith("_dmarc.") for _, name in resolver.asked) <= QUERIES_MAX
    assert len(resolver.asked) <= QUERIES_MAX + 1


@given(NAMES, ZONES, st.sampled_from(list(Mode)))
async def test_an_organisation_is_the_domain_or_above_it_and_its_own(
    domain: str, records: Zone, mode: Mode
) -> None:
    resolver = dns({name: found for name, found in records.items() if not isinstance(found, DnsError)})
    organisation = await Discovery(resolver, mode).organisation(domain)
    assert len(resolver.asked) <= QUERIES_MAX
    if organisation is None:
        assert mode is Mode.PSL
        return
    assert f".{domain}".endswith(f".{organisation}")
    if mode is Mode.PSL:
        assert await Discovery(resolver, mode).organisation(organisation) == organisation
