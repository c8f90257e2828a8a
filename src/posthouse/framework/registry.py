"""From blocks of the configuration to modules: registration, lazy construction, references (spec/config-language §8, §9)."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from posthouse.framework.config.node import ConfigError, ConfigErrors, Node, did_you_mean
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import not_available, parse_settings
from posthouse.framework.interfaces.module import Context, Module

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Role(Generic[T]):
    """What a directive wants of a module."""

    name: str  # as errors call it: "table"
    protocol: type[T]
    prefix: str  # tried before a module name without a dot: "table"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Which names a configuration may use."""

    endpoints: Mapping[str, str]  # "smtp": "package.module:Class"
    modules: Mapping[str, str]
    later: frozenset[str]  # known names of maddy that are not built yet


@dataclass(slots=True)
class _Instance:
    """A top-level block. The object is allocated on the first reference, then constructed, so that circles are legal."""

    node: Node
    module: str
    name: str
    object: Module | None = None


# (module, instance name, block, debug) to its context
ContextMaker = Callable[[str, str, Node, bool], Context]


class Registry:
    """All modules of one configuration.

    lifetime: modules in the order in which their construction ended: dependencies first. Start in this order, stop in reverse.
    """

    def __init__(
        self, catalogue: Catalogue, make_context: ContextMaker, *, also_known: Iterable[str] = ()
    ) -> None:
        """also_known: what else may stand at top level, for hints."""
        self._also_known = tuple(also_known)
        self._catalogue = catalogue
        self._make_context = make_context
        self._instances: dict[str, _Instance] = {}
        self._refused: set[str] = set()  # names of blocks that could not be registered
        self.lifetime: list[tuple[Context, Module]] = []
        self._building: list[Module] = []  # innermost last
        self._needs: dict[int, list[Module]] = {}  # by identity of the module that refers to them

    def register(self, node: Node) -> None:
        """Take a top-level block; it is constructed when somebody refers to it."""
        module = node.name
        names = node.args or (module,)
        try:
            if not self._known(module, node):
                text = f"unknown module or global directive: {module}"
                known = (*self._catalogue.modules, *self._catalogue.endpoints, *self._also_known)
                raise _unknown(text, module, node, known)
        except ConfigError:
            self._refused.update(names)
            raise
        instance = _Instance(node, module, names[0])
        for name in names:
            if name in self._instances:
                first = self._instances[name].node.where
                raise ConfigError(f"config block named {name} already exists: {first}", at=node)
            self._instances[name] = instance

    def is_endpoint(self, name: str) -> bool:
        return name in self._catalogue.endpoints

    def endpoint(self, node: Node, scope: Scope) -> Module:
        """Construct an endpoint; its arguments are its addresses."""
        cls = _load(self._catalogue.endpoints, node.name, node)
        return self._construct(cls, cls.__new__(cls), node.name, node.name, node, scope, node.args)

    def named(self, name: str, scope: Scope) -> Module:
        """A top-level instance, constructed if it was not. Raises KeyError when there is none."""
        instance = self._instances[name]
        if instance.object is None:
            cls = _load(self._catalogue.modules, instance.module, instance.node)
            instance.object = cls.__new__(cls)
            self._construct(cls, instance.object, instance.module, instance.name, instance.node, scope, ())
        return instance.object

    def resolve(self, node: Node, role: Role[T], scope: Scope) -> T:
        """The module that a directive's arguments and block name: `&name`, or `module args... { ... }`."""
        if not node.args:
            raise ConfigError(
                f"a module is expected here, of the kind {role.name}: its name, or &NAME", at=node
            )
        first = node.args[0]
        if first.startswith("&"):
            return self._reference(first[1:], node, role, scope)
        name = self._qualified(first, node, role.prefix)
        cls = _load(self._catalogue.modules, name, node)
        instance = cls.__new__(cls)
        _check_role(instance, role, name, name, node)
        self._needed(instance)
        return cast("T", self._construct(cls, instance, name, name, node, scope, node.args[1:]))

    def context(self, name: str, node: Node, scope: Scope) -> Context:
        """A context for what is configured but is no module, as the `tls` directive."""
        return self._make_context(name, name, node, bool(scope.globals.get("debug", False)))

    def construct_all(self, scope: Scope) -> list[ConfigError]:
        """Construct every registered instance (the command line works on any of them)."""
        errors: list[ConfigError] = []
        for name in self._instances:
            try:
                self.named(name, scope)
            except ConfigError as err:
                errors.append(err)
        return errors

    def unused(self) -> list[ConfigError]:
        """An error for each block that nobody refers to."""
        return [
            ConfigError(f"unused configuration block {i.name} ({i.module})", at=i.node)
            for name, i in self._instances.items()
            if name == i.name and i.object is None
        ]

    def _reference(self, name: str, node: Node, role: Role[T], scope: Scope) -> T:
        if len(node.args) > 1 or node.children is not None:
            raise ConfigError("exactly one argument is required to use existing config block", at=node)
        if name in self._refused:
            raise ConfigErrors(())  # what is wrong with it was said at its block
        if name not in self._instances:
            raise _unknown(f"no such instance registered: {name}", name, node, self._instances)
        found = self.named(name, scope)
        _check_role(found, role, self._instances[name].module, name, node)
        self._needed(found)
        return cast("T", found)

    def with_needs(self, module: Module) -> list[tuple[Context, Module]]:
        """A module and those that it refers to, directly or not, in the order of their start."""
        wanted = {id(module)}
        waiting = [module]
        while waiting:
            for need in self._needs.get(id(waiting.pop()), ()):
                if id(need) not in wanted:
                    wanted.add(id(need))
                    waiting.append(need)
        return [(context, one) for context, one in self.lifetime if id(one) in wanted]

    def _needed(self, module: Module) -> None:
        if self._building:
            self._needs.setdefault(id(self._building[-1]), []).append(module)

    def _qualified(self, name: str, node: Node, prefix: str) -> str:
        candidates = (name,) if "." in name else (f"{prefix}.{name}", name)
        for candidate in candidates:
            if self._known(candidate, node):
                return candidate
        text = f"unknown module: {name} (namespace: {prefix})"
        if name in self._instances:
            raise ConfigError(text, at=node, hint=f"did you mean &{name}")
        raise _unknown(text, candidates[0], node, self._catalogue.modules)

    def _known(self, name: str, node: Node) -> bool:
        if name in self._catalogue.later:
            raise not_available(name, node)
        return name in self._catalogue.modules

    def _construct(
        self,
        cls: type[Module],
        obj: Module,
        module: str,
        name: str,
        node: Node,
        scope: Scope,
        args: tuple[str, ...],
    ) -> Module:
        self._building.append(obj)
        try:
            values = parse_settings(cls.Settings, node, scope, args=args)
        finally:
            self._building.pop()
        debug = bool(getattr(values, "debug", scope.globals.get("debug", False)))
        context = self._make_context(module, name, node, debug)
        try:
            obj.__init__(values, context)  # type: ignore[misc]  # allocated before, so that circles of blocks can refer to it
        except ConfigError as err:
            raise err.placed(node) from err
        except (ValueError, OSError) as err:
            raise ConfigError(_reason(err), at=node) from err
        self.lifetime.append((context, obj))
        return obj


