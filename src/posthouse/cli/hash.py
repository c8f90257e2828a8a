"""`posthouse hash`: a password as tables hold it."""

import click

from posthouse.cli.command import Command
from posthouse.cli.passwords import bcrypt_cost_flag, hash_flag, hashed, password_flag, password_from


@click.command("hash", cls=Command, short_help="Print the hash of a password.")
@password_flag
@hash_flag
@bcrypt_cost_flag
@click.option(
    "--argon2-time", metavar="N", type=click.IntRange(1), default=3, show_default=True, help="Passes."
)
@click.option(
    "--argon2-memory",
    metavar="KIB",
    type=click.IntRange(8),
    default=1024,
    show_default=True,
    help="Memory in KiB.",
)
@click.option(
    "--argon2-threads",
    metavar="N",
    type=click.IntRange(1, 255),
    default=1,
    show_default=True,
    help="Threads.",
)
def hash(  # noqa: A001 - the command's name
    password: str | None,
    algorithm: str,
    bcrypt_cost: int,
    argon2_time: int,
    argon2_memory: int,
    argon2_threads: int,
) -> None:
    """Print the hash of a password, for table.static and table.file of auth.pass_table."""
    given = password_from(password, "Password: ")
    click.echo(
        hashed(
            algorithm,
            given,
            bcrypt=bcrypt_cost,
            argon2_time=argon2_time,
            argon2_memory=argon2_memory,
            argon2_threads=argon2_threads,
        )
    )
