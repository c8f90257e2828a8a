"""Settings: what a module declares of its block, once, as a typed dataclass.

Parsing, error messages with file and line, `verify-config` and the reference pages come from the declaration.

    @settings
    class Settings:
        LATER: ClassVar = frozenset({"case_insensitive"})  # known names that are not built yet
        args: tuple[str, ...] = arguments(help="PATTERN [REPLACEMENT...]")
        full_match: bool = directive(boolean, default=True, help="match the whole key")

A directive is named after its field; the underscore at the end of `pass_` is left out.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, cast, dataclass_transform

from posthouse.framework.config.node import (
    ConfigError,
    ConfigErrors,
    Node,
    UnknownDirective,
    did_you_mean,
    raise_all,
)

if TYPE_CHECKING:
    from posthouse.framework.config.scope import Scope

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S")


class Kind(Protocol[T_co]):
    """A type of value: how a directive's arguments (and block) become it."""

    @property
    def name(self) -> str:
        """As the reference pages call it."""
        ...

    def parse(self, node: Node, scope: "Scope") -> T_co:
        """Raises ConfigError."""
        ...


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = _Required()
BROKEN: Final = object()  # a global directive that has a mistake: who inherits it cannot be read
ALL_ARGUMENTS: Final = -1


@dataclass(frozen=True, slots=True)
class Directive(Generic[T]):
    """The declaration of one directive."""

    kind: Kind[T]
    help: str
    default: Any
    names: tuple[str, ...]  # other names than the field's
    inherit: bool
    repeatable: bool
    default_text: str  # how the reference pages show the default


@dataclass(frozen=True, slots=True)
class Arguments:
    """The declaration of a block's inline arguments."""

    help: str
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class InlineModule(Generic[T]):
    """The inline arguments and the whole block are a module (`pass_table TABLE args { ... }`), or else a directive says it."""

    kind: Kind[T]
    help: str
    directive: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Directives that are not declared are handed over, in order; `kind` reads them as a block of their own."""

    help: str
    kind: Kind[Any] | None = None


_KEY = "posthouse"


def directive(
    kind: Kind[T],
    *,
    help: str,  # noqa: A002 - the word that operators know
    default: T | _Required = REQUIRED,
    names: Sequence[str] = (),
    inherit: bool = False,
    default_text: str = "",
) -> T:
    """A directive that may occur once. `inherit`: a global directive of this name serves when the block has none."""
    declaration = Directive(kind, help, default, tuple(names), inherit, False, default_text)
    return cast("T", field(metadata={_KEY: declaration}))


def repeated(
    kind: Kind[T],
    *,
    help: str,  # noqa: A002
    names: Sequence[str] = (),
    inherit: bool = False,
) -> tuple[T, ...]:
    """A directive that may occur any number of times; each occurrence adds a value."""
    return cast(
        "tuple[T, ...]", field(metadata={_KEY: Directive(kind, help, (), tuple(names), inherit, True, "")})
    )


def arguments(*, help: str, least: int = 0, most: int = ALL_ARGUMENTS) -> tuple[str, ...]:  # noqa: A002
    """The inline arguments of a block. Without this field a block takes none."""
    return cast("tuple[str, ...]", field(metadata={_KEY: Arguments(help, least, most)}))


def inline_module(kind: Kind[T], *, directive: str, help: str) -> T:  # noqa: A002
    """A module given by the block's own arguments and children, or by `directive` inside the block."""
    return cast("T", field(metadata={_KEY: InlineModule(kind, help, directive)}))


def rest(*, help: str) -> tuple[Node, ...]:  # noqa: A002
    """All directives that are not declared, for modules with a language of their own."""
    return cast("tuple[Node, ...]", field(metadata={_KEY: Rest(help)}))


