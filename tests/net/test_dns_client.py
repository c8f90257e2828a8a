import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from posthouse.core.world import DnsError
from posthouse.net.dns_client import FOLDING_FOR, SKIPPED_FOR, DnsClient
from posthouse.net.resolv_conf import Server
from posthouse.testing.dns import Answer, LoopbackDns
from posthouse.testing.world import SimulatedClock
from posthouse.wire.dns.message import Rcode, RecordType

A = RecordType.A
GOOD = ["A 192.0.2.1"]
SHORT = 0.2  # seconds; for servers that never answer
LONG = 10.0


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def client(clock: SimulatedClock) -> DnsClient:
    return DnsClient(clock, os.urandom)


@pytest.fixture
async def first() -> AsyncIterator[LoopbackDns]:
    async with LoopbackDns({}) as server:
        yield server


@pytest.fixture
async def second() -> AsyncIterator[LoopbackDns]:
    async with LoopbackDns({"x.test": GOOD, "y.test": GOOD}) as server:
        yield server


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def at(*servers: LoopbackDns) -> list[Server]:
    return [("127.0.0.1", server.port) for server in servers]


async def test_an_answer_comes_from_the_first_server(
    client: DnsClient, first: LoopbackDns, second: LoopbackDns
) -> None:
    first.put("x.test", GOOD)
    response = await client.ask(at(first, second), LONG, "X.test", A)
    assert len(response.answers) == 1
    assert second.asked == []


@pytest.mark.parametrize("rcode", [Rcode.SERVFAIL, Rcode.REFUSED, 4])
async def test_R_160_a_server_that_refuses_is_asked_once_and_then_the_next(
    client: DnsClient, first: LoopbackDns, second: LoopbackDns, rcode: int
) -> None:
    first.put("x.test", Answer(rcode=rcode))
    assert (await client.ask(at(first, second), LONG, "x.test", A)).answers
    with pytest.raises(DnsError, match=r"x\.test: 127") as caught:
        await client.ask(at(first), LONG, "x.test", A)
    assert caught.value.transient
    assert len(first.asked) == 2


async def test_a_silent_server_is_skipped_for_30_seconds(
    client: DnsClient, clock: SimulatedClock, first: LoopbackDns, second: LoopbackDns
) -> None:
    first.put("x.test", Answer(silent=True))
    for expected in (1, 1):
        assert (await client.ask(at(first, second), SHORT, "x.test", A)).answers
        assert len(first.asked) == expected
    clock.advance(SKIPPED_FOR)
    first.put("x.test", GOOD)
    assert (await client.ask(at(first, second), LONG, "x.test", A)).answers
    assert len(first.asked) == 2
    assert len(second.asked) == 2


async def test_the_only_server_is_asked_again_however_it_fails(client: DnsClient, first: LoopbackDns) -> None:
    first.put("x.test", Answer(silent=True))
    with pytest.raises(DnsError, match="timed out") as caught:
        await client.ask(at(first), SHORT, "x.test", A)
    assert caught.value.transient
    assert len(first.asked) == 2
    first.put("x.test", GOOD)
    assert (await client.ask(at(first), LONG, "x.test", A)).answers


async def test_a_port_where_nobody_listens_fails_at_once(client: DnsClient, second: LoopbackDns) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        nobody = free.getsockname()
    assert (await client.ask([nobody, *at(second)], LONG, "x.test", A)).answers
    with pytest.raises(DnsError, match="refused"):
        await client.ask([nobody], LONG, "x.test", A)


async def test_R_161_a_truncated_answer_is_fetched_over_tcp(client: DnsClient, first: LoopbackDns) -> None:
    first.put("x.test", ["TXT " + "x" * 60_000])
    response = await client.ask(at(first), LONG, "x.test", RecordType.TXT)
    assert [record.data for record in response.answers] == [b"x" * 60_000]
    assert [asked.transport for asked in first.asked] == ["udp", "tcp"]


async def test_R_161_truncated_with_broken_tcp_is_a_failure_and_never_half_an_answer(
    client: DnsClient, first: LoopbackDns, second: LoopbackDns
) -> None:
    first.put("x.test", Answer(GOOD, truncated=True, tcp=False))
    assert (await client.ask(at(first, second), LONG, "x.test", A)).answers
    assert len(second.asked) == 1
    with pytest.raises(DnsError) as caught:
        await client.ask(at(first), LONG, "x.test", A)
    assert caught.value.transient


async def test_R_161_answers_with_another_id_are_passed_over(client: DnsClient, first: LoopbackDns) -> None:
    first.put("x.test", Answer(GOOD, forged=50))
    assert (await client.ask(at(first), LONG, "x.test", A)).answers


