"""Listening: errors name the address and what to do; sockets from outside are used."""

import os
import socket
from pathlib import Path

import pytest

from posthouse.net.listener import ListenAddress, ListenError, bind, inherited_sockets, is_bound_to


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            ListenError, match=rf"cannot listen on tcp://127.0.0.1:{port}: address already in use"
        ):
            bind(ListenAddress(f"tcp://127.0.0.1:{port}", "127.0.0.1", port))


def test_an_address_of_another_machine_is_said_so() -> None:
    with pytest.raises(ListenError, match="this machine does not have that address"):
        bind(ListenAddress("tcp://192.0.2.1:2525", "192.0.2.1", 2525))


def test_all_ipv6_addresses_take_ipv4_too_unless_ipv4_has_its_own_socket() -> None:
    for dual_stack in (True, False):
        with bind(ListenAddress("tcp://[::]:0", "::", 0), dual_stack=dual_stack) as listener:
            assert listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == (not dual_stack)


def test_a_left_over_unix_socket_is_replaced(tmp_path: Path) -> None:
    address = ListenAddress("unix:x.sock", path=str(tmp_path / "x.sock"))
    bind(address).close()
    with bind(address) as listener:
        assert is_bound_to(listener, address)


def test_a_unix_socket_in_use_and_a_file_in_the_way_are_refused(tmp_path: Path) -> None:
    address = ListenAddress("unix:x.sock", path=str(tmp_path / "x.sock"))
    with bind(address), pytest.raises(ListenError, match="already in use"):
        bind(address)
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ListenError, match="a file that is not a socket is in the way"):
        bind(ListenAddress("unix:file", path=str(tmp_path / "file")))
    assert (tmp_path / "file").read_text() == "precious"


def test_sockets_meant_for_another_process_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "2")
    assert not inherited_sockets(os.environ)
    assert "LISTEN_FDS" not in os.environ