def rest_of_block(kind: Kind[T], *, help: str) -> T:  # noqa: A002
    """All directives that are not declared, read by `kind` as if they were the whole block (an endpoint's pipeline)."""
    return cast("T", field(metadata={_KEY: Rest(help, kind)}))


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(directive, repeated, arguments, inline_module, rest, rest_of_block),
)
def settings(cls: type[S]) -> type[S]:
    """Make a class of declarations a frozen dataclass."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def declarations(cls: type[Any]) -> Mapping[str, Any]:
    """Field name to Directive, Arguments, InlineModule or Rest, in order."""
    return {f.name: f.metadata[_KEY] for f in dataclasses.fields(cls)}


def directive_name(field_name: str) -> str:
    """What a configuration calls a field: `pass` for `pass_`."""
    return field_name.removesuffix("_")


def not_available(name: str, at: Node) -> ConfigError:
    """For what maddy knows and we do not yet: it is never ignored."""
    return ConfigError(f"{name} is not available in this version", at=at)


def parse_settings(cls: type[S], block: Node, scope: "Scope", *, args: Sequence[str] | None = None) -> S:
    """Read a block into its settings.

    args: the inline arguments, when they are not simply the block's (a top-level block's are its names).
    Raises ConfigError or ConfigErrors: all mistakes of the block and of what it refers to.
    """
    reader = _Reader(cls, block, scope, block.args if args is None else tuple(args))
    reader.read()
    raise_all(reader.errors)
    return cls(**reader.values)


@dataclass(frozen=True, slots=True)
class Tolerated(Generic[S]):
    """Settings that were read in spite of mistakes: a directive that has one (`bad`) has its default."""

    values: S
    errors: Sequence[ConfigError]
    bad: frozenset[str]


def parse_with_defaults(cls: type[S], block: Node, scope: "Scope") -> Tolerated[S]:
    """Read settings that need nothing."""
    reader = _Reader(cls, block, scope, block.args)
    reader.read()
    return Tolerated(cls(**reader.values), reader.errors, frozenset(map(directive_name, reader.bad)))


class _Reader:
    """One block being read: gathers values by field, and errors."""

    def __init__(self, cls: type[Any], block: Node, scope: "Scope", args: tuple[str, ...]) -> None:
        self.cls, self.block, self.scope, self.args = cls, block, scope, args
        self.errors: list[ConfigError] = []
        self.values: dict[str, Any] = {}
        self.bad: set[str] = set()  # fields whose directive has a mistake
        self.rest: list[Node] = []
        self.rest_field: tuple[str, Rest] | None = None
        self.directives: dict[str, tuple[str, Directive[Any]]] = {}
        self.children_taken = False

    def read(self) -> None:
        takes_args = False
        for name, declared in declarations(self.cls).items():
            if isinstance(declared, Arguments):
                takes_args = True
                self._take_arguments(name, declared)
            elif isinstance(declared, InlineModule):
                takes_args = True
                self._take_inline(name, declared)
            elif isinstance(declared, Rest):
                self.rest_field = (name, declared)
            else:
                for known in (directive_name(name), *declared.names):
                    self.directives[known] = (name, declared)
        if self.args and not takes_args:
            self._fail("no inline arguments are expected here", self.block)
        if not self.children_taken:
            for child in self.block.children or ():
                self._take(child)
        self._fill_missing()
        self._hand_over_rest()

    def _hand_over_rest(self) -> None:
        if self.rest_field is None:
            return
        name, declared = self.rest_field
        if declared.kind is None:
            self.values[name] = tuple(self.rest)
        else:
            block = dataclasses.replace(self.block, children=tuple(self.rest))
            at = len(self.errors)
            self._store(name, declared.kind, block, repeatable=False)
            self.errors[at:] = map(self._with_hint, self.errors[at:])

    def _with_hint(self, error: ConfigError) -> ConfigError:
        """What the rest of the block does not know may be meant as one of our directives."""
        if isinstance(error, ConfigErrors):
            return ConfigErrors([self._with_hint(one) for one in error.errors])
        if isinstance(error, UnknownDirective) and error.at in self.rest:
            return error.or_one_of(self.directives)
        return error

    def _fail(self, text: str, at: Node, hint: str = "") -> None:
        self.errors.append(ConfigError(text, at=at, hint=hint))

    def _take_arguments(self, name: str, declared: Arguments) -> None:
        self.values[name] = self.args
        if len(self.args) < declared.least:
            self._fail(
                f"at least {declared.least} argument{'s' * (declared.least > 1)} expected: {declared.help}",
                self.block,
            )
        if declared.most != ALL_ARGUMENTS and len(self.args) > declared.most:
            self._fail(
                f"at most {declared.most} argument{'s' * (declared.most != 1)} expected: {declared.help}",
                self.block,
            )

    def _take_inline(self, name: str, declared: InlineModule[Any]) -> None:
        if not self.args:
            self.directives[declared.directive] = (
                name,
                Directive(declared.kind, declared.help, REQUIRED, (), False, False, ""),
            )
            return
        self.children_taken = True
        block = dataclasses.replace(self.block, name=declared.directive, args=self.args)
        self._store(name, declared.kind, block, repeatable=False)

    def _take(self, child: Node) -> None:
        found = self.directives.get(child.name)
        if found is None:
            if child.name in getattr(self.cls, "LATER", ()):
                self.errors.append(not_available(child.name, child))
                return
            if self.rest_field is not None:
                self.rest.append(child)
                return
            hint = did_you_mean(child.name, self.directives)
            self._fail(f"unexpected directive: {child.name}", child, hint)
            return
        name, declared = found
        if name in self.values.keys() | self.bad and not declared.repeatable:
            self._fail(f"duplicate directive: {child.name}", child)
            return
        self._store(name, declared.kind, child, repeatable=declared.repeatable)

    def _store(self, name: str, kind: Kind[Any], node: Node, *, repeatable: bool) -> None:
        try:
            value = kind.parse(node, self.scope)
        except ConfigError as err:
            self.errors.append(err.placed(node))
            self.bad.add(name)
            return
        self.values[name] = (*self.values.get(name, ()), value) if repeatable else value

    def _fill_missing(self) -> None:
        for name, declared in declarations(self.cls).items():
            if name in self.values or isinstance(declared, Arguments | Rest):
                continue
            if isinstance(declared, InlineModule):
                self._miss(name, declared.directive)
            elif declared.inherit and directive_name(name) in self.scope.globals:
                self._inherit(name, self.scope.globals[directive_name(name)])
            elif declared.default is not REQUIRED:
                self.values[name] = declared.default
            else:
                self._miss(name, directive_name(name))

    def _inherit(self, name: str, value: object) -> None:
        if value is BROKEN:
            self.errors.append(ConfigErrors(()))  # what is wrong was said where it stands
        else:
            self.values[name] = value

    def _miss(self, name: str, directive: str) -> None:
        if name not in self.bad:
            self._fail(f"missing required directive: {directive}", self.block)
