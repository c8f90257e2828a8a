"""The example configuration is one that this version runs."""

from pathlib import Path

import pytest
import trustme

from posthouse.cli.main import execute

DIST = Path(__file__).parents[2] / "dist"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """dist/posthouse.conf with a certificate, in another place than /etc and /var/lib."""
    certificate = trustme.CA().issue_cert("mx.example.org")
    certs = tmp_path / "certs" / "mx.example.org"
    certs.mkdir(parents=True)
    certificate.cert_chain_pems[0].write_to_path(str(certs / "fullchain.pem"))
    certificate.private_key_pem.write_to_path(str(certs / "privkey.pem"))
    text = (DIST / "posthouse.conf").read_text().replace("/etc/posthouse", str(tmp_path))
    config = tmp_path / "posthouse.conf"
    config.write_text(f"state_dir {tmp_path}/state\nruntime_dir {tmp_path}/run\n{text}")
    return config


def test_the_example_is_without_errors(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = execute(["posthouse", "-config", str(example), "verify-config"])
    assert (capsys.readouterr().err, status) == ("No errors detected\n", 0)


def test_to_verify_changes_nothing(example: Path) -> None:
    before = sorted(example.parent.rglob("*"))
    execute(["posthouse", "-config", str(example), "verify-config"])
    assert sorted(example.parent.rglob("*")) == before


def test_without_its_certificate_the_example_says_what_is_missing(
    example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = example.parent / "certs" / "mx.example.org" / "fullchain.pem"
    certificate.unlink()
    assert execute(["posthouse", "-config", str(example), "verify-config"]) == 2
    err = capsys.readouterr().err
    assert f"Error: {example}:" in err
    assert f"cannot read {certificate}: No such file or directory" in err
    assert "Traceback" not in err
