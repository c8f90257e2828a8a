"""The example configuration is one that this version runs."""

from pathlib import Path

import pytest
import trustme

from posthouse.cli.main import execute

DIST = Path(__file__).parents[2] / "dist"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """dist/posthouse.conf with a certificate and an alias, in another place than /etc and /var/lib."""
    certificate = trustme.CA().issue_cert("mx.example.org")
    certs = tmp_path / "certs" / "mx.example.org"
    certs.mkdir(parents=True)
    certificate.cert_chain_pems[0].write_to_path(str(certs / "fullchain.pem"))
    certificate.private_key_pem.write_to_path(str(certs / "privkey.pem"))
    (tmp_path / "aliases").write_text("abuse@example.org: ann@example.org\n")
    text = (DIST / "posthouse.conf").read_text().replace("/etc/posthouse", str(tmp_path))
    config = tmp_path / "posthouse.conf"
    config.write_text(f"state_dir {tmp_path}/state\nruntime_dir {tmp_path}/run\n{text}")
    return config


def test_the_example_is_without_errors(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = execute(["posthouse", "-config", str(example), "verify-config"])
    assert (capsys.readouterr().err, status) == ("No errors detected\n", 0)


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param("from a@b.test; to ann+tag@example.org; delivered_to local_mailboxes as ann@example.org", id="plus"),
        pytest.param("from a@b.test; to postmaster; delivered_to local_mailboxes as postmaster@example.org", id="R-069"),
        pytest.param("from <>; to abuse@example.org; delivered_to local_mailboxes as ann@example.org", id="R-069 abuse"),
        pytest.param("from ann@example.org; to ann@example.org; refused 501 5.1.8", id="own domain from outside"),
        pytest.param("auth ann@example.org; from ann+x@example.org; to bob@example.org; delivered_to local_mailboxes", id="own"),
        pytest.param("auth ann@example.org; from abuse@example.org; to postmaster@example.org; delivered_to local_mailboxes", id="alias"),
        pytest.param("auth ann@example.org; from bob@example.org; to ann@example.org; refused 553 5.7.0", id="R-070"),
        pytest.param("auth ann@example.org; from ann@b.test; to ann@example.org; refused 501 5.1.8", id="R-070 domain"),
    ],
)  # fmt: skip
def test_the_example_treats_mail_as_it_should(
    expected: str, example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = "\n".join(("expect {", *expected.split("; "), "tls yes", "}\n"))
    example.write_text(example.read_text() + block)
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
