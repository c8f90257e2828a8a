"""Reference pages from what modules declare: settings to Markdown."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from posthouse.framework.config.expect import ExpectBlock, expect
from posthouse.framework.config.globals import GlobalDirectives, GlobalModules
from posthouse.framework.config.pipeline_page import PIPELINE
from posthouse.framework.config.proxy import ProxyBlock, proxy_protocol
from posthouse.framework.config.settings import (
    ALL_ARGUMENTS,
    REQUIRED,
    Arguments,
    Directive,
    InlineModule,
    Kind,
    Rest,
    declarations,
    directive_name,
)
from posthouse.framework.config.tls import TlsBlock, TlsClient, server_tls, tls_client
from posthouse.framework.registry import Catalogue, load_class

NONE: Final = "none"
_TABLE_HEAD: Final = ("| directive | type | default | |", "| --- | --- | --- | --- |")
_GENERATED: Final = "<!-- Made from the modules' declarations by docs/generate.py; do not edit. -->"


_PAGES: Final[Sequence[tuple[Kind[Any], str]]] = (
    (server_tls, "global/tls.md"),
    (tls_client, "global/tls_client.md"),
    (proxy_protocol, "endpoint/proxy_protocol.md"),
    (expect, "global/expect.md"),
)


def pages(catalogue: Catalogue) -> dict[str, str]:
    """All pages: Markdown by path below `docs/reference/`."""
    found = {
        "global/directives.md": _global_page(),
        "global/types.md": _document(["# Types of values", _TYPES]),
        "global/tls.md": _page("tls", _TLS, TlsBlock),
        "global/tls_client.md": _page("tls_client", _TLS_CLIENT, TlsClient),
        "global/expect.md": _page("expect", _EXPECT, ExpectBlock),
        "pipeline.md": _document(["# Pipelines", PIPELINE]),
        "endpoint/proxy_protocol.md": _page("proxy_protocol", _PROXY_PROTOCOL, ProxyBlock),
    }
    found |= {f"endpoint/{name}.md": _module_page([name], path) for name, path in catalogue.endpoints.items()}
    names: dict[str, list[str]] = {}
    for name, path in catalogue.modules.items():
        names.setdefault(path, []).append(name)
    for path, known in names.items():
        page = page_path(known[0])
        found[page] = _module_page(known, path, "../" * page.count("/"))
    return found | {"README.md": _index(found)}


def page_path(name: str) -> str:
    """Where the page of a module is: kind/name.md."""
    kind, _, last = name.partition(".")
    return f"{kind}/{last.rpartition('.')[2]}.md" if last else f"{kind}.md"


def default_of(declared: Directive[Any]) -> str:
    """The default of a directive as an operator would write it."""
    if declared.default is REQUIRED:
        return "required"
    if declared.default_text:
        return declared.default_text
    if declared.default is None or declared.default == () or declared.default == "":
        return NONE
    show = cast("Callable[[Any], str]", getattr(declared.kind, "show", str))
    return f"`{show(declared.default)}`"


_TLS: Final = """The server's side of TLS, at top level or in an endpoint.

`tls off` is no TLS. `tls LOADER ARGUMENT...` and `tls &NAME` say where certificates come from; so does `loader` in the block. The
block holds what else there is to say, and never configures the loader. Renewed certificates are used without a restart; of
several the peer's SNI chooses one."""
_TLS_CLIENT: Final = "How we are a client of TLS, at top level or in a block that connects to other servers."
_PROXY_PROTOCOL: Final = """A directive of endpoints whose connections come through a proxy (haproxy, nginx, a load balancer).

`proxy_protocol [IP|CIDR]... { trust IP|CIDR...; untrusted ...; tls ... }`: both lists say whose word is taken. The header may be of version 1 or 2, and may be
missing. What it says of the client holds in checks, limits, Received and logs. The header of a peer that is not listed is taken off, ignored and
logged, or with `untrusted reject` ends the connection, as a malformed one always does. The TLS of a `tls://` address lies below the header, that of `tls` in the block behind it; there can be
only one of them."""
_EXPECT: Final = """A test inside of the configuration, at top level: a message, and what becomes of it.

`posthouse verify-config` looks at all of them, and so does every start: the server does not start while one of them does not hold. They
are planned as real messages are, and nothing is delivered. Tables are asked; one whose database is not there yet is empty. Whether
accounts exist is not asked. Checks that need DNS pass, unless the block has all answers that they ask for; those that need another server or
a program pass, unless `check` in the block says what comes of them."""
_GLOBAL: Final = """What may stand at the top level of a configuration beside blocks. A block inherits a directive of its own that it does not
have, where its page says so."""


