"""Random pipelines and recipients: what is planned is what happens, and what a naive reading of the rules says."""

from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.errors import MailError
from posthouse.framework.actions import REJECTED
from posthouse.pipeline.blocks import DestinationRules, InTable, Rules, SourceRules
from posthouse.pipeline.route import Route
from posthouse.testing.checks import ModifierList, ToldModifier, ToldTable
from posthouse.testing.pipeline import envelope, pipeline, send
from posthouse.testing.target import KeptTarget

ADDRESSES = [f"{name}@{domain}" for name in "ab" for domain in ("x.example", "y.example")]
KEYS = [*ADDRESSES, "@x.example", "@y.example"]
TARGETS = [KeptTarget() for _ in range(3)]

addresses = st.sampled_from(ADDRESSES)
tables = st.dictionaries(addresses, st.lists(st.just("yes"), max_size=1)).map(ToldTable)
modifiers = st.lists(
    st.builds(
        ToldModifier,
        senders=st.dictionaries(addresses, addresses, max_size=2),
        recipients=st.dictionaries(addresses, st.lists(addresses, min_size=1, max_size=2), max_size=2),
    ),
    max_size=2,
).map(lambda found: (ModifierList(tuple(found)),))


def destinations(inner: st.SearchStrategy[Rules] | None) -> st.SearchStrategy[DestinationRules]:
    targets: st.SearchStrategy[KeptTarget | Rules] = st.sampled_from(TARGETS)
    if inner is not None:
        targets = targets | inner
    delivering = st.builds(
        DestinationRules,
        where=st.just("x.conf:1"),
        targets=st.lists(targets, min_size=1, max_size=2, unique_by=id).map(tuple),
        modifiers=modifiers,
    )
    refusing = st.just(DestinationRules("x.conf:2", reject=REJECTED))
    return st.integers(0, 5).flatmap(lambda number: delivering if number else refusing)


def pipelines(inner: st.SearchStrategy[Rules] | None) -> st.SearchStrategy[Rules]:
    blocks = destinations(inner)
    in_tables = st.lists(st.builds(InTable, st.just("x.conf:3"), tables, blocks), max_size=1).map(tuple)
    sources = st.builds(
        SourceRules,
        where=st.just("x.conf:4"),
        default=blocks,
        by_key=st.dictionaries(st.sampled_from(KEYS), blocks, max_size=2),
        tables=in_tables,
        modifiers=modifiers,
    )
    return st.builds(
        Rules,
        default=sources,
        by_key=st.dictionaries(st.sampled_from(KEYS), sources, max_size=2),
        modifiers=modifiers,
    )


Reached = list[tuple[KeptTarget, str, str]]  # target, reverse-path, recipient


def block_for(rules: SourceRules, address: str) -> DestinationRules:
    for entry in rules.tables:
        assert isinstance(entry.table, ToldTable)
        if entry.table.answers.get(address):
            return entry.block
    domain = address[address.index("@") :]
    return rules.by_key.get(address) or rules.by_key.get(domain) or rules.default


def rewritten(groups: tuple[ModifierList, ...], recipients: list[str]) -> list[str]:
    for group in groups:
        for modifier in group.members:
            assert isinstance(modifier, ToldModifier)
            assert not callable(modifier.recipients)
            made = modifier.recipients
            recipients = [new for old in recipients for new in made.get(old, (old,))]
    return recipients


def new_sender(groups: tuple[ModifierList, ...], sender: str) -> str:
    for group in groups:
        for modifier in group.members:
            assert isinstance(modifier, ToldModifier)
            sender = modifier.senders.get(sender, sender)
    return sender


def naive(rules: Rules, sender: str, recipient: str) -> Reached | None:
    """Where a recipient goes by the letter of the specification; None where it is refused."""
    sender = new_sender(rules.modifiers, sender)  # type: ignore[arg-type]  # these groups are all lists
    source = rules.by_key.get(sender) or rules.by_key.get(sender[sender.index("@") :]) or rules.default
    sender = new_sender(source.modifiers, sender)  # type: ignore[arg-type]
    reached: Reached = []
    for address in rewritten((*rules.modifiers, *source.modifiers), [recipient]):  # type: ignore[arg-type]
        block = block_for(source, address)
        if block.reject is not None:
            return None
        for final in rewritten(block.modifiers, [address]):  # type: ignore[arg-type]
            for target in block.targets:
                if isinstance(target, KeptTarget):
                    reached.append((target, sender, final))
                    continue
                assert isinstance(target, Rules)
                further = naive(target, sender, final)
                if further is None:
                    return None
                reached += further
    return reached


async def planned(rules: Rules, sender: str, recipient: str) -> Reached | None:
    """The same, planned by routes, as who only wants to know does it."""
    route = Route(rules, envelope(sender))
    try:
        await route.plan_sender(sender)
        reached: Reached = []
        for hop in await route.plan_recipient(recipient):
            for target in hop.block.targets:
                if isinstance(target, KeptTarget):
                    reached.append((target, route.sender, hop.recipient))
                    continue
                assert isinstance(target, Rules)
                further = await planned(target, route.sender, hop.recipient)
                if further is None:
                    return None
                reached += further
        return reached
    except MailError:
        return None
    finally:
        await route.close()


async def happened(rules: Rules, sender: str, recipient: str) -> Reached | None:
    for target in TARGETS:
        target.messages.clear()
    try:
        await send(pipeline(rules), envelope(sender), recipient)
    except MailError:
        assert not any(target.messages for target in TARGETS)
        return None
    finally:
        assert not any(target.open for target in TARGETS)
    return [
        (target, message.reverse_path, one)
        for target in TARGETS
        for message in target.messages
        for one in message.recipients
    ]


def in_order(reached: Reached | None) -> list[tuple[int, str, str]] | None:
    if reached is None:
        return None
    return sorted((TARGETS.index(target), sender, recipient) for target, sender, recipient in reached)


@given(rules=pipelines(pipelines(None)), sender=addresses, recipient=addresses)
async def test_what_is_planned_happens_and_follows_the_rules(
    rules: Rules, sender: str, recipient: str
) -> None:
    expected = in_order(naive(rules, sender, recipient))
    assert in_order(await planned(rules, sender, recipient)) == expected
    assert in_order(await happened(rules, sender, recipient)) == expected
