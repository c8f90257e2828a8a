"""Blocks are chosen by tables, address, domain, default; who asks is told why."""

from collections.abc import Sequence

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.interfaces.check import Check, Stage, Verdict
from posthouse.framework.interfaces.modifier import Modifier
from posthouse.pipeline.blocks import DestinationRules, InTable, Rules, SourceRules
from posthouse.pipeline.plan import choose_destination, choose_source, passed_over
from posthouse.pipeline.route import Hop, Route
from posthouse.pipeline.trace import AnyTable, Choice
from posthouse.testing.checks import ToldCheck, ToldModifier, ToldTable
from posthouse.testing.pipeline import envelope, only, pipeline, send, to
from posthouse.testing.target import KeptTarget
from posthouse.wire.smtp.reply import Reply

DOWN = MailError(Reply(451, (4, 3, 0), "no answer"), module="table.told")


class Told:
    """Keeps what it is told, in words."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def looked_up(self, entry: AnyTable, key: str, answer: Sequence[str] | Exception) -> None:
        self.heard.append(("looked up", entry.where, key, answer))

    def chose(self, choice: Choice[SourceRules] | Choice[DestinationRules]) -> None:
        self.heard.append(("chose", choice.block.where, choice.address, choice.rule))

    def rewrote(self, modifier: Modifier, address: str, result: Sequence[str] | Exception) -> None:
        said = result if isinstance(result, Exception) else tuple(result)
        self.heard.append(("rewrote", modifier, address, said))

    def met(self, check: Check) -> None:
        pass

    def checked(self, check: Check, stage: Stage, subject: str, verdict: Verdict) -> None:
        self.heard.append(("checked", check, stage, subject, verdict))


def destination(where: str) -> DestinationRules:
    return DestinationRules(where)


def sources(tables: Sequence[tuple[str, ToldTable]], keys: Sequence[str] = ()) -> Rules:
    """A pipeline whose source blocks are called by the name of their table or rule."""
    return Rules(
        SourceRules("default", destination("default")),
        {key: SourceRules(key, destination(key)) for key in keys},
        tuple(InTable(name, table, SourceRules(name, destination(name))) for name, table in tables),
    )


async def test_tables_are_asked_in_order_before_any_rule() -> None:
    first, second = ToldTable(), ToldTable({"ann@example.net": ["x"]})
    rules = sources([("first", first), ("second", second)], ["ann@example.net"])
    choice = await choose_source(rules, "ANN@Example.NET")
    assert (choice.block.where, choice.rule) == ("second", "")
    assert first.asked == second.asked == ["ann@example.net"]


async def test_an_empty_answer_is_none_and_an_empty_value_is_one() -> None:
    assert (await choose_source(sources([("t", ToldTable({"": []}))]), "")).block.where == "default"
    assert (await choose_source(sources([("t", ToldTable({"": [""]}))]), "")).block.where == "t"


async def test_the_null_sender_meets_tables_and_the_default_only() -> None:
    table = ToldTable()
    choice = await choose_source(sources([("t", table)], ["@example.net", "postmaster"]), "")
    assert (choice.block.where, table.asked) == ("default", [""])


async def test_destinations_have_tables_too() -> None:
    table = ToldTable({"bob@example.org": ["x"]})
    entry = InTable("table", table, destination("table"))
    rules = SourceRules("x", destination("default"), {"@example.org": destination("domain")}, (entry,))
    for recipient, where in (
        ("Bob@Example.org", "table"),
        ("eve@example.org", "domain"),
        ("a@b.example", "default"),
    ):
        assert (await choose_destination(rules, recipient)).block.where == where


async def test_a_table_that_cannot_tell_is_a_transient_error_and_never_a_wrong_route() -> None:
    rules = sources([("x.conf:7", ToldTable({"ann@example.net": DOWN}))])
    target = KeptTarget()
    with pytest.raises(MailError) as refused:
        await choose_source(rules, "ann@example.net")
    assert refused.value is DOWN
    assert refused.value.fields["rule"] == "x.conf:7"
    entry = InTable("x.conf:8", ToldTable({"bob@x.example": OSError("gone")}), to(target))
    with pytest.raises(OSError, match="gone"):
        await send(pipeline(Rules(SourceRules("x", to(target), {}, (entry,)))), envelope(), "bob@x.example")
    assert target.calls == []


@pytest.mark.parametrize(
    ("sender", "code"), [("nobody", (5, 1, 3)), ("@x.example", (5, 1, 3)), ("a@xn--\x00.example", (5, 1, 7))]
)
async def test_R_041_a_sender_without_lookup_form_is_refused_where_one_is_needed(
    sender: str, code: tuple[int, int, int]
) -> None:
    with pytest.raises(MailError) as refused:
        await choose_source(sources([("t", ToldTable())]), sender)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (501, code)
    assert (await choose_source(sources([]), sender)).block.where == "default"


async def test_what_modifiers_made_of_a_sender_is_refused_too() -> None:
    rules = only(to(), modifiers=[ToldModifier({"ann@example.net": "nobody"})])
    rules = Rules(rules.default, {"@x.example": rules.default}, (), (), rules.modifiers)
    with pytest.raises(MailError) as refused:
        await pipeline(rules).start_delivery(envelope(), "ann@example.net")
    assert refused.value.reply.text == "Invalid sender address"


async def test_who_asks_is_told_why_other_blocks_were_not_chosen() -> None:
    tables = [("no", ToldTable()), ("yes", ToldTable({"t@x.example": ["1"]})), ("late", ToldTable())]
    rules = sources(tables, ["ann@x.example", "@x.example", "@y.example"])

    async def why(sender: str) -> dict[str, str]:
        return {block.where: text for block, text in passed_over(rules, await choose_source(rules, sender))}

    answered = "a table has answered before"
    default = "it is only for what no other block takes"
    assert await why("t@x.example") == {
        "no": "its table has no answer",
        "late": "a table before it has answered",
        "ann@x.example": answered,
        "@x.example": answered,
        "@y.example": answered,
        "default": default,
    }
    silent = dict.fromkeys(("no", "yes", "late"), "its table has no answer")
    assert await why("Ann@x.example") == {
        **silent,
        "@x.example": "the whole address is a rule of another block: ann@x.example",
        "@y.example": "it has no rule for ann@x.example",
        "default": default,
    }
    missing = dict.fromkeys(("ann@x.example", "@x.example", "@y.example"), "it has no rule for <>")
    assert await why("") == silent | missing


async def test_a_route_is_planned_without_delivering_and_tells_each_step() -> None:
    table, check = ToldTable({"b@x.example": ["1"]}), ToldCheck(stages=frozenset({Stage.SENDER}))
    alias = ToldModifier(recipients={"a@x.example": ("b@x.example", "c@x.example")})
    target = KeptTarget()
    by_table, default = to(target), to(target, target)
    source = SourceRules("x.conf:2", default, {}, (InTable("x.conf:3", table, by_table),))
    rules = only(to(), checks=[check], modifiers=[alias])
    told = Told()
    route = Route(Rules(source, checks=rules.checks, modifiers=rules.modifiers), envelope(), trace=told)
    await route.plan_sender("ann@example.net")
    assert await route.plan_recipient("a@x.example") == [
        Hop("b@x.example", by_table),
        Hop("c@x.example", default),
    ]
    await route.close()
    await route.close()
    assert (route.sender, route.source, target.calls) == ("ann@example.net", source, [])
    assert told.heard == [
        ("checked", check, Stage.SENDER, "ann@example.net", Verdict()),
        ("rewrote", alias, "ann@example.net", ("ann@example.net",)),
        ("chose", "x.conf:2", "ann@example.net", ""),
        ("rewrote", alias, "a@x.example", ("b@x.example", "c@x.example")),
        ("looked up", "x.conf:3", "b@x.example", ["1"]),
        ("chose", "x.conf:1", "b@x.example", ""),
        ("looked up", "x.conf:3", "c@x.example", ()),
        ("chose", "x.conf:1", "c@x.example", ""),
    ]
    assert (check.open, alias.open) == (0, 0)


async def test_a_plan_can_leave_checks_out() -> None:
    check = ToldCheck(only_asks_dns=False)
    rules = only(to(), checks=[check])
    route = Route(rules, envelope(), may_ask=lambda check, stage: check.only_asks_dns)
    await route.plan_sender("ann@example.net")
    await route.plan_recipient("bob@x.example")
    await route.close()
    assert (check.calls, check.open) == ([], 0)


async def test_a_table_that_cannot_tell_is_told_of() -> None:
    told = Told()
    with pytest.raises(MailError):
        await choose_source(sources([("t", ToldTable({"ann@x.example": DOWN}))]), "ann@x.example", told)
    assert told.heard == [("looked up", "t", "ann@x.example", DOWN)]
