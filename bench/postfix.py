"""A private Postfix to measure against: own directories, loopback ports, mail into Maildirs. Needs root and Debian's postfix."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.certificate import write_certificate

MAIN = """\
compatibility_level = 3.6
queue_directory = {base}/spool
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {base}/mail.log
maillog_file_prefixes = {base}
virtual_mailbox_domains = example.org
virtual_mailbox_base = {base}/mail
virtual_mailbox_maps = regexp:{base}/mailboxes
virtual_minimum_uid = 100
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_transport = {transport}
smtpd_tls_cert_file = {base}/cert.pem
smtpd_tls_key_file = {base}/key.pem
smtpd_tls_security_level = may
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
biff = no
in_flow_delay = 0
"""

MASTER = """\
{port} inet n - n - - smtpd
{tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running instance."""

    base: Path
    port: int
    tls_port: int
    pid: int  # of its master

    def settle(self) -> None:
        """Wait until all that it took is delivered: else its work is counted on whoever is measured next."""
        while any(
            path.is_file()
            for part in ("incoming", "active")
            for path in (self.base / "spool" / part).rglob("*")
        ):
            time.sleep(0.02)


@contextmanager
def running(base: Path, port: int, tls_port: int, transport: str = "virtual") -> Iterator[Postfix]:
    """Start a fresh instance below `base` (removed afterwards). Raises RuntimeError where Postfix is not installed."""
    if shutil.which("postfix") is None:
        raise RuntimeError("postfix is not installed (Debian package postfix)")
    config = base / "etc"
    for part in (config, base / "spool", base / "data", base / "mail"):
        part.mkdir(parents=True)
    base.chmod(0o755)
    shutil.chown(base / "data", "postfix")
    shutil.chown(base / "mail", 65534, 65534)
    (config / "main.cf").write_text(MAIN.format(base=base, transport=transport))
    (config / "master.cf").write_text(MASTER.format(port=port, tls_port=tls_port))
    (base / "mailboxes").write_text("/^(.*)@example\\.org$/ $1/\n")
    write_certificate(base)
    postfix = ["postfix", "-c", str(config)]
    subprocess.run([*postfix, "start"], check=True, capture_output=True)
    try:
        pid = int((base / "spool" / "pid" / "master.pid").read_text())
        time.sleep(1)
        yield Postfix(base, port, tls_port, pid)
    finally:
        subprocess.run([*postfix, "stop"], check=False, capture_output=True)
        shutil.rmtree(base, ignore_errors=True)
