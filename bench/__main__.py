"""`make bench`: how fast this server takes mail, as a table; with `--peer`, in turn with a Postfix of its own.

    python -m bench [--rounds 3] [--messages 3000] [--peer | --dovecot] [--row NAME ...] [--routed]

`--dovecot`: with a Postfix that delivers to a Dovecot by LMTP; "stored" is then: until it is visible in IMAP.
`--routed`: mail goes through nested pipelines, tables and modifiers on its way to the mailboxes.

The machine's speed drifts: read the ratios, which compare runs that were made one after the other.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from bench import dovecot, load, postfix
from bench.machine import free_port, memory
from posthouse.testing.server import SMALL, Server

PROJECT = Path(__file__).resolve().parent.parent
DOMAIN = "example.org"
USERS = 10
CONFIGURATION = SMALL.replace("example.test", DOMAIN) + (
    "smtp tls://127.0.0.1:$(smtps_port) {\n    deliver_to &local_mailboxes\n}\n"
)
ROUTED = """
table.static staff {{
    entry "info@{domain}" "user1@{domain}"
    entry "sales@{domain}" "user2@{domain}"
}}

msgpipeline inner {{
    modify {{
        replace_rcpt &staff
        replace_rcpt regexp "(.+)\\+(.+)@(.+)" "$1@$3"
    }}
    destination_in &staff {{
        reject 550 5.1.1 "Not here"
    }}
    destination {domain} {{
        deliver_to &local_mailboxes
    }}
    default_destination {{
        reject 550 5.1.1 "User doesn't exist"
    }}
}}

msgpipeline outer {{
    source_in &staff {{
        reject
    }}
    source banned.example {{
        reject
    }}
    default_source {{
        reroute {{
            deliver_to &inner
        }}
    }}
}}
"""


def routed(configuration: str) -> str:
    """The same server, with two named pipelines and a `reroute` between its endpoints and its mailboxes."""
    blocks = ROUTED.format(domain=DOMAIN)
    head, *endpoints = re.split(r"(?m)^(?=smtp )", configuration)
    endpoints = [text.replace("deliver_to &local_mailboxes", "deliver_to &outer", 1) for text in endpoints]
    return head + blocks + "".join(endpoints)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `share`: of the messages, for rows that take longer for each."""

    name: str
    load: load.Load
    share: float = 1.0


