"""What the reading of a block may look at: global directives, directories, other modules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from posthouse.core.world import Paths

if TYPE_CHECKING:
    from posthouse.framework.registry import Registry


@dataclass(frozen=True, slots=True)
class Scope:
    """globals: inheritable global directives that were given, or have a default that is not empty."""

    globals: Mapping[str, Any]
    paths: Paths
    registry: "Registry"
