"""What a rehearsal tells is what happens: random pipelines, random envelopes, once told and once delivered."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.core.errors import MailError, reply_of
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.check import Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.target import Delivery, Target
from posthouse.message.header import Header
from posthouse.pipeline.blocks import DestinationRules, InTable, Rules, SourceRules
from posthouse.pipeline.facts import NOT_RUN, BlockChosen, CheckAsked, Fact, Named, Reached, Rewritten
from posthouse.pipeline.pipeline import Pipeline
from posthouse.pipeline.rehearsal import TAKEN, UNKNOWN, Rehearsal, reply_text
from posthouse.testing.checks import CheckList, ModifierList, ToldCheck, ToldModifier, ToldTable
from posthouse.testing.pipeline import envelope, only, pipeline, to
from posthouse.testing.target import KeptTarget
from posthouse.wire.smtp.reply import Reply

DOMAINS = ("example.org", "example.net", "bücher.example", "nowhere.test")
ADDRESSES = tuple(f"{name}@{domain}" for name in ("ann", "Bob", "team") for domain in DOMAINS)
SENDERS = ("", *ADDRESSES[:6])
RECIPIENTS = (*ADDRESSES, "postmaster")
STAGES = (Stage.CONNECTION, Stage.SENDER, Stage.RECIPIENT)  # those that a rehearsal asks


class Knowing(KeptTarget):
    """A target that can be asked before."""

    async def probe(self, envelope: Envelope, recipient: str) -> None:
        if recipient in self.refused:
            raise self.refused[recipient]


@dataclass(slots=True, eq=False)
class Nested:
    """`msgpipeline NAME`."""

    pipeline: Pipeline
    commit_order: int = 0

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        return await self.pipeline.start_delivery(envelope, reverse_path)


@dataclass(slots=True)
class Maker:
    """Makes pipelines by chance, in which everything that a rehearsal can tell may happen."""

    random: Random
    leaves: list[Knowing] = field(default_factory=list)
    named: list[Nested] = field(default_factory=list)
    lines: int = 0

    def whole(self) -> Pipeline:
        self.leaves = [Knowing(refused=self._refused(number)) for number in range(3)]
        self.named = [Nested(pipeline(Rules(SourceRules("", to())))) for _ in range(3)]
        for one in self.named:  # they may refer to each other, in circles too
            one.pipeline = replace(one.pipeline, rules=self._rules(2), adds_received=False)
        return pipeline(self._rules(2))

    def _refused(self, number: int) -> dict[str, Exception]:
        error: Exception = MailError(Reply(550, (5, 1, 1), f"not at {number}"))
        return dict.fromkeys(self._some(RECIPIENTS, 3), error)

    def _where(self) -> str:
        self.lines += 1
        return f"x.conf:{self.lines}"

    def _some(self, of: Sequence[str], most: int) -> list[str]:
        return self.random.sample(of, self.random.randrange(most + 1))

    def _rules(self, depth: int) -> Rules:
        by_key = {key: self._source(depth) for key in self._keys()}
        tables = tuple(
            InTable(self._where(), self._table(), self._source(depth)) for _ in range(self._rarely(2))
        )
        return Rules(self._source(depth), by_key, tables, self._checks(), self._modifiers())

    def _source(self, depth: int) -> SourceRules:
        by_key = {key: self._destination(depth) for key in self._keys()}
        tables = tuple(
            InTable(self._where(), self._table(), self._destination(depth)) for _ in range(self._rarely(2))
        )
        default = self._destination(depth)
        return SourceRules(self._where(), default, by_key, tables, self._checks(), self._modifiers())

    def _destination(self, depth: int) -> DestinationRules:
        where = self._where()
        if self.random.random() < 0.15:
            return DestinationRules(where, Reply(550, (5, 7, 1), f"no, says {where}"))
        targets = dict.fromkeys(self._target(depth) for _ in range(self.random.choice((0, 1, 1, 1, 2))))
        return DestinationRules(where, None, tuple(targets), self._checks(), self._modifiers())

    def _target(self, depth: int) -> Target | Rules:
        draw = self.random.random()
        if draw < 0.2 and depth:
            return self._rules(depth - 1)
        return self.random.choice(self.named) if draw < 0.45 else self.random.choice(self.leaves)

    def _keys(self) -> list[str]:
        return self._some([*(a.lower() for a in ADDRESSES), *(f"@{d}" for d in DOMAINS), "postmaster"], 2)

    def _rarely(self, most: int) -> int:
        return self.random.randrange(1, most + 1) if self.random.random() < 0.2 else 0

    def _table(self) -> ToldTable:
        answers: dict[str, Sequence[str] | Exception] = {
            key.lower(): ["yes"] for key in self._some(RECIPIENTS, 5)
        }
        if self.random.random() < 0.2:
            answers[self.random.choice(ADDRESSES).lower()] = MailError(Reply(451, (4, 3, 0), "not now"))
        return ToldTable(answers)

    def _modifiers(self) -> tuple[ModifierList, ...]:
        return tuple(ModifierList((self._modifier(),)) for _ in range(self._rarely(2)))

    def _modifier(self) -> ToldModifier:
        return ToldModifier(
            senders={key: self.random.choice(SENDERS) for key in self._some(SENDERS, 2)},
            recipients={key: self._some(RECIPIENTS, 3) for key in self._some(RECIPIENTS, 4)},
        )

    def _checks(self) -> tuple[CheckList, ...]:
        return tuple(CheckList((self._check(),)) for _ in range(self._rarely(1)))

    def _check(self) -> ToldCheck:
        reason = MailError(Reply(550, (5, 7, 0), f"check {self._where()}"))
        quarantine = self.random.random() < 0.6
        stage: Stage | str = self.random.choice(list[Stage | str]([*STAGES, *RECIPIENTS]))
        return ToldCheck(
            {stage: Verdict(reason, reject=not quarantine, quarantine=quarantine)}, stages=frozenset(STAGES)
        )


@dataclass(slots=True)
class Outcome:
    """What a client is told, and whether the message is quarantined."""

    replies: list[Reply | None] = field(default_factory=list)
    is_quarantined: bool = False


async def deliver(target: Pipeline, sender: str, recipients: Sequence[str]) -> Outcome:
    """Deliver a message as an endpoint does that goes on after a refused recipient."""
    message, outcome = envelope(sender), Outcome()
    try:
        delivery = await target.start_delivery(message, sender)
    except MailError as err:
        outcome.replies.append(reply_of(err))
        return outcome
    for recipient in recipients:
        try:
            await delivery.add_recipient(recipient)
        except MailError as err:
            outcome.replies.append(reply_of(err))
        else:
            outcome.replies.append(None)
    await delivery.body(Header.parse(b"Subject: hi\r\n\r\n"), MemoryBody(b"hello\r\n"))
    await delivery.commit()
    outcome.is_quarantined = message.quarantine
    return outcome


def name_of(what: object) -> Named:
    return Named(str(id(what)))


@settings(max_examples=150)
@given(
    st.integers(0, 2**32),
    st.sampled_from(SENDERS),
    st.lists(st.sampled_from(RECIPIENTS), min_size=1, max_size=4),
)
async def test_what_is_told_is_what_happens(seed: int, sender: str, recipients: list[str]) -> None:
    maker = Maker(Random(seed))
    whole = maker.whole()
    facts: list[Fact] = []
    told = await deliver(replace(whole, rehearsal=Rehearsal(facts.append, name_of)), sender, recipients)
    assert not any(leaf.calls for leaf in maker.leaves), "a rehearsal touches no target"
    happened = await deliver(whole, sender, recipients)

    assert told == happened
    names = {str(id(leaf)): leaf for leaf in maker.leaves}
    reached = [fact for fact in facts if isinstance(fact, Reached)]
    for name, leaf in names.items():
        given_to = [fact for fact in reached if fact.target.name == name]
        assert [fact.recipient for fact in given_to] == [what for call, what in leaf.calls if call == "add"]
        taken = [fact.recipient for fact in given_to if not fact.is_refused]
        assert sorted(taken) == sorted(r for message in leaf.messages for r in message.recipients)
        senders = {fact.sender for fact in given_to}
        assert {message.reverse_path for message in leaf.messages} <= senders


async def test_every_decision_is_told_with_its_place() -> None:
    target, facts = Knowing(), list[Fact]()
    modifier = ToldModifier(recipients={"team@example.org": ["ann@example.org"]})
    check = ToldCheck({Stage.SENDER: Verdict(MailError(Reply(550, (5, 7, 0), "hm")), quarantine=True)})
    local = replace(to(target), where="x.conf:7")
    rules = only(replace(to(), where="x.conf:9"), checks=[check], modifiers=[modifier])
    rules = replace(rules, default=replace(rules.default, by_key={"@example.org": local}))
    rehearsed = replace(
        pipeline(rules), rehearsal=Rehearsal(facts.append, lambda what: Named(type(what).__name__))
    )
    await deliver(rehearsed, "ann@example.net", ["team@example.org"])

    verdicts = [(f.stage, f.verdict, f.reply) for f in facts if isinstance(f, CheckAsked)]
    assert ("sender", "quarantined", "550 5.7.0 hm") in verdicts
    assert ("body", NOT_RUN, "") in verdicts, "only delivery can tell"
    assert Rewritten(Named("ToldModifier"), "team@example.org", ("ann@example.org",)) in facts
    chosen = [fact for fact in facts if isinstance(fact, BlockChosen)]
    assert [(fact.kind, fact.where) for fact in chosen] == [
        ("source", "x.conf:1"),
        ("destination", "x.conf:7"),
    ]
    assert chosen[1].because == "its rule is @example.org"
    assert [missed.where for missed in chosen[1].missed] == ["x.conf:9"]
    assert facts[-2] == Reached(Named("Knowing"), "ann@example.net", "ann@example.org", TAKEN)


async def test_a_check_that_needs_more_than_dns_is_not_asked_and_said_so() -> None:
    facts: list[Fact] = []
    check = ToldCheck({Stage.CONNECTION: MailError(Reply(550, None, "no"))}, only_asks_dns=False)
    rehearsed = replace(
        pipeline(only(to(KeptTarget()), checks=[check])), rehearsal=Rehearsal(facts.append, name_of)
    )
    told = await deliver(rehearsed, "ann@example.net", ["ann@example.org"])
    assert told.replies == [None]
    assert not check.calls
    assert {fact.verdict for fact in facts if isinstance(fact, CheckAsked)} == {NOT_RUN}
    assert [fact.says for fact in facts if isinstance(fact, Reached)] == [UNKNOWN]


@pytest.mark.parametrize("only_asks_dns", [True, False])
async def test_checks_of_the_body_are_told_of_where_no_message_comes(*, only_asks_dns: bool) -> None:
    facts: list[Fact] = []
    check = ToldCheck({}, only_asks_dns=only_asks_dns)
    rehearsal = Rehearsal(facts.append, name_of, has_message=False)
    delivery = await replace(
        pipeline(only(to(KeptTarget()), checks=[check])), rehearsal=rehearsal
    ).start_delivery(envelope(), "ann@example.net")
    await delivery.add_recipient("ann@example.org")
    await delivery.abort()
    told = [fact for fact in facts if isinstance(fact, CheckAsked) and fact.stage == "body"]
    assert [(fact.verdict, fact.reason != "") for fact in told] == [(NOT_RUN, True)]


def test_a_reply_of_several_lines_is_told_on_one() -> None:
    assert reply_text(Reply(550, (5, 1, 1), "No such\nuser")) == "550 5.1.1 No such user"


async def test_why_an_address_cannot_be_rewritten_is_told() -> None:
    facts: list[Fact] = []
    failure = MailError(Reply(554, (5, 3, 5), "Local configuration error"), reason="it is no address")
    modifier = ToldModifier(failing={"ann@example.net": failure, "ann@example.org": failure})
    rehearsed = replace(
        pipeline(only(to(KeptTarget()), modifiers=[modifier])),
        rehearsal=Rehearsal(facts.append, lambda what: Named(type(what).__name__)),
    )
    for sender, recipient in (("ann@example.net", "bob@example.org"), ("bob@example.net", "ann@example.org")):
        told = await deliver(rehearsed, sender, [recipient])
        assert told.replies == [failure.reply]
    rewritten = [fact for fact in facts if isinstance(fact, Rewritten)]
    assert [(fact.modifier.name, fact.address, fact.error) for fact in rewritten] == [
        ("ToldModifier", "ann@example.net", "it is no address"),
        ("ToldModifier", "ann@example.org", "it is no address"),
    ]
