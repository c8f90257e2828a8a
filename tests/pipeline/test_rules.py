"""What a pipeline's configuration means, and what is wrong with one that means nothing."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from posthouse.core.world import Paths
from posthouse.framework.actions import REJECTED
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.parser import parse
from posthouse.framework.config.pipeline_page import PIPELINE
from posthouse.framework.config.scope import Scope
from posthouse.framework.registry import Registry
from posthouse.mailauth.dmarc.record import Mode
from posthouse.modules.catalogue import CATALOGUE
from posthouse.modules.dummy import Dummy
from posthouse.pipeline.blocks import checks_of, modifiers_of
from posthouse.pipeline.rules import DESTINATIONS, DMARC, GROUPS, HANDLING, SOURCES, Rules, parse_rules
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.reply import Reply


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    world = FakeWorld(tmp_path)
    registry = Registry(CATALOGUE, lambda module, instance, node, debug: world.context(module, instance))
    return Scope({}, Paths(world.paths.state, world.paths.runtime, world.paths.libexec), registry)


def rules(text: str, scope: Scope) -> Rules:
    children = parse(f"smtp tcp://127.0.0.1:25 {{\n{text}\n}}", "x.conf").nodes[0]
    assert isinstance(children, Node)
    return parse_rules(children, scope)


def test_handling_without_source_blocks_is_for_everybody(scope: Scope) -> None:
    found = rules("deliver_to dummy", scope)
    assert found.by_key == {}
    assert found.default.by_key == {}
    assert isinstance(found.default.default.targets[0], Dummy)


def test_sources_and_destinations_are_kept_by_their_lookup_forms(scope: Scope) -> None:
    found = rules(
        """
        source Example.ORG ann@Example.NET {
            destination postmaster bücher.example {
                deliver_to dummy
            }
            default_destination {
                reject 550 5.1.1 "User doesn't exist"
            }
        }
        default_source {
            reject
        }""",
        scope,
    )
    assert set(found.by_key) == {"@example.org", "ann@example.net"}
    ours = found.by_key["@example.org"]
    assert set(ours.by_key) == {"postmaster", "@bücher.example"}
    assert ours.default.reject == Reply(550, (5, 1, 1), "User doesn't exist")
    assert found.default.default.reject == REJECTED


def test_the_first_of_two_equal_rules_wins(scope: Scope) -> None:
    found = rules(
        """
        destination example.org {
            reject 550
        }
        destination EXAMPLE.org {
            deliver_to dummy
        }
        default_destination {
            reject
        }""",
        scope,
    )
    assert found.default.by_key["@example.org"].reject == Reply(550, (5, 7, 0), REJECTED.text)


def test_an_empty_destination_discards(scope: Scope) -> None:
    found = rules("destination example.org { }\ndefault_destination {\nreject\n}", scope)
    assert found.default.by_key["@example.org"].targets == ()
    assert found.default.by_key["@example.org"].reject is None


def test_checks_and_modifiers_gather_at_every_level_in_their_order(scope: Scope) -> None:
    checks = parse(
        "checks several {\n require_tls\n &single\n}\ncheck.require_mx_record single { }", "x.conf"
    )
    for node in checks.nodes:
        assert isinstance(node, Node)
        scope.registry.register(node)
    found = rules(
        """
        check {
            require_matching_rdns
        }
        modify {
            replace_sender static {
                entry a@x.example b@x.example
            }
        }
        check &several
        modify {
            replace_rcpt identity
        }
        source example.org {
            check {
                require_tls
            }
            destination example.org {
                modify {
                    replace_rcpt identity
                }
                check {
                    require_mx_record
                }
            }
            default_destination {
                reject
            }
        }
        default_source {
            check &several
            reject
        }""",
        scope,
    )

    def names(items: Sequence[object]) -> list[str]:
        return [type(item).__name__ for item in items]

    assert names(checks_of(found.checks)) == ["RequireMatchingRdns", "RequireTls", "RequireMxRecord"]
    assert names(modifiers_of(found.modifiers)) == ["ReplaceSender", "ReplaceRcpt"]
    source = found.by_key["@example.org"]
    assert names(checks_of(source.checks)) == ["RequireTls"]
    assert names(checks_of(source.by_key["@example.org"].checks)) == ["RequireMxRecord"]
    assert names(modifiers_of(source.by_key["@example.org"].modifiers)) == ["ReplaceRcpt"]
    assert found.default.checks[0] is found.checks[1]


def test_checks_without_source_blocks_are_for_all_messages(scope: Scope) -> None:
    found = rules("check {\nrequire_tls\n}\nmodify {\nreplace_rcpt identity\n}\ndeliver_to dummy", scope)
    assert (len(found.checks), len(found.modifiers)) == (1, 1)
    assert (found.default.checks, found.default.default.checks) == ((), ())


def test_tables_stand_beside_handling_and_their_block_is_no_table(scope: Scope) -> None:
    found = rules(
        """
        source_in identity {
            destination_in static {
                reject 550
            }
            deliver_to dummy
        }
        deliver_to dummy""",
        scope,
    )
    [entry] = found.tables
    assert (entry.where, type(entry.table).__name__) == ("x.conf:3", "IdentityTable")
    [inner] = entry.block.tables
    assert inner.block.reject is not None
    assert isinstance(entry.block.default.targets[0], Dummy)
    assert isinstance(found.default.default.targets[0], Dummy)


def test_a_recipient_may_go_to_several_targets_and_pipelines(scope: Scope) -> None:
    found = rules("deliver_to dummy\nreroute {\nreject 550\n}\ndeliver_to dummy", scope)
    first, inner, second = found.default.default.targets
    assert isinstance(first, Dummy)
    assert isinstance(inner, Rules)
    assert inner.default.default.reject is not None
    assert isinstance(second, Dummy)


def test_the_same_target_twice_is_one(scope: Scope) -> None:
    node = parse("dummy sink { }", "x.conf").nodes[0]
    assert isinstance(node, Node)
    scope.registry.register(node)
    assert len(rules("deliver_to &sink\ndeliver_to &sink", scope).default.default.targets) == 1


@pytest.mark.parametrize(
    ("args", "reply"),
    [
        ("", REJECTED),
        ("550", Reply(550, (5, 7, 0), REJECTED.text)),
        ("450", Reply(450, (4, 7, 0), REJECTED.text)),
        ("450 4.1.1", Reply(450, (4, 1, 1), REJECTED.text)),
        ('501 5.1.8 "Use Submission"', Reply(501, (5, 1, 8), "Use Submission")),
    ],
)
def test_reject_has_defaults(args: str, reply: Reply, scope: Scope) -> None:
    assert rules(f"reject {args}", scope).default.default.reject == reply


NO_SOURCE = "missing or empty default source block, use default_source { reject } to reject messages"
NO_DESTINATION = (
    "missing or empty default destination block, use default_destination { reject } to reject messages"
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("deliver_too dummy", "column 1, did you mean deliver_to"),
        ("default_source {\ndelivr_to dummy\n}", "column 1, did you mean deliver_to"),
        ("flower yes", "column 1"),
        (
            "default_source {\nsource a.example {\nreject\n}\n}",
            "column 1, it stands outside of source and destination blocks",
        ),
        (
            "default_destination {\ndestination a.example {\nreject\n}\n}",
            "column 1, it stands outside of destination blocks",
        ),
    ],
)
def test_an_unknown_directive_is_told_with_the_nearest_known_one(text: str, meant: str, scope: Scope) -> None:
    with pytest.raises(ConfigError) as caught:
        rules(text, scope)
    assert str(caught.value).split("\n")[1].strip() == meant


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", None),
        ("dmarc", Mode.TREE),
        ("dmarc yes", Mode.TREE),
        ("dmarc_mode psl\ndmarc on", Mode.PSL),
        ("dmarc no\ndmarc_mode psl", None),
        ("dmarc_mode psl", None),
    ],
)
def test_dmarc_is_off_unless_it_is_asked_for(text: str, mode: Mode | None, scope: Scope) -> None:
    assert rules(f"{text}\ndeliver_to dummy", scope).dmarc is mode


def test_modes_of_dmarc_are_those_of_pipelines_within_too(scope: Scope) -> None:
    within = "reroute {\ndmarc\ndmarc_mode psl\nreject\n}"
    text = f"dmarc\ndestination a.example {{\n{within}\n}}\ndefault_destination {{\nreject\n}}"
    assert list(rules(text, scope).dmarc_modes()) == [Mode.TREE, Mode.PSL]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param(
            "", "x.conf:1: empty pipeline configuration, use 'reject' to reject messages", id="empty"
        ),
        pytest.param("deliver_too dummy", "x.conf:2: unknown pipeline directive: deliver_too", id="unknown"),
        pytest.param("source a.example {\nreject\n}", f"x.conf:1: {NO_SOURCE}", id="no default source"),
        pytest.param(
            "source a.example {\nreject\n}\ndefault_source { }", f"x.conf:5: {NO_SOURCE}", id="empty default"
        ),
        pytest.param(
            "destination a.example {\nreject\n}", f"x.conf:1: {NO_DESTINATION}", id="no default destination"
        ),
        pytest.param(
            "source a.example { }\ndefault_source {\nreject\n}",
            "x.conf:2: empty source block",
            id="empty source",
        ),
        pytest.param(
            "default_source {\nreject\n}\ndeliver_to dummy",
            "x.conf:5: can't put deliver_to next to",
            id="beside",
        ),
        pytest.param("reject\ndeliver_to dummy", "x.conf:2: can't use reject and deliver_to", id="both"),
        pytest.param("reject\nreject", "x.conf:3: duplicate directive: reject", id="twice"),
        pytest.param(
            "reject\nreroute {\nreject\n}", "x.conf:2: can't use reject and reroute", id="reroute too"
        ),
        pytest.param(
            "reroute { }", "x.conf:2: empty pipeline configuration, use 'reject'", id="empty reroute"
        ),
        pytest.param("reroute", "x.conf:2: a block is expected here: reroute { ... }", id="no reroute"),
        pytest.param(
            "reroute x {\nreject\n}", "x.conf:2: reroute takes no arguments", id="reroute arguments"
        ),
        pytest.param("reroute {\ncheck {\n}\n}", "x.conf:2: empty pipeline configuration", id="only checks"),
        pytest.param("check {\nrequire_tls\n}", "x.conf:1: empty pipeline configuration", id="only a check"),
        pytest.param(
            "source_in identity {\nreject\n}", "x.conf:1: empty pipeline configuration", id="only a table"
        ),
        pytest.param("source_in identity { }\nreject", "x.conf:2: empty source block", id="empty source_in"),
        pytest.param("source_in {\nreject\n}\nreject", "x.conf:2: a module is expected here", id="no table"),
        pytest.param(
            "destination_in dummy2 {\nreject\n}\nreject",
            "x.conf:2: unknown module: dummy2 (namespace: table)",
            id="unknown table",
        ),
        pytest.param(
            "source a.example {\ncheck {\n}\n}\ndefault_source {\nreject\n}",
            "x.conf:2: empty source block, use 'reject' to reject messages",
            id="source of checks only",
        ),
        pytest.param(
            "default_source {\nreject\n}\ndestination_in identity {\n}",
            "x.conf:5: can't put destination_in next to source blocks",
            id="destination_in beside",
        ),
        pytest.param(
            "destination a.example {\nsource_in identity {\n}\n}\ndefault_destination {\nreject\n}",
            "x.conf:3: invalid directive: source_in",
            id="source_in inside",
        ),
        pytest.param(
            "default_source {\nreject\n}\ndefault_source {\nreject\n}",
            "x.conf:5: duplicate directive: default_source",
            id="two defaults",
        ),
        pytest.param(
            "default_source x {\nreject\n}",
            "x.conf:2: default_source takes no arguments",
            id="default arguments",
        ),
        pytest.param(
            "source {\nreject\n}\ndefault_source {\nreject\n}",
            "x.conf:2: expected at least one matching rule",
            id="no rule",
        ),
        pytest.param("check\nreject", "x.conf:2: expected check &NAME, or check { ... }", id="no check"),
        pytest.param(
            "check {\nnothing\n}\nreject",
            "x.conf:3: unknown module: nothing (namespace: check)",
            id="unknown check",
        ),
        pytest.param(
            "check {\ndummy\n}\nreject",
            "x.conf:3: module dummy (dummy) doesn't implement check interface",
            id="no check at all",
        ),
        pytest.param(
            "modify {\nreplace_rcpt\n}\nreject", "x.conf:3: missing required directive", id="modifier"
        ),
        pytest.param(
            "modify &nobody\nreject", "x.conf:2: no such instance registered: nobody", id="no group"
        ),
        pytest.param(
            "check {\n&nobody\n}\nreject", "x.conf:3: no such instance registered: nobody", id="no member"
        ),
        pytest.param(
            "check require_tls\nreject",
            "x.conf:2: expected check &NAME, or check { ... }",
            id="no group at all",
        ),
        pytest.param(
            "modify dummy {\n}\nreject", "x.conf:2: expected modify &NAME", id="no block of a group"
        ),
        pytest.param(
            "dmarc_mode list\nreject",
            "x.conf:2: invalid argument, valid values are: [tree psl]",
            id="DMARC mode",
        ),
        pytest.param("reject 250", "x.conf:2: invalid SMTP code: 250", id="code"),
        pytest.param("reject 550 5.7", "x.conf:2: invalid enhanced status code: 5.7", id="enhanced"),
        pytest.param(
            "reject 550 4.7.0",
            "x.conf:2: the enhanced status code 4.7.0 does not fit 550: it must begin with 5",
            id="classes differ",
        ),
        pytest.param('reject 550 5.7.0 ""', "x.conf:2: the text of reject is empty", id="text"),
        pytest.param("reject 550 5.7.0 a b", "x.conf:2: too many arguments", id="too many"),
        pytest.param(
            "source a..b {\nreject\n}\ndefault_source {\nreject\n}",
            "x.conf:2: invalid matching rule: a..b",
            id="rule",
        ),
        pytest.param(
            "destination a.example\ndefault_destination {\nreject\n}",
            "x.conf:2: a block is expected here: destination ... { ... }",
            id="no block",
        ),
        pytest.param(
            "destination_in identity\nreject",
            "x.conf:2: a block is expected here: destination_in ... { ... }",
            id="no block behind a table",
        ),
        pytest.param(
            "source *.a.example {\nreject\n}\ndefault_source {\nreject\n}",
            "x.conf:2: invalid matching rule: *.a.example: there are no wildcards, but source_in with a table",
            id="wildcard",
        ),
        pytest.param(
            "destination *@a.example {\nreject\n}\ndefault_destination {\nreject\n}",
            "x.conf:2: invalid matching rule: *@a.example: a whole domain is said without @: a.example",
            id="wildcard at a domain",
        ),
        pytest.param("dmarc maybe\nreject", "x.conf:2: bool argument should be 'yes' or 'no'", id="DMARC"),
        pytest.param("dmarc\ndmarc\nreject", "x.conf:3: duplicate directive: dmarc", id="DMARC twice"),
        pytest.param("dmarc", "x.conf:1: empty pipeline configuration", id="only DMARC"),
        pytest.param(
            "default_source {\ndmarc\nreject\n}",
            "x.conf:3: unknown pipeline directive: dmarc",
            id="DMARC in a source",
        ),
        pytest.param(
            "deliver_to nothing", "x.conf:2: unknown module: nothing (namespace: target)", id="no module"
        ),
        pytest.param("deliver_to &nobody", "x.conf:2: no such instance registered: nobody", id="no instance"),
        pytest.param("deliver_to identity", "x.conf:2: unknown module: identity", id="wrong kind"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, error: str, scope: Scope) -> None:
    with pytest.raises(ConfigError) as told:
        rules(text, scope)
    assert error in str(told.value)


def test_all_mistakes_are_told_at_once(scope: Scope) -> None:
    with pytest.raises(ConfigError) as told:
        rules(
            """
            source a.example {
                reject 99
            }
            source b.example {
                deliver_to nothing
            }
            default_source {
                reject 550 x
            }""",
            scope,
        )
    assert [line.split(":")[1] for line in str(told.value).splitlines() if line.startswith("x.conf")] == [
        "4",
        "7",
        "10",
    ]


def test_the_reference_has_all_directives_and_its_example_is_a_pipeline(scope: Scope) -> None:
    example = "\n".join(line[4:] for line in PIPELINE.split("\n") if line.startswith("    "))
    found = rules(example.replace("&local_mailboxes", "dummy"), scope)
    assert set(found.default.by_key) == {"postmaster", "@example.org"}
    for name in SOURCES | DESTINATIONS | HANDLING | GROUPS | DMARC:
        assert f"| `{name}" in PIPELINE, name
