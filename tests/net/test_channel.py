"""The channel between supervisor and worker: whole messages in order, with descriptors."""

import asyncio
import os

from posthouse.net.channel import Channel, pair


class End:
    """One end that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, list[int]]] = []
        self.closed = asyncio.Event()
        self.news = asyncio.Event()

    def received(self, message: bytes, descriptors: list[int]) -> None:
        self.heard.append((message, descriptors))
        self.news.set()

    async def count(self, number: int) -> None:
        while len(self.heard) < number:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 10)


async def test_messages_keep_their_borders_and_order_also_when_the_socket_is_full() -> None:
    one, two = pair()
    left, right = End(), End()
    sender = Channel(one, left.received, left.closed.set)
    receiver = Channel(two, right.received, right.closed.set)
    for number in range(2000):
        assert sender.send(b"%d " % number * 50)
    await right.count(2000)
    assert [message for message, _ in right.heard] == [b"%d " % number * 50 for number in range(2000)]
    sender.close()
    receiver.close()


async def test_descriptors_arrive_open() -> None:
    one, two = pair()
    left, right = End(), End()
    sender = Channel(one, left.received, left.closed.set)
    receiver = Channel(two, right.received, right.closed.set)
    reading, writing = os.pipe()
    sender.send(b"a pipe", [writing])
    await right.count(1)
    os.close(writing)
    [descriptor] = right.heard[0][1]
    os.write(descriptor, b"through")
    assert os.read(reading, 10) == b"through"
    os.close(descriptor)
    os.close(reading)
    sender.close()
    receiver.close()


async def test_the_end_of_the_other_side_is_told() -> None:
    one, two = pair()
    left = End()
    sender = Channel(one, left.received, left.closed.set)
    two.close()
    await asyncio.wait_for(left.closed.wait(), 10)
    assert not sender.send(b"nobody there")
