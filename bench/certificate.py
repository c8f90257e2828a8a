"""A self-signed certificate for the peers that are measured."""

import subprocess
from pathlib import Path


def write_certificate(base: Path) -> None:
    """`cert.pem` and `key.pem` in `base`: ECDSA, as our own self-signed one."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-keyout", str(base / "key.pem"), "-out", str(base / "cert.pem")]
    command += ["-days", "7", "-subj", "/CN=localhost"]
    subprocess.run(command, check=True, capture_output=True)