_TYPES: Final = """| type | what is written |
| --- | --- |
| string | one argument; in double quotes if it has blanks |
| strings | one argument or more |
| bool | `yes`, `on`, `true`, `1`, `no`, `off`, `false` or `0`; the directive alone is yes |
| int, uint, int32 ... | one decimal number |
| float | one number |
| duration | `1h30m`, `90s`, `250ms`: numbers with the units ns, us, ms, s, m, h; or `0` |
| size | `32M`, `1G 512K`: numbers with the units G, M, K (powers of 1024) and B; or `0` |
| path | one path; a relative one is below `state_dir` |
| norm | how names are normalised, see below |
| table, target, auth, ... | a module: `&NAME` of a block at top level, or the module's name, its arguments and its block |
| A \\| B | one of these words |

| norm | normal form |
| --- | --- |
| `auto` | `precis_casefold_email` for what could be an address, else `precis_casefold` |
| `precis_casefold_email` | the local part by `precis_casefold`, the domain in Unicode and lower case |
| `precis_casefold` | the user name profile of RFC 8265 in lower case |
| `precis_email`, `precis` | the same without change of case (of the local part) |
| `casefold` | lower case |
| `noop` | as it is |"""


def _global_page() -> str:
    rows = [*_rows(GlobalDirectives), *_rows(GlobalModules)]
    return _document(["# Global directives", _GLOBAL, "\n".join((*_TABLE_HEAD, *rows))])


def _module_page(names: Sequence[str], path: str, up: str = "../") -> str:
    """up: where `docs/reference/` is, seen from the page."""
    cls = load_class(path)
    text = _docstring(sys.modules[path.partition(":")[0]].__doc__ or "", names)
    also = f"Also named {', '.join(f'`{name}`' for name in names[1:])}." if len(names) > 1 else ""
    return _page(names[0], f"{text}\n\n{also}".strip(), cls.Settings, up)


def _docstring(text: str, names: Sequence[str]) -> str:
    """A module's docstring without the name that it begins with."""
    head, colon, rest = text.strip().partition(": ")
    text = rest if colon and head in names else text.strip()
    return text[:1].upper() + text[1:]


def _page(name: str, text: str, settings: type[Any], up: str = "../") -> str:
    parts = [f"# {name}", text]
    declared = declarations(settings)
    parts += [_arguments(one) for one in declared.values() if isinstance(one, Arguments | InlineModule)]
    rows = _rows(settings)
    parts.append("\n".join((*_TABLE_HEAD, *rows)) if rows else "There are no directives.")
    parts += [f"Other directives: {_rest(one, up)}." for one in declared.values() if isinstance(one, Rest)]
    parts += _inner_blocks(settings)
    if later := sorted(getattr(settings, "LATER", ())):
        parts.append(f"Not available in this version: {', '.join(f'`{one}`' for one in later)}.")
    return _document(parts)


def _inner_blocks(outer: type[Any]) -> list[str]:
    """Tables of blocks within a block that have no page of their own; their kinds name their settings."""
    parts: list[str] = []
    for name, declared in declarations(outer).items():
        if not isinstance(declared, Directive | Rest) or declared.kind is None:
            continue
        kind = declared.kind
        inner = getattr(kind, "settings", None)
        if inner is not None and not any(known is kind for known, _ in _PAGES):
            title = kind.name if isinstance(declared, Rest) else f"`{directive_name(name)}`"
            parts += [f"In the block of {title}:", "\n".join((*_TABLE_HEAD, *_rows(inner)))]
            parts += _inner_blocks(inner)
    return parts


def _rest(declared: Rest, up: str) -> str:
    page = getattr(declared.kind, "page", "")
    return f"[{declared.help}]({up}{page})" if page else declared.help


def _arguments(declared: Arguments | InlineModule[Any]) -> str:
    if isinstance(declared, InlineModule):
        return f"Arguments: a {declared.kind.name} with its arguments and block, instead of the directive `{declared.directive}`"
    bounds = [f"at least {declared.least}"] if declared.least else []
    bounds += [f"at most {declared.most}"] if declared.most != ALL_ARGUMENTS else []
    return f"Arguments: {declared.help}" + (f" ({', '.join(bounds)})" if bounds else "")


def _rows(settings: type[Any]) -> list[str]:
    return [
        row
        for name, declared in declarations(settings).items()
        if (row := _row(directive_name(name), declared)) is not None
    ]


def _row(name: str, declared: object) -> str | None:
    if isinstance(declared, InlineModule):
        return _cells([f"`{declared.directive}`", _type(declared.kind), "required", declared.help])
    if not isinstance(declared, Directive):
        return None
    names = ", ".join(f"`{one}`" for one in (name, *declared.names))
    default = NONE if declared.repeatable else default_of(declared)
    marks = [default, *["inherited"] * declared.inherit, *["may repeat"] * declared.repeatable]
    return _cells([names, _type(declared.kind), ", ".join(marks), declared.help])


def _type(kind: Kind[Any]) -> str:
    page = next((page for known, page in _PAGES if known is kind), None)
    return f"[{kind.name}](../{page})" if page else kind.name


def _cells(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _document(parts: Sequence[str]) -> str:
    return "\n\n".join([parts[0], _GENERATED, *(part for part in parts[1:] if part)]) + "\n"


def _index(found: Mapping[str, str]) -> str:
    lines = [
        f"- [{text.partition(chr(10))[0].removeprefix('# ')}]({path})" for path, text in sorted(found.items())
    ]
    return _document(["# Reference", "\n".join(lines)])
