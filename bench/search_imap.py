"""How fast a server searches, sorts and threads: `python -m bench.search_imap [--peer] [--messages 10000]`, as a table.

The first time and the median of later ones, in milliseconds; with `--peer`, of a Dovecot too (needs root). At the end, how long a
NOOP of another client waits, and how long 200 messages take by SMTP, alone and while two clients search all texts.
"""

import argparse
import smtplib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import mails
from bench.imap_client import Client
from bench.imap_subjects import Subject, filled, ourselves, peer

SENT = 200  # messages by SMTP
BESIDE = 3.0  # seconds for which a client asks
COMMANDS = (
    "SEARCH UNSEEN",
    "SEARCH LARGER 5000",
    "SEARCH SENTSINCE 1-Mar-2024",
    f"SEARCH FROM {mails.FOUND}",
    "SEARCH FROM nobody",
    f"SEARCH OR TO {mails.FOUND} CC {mails.FOUND}",
    "SEARCH SUBJECT deadline",
    "SEARCH HEADER Message-ID <nothing@example.net>",
    f"SEARCH BODY {mails.NEEDLE}",
    f"SEARCH TEXT {mails.NEEDLE}",
    "SEARCH TEXT deadline",
    "SORT (ARRIVAL) UTF-8 ALL",
    "SORT (REVERSE DATE) UTF-8 ALL",
    "SORT (SUBJECT) UTF-8 ALL",
    "SORT (FROM) UTF-8 ALL",
    "THREAD ORDEREDSUBJECT UTF-8 ALL",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", action="store_true", help="compare with Dovecot (needs root)")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="posthouse-bench-")))
        base.chmod(0o755)
        messages = filled(args.messages)
        (base / "ours").mkdir()
        ours = stack.enter_context(ourselves(base / "ours", messages))
        subjects = [ours]
        if args.peer:
            subjects.append(stack.enter_context(peer(base / "peer", messages)))
        for line in COMMANDS:
            print(f"{line:52}" + "".join(map(_told, _times(subjects, line, args.rounds))), flush=True)
        _beside(ours)


def _times(subjects: Sequence[Subject], line: str, rounds: int) -> list[list[float]]:
    """Milliseconds of each round, by subject; nothing for one that refuses. All take turns."""
    times: list[list[float]] = [[] for _ in subjects]
    with ExitStack() as stack:
        clients = [stack.enter_context(subject.selected()) for subject in subjects]
        for _ in range(rounds + 1):
            for client, taken in zip(clients, times, strict=True):
                began = time.perf_counter()
                client.command(line)
                taken.append((time.perf_counter() - began) * 1000)
    return times


def _told(times: Sequence[float]) -> str:
    return f"   first {times[0]:8.1f} then {statistics.median(times[1:]):8.1f}"


def _beside(subject: Subject) -> None:
    print("alone:    ", _waits(subject), _smtp(subject))
    with _searching(subject), _searching(subject):
        print("searching:", _waits(subject), _smtp(subject))


@contextmanager
def _searching(subject: Subject) -> Iterator[None]:
    """Meanwhile a client searches all texts, again and again."""
    is_over = threading.Event()

    def search(client: Client) -> None:
        while not is_over.is_set():
            client.command("SEARCH TEXT xylophone")

    with subject.selected() as client:
        thread = threading.Thread(target=search, args=(client,))
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def _waits(subject: Subject) -> str:
    waits: list[float] = []
    with subject.selected() as client:
        until = time.perf_counter() + BESIDE
        while time.perf_counter() < until:
            began = time.perf_counter()
            client.command("NOOP")
            waits.append((time.perf_counter() - began) * 1000)
            time.sleep(0.002)
    waits.sort()
    return f"NOOP p50 {statistics.median(waits):6.2f} p99 {waits[len(waits) * 99 // 100]:6.2f} most {waits[-1]:6.2f} ms"


def _smtp(subject: Subject) -> str:
    began = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", subject.smtp_port) as client:
        for message in mails.messages(SENT):
            client.sendmail("bench@example.net", subject.user, message)
    return f"   {SENT / (time.perf_counter() - began):6.0f} messages a second by SMTP, one session"


if __name__ == "__main__":
    main()
