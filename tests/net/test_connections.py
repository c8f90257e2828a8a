from ipaddress import ip_address

import pytest

from posthouse.net.connections import Bounds, Connections, TooManyConnections

EXAMPLE = ip_address("192.0.2.1")


def test_R_172_counters_come_back_to_nothing() -> None:
    bounds = Bounds(most=3, most_of_client=2)
    connections = Connections(bounds)
    one, neighbour = ip_address("2001:db8::1"), ip_address("2001:db8::2")
    assert connections.enter(one)
    assert connections.enter(neighbour)
    assert not connections.enter(one)  # whoever has one address of a /64 has them all
    with connections.counted(None), pytest.raises(TooManyConnections), connections.counted(EXAMPLE):
        raise AssertionError
    for ip in (one, neighbour):
        connections.leave(ip)
    assert connections == Connections(bounds)


def test_without_bounds_everybody_enters() -> None:
    connections = Connections(Bounds())
    assert all(connections.enter(ip) for ip in (EXAMPLE, None) for _ in range(1000))
