"""Spec: config-language §8, §9: references, inline modules, lazy construction, roles."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest

from posthouse.framework.config.node import ConfigError, ConfigErrors
from posthouse.framework.config.parser import parse
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import arguments, directive, inline_module, settings
from posthouse.framework.config.values import ModuleKind, boolean, string
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.registry import Catalogue, Registry, Role
from posthouse.testing.world import FakeWorld


class Maker(Protocol):
    def make(self) -> str: ...


class Teller(Protocol):
    def tell(self) -> str: ...


MAKER = Role("maker", Maker, "make")
TELLER = Role("teller", Teller, "tell")


class Thing(Module):
    """A maker."""

    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="[WORD...]")
        text: str = directive(string, default="", help="what it makes")
        debug: bool = directive(boolean, default=False, inherit=True, help="log more")

    def __init__(self, settings: Settings, context: Context) -> None:
        if settings.text == "broken":
            raise ValueError("this cannot be made")
        if settings.text == "no file":
            raise FileNotFoundError(2, "No such file or directory", "x.pem")
        if settings.text == "config":
            raise ConfigError("not so", hint="but so")
        self.settings, self.context = settings, context

    def make(self) -> str:
        return " ".join((*self.settings.args, self.settings.text))


class Chain(Module):
    """A maker and a teller that needs another maker, perhaps itself."""

    @settings
    class Settings:
        to: Maker = directive(ModuleKind(MAKER), help="the next one")

    def __init__(self, settings: Settings, context: Context) -> None:
        self.to = settings.to

    def make(self) -> str:
        return "chain"

    def tell(self) -> str:
        return "chain"


class Wrapper(Module):
    @settings
    class Settings:
        inner: Maker = inline_module(ModuleKind(MAKER), directive="inner", help="what it wraps")

    def __init__(self, settings: Settings, context: Context) -> None:
        self.inner = settings.inner

    def make(self) -> str:
        return f"<{self.inner.make()}>"


class Door(Module):
    """An endpoint."""

    @settings
    class Settings:
        addresses: tuple[str, ...] = arguments(help="ADDRESS...", least=1)
        to: Maker = directive(ModuleKind(MAKER), help="where to")

    def __init__(self, settings: Settings, context: Context) -> None:
        self.addresses, self.to = settings.addresses, settings.to


CATALOGUE = Catalogue(
    endpoints={"door": "here:Door"},
    modules={
        "make.thing": "here:Thing",
        "thing": "here:Thing",
        "make.plain": "here:Thing",
        "bare": "here:Thing",
        "make.chain": "here:Chain",
        "make.wrapper": "here:Wrapper",
        "tell.chain": "here:Chain",
        "make.missing": "no_such_module:Thing",
    },
    later=frozenset({"make.future", "gate"}),
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeWorld:
    """Modules of the catalogue are the classes above, however this file is imported."""
    here = SimpleNamespace(Thing=Thing, Chain=Chain, Wrapper=Wrapper, Door=Door)
    monkeypatch.setitem(sys.modules, "here", here)
    return FakeWorld(tmp_path)


class Configuration:
    """Top-level blocks, registered."""

    def __init__(self, world: FakeWorld, text: str, **globals_: object) -> None:
        self.nodes = parse(text, "f").nodes
        self.registry = Registry(
            CATALOGUE,
            lambda module, instance, node, debug: world.context(module, instance, debug=debug),
            also_known=["hostname"],
        )
        self.scope = Scope(globals_, world.paths, self.registry)
        for node in self.nodes:
            if not self.registry.is_endpoint(node.name):
                self.registry.register(node)

    def resolve(self, text: str, role: Role[Maker] = MAKER) -> Maker:
        return self.registry.resolve(parse(f"to {text}", "use").nodes[0], role, self.scope)

    def endpoint(self) -> Module:
        (node,) = [node for node in self.nodes if self.registry.is_endpoint(node.name)]
        return self.registry.endpoint(node, self.scope)

    @property
    def lifetime(self) -> list[str]:
        return [context.label for context, _ in self.registry.lifetime]


Configure = Callable[..., Configuration]


@pytest.fixture
def configure(world: FakeWorld) -> Configure:
    return lambda text="", **globals_: Configuration(world, text, **globals_)


def first_lines(error: ConfigError) -> Sequence[str]:
    errors = error.errors if isinstance(error, ConfigErrors) else (error,)
    return [str(one).split("\n")[0] for one in errors]


# --- inline modules


def test_the_prefix_is_tried_first(configure: Configure) -> None:
    found = configure().resolve("thing a b {\n text c\n}")
    assert found.make() == "a b c"
    assert configure().resolve("bare").make() == ""


def test_a_name_with_a_dot_is_taken_as_written(configure: Configure) -> None:
    assert configure().resolve("tell.chain {\n to thing\n}").make() == "chain"


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("xyzzy", "unknown module: xyzzy (namespace: make)", ""),
        ("thng", "unknown module: thng (namespace: make)", ", did you mean make.thing"),
        ("make.thng", "unknown module: make.thng (namespace: make)", ", did you mean make.thing"),
        ("future", "make.future is not available in this version", ""),
        ("door", "unknown module: door (namespace: make)", ""),
        ("missing", "module make.missing cannot be loaded: No module named 'no_such_module'", ""),
    ],
)
def test_unknown_modules(configure: Configure, text: str, error: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure().resolve(text)
    assert str(caught.value) == f"use:1: {error}\n    column 1{hint}"


def test_a_directive_without_a_module(configure: Configure) -> None:
    with pytest.raises(
        ConfigError, match=r"^use:1: a module is expected here, of the kind maker: its name, or &NAME"
    ):
        configure().resolve("{\n text a\n}")


def test_the_role_is_checked_before_the_module_is_configured(configure: Configure) -> None:
    with pytest.raises(ConfigError) as caught:
        configure().resolve("make.thing {\n unknown\n}", TELLER)  # type: ignore[arg-type]  # another role
    assert first_lines(caught.value) == [
        "use:1: module make.thing (make.thing) doesn't implement teller interface"
    ]


def test_an_object_may_have_several_roles(configure: Configure) -> None:
    text = "chain {\n to make.thing\n}"
    assert configure().resolve(text, TELLER).tell() == "chain"  # type: ignore[attr-defined,arg-type]


@pytest.mark.parametrize(
    "text", ["wrapper thing a {\n text b\n}", "wrapper {\n inner thing a {\n text b\n }\n}"]
)
def test_a_module_inside_a_module(configure: Configure, text: str) -> None:
    assert configure().resolve(text).make() == "<a b>"


def test_a_module_inside_a_module_is_missing(configure: Configure) -> None:
    with pytest.raises(ConfigError, match=r"^use:1: missing required directive: inner"):
        configure().resolve("wrapper")


# --- references


def test_a_reference_gives_the_same_object_each_time(configure: Configure) -> None:
    made = configure("make.thing one {\n text a\n}")
    assert made.resolve("&one") is made.resolve("&one")
    assert made.lifetime == ["make.thing/one"]


def test_the_module_s_name_is_the_default_of_the_instance_s(configure: Configure) -> None:
    assert configure("make.thing").resolve("&make.thing").make() == ""


def test_aliases(configure: Configure) -> None:
    made = configure("make.thing one two three")
    assert made.resolve("&one") is made.resolve("&three")


def test_names_of_an_instance_are_no_arguments(configure: Configure) -> None:
    assert configure("make.thing one two").resolve("&one").make() == ""


@pytest.mark.parametrize("text", ["&one more", "&one { }", "&one {\n text a\n}"])
def test_a_reference_stands_alone(configure: Configure, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure("make.thing one").resolve(text)
    assert first_lines(caught.value) == [
        "use:1: exactly one argument is required to use existing config block"
    ]


def test_a_reference_without_its_sign_is_told_so(configure: Configure) -> None:
    with pytest.raises(ConfigError) as caught:
        configure("make.thing mailboxes").resolve("mailboxes")
    assert str(caught.value).endswith("mailboxes (namespace: make)\n    column 1, did you mean &mailboxes")


def test_an_unknown_reference(configure: Configure) -> None:
    with pytest.raises(ConfigError) as caught:
        configure("make.thing mailboxes").resolve("&mailboxs")
    assert (
        str(caught.value)
        == "use:1: no such instance registered: mailboxs\n    column 1, did you mean mailboxes"
    )


def test_the_role_of_a_reference(configure: Configure) -> None:
    with pytest.raises(ConfigError) as caught:
        configure("make.thing one").resolve("&one", TELLER)  # type: ignore[arg-type]  # another role
    assert first_lines(caught.value) == ["use:1: module make.thing (one) doesn't implement teller interface"]


def test_a_block_is_constructed_on_its_first_reference(configure: Configure) -> None:
    made = configure("make.thing one {\n unknown\n}")
    assert made.lifetime == []
    with pytest.raises(ConfigError, match=r"^f:2: unexpected directive: unknown"):
        made.resolve("&one")


def test_the_mistakes_of_a_block_are_told_at_its_first_reference_only(configure: Configure) -> None:
    made = configure("make.thing one {\n unknown\n}")
    with pytest.raises(ConfigError):
        made.resolve("&one")
    made.resolve("&one")


def test_circles_are_legal(configure: Configure) -> None:
    made = configure("make.chain one {\n to &two\n}\nmake.chain two {\n to &one\n}")
    one = made.resolve("&one")
    assert isinstance(one, Chain)
    assert isinstance(one.to, Chain)
    assert one.to.to is one


def test_dependencies_come_first_in_the_lifetime(configure: Configure) -> None:
    made = configure("make.chain a {\n to &b\n}\nmake.thing b\ndoor tcp://1 {\n to &a\n}")
    made.endpoint()
    assert made.lifetime == ["make.thing/b", "make.chain/a", "door/door"]


# --- registration


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("xyzzy", "f:1: unknown module or global directive: xyzzy\n    column 1"),
        (
            "hostnam x",
            "f:1: unknown module or global directive: hostnam\n    column 1, did you mean hostname",
        ),
        ("gate a", "f:1: gate is not available in this version\n    column 1"),
        ("thing", ""),
        ("make.thing a\nmake.chain a", "f:2: config block named a already exists: f:1\n    column 1"),
        ("make.thing a a", "f:1: config block named a already exists: f:1\n    column 1"),
        ("make.thing a b\nmake.thing b", "f:2: config block named b already exists: f:1\n    column 1"),
    ],
)
def test_registration(configure: Configure, text: str, error: str) -> None:
    if not error:
        configure(text)
        return
    with pytest.raises(ConfigError) as caught:
        configure(text)
    assert str(caught.value) == error


def test_blocks_that_nobody_refers_to(configure: Configure) -> None:
    made = configure("make.thing one other\nmake.thing two\nmake.thing three")
    made.resolve("&two")
    assert [str(error).split("\n")[0] for error in made.registry.unused()] == [
        "f:1: unused configuration block one (make.thing)",
        "f:3: unused configuration block three (make.thing)",
    ]


def test_an_alias_is_a_use(configure: Configure) -> None:
    made = configure("make.thing one other")
    made.resolve("&other")
    assert made.registry.unused() == []


def test_the_command_line_constructs_all(configure: Configure) -> None:
    made = configure("make.thing one\nmake.thing two {\n text broken\n}\nmake.thing three")
    errors = made.registry.construct_all(made.scope)
    assert [str(error).split("\n")[0] for error in errors] == ["f:2: this cannot be made"]
    assert made.lifetime == ["make.thing/one", "make.thing/three"]
    three: object = made.registry.named("three", made.scope)
    assert three is made.resolve("&three")


def test_an_unknown_name(configure: Configure) -> None:
    made = configure("make.thing one")
    with pytest.raises(KeyError):
        made.registry.named("two", made.scope)


# --- construction


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("broken", "use:1: this cannot be made\n    column 1"),
        ('"no file"', "use:1: x.pem: No such file or directory\n    column 1"),
        ("config", "use:1: not so\n    column 1, but so"),
    ],
)
def test_what_a_constructor_raises_gets_its_place(configure: Configure, text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure().resolve(f"thing {{\n text {text}\n}}")
    assert str(caught.value) == error


def test_an_endpoint_s_arguments_are_its_addresses(configure: Configure) -> None:
    door = configure("door tcp://1 tcp://2 {\n to thing\n}").endpoint()
    assert isinstance(door, Door)
    assert door.addresses == ("tcp://1", "tcp://2")


@pytest.mark.parametrize(
    ("text", "globals_", "debug"),
    [
        ("thing", {}, False),
        ("thing {\n debug\n}", {}, True),
        ("thing", {"debug": True}, True),
        ("thing {\n debug no\n}", {"debug": True}, False),
        ("chain {\n to bare\n}", {"debug": True}, True),
    ],
)
def test_the_debug_log_of_a_module(
    configure: Configure, text: str, globals_: dict[str, object], debug: bool
) -> None:
    made = configure(**globals_)
    made.resolve(text)
    context, _ = made.registry.lifetime[-1]
    assert context.log.debug_enabled is debug
