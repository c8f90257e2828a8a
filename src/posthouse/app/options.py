"""What the command line says before any configuration is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

SMTP_PORT = 25


@dataclass(frozen=True, slots=True)
class Defaults:
    """Where a program's files are when nobody says otherwise."""

    config: Path
    state: Path
    runtime: Path
    libexec: Path


def _below(name: str) -> Defaults:
    return Defaults(
        config=Path(f"/etc/{name}/{name}.conf"),
        state=Path(f"/var/lib/{name}"),
        runtime=Path(f"/run/{name}"),
        libexec=Path(f"/usr/lib/{name}"),
    )


POSTHOUSE = _below("posthouse")
DEFAULTS: Mapping[str, Defaults] = MappingProxyType({"maddy": _below("maddy")})


def defaults_for(program: str) -> Defaults:
    """The paths of a program, by the name it was called by: `maddy` has maddy's."""
    return DEFAULTS.get(program, POSTHOUSE)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one call of the program. Paths are absolute.

    log: log targets as given with `-log`, one each (`stderr`, `syslog`, a file's path); never empty.
    state, runtime: the directories when the configuration names none.
    dns_override, smtp_port: of `posthouse-debug` only: the DNS server (`IP:PORT`, "" for none) to ask for everything,
        and the port of other hosts' SMTP servers.
    """

    program: str  # as it was called: "posthouse"
    config: Path
    debug: bool
    libexec: Path
    state: Path
    runtime: Path
    log: tuple[str, ...] = ("stderr",)
    dns_override: str = ""
    smtp_port: int = SMTP_PORT
