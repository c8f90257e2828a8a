"""Normal forms of user names, as `auth_map_normalize` and its like select them (spec/config-language §11).

A function of this module takes a name as a peer sent it, and gives the form by which names are compared. It raises
ValueError for a name that has no such form.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Final, Protocol

from posthouse.message.address import dns_for_lookup, split, valid

Normalization = Callable[[str], str]

NAME_MAX: Final = 1024  # characters; the rules of PRECIS take a while
_CACHED: Final = 1024  # names


class _Profile(Protocol):
    def enforce(self, value: str) -> str: ...


def noop(name: str) -> str:
    """The name as it is."""
    return name


def casefold(name: str) -> str:
    """The name in lower case."""
    return name.lower()


def precis(name: str) -> str:
    """The whole name by RFC 8265 §3.4 (UsernameCasePreserved)."""
    return name if _is_plain(name) else _enforced("UsernameCasePreserved", name)


def precis_casefold(name: str) -> str:
    """The whole name by RFC 8265 §3.3 (UsernameCaseMapped)."""
    return name.lower() if _is_plain(name) else _enforced("UsernameCaseMapped", name)


def precis_email(name: str) -> str:
    """The local part of an address by `precis`, the domain in its lookup form."""
    return _email(name, precis)


def precis_casefold_email(name: str) -> str:
    """The local part of an address by `precis_casefold`, the domain in its lookup form."""
    return _email(name, precis_casefold)


def auto(name: str) -> str:
    """`precis_casefold_email` for what could be an address, else `precis_casefold`."""
    return precis_casefold_email(name) if valid(name) else precis_casefold(name)


NORMALIZATIONS: Final[Mapping[str, Normalization]] = MappingProxyType(
    {
        "auto": auto,
        "precis_casefold_email": precis_casefold_email,
        "precis_casefold": precis_casefold,
        "precis_email": precis_email,
        "precis": precis,
        "casefold": casefold,
        "noop": noop,
    }
)


def by_name(name: str) -> Normalization:
    """The function that a configuration calls so. Raises ValueError."""
    found = NORMALIZATIONS.get(name)
    if found is None:
        raise ValueError(f"invalid argument, valid values are: [{' '.join(NORMALIZATIONS)}]")
    return found


def name_of(function: Normalization) -> str:
    """What a configuration calls one of these functions."""
    return next(name for name, known in NORMALIZATIONS.items() if known is function)


def _email(name: str, profile: Normalization) -> str:
    local_part, domain = split(name)
    if not domain:  # postmaster
        return profile(local_part)
    return f"{profile(local_part)}@{dns_for_lookup(domain)}"


def _is_plain(name: str) -> bool:
    """Only visible ASCII: the profiles do no more to it than change its case, and need not be imported."""
    return name.isascii() and name.isprintable() and " " not in name and 0 < len(name) <= NAME_MAX


@lru_cache(_CACHED)
def _enforced(profile: str, name: str) -> str:
    if len(name) > NAME_MAX:
        raise ValueError("the name is too long")
    try:
        return _profile(profile).enforce(name)
    except UnicodeError as err:
        raise ValueError(f"the name is not acceptable: {getattr(err, 'reason', err)}") from err


@cache
def _profile(name: str) -> _Profile:
    from precis_i18n import get_profile  # 2 MiB and 12 ms that most servers never need

    return get_profile(name)