async def test_R_161_a_flood_of_answers_with_another_id_ends_the_exchange(
    client: DnsClient, first: LoopbackDns
) -> None:
    first.put("x.test", Answer(GOOD, forged=200))
    with pytest.raises(DnsError, match="too many wrong answers"):
        await client.ask(at(first), LONG, "x.test", A)


async def test_R_161_an_answer_for_another_name_is_none(client: DnsClient, first: LoopbackDns) -> None:
    first.put("x.test", Answer(GOOD, other_name=True))
    with pytest.raises(DnsError, match="timed out"):
        await client.ask(at(first), SHORT, "x.test", A)


async def test_names_are_asked_in_changing_case_which_answers_repeat(
    client: DnsClient, first: LoopbackDns
) -> None:
    first.put("some.example.test", GOOD)
    for _ in range(5):
        assert (await client.ask(at(first), LONG, "Some.Example.test", A)).answers
    assert len(set(first.spelled)) > 1
    assert {spelled.lower() for spelled in first.spelled} == {b"\4some\7example\4test\0"}
    assert {asked.transport for asked in first.asked} == {"udp"}


def turning_all(count: int) -> bytes:
    """Randomness that asks for all names in upper case."""
    return b"\xff" * count


UPPER, LOWER = b"\4SOME\7EXAMPLE\4TEST\0", b"\4some\7example\4test\0"


async def test_a_server_with_a_case_of_its_own_is_known_by_tcp_and_asked_without_for_an_hour(
    clock: SimulatedClock, first: LoopbackDns
) -> None:
    client = DnsClient(clock, turning_all)
    first.put("some.example.test", GOOD)
    first.folds_case = True
    for seconds in (0, FOLDING_FOR - 1, 1):
        clock.advance(seconds)
        assert (await client.ask(at(first), LONG, "some.example.test", A)).answers
    assert [asked.transport for asked in first.asked] == ["udp", "tcp", "udp", "udp", "tcp"]
    assert first.spelled == [UPPER, UPPER, LOWER, UPPER, UPPER]


async def test_R_161_a_forger_that_guesses_all_but_the_case_is_not_believed(
    clock: SimulatedClock, first: LoopbackDns
) -> None:
    client = DnsClient(clock, turning_all)
    first.put("some.example.test", Answer(GOOD, other_case=True))
    for _ in range(2):  # and it is not taken for the server
        assert (await client.ask(at(first), LONG, "some.example.test", A)).answers
    assert [asked.transport for asked in first.asked] == ["udp", "tcp"] * 2
    assert first.spelled == [UPPER] * 4


async def test_a_server_with_a_case_of_its_own_and_without_tcp_is_asked_all_the_same(
    clock: SimulatedClock, first: LoopbackDns
) -> None:
    client = DnsClient(clock, turning_all)
    first.put("some.example.test", Answer(GOOD, tcp=False))
    first.folds_case = True
    for _ in range(2):
        assert (await client.ask(at(first), LONG, "some.example.test", A)).answers
    assert first.spelled == [UPPER, UPPER, LOWER, LOWER]


async def test_a_server_without_edns_is_asked_without(client: DnsClient, first: LoopbackDns) -> None:
    first.put("x.test", Answer(GOOD, edns=False))
    assert (await client.ask(at(first), LONG, "x.test", A)).answers


async def test_questions_come_from_changing_ports_with_changing_ids(client: DnsClient) -> None:
    seen: list[tuple[int, bytes]] = []

    class Server(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            seen.append((addr[1], data[:2]))

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, ("127.0.0.1", 0))
    address = transport.get_extra_info("sockname")
    asks = (client.ask([address], SHORT, "x.test", A) for _ in range(20))
    await asyncio.gather(*asks, return_exceptions=True)
    transport.close()
    assert len({port for port, _ in seen}) > 10
    assert len({identifier for _, identifier in seen}) > 10


def test_it_works_on_uvloop_and_a_cancelled_question_leaves_nothing() -> None:
    async def run() -> None:
        client = DnsClient(SimulatedClock(), os.urandom)
        async with LoopbackDns({"x.test": GOOD, "big.test": Answer(GOOD, truncated=True)}) as server:
            for name in ("x.test", "big.test"):
                assert (await client.ask(at(server), LONG, name, A)).answers
            server.hold()
            descriptors = open_files()
            tasks = [asyncio.create_task(client.ask(at(server), LONG, "x.test", A)) for _ in range(50)]
            while len(server.asked) < 53:
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert open_files() <= descriptors
            server.release()
            assert (await client.ask(at(server), LONG, "x.test", A)).answers

    uvloop.run(run())
