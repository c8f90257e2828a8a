"""Spec: smtp-endpoint §8, the directive."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from posthouse.framework.config.node import ConfigError
from posthouse.framework.config.parser import parse
from posthouse.framework.config.proxy import check_proxies, proxy_protocol
from posthouse.framework.config.scope import Scope
from posthouse.framework.interfaces.endpoint import Address
from posthouse.framework.registry import Registry
from posthouse.modules.catalogue import CATALOGUE
from posthouse.net.proxied import Proxies
from posthouse.testing.world import FakeWorld


def read(tmp_path: Path, text: str, **directives: object) -> Proxies:
    """directives: global ones."""
    fake = FakeWorld(tmp_path)
    registry = Registry(
        CATALOGUE, lambda module, instance, node, debug: fake.context(module, instance, debug=debug)
    )
    (node,) = parse(text, "test.conf").nodes
    return proxy_protocol.parse(node, Scope(directives, fake.paths, registry))


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("proxy_protocol", ()),
        ("proxy_protocol { }", ()),
        ("proxy_protocol 192.0.2.1 2001:db8::1", ("192.0.2.1/32", "2001:db8::1/128")),
        ("proxy_protocol 192.0.2.0/24 {\n trust 10.0.0.1\n trust ::1 10.1.0.0/16\n }",)
        + (("192.0.2.0/24", "10.0.0.1/32", "::1/128", "10.1.0.0/16"),),
        ("proxy_protocol 192.0.2.7/24", ("192.0.2.0/24",)),
    ],
)
def test_who_is_trusted(tmp_path: Path, text: str, networks: tuple[str, ...]) -> None:
    assert read(tmp_path, text) == Proxies(tuple(ip_network(one) for one in networks))


def test_tls_is_never_inherited_and_may_be_off(tmp_path: Path) -> None:
    inside = read(tmp_path, "proxy_protocol {\n tls self_signed\n }")
    assert inside.tls is not None
    assert inside.tls() is inside.tls()
    assert read(tmp_path, "proxy_protocol {\n tls off\n }").tls is None
    assert read(tmp_path, "proxy_protocol", tls=object()).tls is None


@pytest.mark.parametrize(
    "text",
    [
        "proxy_protocol everybody",
        "proxy_protocol 192.0.2.1/33",
        "proxy_protocol {\n trust 192.0.2\n }",
        "proxy_protocol {\n trust\n }",
        "proxy_protocol {\n allow 192.0.2.1\n }",
    ],
)
def test_mistakes(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"test\.conf:[12]: "):
        read(tmp_path, text)


def test_there_is_only_one_tls(tmp_path: Path) -> None:
    inside = read(tmp_path, "proxy_protocol {\n tls self_signed\n }")
    check_proxies(inside, [Address("tcp://127.0.0.1:25", "tcp")])
    check_proxies(None, [Address("tls://127.0.0.1:465", "tls")])
    with pytest.raises(ConfigError, match="inside of that of a tls:// address"):
        check_proxies(inside, [Address("tls://127.0.0.1:465", "tls")])
