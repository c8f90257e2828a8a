"""A private Dovecot 2.3 to measure and compare against: own directories, loopback ports, mail in Maildirs.

Needs root and Debian's dovecot-imapd (and dovecot-lmtpd, where LMTP is asked for). The system's own service is not touched.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.certificate import write_certificate

PASSWORD = "secret"  # of every user
OWNER = 65534  # user and group of the mail: nobody, nogroup
START_TIMEOUT = 20.0  # seconds
STOP_TIMEOUT = 20.0
PROCESSES = 12_000  # Dovecot has one for each connection

# As Debian ships it; more processes, no limit to connections of one user from one address, a log of its own.
CONFIG = """\
base_dir = {base}/run
state_dir = {base}/state
instance_name = bench
log_path = {base}/mail.log
listen = 127.0.0.1
protocols = imap{lmtp}
ssl = yes
ssl_cert = <{base}/cert.pem
ssl_key = <{base}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = maildir:{base}/mail/%n
mail_uid = {owner}
mail_gid = {owner}
default_client_limit = {processes}
default_process_limit = {processes}
mail_max_userip_connections = {processes}
auth_username_format = %n
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={base}/home/%n
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  client_limit = {anvil_clients}
}}
service auth {{
  client_limit = {anvil_clients}
}}
service stats {{
  client_limit = {anvil_clients}
}}
protocol imap {{
  mail_max_userip_connections = {processes}
}}
namespace inbox {{
  inbox = yes
  separator = .
}}
{more}"""

LMTP = """\
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """A running instance."""

    base: Path
    port: int
    tls_port: int
    pid: int  # of its master

    def maildir(self, user: str) -> Path:
        """The Maildir that is the INBOX of a user; others are `.Name` in it."""
        return self.base / "mail" / user

    def forget_indexes(self) -> None:
        """Delete all index files: the next SELECT is a cold one."""
        for path in (self.base / "mail").rglob("dovecot.index*"):
            path.unlink(missing_ok=True)


@contextmanager
def running(base: Path, port: int, tls_port: int, *, lmtp_port: int = 0, more: str = "") -> Iterator[Dovecot]:
    """Start an instance below `base`. Raises RuntimeError where it is not installed, or does not start.

    lmtp_port: listens there for LMTP as well. more: is added to the configuration.
    """
    if shutil.which("dovecot") is None:
        raise RuntimeError("dovecot is not installed (Debian package dovecot-imapd)")
    _prepare(base)
    config = base / "dovecot.conf"
    values = {"base": base, "owner": OWNER, "password": PASSWORD, "port": port, "tls_port": tls_port}
    values |= {"processes": PROCESSES, "anvil_clients": 3 * PROCESSES, "lmtp": " lmtp" if lmtp_port else ""}
    if lmtp_port:
        more += LMTP.format(lmtp_port=lmtp_port)
    config.write_text(CONFIG.format(more=more, **values))
    master = subprocess.Popen(["dovecot", "-F", "-c", str(config)], stderr=subprocess.PIPE, text=True)
    try:
        _wait_until_it_serves(base, master)
        yield Dovecot(base, port, tls_port, master.pid)
    finally:
        _stop(master)


def write_maildir(maildir: Path, messages: Iterable[bytes]) -> None:
    """Fill a Maildir as Dovecot does it: LF line ends, sizes in the names. messages: with CRLF."""
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    began = int(time.time()) - 1_000_000
    for number, message in enumerate(messages):
        octets = message.replace(b"\r\n", b"\n")
        name = f"{began + number}.M{number}P1.bench,S={len(octets)},W={len(message)}:2,"
        (maildir / "cur" / name).write_bytes(octets)
    for path in (maildir, *maildir.rglob("*")):
        os.chown(path, OWNER, OWNER)


def _prepare(base: Path) -> None:
    for part in ("run", "state", "mail", "home"):
        (base / part).mkdir(parents=True, exist_ok=True)
    for part in ("mail", "home"):
        os.chown(base / part, OWNER, OWNER)
    base.chmod(0o755)
    write_certificate(base)


def _wait_until_it_serves(base: Path, master: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not (base / "run" / "master.pid").exists() or not (base / "run" / "login" / "imap").exists():
        if master.poll() is not None:
            assert master.stderr is not None
            raise RuntimeError(f"dovecot did not start: {master.stderr.read()}")
        if time.monotonic() > deadline:
            raise RuntimeError("dovecot did not start in time")
        time.sleep(0.05)


def _stop(master: "subprocess.Popen[str]") -> None:
    """By its pid; its children end with it."""
    master.send_signal(signal.SIGTERM)
    try:
        master.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        master.kill()
        master.wait()
    assert master.stderr is not None
    master.stderr.close()
