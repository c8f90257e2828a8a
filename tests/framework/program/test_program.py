"""Programs that we run: whatever they do, there is an end, and nothing is left."""

import asyncio
import os
import select
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.framework.buffer import FileBody
from posthouse.framework.program import ERRORS_MAX, Call, Finished, ProgramError, run_program
from posthouse.framework.spool import read_chunks


def call(script: str, *words: str, timeout: float = 30, output_max: int = 1000) -> Call:
    return Call(["/bin/sh", "-c", script, "sh", *words], os.environ, Path("/"), timeout, output_max)


async def octets(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def is_gone(pid: int) -> bool:
    """Not even a zombie is left."""
    return not Path(f"/proc/{pid}").exists()


def children() -> set[str]:
    """The processes of this one, and zombies; other tests may have left some."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def fifo(path: Path) -> int:
    """A pipe by name, for a program to write to; opened so that nobody waits for the other end."""
    os.mkfifo(path)
    return os.open(path, os.O_RDWR)


async def said(pipe: int) -> list[int]:
    """The process ids that a program wrote."""
    ready, _, _ = await asyncio.to_thread(select.select, [pipe], [], [], 20)
    assert ready, "the program says nothing"
    text = os.read(pipe, 100)
    os.close(pipe)
    return [int(word) for word in text.split()]


async def test_octets_go_in_and_out() -> None:
    assert await run_program(call("cat; echo oh >&2; exit 3"), octets(b"one ", b"two")) == Finished(
        3, b"one two", b"oh\n"
    )


async def test_a_program_is_given_nothing_but_its_words() -> None:
    done = await run_program(call('cat; for word; do printf "[%s]" "$word"; done', "a b", "", "$(id)", "ä"))
    assert (done.status, done.output.decode()) == (0, "[a b][][$(id)][ä]")


async def test_directory_and_environment_are_as_asked(tmp_path: Path) -> None:
    asked = Call(["/bin/sh", "-c", "pwd; echo $NAME"], {"NAME": "value"}, tmp_path, 30, 1000)
    assert (await run_program(asked)).output.decode() == f"{tmp_path}\nvalue\n"


async def test_a_program_that_reads_nothing_may_leave() -> None:
    done = await run_program(call("exec <&-; echo done"), octets(*[b"x" * 100_000] * 50))
    assert done == Finished(0, b"done\n", b"")


async def test_a_program_that_closes_its_input_may_go_on() -> None:
    script = "head -c 10; exec <&-; echo; echo more"
    assert (await run_program(call(script), octets(*[b"x" * 100_000] * 50))).output == b"x" * 10 + b"\nmore\n"


async def test_much_input_is_not_held_in_memory(tmp_path: Path) -> None:
    """As much is read from the body as the program takes."""
    path = tmp_path / "body"
    path.write_bytes(b"x" * 8_000_000)
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        async for chunk in read_chunks(FileBody(path, 8_000_000)):
            taken += len(chunk)
            yield chunk

    with pytest.raises(ProgramError, match="more than"):
        await run_program(call("head -c 5 >/dev/null; yes"), counted())
    assert taken < 2_000_000
    done = await run_program(call("wc -c"), read_chunks(FileBody(path, 8_000_000)))
    assert done.output.strip() == b"8000000"


async def test_a_program_that_says_megabytes_is_stopped() -> None:
    with pytest.raises(ProgramError, match="more than 1000 octets of output"):
        await run_program(call("yes"), octets(b"x" * 1_000_000))


async def test_of_many_errors_the_first_are_kept() -> None:
    done = await run_program(call("head -c 1000000 /dev/zero >&2; exit 1"))
    assert done == Finished(1, b"", bytes(ERRORS_MAX))


async def test_a_program_that_never_ends_is_killed_with_its_children(tmp_path: Path) -> None:
    pipe = fifo(tmp_path / "pids")
    script = f"sleep 1000 & echo $$ $! > {tmp_path}/pids; wait"
    running = asyncio.create_task(run_program(call(script, timeout=1)))
    program, child = await said(pipe)
    orphan = os.pidfd_open(child)  # it is no child of ours: only so can we know when it is gone
    with pytest.raises(ProgramError, match="no end after 1 seconds"):
        await running
    assert is_gone(program)
    assert select.select([orphan], [], [], 20)[0], "a child still runs"
    os.close(orphan)


async def test_a_program_whose_message_has_ended_is_killed(tmp_path: Path) -> None:
    pipe = fifo(tmp_path / "pid")
    script = f"trap '' TERM; echo $$ > {tmp_path}/pid; sleep 1000"
    running = asyncio.create_task(run_program(call(script), octets(b"x" * 10_000_000)))
    (pid,) = await said(pipe)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert is_gone(pid)


@pytest.mark.parametrize("steps", range(8))
async def test_a_program_may_be_given_up_while_it_starts(steps: int) -> None:
    before = children()
    running = asyncio.create_task(run_program(call("sleep 1000 & wait"), octets(b"x" * 1_000_000)))
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert children() <= before


async def test_a_program_that_somebody_kills_says_so() -> None:
    assert (await run_program(call("kill -9 $$"))).status == -9


async def test_a_pipe_closed_by_its_reader_ends_a_child() -> None:
    """We ignore SIGPIPE; programs expect it."""
    done = await run_program(call("yes | head -n 1; exit 0"))
    assert done == Finished(0, b"y\n", b"")


@pytest.mark.parametrize(
    "words",
    [["/nonexistent/program"], ["/etc/passwd"], ["/bin/sh", "-c", "a\0b"], ["/bin/true", "x" * 3_000_000]],
    ids=["missing", "not executable", "NUL", "too long"],
)
async def test_what_cannot_be_started_is_an_error(words: list[str]) -> None:
    with pytest.raises(ProgramError, match="cannot be started"):
        await run_program(Call(words, os.environ, Path("/"), 30, 1000))


async def test_many_programs_leave_no_zombies_and_no_descriptors() -> None:
    await run_program(call("true"))  # what the first one opens stays
    before = len(list(Path("/proc/self/fd").iterdir())), children()
    await asyncio.gather(*(run_program(call("exit 0"), octets(b"x")) for _ in range(20)))
    await asyncio.sleep(0)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before[0]
    assert children() <= before[1]
