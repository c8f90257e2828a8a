"""`make demo`: a mail server to try, on ports of this machine that need no privilege.

It writes a configuration, makes two accounts, runs the real server on them and shows its log, until Ctrl-C.
"""

import asyncio
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import click

from posthouse.app.options import Options, defaults_for
from posthouse.cli.command import Command, Failure, carry_out

HOST = "127.0.0.1"
DOMAIN = "example.test"  # a name for tests, which nobody can own (RFC 6761 §6.2)
PORTS = {"smtp": 2525, "submission": 2587, "submissions": 2465, "imap": 2143, "imaps": 2993}
USERS = ("ann", "bob")
PASSWORD_OCTETS = 9  # 72 bits, 12 characters
STARTED = "server started\t"

CONFIGURATION = """\
# What `make demo` runs: one domain, everything on {host}. The language is maddy's; a real server begins like this
# too, with other ports and a certificate that others trust: see dist/posthouse.conf.

state_dir {state}
runtime_dir {runtime}

$(domain) = {domain}
hostname localhost
tls self_signed localhost {host}

# Users and their passwords: posthouse creds ...
auth.pass_table local_authdb {{
    table sql_table {{
        driver sqlite3
        dsn credentials.db
        table_name passwords
    }}
}}

# Mailboxes: posthouse imap-acct ...
storage.imapsql local_mailboxes {{
    driver sqlite3
    dsn imapsql.db
}}

# Mail from other servers.
smtp tcp://{host}:{smtp} {{
    destination $(domain) {{
        deliver_to &local_mailboxes
    }}
    default_destination {{
        reject 550 5.1.1 "User doesn't exist"
    }}
}}

# Mail from our own users, who log in first.
submission tcp://{host}:{submission} tls://{host}:{submissions} {{
    auth &local_authdb
    source $(domain) {{
        destination $(domain) {{
            deliver_to &local_mailboxes
        }}
        default_destination {{
            reject 550 5.7.1 "The demo delivers to $(domain) only"
        }}
    }}
    default_source {{
        reject 501 5.1.8 "Non-local sender domain"
    }}
}}

# Reading mail.
imap tcp://{host}:{imap} tls://{host}:{imaps} {{
    auth &local_authdb
    storage &local_mailboxes
}}
"""

WELCOME = """\

The demo is running.    configuration {config}
                        mail          {state}{lasting}

    account             password
    {ann}    {ann_password}
    {bob}    {bob_password}

Send a message as Ann, with curl:

    printf 'From: Ann <{ann}>\\r\\nTo: Bob <{bob}>\\r\\nSubject: Hello\\r\\n\\r\\nThe first one.\\r\\n' |
    curl -k --ssl-reqd smtp://{host}:{submission} -u {ann}:{ann_password} \\
         --mail-from {ann} --mail-rcpt {bob} -T -

or with Python:

    python3 -c 'import smtplib; s = smtplib.SMTP("{host}", {smtp}); \\
    s.sendmail("{ann}", ["{bob}"], "Subject: Hello\\n\\nFrom Python.")'

Read Bob's mail, with curl (the list, then the first message):

    curl -k --ssl-reqd imap://{host}:{imap}/INBOX -u {bob}:{bob_password} -X 'FETCH 1:* (FLAGS ENVELOPE)'
    curl -k --ssl-reqd 'imap://{host}:{imap}/INBOX;MAILINDEX=1' -u {bob}:{bob_password}

Connect a mail program: user name and password as above; it will ask about the certificate, which is self-signed.

    incoming  IMAP  {host}  port {imaps} SSL/TLS, or {imap} STARTTLS
    outgoing  SMTP  {host}  port {submissions} SSL/TLS, or {submission} STARTTLS

Ctrl-C stops it. What follows is the server's log.

"""


