"""How fast a server answers IMAP, as a table: `python -m bench.imap [--peer] [--messages 10000] [--cold] [--idle 1000]`.

    python -m bench.imap                     this program, in directories of its own
    python -m bench.imap --peer              in turn with a Dovecot of its own (needs root), with equal mailboxes
    python -m bench.imap --port 143 --user ann --password secret      any server; only reads, and stores \\Flagged in INBOX

The machine's speed drifts: read the ratios, which compare runs that were made one after the other.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.imap_beside import beside
from bench.imap_client import Client, Refused
from bench.imap_rows import FIRST_SELECT, ROWS, Row
from bench.imap_subjects import MAILBOX, Subject, filled, ourselves, peer
from bench.machine import allow_many_files, memory, peak_memory, processes

UNLIKE = 0.25  # answers of two servers whose sizes differ by more are not the same work
LEFT_OVER = 200  # open files that are not connections
NOOPS = 200  # while there are idle connections


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", action="store_true", help="compare with Dovecot (needs root)")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--row", action="append", default=[], help="only rows whose name begins so")
    parser.add_argument("--cold", action="store_true", help="also right after a start, without index files")
    parser.add_argument("--idle", type=int, default=0, help="also the memory of so many idle connections")
    parser.add_argument("--asyncio", action="store_true", help="this program without uvloop")
    parser.add_argument("--port", type=int, help="a server that runs")
    parser.add_argument("--user")
    parser.add_argument("--password", default="secret")
    parser.add_argument("--pid", type=int, default=0, help="its process, for the memory")
    args = parser.parse_args()
    rows = [row for row in ROWS if not args.row or row.name.startswith(tuple(args.row))]
    with ExitStack() as stack:
        subjects = _subjects(args, stack)
        if args.port is not None:
            rows = [row for row in rows if not row.adds]
        if rows:
            warm(rows, subjects, args.rounds)
            beside(subjects)
            for subject in subjects:
                now, peak = memory(subject.pid()), peak_memory(subject.pid())
                print(
                    f"memory {subject.name:>11} {now:8.1f} MiB (PSS), at most {peak:.1f} MiB (RSS)",
                    flush=True,
                )
        if args.cold:
            cold([FIRST_SELECT, *rows], subjects)
        if args.idle:
            idle(subjects, args.idle)


def _subjects(args: argparse.Namespace, stack: ExitStack) -> Sequence[Subject]:
    if args.port is not None:
        return [Subject("server", args.port, 0, args.user, args.password, lambda: args.pid)]
    base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="posthouse-bench-")))
    base.chmod(0o755)
    messages = filled(args.messages)
    (base / "ours").mkdir()
    found = [stack.enter_context(ourselves(base / "ours", messages, with_uvloop=not args.asyncio))]
    if args.peer:
        found.append(stack.enter_context(peer(base / "peer", messages)))
    print(f"{len(messages)} messages of {sum(map(len, messages)) // max(1, len(messages))} octets")
    return found


def warm(rows: Sequence[Row], subjects: Sequence[Subject], rounds: int) -> None:
    """Medians of runs made in turn, after one that fills the caches."""
    print("warm")
    for row in rows:
        seconds: list[list[float]] = [[] for _ in subjects]
        octets = [row.run(subject)[1] for subject in subjects]
        for _ in range(rounds):
            for subject, times in zip(subjects, seconds, strict=True):
                times.append(row.run(subject)[0])
        _print_row(row, subjects, [statistics.median(times) for times in seconds], octets)


def cold(rows: Sequence[Row], subjects: Sequence[Subject]) -> None:
    """The first answer of each kind: the server has just started, index files are deleted, files not in memory."""
    print("cold")
    for row in rows:
        if row.cold:
            outcomes = []
            for subject in subjects:
                subject.make_cold()
                outcomes.append(row.run(subject))
            _print_row(row, subjects, [took for took, _ in outcomes], [octets for _, octets in outcomes])


def _print_row(
    row: Row, subjects: Sequence[Subject], seconds: Sequence[float], octets: Sequence[int]
) -> None:
    line = f"{row.name:26}" + "".join(
        f"{subject.name:>12} {took * 1000:9.2f} ms" for subject, took in zip(subjects, seconds, strict=True)
    )
    if len(seconds) == 2:
        ratio = seconds[1] / seconds[0]
        line += f"   x{ratio:<7.2f}"
        if row.least:
            line += f"least {row.least:<4g} aim {row.aim:<4g} {'holds' if ratio >= row.least else 'MISSES'}"
        if abs(octets[0] - octets[1]) > UNLIKE * max(octets):
            line += f"   (octets: {octets[0]} and {octets[1]})"
    print(line, flush=True)


def idle(subjects: Sequence[Subject], count: int) -> None:
    """Memory of connections in IDLE on the mailbox, plain and over TLS, and how fast others are answered meanwhile."""
    count = min(count, allow_many_files() - LEFT_OVER)
    for tls in (False, True):
        for subject in subjects:
            subject.make_cold()  # memory that was freed before would not be counted
            with subject.selected() as other, ExitStack() as stack:
                before = memory(subject.pid())
                began = time.perf_counter()
                made = _make_idle(subject, count, stack, tls=tls)
                took = time.perf_counter() - began
                after = memory(subject.pid())
                print(
                    f"idle{' over TLS' if tls else '':9} {subject.name:>11} {made:6} connections: {after:8.1f} MiB (PSS,"
                    f" {processes(subject.pid())} processes; {before:.1f} before), {(after - before) * 1024 / made:6.1f} KiB"
                    f" each, made in {took:.1f} s, {_noops(other)}",
                    flush=True,
                )


def _make_idle(subject: Subject, count: int, stack: ExitStack, *, tls: bool) -> int:
    """How many there are; they close with the stack."""
    for made in range(count):
        try:
            client = stack.enter_context(subject.client(tls=tls))
            client.command(f"SELECT {MAILBOX}")
            client.idle()
        except (OSError, Refused) as err:
            print(f"{subject.name}: {made} connections, then {err}")
            return made
    return count


def _noops(client: Client) -> str:
    waits = []
    for _ in range(NOOPS):
        began = time.perf_counter()
        client.command("NOOP")
        waits.append(time.perf_counter() - began)
    return f"NOOP p50 {statistics.median(waits) * 1000:.2f} ms, longest {max(waits) * 1000:.2f} ms"


if __name__ == "__main__":
    main()
