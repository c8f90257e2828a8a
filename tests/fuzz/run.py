"""A simple mutation fuzzer: `python -m tests.fuzz.run --seconds N [TARGET...]`.

Each target gets mutated seeds for its share of the time. What raises, takes over a second or takes over 100 times the
memory of its input (and a fixed amount) is written to a file, and the exit code is 1 (R-142).
"""

import argparse
import os
import random
import signal
import sys
import time
import traceback
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.fuzz.targets import SEEDS, TARGETS

PROJECT = Path(__file__).resolve().parents[2]
HANG = 1.0  # seconds of processor time, so that the load of the machine does not count
MEMORY_FACTOR = 100  # octets of memory per octet of input
MEMORY_FREE = 1_048_576  # octets of memory that any input may take: caches, tables
MEMORY_EVERY = 50  # runs between two that are measured: measuring takes ten times as long
INPUT_MAX = 200_000  # octets
CORPUS_MAX = 500  # inputs per target that are mutated further
_SPLICED_MAX = 2_000  # octets that one mutation copies
_WORDS = [
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"--a",
    b"--a--",
    b'"',
    b"\\",
    b"(",
    b")",
    b"<",
    b">",
    b"@",
    b",",
    b":",
    b";",
    b"=",
    b"*0",
]


class Failure(Exception):
    """An input that a target did not stand."""


def mutate(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The input with one to five changes."""
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at = rng.randint(0, len(mutant))
        end = min(len(mutant), at + rng.randint(1, 1 << rng.randint(0, 11)))
        kind = rng.randrange(6)
        if kind == 0 and at < len(mutant):
            mutant[at] = rng.randrange(256)
        elif kind == 1:
            mutant[at:at] = rng.choice(_WORDS)
        elif kind == 2:
            del mutant[at:end]
        elif kind == 3:
            mutant[at:end] = mutant[at:end] * rng.choice((2, 2, 3, 100))
        elif kind == 4:
            other = rng.choice(others)
            start = rng.randint(0, len(other))
            mutant[at:at] = other[start : start + rng.randint(1, _SPLICED_MAX)]
        else:
            mutant[at:at] = rng.choice(_WORDS) * rng.choice((1, 10, 1000))
    return bytes(mutant[:INPUT_MAX])


class _Hang(BaseException):
    """No target catches this."""


def _hang(signal_number: int, frame: FrameType | None) -> NoReturn:
    raise _Hang


def attempt(target: Callable[[bytes], None], data: bytes, *, measured: bool) -> None:
    """Run the target once. Raises Failure."""
    if measured:
        tracemalloc.start()
    else:
        signal.setitimer(signal.ITIMER_PROF, HANG)
    try:
        target(data)
        peak = tracemalloc.get_traced_memory()[1] if measured else 0
    except Exception as err:
        raise Failure("".join(traceback.format_exception(err))) from err
    except _Hang as err:
        raise Failure(f"took {HANG} s for {len(data)} octets") from err
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        tracemalloc.stop()
    if peak > MEMORY_FREE + MEMORY_FACTOR * len(data):
        raise Failure(f"took {peak} octets of memory for {len(data)} octets")


def fuzz(name: str, seconds: float, seeds: Sequence[bytes], rng: random.Random) -> int:
    """Fuzz one target for so long; gives the number of runs. Raises Failure, and leaves the input in a file."""
    target, corpus = TARGETS[name], list(seeds)
    end, runs = time.monotonic() + seconds, 0
    data = b""
    try:
        for data in corpus:
            attempt(target, data, measured=False)
        while time.monotonic() < end:
            data = mutate(rng.choice(corpus), corpus, rng)
            runs += 1
            attempt(target, data, measured=runs % MEMORY_EVERY == 0)
            if rng.random() < 0.05:
                corpus.append(data)
                if len(corpus) > CORPUS_MAX:
                    del corpus[rng.randrange(len(seeds), len(corpus))]
    except Failure as failure:
        file = Path(f"fuzz-{name}.bin").absolute()
        file.write_bytes(data)
        raise Failure(f"{name}: {failure}\ninput: {file}") from failure
    return runs


def published() -> list[bytes]:
    """Messages of the published corpora, where they are at hand."""
    folder = Path(os.environ.get("POSTHOUSE_TESTDATA", PROJECT.parent / "shared" / "testdata"))
    return [path.read_bytes() for path in sorted(folder.glob("mime-james/*/*.msg"))]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="to repeat a run")
    parser.add_argument("target", nargs="*", help=f"default: all of {', '.join(TARGETS)}")
    options = parser.parse_args()
    if not set(options.target) <= set(TARGETS):
        parser.error(f"targets are {', '.join(TARGETS)}")
    names = options.target or list(TARGETS)
    messages, exit_code = published(), 0
    signal.signal(signal.SIGPROF, _hang)
    for name in names:
        seeds = [*SEEDS[name], *(messages if name in ("header", "structure") else [])]
        try:
            runs = fuzz(name, options.seconds / len(names), seeds, random.Random(options.seed))
            sys.stdout.write(f"{name}: {runs} runs, seed {options.seed}\n")
        except Failure as failure:
            sys.stdout.write(f"{failure}\nseed {options.seed}\n")
            exit_code = 1
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