def load_class(path: str) -> type[Module]:
    """The class that a catalogue names as `package.module:Class`."""
    module, name = path.split(":")
    return cast("type[Module]", getattr(importlib.import_module(module), name))


def _unknown(text: str, name: str, node: Node, known: Iterable[str]) -> ConfigError:
    return ConfigError(text, at=node, hint=did_you_mean(name, known))


def _reason(err: ValueError | OSError) -> str:
    """What a constructor found wrong, in words for the operator."""
    if isinstance(err, OSError) and err.filename is not None:
        return f"{err.filename}: {err.strerror}"
    return str(err)


def _load(paths: Mapping[str, str], name: str, node: Node) -> type[Module]:
    try:
        return load_class(paths[name])
    except ImportError as err:
        raise ConfigError(f"module {name} cannot be loaded: {err}", at=node) from err


def _check_role(obj: Module, role: Role[T], module: str, instance: str, node: Node) -> None:
    """The role is checked before the object is constructed, so a protocol is told by its methods."""
    wanted = {
        name
        for base in role.protocol.__mro__
        if getattr(base, "_is_protocol", False)
        for name, value in vars(base).items()
        if callable(value) and not name.startswith("_")
    }
    if not all(hasattr(type(obj), name) for name in wanted):
        raise ConfigError(f"module {module} ({instance}) doesn't implement {role.name} interface", at=node)
