"""What others notice of a client that fetches all envelopes again and again: a NOOP of another client, and mail that comes in."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bench import load
from bench.imap_client import Client
from bench.imap_subjects import Subject

FETCH = "FETCH 1:* (ENVELOPE INTERNALDATE RFC822.SIZE)"
SECONDS = 3.0  # that NOOPs are sent for, where no mail comes in
BETWEEN = 0.002  # seconds between two NOOPs
MAIL = ["--sessions", "10", "--messages", "5000"]


def beside(subjects: Sequence[Subject]) -> None:
    """How long a NOOP waits, and how much mail is accepted, beside such a client."""
    for subject in subjects:
        _noops(subject)
        if subject.recipient:
            _mail(subject)


def _noops(subject: Subject) -> None:
    until = time.perf_counter() + SECONDS
    with _fetching(subject):
        waits = _waits(subject, lambda: time.perf_counter() < until)
    _print(subject, "FETCH ENVELOPE", waits)


def _mail(subject: Subject) -> None:
    with _mail_comes_in(subject) as process:
        alone = _rate(process)
    with _fetching(subject), _mail_comes_in(subject) as process:
        waits = _waits(subject, lambda: process.poll() is None)
        rate = _rate(process)
    _print(subject, "FETCH and SMTP", waits)
    print(
        f"SMTP beside FETCH ENVELOPE {subject.name:>11}   {rate:.0f}/s, alone {alone:.0f}/s: x{rate / alone:.2f}"
    )


@contextmanager
def _fetching(subject: Subject) -> Iterator[None]:
    """Inside, a client fetches."""
    ended = threading.Event()
    with subject.selected() as client:
        thread = threading.Thread(target=_fetch_until, args=(client, ended))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _fetch_until(client: Client, ended: threading.Event) -> None:
    while not ended.is_set():
        client.command(FETCH)


@contextmanager
def _mail_comes_in(subject: Subject) -> "Iterator[subprocess.Popen[str]]":
    command = [
        sys.executable,
        "-m",
        load.__name__,
        "--port",
        str(subject.smtp_port),
        "--to",
        subject.recipient,
        *MAIL,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process


def _rate(process: "subprocess.Popen[str]") -> float:
    """Messages a second."""
    summary = load.parse_summary(process.communicate()[0])
    if summary.errors:
        raise SystemExit(f"SMTP: {summary.errors}")
    return summary.per_second


def _waits(subject: Subject, goes_on: Callable[[], bool]) -> list[float]:
    """Seconds that NOOPs took, ascending."""
    waits = []
    with subject.selected() as client:
        while goes_on():
            began = time.perf_counter()
            client.command("NOOP")
            waits.append(time.perf_counter() - began)
            time.sleep(BETWEEN)
    return sorted(waits)


def _print(subject: Subject, what: str, waits: Sequence[float]) -> None:
    print(
        f"NOOP beside {what:14} {subject.name:>11}   p50 {waits[len(waits) // 2] * 1000:7.2f} ms"
        f"   p99 {waits[len(waits) * 99 // 100] * 1000:7.2f} ms   longest {waits[-1] * 1000:7.2f} ms",
        flush=True,
    )
