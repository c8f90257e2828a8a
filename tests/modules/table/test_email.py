from pathlib import Path

import pytest

from posthouse.framework.interfaces.table import Table
from posthouse.modules.table.email_localpart import EmailLocalpart
from posthouse.modules.table.email_localpart_optional import EmailLocalpartOptional
from posthouse.modules.table.email_with_domain import EmailWithDomain
from posthouse.testing.world import make_context


def with_domains(folder: Path, *domains: str) -> EmailWithDomain:
    return EmailWithDomain(
        EmailWithDomain.Settings(args=domains), make_context(folder, "table.email_with_domain")
    )


@pytest.mark.parametrize(
    ("key", "local_part"),
    [
        ("ann@example.org", "ann"),
        ("Ann+news@EXAMPLE.org", "Ann+news"),
        ('"a@b"@example.org', '"a@b"'),
        ("Postmaster", "Postmaster"),
        ("ann", None),
        ("@example.org", None),
        ("ann@", None),
        ("", None),
    ],
)
async def test_the_local_part_is_taken_as_it_is_written(
    key: str, local_part: str | None, tmp_path: Path
) -> None:
    strict: Table = EmailLocalpart(EmailLocalpart.Settings(), make_context(tmp_path))
    optional: Table = EmailLocalpartOptional(EmailLocalpartOptional.Settings(), make_context(tmp_path))
    assert list(await strict.lookup(key)) == ([] if local_part is None else [local_part])
    assert list(await optional.lookup(key)) == [key if local_part is None else local_part]


@pytest.mark.parametrize(
    ("key", "local_part"),
    [("ann", "ann"), ("a b", '"a b"'), ("ann@example.com", '"ann@example.com"'), ('a"b', '"a\\"b"')],
)
async def test_the_key_becomes_an_address_at_each_domain(key: str, local_part: str, tmp_path: Path) -> None:
    table = with_domains(tmp_path, "example.org", "bücher.example")
    assert list(await table.lookup(key)) == [f"{local_part}@example.org", f"{local_part}@bücher.example"]


@pytest.mark.parametrize("domain", ["", "a b", "a@b", "a..b", ".example.org", "x" * 300])
def test_invalid_domains_are_refused(domain: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^invalid domain: {domain}$"):
        with_domains(tmp_path, "example.org", domain)