ROWS = (
    Row("one session", load.Load(0, sessions=1), 0.3),
    Row("10 sessions", load.Load(0, sessions=10)),
    Row("50 sessions", load.Load(0, sessions=50)),
    Row("one message per connection", load.Load(0, sessions=10, one_per_connection=True), 0.5),
    Row("TLS, many per connection", load.Load(0, sessions=10, tls=True)),
    Row("TLS, one per connection", load.Load(0, sessions=10, tls=True, one_per_connection=True), 0.2),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A running server that is measured."""

    name: str
    port: int
    tls_port: int
    pid: int
    settle: Callable[[], None] = lambda: None  # waits until it has nothing left to do


@contextmanager
def ourselves(base: Path, configuration: str = CONFIGURATION) -> Iterator[Subject]:
    """A server of this version that logs to a file, as one in production does."""
    server = Server(base, configuration)
    for number in range(USERS):
        assert server.command("imap-acct", "create", f"user{number}@{DOMAIN}").returncode == 0
    log = base / "mail.log"
    began = time.perf_counter()
    command = [sys.executable, "-m", "posthouse", "-config", str(server.config), "run", "-log", str(log)]
    with subprocess.Popen(command) as process:
        try:
            while not log.exists() or "server started" not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.01)
            print(f"started in {time.perf_counter() - began:.2f} s; idle {memory(process.pid):.0f} MiB (PSS)")
            yield Subject("posthouse", server.ports["smtp"], server.ports["smtps"], process.pid)
        finally:
            process.terminate()


@contextmanager
def peer(base: Path, *, dovecot_stores: bool) -> Iterator[Subject]:
    """Postfix, which stores mail in Maildirs itself, or has Dovecot do it, who can show it by IMAP at once."""
    name, transport = "postfix", "virtual"
    with ExitStack() as stack:
        if dovecot_stores:
            lmtp_port = free_port()
            stack.enter_context(
                dovecot.running(base / "dovecot", free_port(), free_port(), lmtp_port=lmtp_port)
            )
            name, transport = "postfix+dovecot", f"lmtp:inet:127.0.0.1:{lmtp_port}"
        server = stack.enter_context(postfix.running(base / "postfix", free_port(), free_port(), transport))
        yield Subject(name, server.port, server.tls_port, server.pid, server.settle)


def measure(row: Row, subject: Subject, messages: int) -> tuple[float, float, float]:
    """Messages accepted a second, stored a second, and p99 in milliseconds, of one run in a process of its own."""
    port = subject.tls_port if row.load.tls else subject.port
    wanted = replace(row.load, port=port, messages=max(50, int(messages * row.share)))
    flags = [f"--{key.replace('_', '-')}" for key in ("tls", "one_per_connection") if getattr(wanted, key)]
    command = [sys.executable, "-m", load.__name__, "--port", str(port), "--sessions", str(wanted.sessions)]
    command += ["--messages", str(wanted.messages), "--to", f"user%d@{DOMAIN}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    ended = time.perf_counter()
    summary = load.parse_summary(done.stdout)
    if summary.errors:
        raise SystemExit(f"{subject.name}, {row.name}: {summary.errors}")
    subject.settle()
    taken = summary.messages / summary.per_second
    return summary.per_second, summary.messages / (taken + time.perf_counter() - ended), summary.p99_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--peer", action="store_true", help="compare with Postfix (needs root)")
    parser.add_argument(
        "--dovecot", action="store_true", help="compare with Postfix that delivers to Dovecot (needs root)"
    )
    parser.add_argument("--row", action="append", default=[], help="only rows whose name begins so")
    parser.add_argument(
        "--routed", action="store_true", help="through nested pipelines, tables and modifiers"
    )
    args = parser.parse_args()
    rows = [row for row in ROWS if not args.row or row.name.startswith(tuple(args.row))]
    with tempfile.TemporaryDirectory(prefix="posthouse-bench-") as base:
        Path(base).chmod(0o755)
        (Path(base) / "ours").mkdir()
        configuration = routed(CONFIGURATION) if args.routed else CONFIGURATION
        with ourselves(Path(base) / "ours", configuration) as ours:
            compared = args.peer or args.dovecot
            other = peer(Path(base), dovecot_stores=args.dovecot) if compared else nullcontext()
            with other as theirs:
                table(rows, [s for s in (ours, theirs) if s is not None], args.rounds, args.messages)
                for subject in (ours, theirs):
                    if subject is not None:
                        print(f"{subject.name}: {memory(subject.pid):.0f} MiB (PSS) after the load")


def table(rows: list[Row], subjects: list[Subject], rounds: int, messages: int) -> None:
    """Medians of runs made in turn."""
    for subject in subjects:
        measure(replace(rows[0], share=0.2), subject, messages)  # warm
    for row in rows:
        runs: dict[str, list[tuple[float, float, float]]] = {subject.name: [] for subject in subjects}
        for _ in range(rounds):
            for subject in subjects:
                runs[subject.name].append(measure(row, subject, messages))
        medians = {
            name: [statistics.median(column) for column in zip(*values, strict=True)]
            for name, values in runs.items()
        }
        line = "".join(
            f"{name:>16} {rate:6.0f}/s stored {stored:6.0f}/s p99 {p99:6.1f} ms"
            for name, (rate, stored, p99) in medians.items()
        )
        if len(medians) == 2:
            (rate, stored, p99), (other_rate, other_stored, other_p99) = medians.values()
            line += f"   x{rate / other_rate:.1f}, stored x{stored / other_stored:.1f}, p99 x{p99 / other_p99:.2f}"
        print(f"{row.name:28}{line}", flush=True)


if __name__ == "__main__":
    main()