@dataclass(frozen=True, slots=True)
class Demo:
    """Where a demo lives, and who may use it."""

    directory: Path
    ports: Mapping[str, int]
    passwords: Mapping[str, str]  # by address
    is_temporary: bool

    @property
    def config(self) -> Path:
        return self.directory / "posthouse.conf"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    def configuration(self) -> str:
        """The file's text."""
        state, runtime = _quoted(self.state), _quoted(self.directory / "run")
        return CONFIGURATION.format(host=HOST, domain=DOMAIN, state=state, runtime=runtime, **self.ports)

    def welcome(self) -> str:
        """What to do with it."""
        (ann, ann_password), (bob, bob_password) = self.passwords.items()
        lasting = "  (removed at the end; make demo STATE=DIR keeps it)" if self.is_temporary else ""
        return WELCOME.format(
            host=HOST, config=self.config, state=self.state, lasting=lasting,
            ann=ann, ann_password=ann_password, bob=bob, bob_password=bob_password, **self.ports,
        )  # fmt: skip


def _quoted(path: Path) -> str:
    """A path as one word of the configuration."""
    return '"%s"' % str(path).replace('"', '\\"')


@click.command("demo", cls=Command)
@click.option(
    "--state", metavar="DIR", help="Keep mail and configuration here.  [default: a temporary directory]"
)
def demo(state: str | None) -> int:
    """Run a mail server to try, on ports of this machine that need no privilege."""
    place: AbstractContextManager[str]
    place = tempfile.TemporaryDirectory(prefix="posthouse-demo-") if state is None else nullcontext(state)
    with place as directory:
        return _serve(_prepared(Path(directory).absolute(), is_temporary=state is None))


def _prepared(directory: Path, *, is_temporary: bool) -> Demo:
    """Write the configuration, and give the accounts new passwords."""
    passwords = {f"{user}@{DOMAIN}": secrets.token_urlsafe(PASSWORD_OCTETS) for user in USERS}
    made = Demo(directory, _ports(), passwords, is_temporary)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    made.config.write_text(made.configuration())
    asyncio.run(_make_accounts(made))
    return made


def _ports() -> dict[str, int]:
    """The usual ports where they are free, others where not."""
    ports = {}
    for name, usual in PORTS.items():
        ports[name] = _free_port(usual)
        if ports[name] != usual:
            print(f"Port {usual} ({name}) is in use, so {ports[name]} serves instead.")
    return ports


def _free_port(usual: int) -> int:
    for port in (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure(f"no free port on {HOST}")


async def _make_accounts(made: Demo) -> None:
    from posthouse.app.admin import open_block
    from posthouse.framework.hashing import DEFAULT_ALGORITHM, make_hash
    from posthouse.framework.interfaces.auth import UserDatabase
    from posthouse.framework.interfaces.storage import AccountDatabase

    defaults = defaults_for("posthouse")
    options = Options(
        "posthouse",
        made.config,
        debug=False,
        libexec=defaults.libexec,
        state=made.state,
        runtime=defaults.runtime,
    )
    async with open_block(options, "local_authdb", UserDatabase) as users:
        for address, password in made.passwords.items():
            await users.set_password(address, make_hash(DEFAULT_ALGORITHM, password))
    async with open_block(options, "local_mailboxes", AccountDatabase) as storage:
        for address in made.passwords:
            if await storage.account(address) is None:
                await storage.create_account(address)


def _serve(made: Demo) -> int:
    """Run the server and pass its log on, until it ends; Ctrl-C ends it. Gives its exit status."""
    command = [sys.executable, "-m", "posthouse", "-config", str(made.config), "run"]
    servers: list[subprocess.Popen[bytes]] = []

    def stop(number: int, frame: object) -> None:
        for server in servers:
            server.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    # In a process group of its own: Ctrl-C reaches every process of ours, and a second signal would force the server.
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, process_group=0)
    servers.append(server)
    assert server.stderr is not None
    for line in server.stderr:
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
        if line.startswith(STARTED.encode()):
            print(made.welcome(), flush=True)
    return server.wait()


if __name__ == "__main__":
    sys.exit(carry_out(demo, sys.argv[1:], "demo"))
